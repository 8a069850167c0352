//! Address prefixes.

use std::net::IpAddr;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    pub address: IpAddr,
    pub length: u8,
}
