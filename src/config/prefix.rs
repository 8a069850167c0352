//! Address prefixes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `157.240.0.0/16`, `2a03:2880::/32`; an address alone is the prefix of its whole length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    pub address: IpAddr,
    pub length: u8,
}

impl Prefix {
    /// The prefix that holds this address alone.
    pub fn of(address: IpAddr) -> Self {
        Self {
            address,
            length: whole_length(address),
        }
    }

    /// An IPv4 address that comes as IPv6 (`::ffff:192.0.2.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()) & mask_v4(self.length) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()) & mask_v6(self.length) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    fn network(address: IpAddr, length: u8) -> IpAddr {
        match address {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & mask_v4(length)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & mask_v6(length)).into(),
        }
    }
}

fn whole_length(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask_v4(length: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(length.min(32)))
        .unwrap_or(0)
}

fn mask_v6(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length.min(128)))
        .unwrap_or(0)
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
        let whole = whole_length(address);
        let length = match length {
            Some(text) => text.parse().map_err(|_| PrefixError::Length(whole))?,
            None => whole,
        };
        if length > whole {
            return Err(PrefixError::Length(whole));
        }
        let network = Self::network(address, length);
        if network != address {
            return Err(PrefixError::HostBits(Self {
                address: network,
                length,
            }));
        }
        Ok(Self { address, length })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PrefixError {
    #[error("it does not begin with an IP address")]
    Address,
    #[error("the length after the slash is not a number up to {0}")]
    Length(u8),
    #[error("bits are set behind the prefix; the network is {0}")]
    HostBits(Prefix),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn prefixes_hold_their_addresses() {
        for (network, inside, outside) in [
            ("157.240.0.0/16", "157.240.255.255", "157.241.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("2a03:2880::/32", "2a03:2880:ffff::1", "2a03:2881::"),
            ("::/0", "::1", "192.0.2.1"),
            ("157.240.0.0/16", "::ffff:157.240.1.1", "::157.240.1.1"),
        ] {
            assert!(
                prefix(network).contains(inside.parse().unwrap()),
                "{network}"
            );
            assert!(
                !prefix(network).contains(outside.parse().unwrap()),
                "{network}"
            );
        }
    }

    #[test]
    fn what_is_no_prefix_says_why() {
        for (text, error) in [
            ("meta", PrefixError::Address),
            ("", PrefixError::Address),
            ("192.0.2.0/33", PrefixError::Length(32)),
            ("192.0.2.0/", PrefixError::Length(32)),
            ("::/129", PrefixError::Length(128)),
            (
                "192.0.2.1/24",
                PrefixError::HostBits(prefix("192.0.2.0/24")),
            ),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(error), "{text}");
        }
    }
}
