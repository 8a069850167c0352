//! Our addresses, as peers are told them.

use std::net::IpAddr;

use super::host::parse_address;
use super::toml_file::Value;

pub(super) const ADDRESS: &str = "write an IP address, as in \"203.0.113.10\"";
const ADDRESSES: &str =
    "write one address, or one of each family as in [\"203.0.113.10\", \"2001:db8::10\"]";

/// What a kind of peer is told: one address, or one of each family, the one we like best first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    pub first: IpAddr,
    /// Of the other family.
    second: Option<IpAddr>,
}

impl From<IpAddr> for Addresses {
    fn from(first: IpAddr) -> Self {
        let second = None;
        Self { first, second }
    }
}

impl Addresses {
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        [Some(self.first), self.second].into_iter().flatten()
    }

    /// An address, or a list of at most two.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        if !value.is_list() {
            return read_reachable(value).map(Self::from);
        }
        let values = value.list()?;
        let read: Vec<_> = values.iter().filter_map(read_reachable).collect();
        match read[..] {
            _ if read.len() < values.len() => None,
            [first] => Some(Self::from(first)),
            [first, second] if first.is_ipv4() != second.is_ipv4() => Some(Self {
                first,
                second: Some(second),
            }),
            _ => {
                value.error(
                    "this is neither one address nor one of each family",
                    ADDRESSES,
                );
                None
            }
        }
    }
}

fn read_reachable(value: &Value<'_>) -> Option<IpAddr> {
    let address = value.parse(ADDRESS, parse_address)?;
    if address.is_unspecified() || address.is_multicast() {
        value.error("nobody can send to this address", ADDRESS);
        return None;
    }
    Some(address)
}
