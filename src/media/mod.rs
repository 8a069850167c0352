//! The media path: RTP and RTCP, SRTP, jitter, codecs, DTMF, and the bridge that joins two streams. Pure: datagrams and
//! time in, datagrams and events out. Nothing here allocates, locks or waits once a call runs.

pub mod bridge;
pub mod conceal;
pub mod event_in;
pub mod event_out;
pub mod g711;
pub mod opus;
pub mod outbox;
pub mod pacer;
pub mod quality;
pub mod reorder;
pub mod rtcp;
pub mod rtp;
pub mod sender;
pub mod source;
pub mod srtp;
pub mod ticks;
