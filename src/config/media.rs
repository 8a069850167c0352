//! Addresses, ports and workers of media.

use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Media {
    /// RTP sockets bind here.
    pub bind: IpAddr,
    /// What SDP toward WhatsApp says.
    pub public_address: IpAddr,
    /// What SDP toward PBXs says.
    pub pbx_address: IpAddr,
    /// Inclusive.
    pub first_port: u16,
    pub last_port: u16,
    /// A closed call's ports rest so long.
    pub port_rest: Duration,
    /// 0: one a core.
    pub workers: usize,
}
