//! SIP's sockets: UDP, TCP and TLS flows, name resolution, connection limits, the RTP port range.

pub mod ports;
