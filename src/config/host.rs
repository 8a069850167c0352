//! Hosts, addresses and ports as operators write them.

use std::net::{IpAddr, SocketAddr};

use crate::sip::flow::Host;

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum HostError {
    #[error("this is no IP address with a port")]
    SocketAddress,
    #[error("this is no IP address")]
    Address,
    #[error("this is no host name and no IP address")]
    Host,
    #[error("the port is no number from 1 to 65535")]
    Port,
}

pub(super) fn parse_socket_address(text: &str) -> Result<SocketAddr, HostError> {
    text.parse().map_err(|_| HostError::SocketAddress)
}

pub(super) fn parse_address(text: &str) -> Result<IpAddr, HostError> {
    text.parse().map_err(|_| HostError::Address)
}

/// `sip.example.com`, `sip.example.com:5061`, `192.0.2.1:5060`, `2001:db8::1`, `[2001:db8::1]:5060`.
pub(super) fn parse_host_port(text: &str) -> Result<(Host, Option<u16>), HostError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((Host::Address(address), None));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or(HostError::Host)?;
        let address = address.parse().map_err(|_| HostError::Host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if rest.is_empty() => None,
            None => return Err(HostError::Port),
        };
        return Ok((Host::Address(IpAddr::V6(address)), port));
    }
    match text.split_once(':') {
        Some((host, port)) => Ok((parse_host(host)?, Some(parse_port(port)?))),
        None => Ok((parse_host(text)?, None)),
    }
}

pub(super) fn parse_host(text: &str) -> Result<Host, HostError> {
    if let Ok(address) = text.parse() {
        return Ok(Host::Address(address));
    }
    if is_host_name(text) {
        return Ok(Host::Name(text.to_ascii_lowercase()));
    }
    Err(HostError::Host)
}

fn parse_port(text: &str) -> Result<u16, HostError> {
    let port = text.parse().map_err(|_| HostError::Port)?;
    if port == 0 {
        return Err(HostError::Port);
    }
    Ok(port)
}

/// RFC 1123 §2.1; a last label of digits would be a mistyped address.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = text
        .rsplit('.')
        .next()
        .is_none_or(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253 && !last_is_number && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_ports() {
        let name = |text: &str| Host::Name(text.to_owned());
        let address = |text: &str| Host::Address(text.parse().unwrap());
        for (text, expected) in [
            ("sip.example.com", (name("sip.example.com"), None)),
            (
                "SIP.example.com:5061",
                (name("sip.example.com"), Some(5_061)),
            ),
            ("localhost", (name("localhost"), None)),
            ("192.0.2.1:5060", (address("192.0.2.1"), Some(5_060))),
            ("2001:db8::1", (address("2001:db8::1"), None)),
            ("[2001:db8::1]:5060", (address("2001:db8::1"), Some(5_060))),
            ("[2001:db8::1]", (address("2001:db8::1"), None)),
        ] {
            assert_eq!(parse_host_port(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            ":5060",
            "a b",
            "300.1.1.1",
            "-x.example",
            "sip:x",
            "x:0",
            "x:65536",
            "[::1",
            "[::1]5060",
            "[x]:1",
            "a..b",
        ] {
            assert!(parse_host_port(text).is_err(), "{text}");
        }
    }
}
