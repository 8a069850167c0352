//! The simulators: a WhatsApp endpoint and a PBX to play against. Test machinery, and a product of its own
//! (`wabridge sim`, `wabridge demo`): it places and answers calls, speaks, listens, and gives a verdict.
//!
//! Built on purpose of other parts than the bridge, so that a mistake of ours does not cancel itself out: SIP headers are
//! read by `rsip`, SDP by a small reader of its own, RTP by `rtp`, RTCP by `rtcp`, SRTP by `webrtc-srtp`, DTLS by OpenSSL, ICE
//! by a lite agent of its own; nothing of `crate::sip`, `crate::sdp` or `crate::media` may be used in here.
//!
//! ```text
//!   cli ─► demo ─► meta · pbx          who plays
//!                    │
//!            sip · sdp · media         how they speak
//!                    │
//!      verdict · fault · score · speech · wav · tls
//! ```
//!
//! A call is one asynchronous task that owns its dialog and its media; what it saw becomes a [`verdict::Verdict`]. Not in here:
//! Graph.

pub mod cli;
pub mod demo;
pub mod fault;
pub mod media;
pub mod meta;
pub mod pbx;
pub mod report;
pub mod score;
pub mod sdp;
pub mod sip;
pub mod speech;
pub mod tls;
pub mod verdict;
pub mod wav;
