//! Addresses, ports and workers of media.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::addresses::{ADDRESS, Addresses};
use super::host::parse_address;
use super::toml_file::{Table, Value};

const DEFAULT_FIRST_PORT: u32 = 20_000;
const DEFAULT_LAST_PORT: u32 = 29_999;
const DEFAULT_PORT_REST: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub struct Media {
    /// RTP sockets bind here; to `::` for both families.
    pub bind: IpAddr,
    /// What SDP toward WhatsApp says.
    pub public_address: Addresses,
    /// What SDP toward PBXs says.
    pub pbx_address: Addresses,
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
        let written = table
            .value("bind")
            .map(|value| value.parse(ADDRESS, parse_address));
        let public = table
            .required(
                "public_address",
                "write public_address = \"...\": the IP address that the internet reaches this machine by",
            )
            .and_then(read_public);
        let pbx = match table.value("pbx_address") {
            Some(value) => Addresses::read(&value),
            None => written
                .flatten()
                .filter(|bind| !bind.is_unspecified())
                .map_or(public, |bind| Some(bind.into())),
        };
        let (first_port, last_port) = read_ports(table)?;
        let (public_address, pbx_address) = (public?, pbx?);
        let bind = match written {
            Some(bind) => bind?,
            None => anywhere(public_address.iter().chain(pbx_address.iter())),
        };
        check_reach(table, bind, "public_address", public_address);
        check_reach(table, bind, "pbx_address", pbx_address);
        Some(Self {
            bind,
            public_address,
            pbx_address,
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

/// Where sockets bind that serve these addresses.
fn anywhere(mut told: impl Iterator<Item = IpAddr>) -> IpAddr {
    match told.all(|address| address.is_ipv4()) {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A socket has one family, but for those bound to `::`.
fn check_reach(table: &Table<'_>, bind: IpAddr, key: &'static str, told: Addresses) {
    let serves = |told: IpAddr| bind == Ipv6Addr::UNSPECIFIED || bind.is_ipv4() == told.is_ipv4();
    let Some(value) = table.value(key).or_else(|| table.value("public_address")) else {
        return;
    };
    for unserved in told.iter().filter(|told| !serves(*told)) {
        value.error(
            &format!("sockets bound to {bind} receive nothing that is sent to {unserved}"),
            "write bind = \"::\", which is both families, or leave it out",
        );
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

fn read_public(value: Value<'_>) -> Option<Addresses> {
    let addresses = Addresses::read(&value)?;
    if !addresses.iter().all(is_public) {
        value.warning(
            "this address is not reachable from the internet: WhatsApp's media will not arrive",
            "write the public address, unless this is a laboratory",
        );
    }
    Some(addresses)
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
