//! The media path: ICE and DTLS, RTP and RTCP, SRTP, jitter, codecs, DTMF, and the bridge that joins two streams. Pure:
//! datagrams and time in, datagrams and events out. A packet of media allocates nothing, locks nothing and waits for nothing;
//! what sets a stream up, a handshake say, may allocate.

pub mod activity;
pub mod bridge;
pub mod conceal;
pub mod dtls;
pub mod event_in;
mod event_out;
pub mod g711;
pub mod g722;
pub mod gain;
pub mod ice;
mod lateness;
#[cfg(test)]
mod link;
pub mod opus;
mod outbox;
mod pacer;
pub mod quality;
pub mod rate;
mod redundancy;
pub mod reorder;
pub mod rtcp;
pub mod rtp;
mod sender;
pub mod shorten;
pub mod source;
pub mod squeeze;
pub mod srtp;
pub mod ticks;
pub mod tones;
pub mod transport;
