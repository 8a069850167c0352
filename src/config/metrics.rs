//! Where a monitoring system reads how the bridge is, without a token.

use std::net::{IpAddr, SocketAddr};

use super::host::parse_socket_address;
use super::toml_file::Table;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Metrics {
    /// Plain HTTP: `GET /metrics` and nothing else. `None`: only the admin API has it.
    pub bind: Option<SocketAddr>,
}

impl Metrics {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let Some(value) = table.value("bind") else {
            return Some(Self::default());
        };
        let remedy = "write an IP address and a port, as in \"127.0.0.1:9464\"";
        let bind: SocketAddr = value.parse(remedy, parse_socket_address)?;
        if !is_inside(bind.ip()) {
            value.warning(
                "whoever reaches this address reads how many calls there are and what they cost",
                "bind to 127.0.0.1 or to an address of the inner network",
            );
        }
        Some(Self { bind: Some(bind) })
    }
}

/// Not to be reached from the Internet: loopback, private (RFC 1918, RFC 4193) or of the link alone.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}
