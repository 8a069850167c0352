//! The media path: RTP and RTCP, SRTP, jitter, codecs, DTMF, and the bridge that joins two streams. Pure: datagrams and
//! time in, datagrams and events out. Nothing here allocates, locks or waits once a call runs.

pub mod bridge;
pub mod g711;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
