//! Addresses, ports and workers of media.

use std::net::IpAddr;
use std::time::Duration;

use super::host::parse_address;
use super::toml_file::{Table, Value};

const DEFAULT_FIRST_PORT: u32 = 20_000;
const DEFAULT_LAST_PORT: u32 = 29_999;
const DEFAULT_PORT_REST: Duration = Duration::from_secs(30);

const ADDRESS: &str = "write an IP address, as in \"203.0.113.10\"";

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

impl Media {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let bind = match table.value("bind") {
            Some(value) => value.parse(ADDRESS, parse_address),
            None => Some(IpAddr::from([0, 0, 0, 0])),
        };
        let public = table
            .required(
                "public_address",
                "write public_address = \"...\": the IP address that the internet reaches this machine by",
            )
            .and_then(read_public);
        let pbx = match table.value("pbx_address") {
            Some(value) => read_reachable(&value),
            None => bind.filter(|bind| !bind.is_unspecified()).or(public),
        };
        let (first_port, last_port) = read_ports(table)?;
        Some(Self {
            bind: bind?,
            public_address: public?,
            pbx_address: pbx?,
            first_port,
            last_port,
            port_rest: table.seconds("port_rest_s", 0..=3_600, DEFAULT_PORT_REST),
            workers: usize::try_from(table.number("workers", 0..=1_024, 0)).ok()?,
        })
    }

    /// Calls that the ports are enough for: four ports each.
    pub(super) fn calls(&self) -> usize {
        let first_even = usize::from(self.first_port).next_multiple_of(2);
        (usize::from(self.last_port) + 1).saturating_sub(first_even) / 4
    }

    pub(super) fn has_port(&self, port: u16) -> bool {
        (self.first_port..=self.last_port).contains(&port)
    }
}

fn read_ports(table: &Table<'_>) -> Option<(u16, u16)> {
    let first = table.number("first_port", 1_024..=65_535, DEFAULT_FIRST_PORT);
    let last = table.number("last_port", 1_024..=65_535, DEFAULT_LAST_PORT);
    if last < first.saturating_add(3) {
        let place = table
            .value("last_port")
            .or_else(|| table.value("first_port"))?;
        place.error(
            &format!("ports {first} to {last} are not enough for one call"),
            "give the range at least four ports a call",
        );
    }
    Some((u16::try_from(first).ok()?, u16::try_from(last).ok()?))
}

fn read_reachable(value: &Value<'_>) -> Option<IpAddr> {
    let address = value.parse(ADDRESS, parse_address)?;
    if address.is_unspecified() || address.is_multicast() {
        value.error("nobody can send to this address", ADDRESS);
        return None;
    }
    Some(address)
}

fn read_public(value: Value<'_>) -> Option<IpAddr> {
    let address = read_reachable(&value)?;
    if !is_public(address) {
        value.warning(
            "this address is not reachable from the internet: WhatsApp's media will not arrive",
            "write the public address, unless this is a laboratory",
        );
    }
    Some(address)
}

/// Not private, shared, link-local, loopback or unique local (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
        for (text, public) in [
            ("203.0.113.10", true),
            ("57.144.135.35", true),
            ("10.1.2.3", false),
            ("192.168.1.1", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("2a03:2880::1", true),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::1", false),
        ] {
            assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
        }
    }
}
