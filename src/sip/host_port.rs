//! `host [":" port]` (RFC 3261 §25.1) as URIs and Vias have it.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::sip::flow::Host;
use crate::sip::text;

/// Reads `name`, `192.0.2.1:5060`, `[2001:db8::1] : 5061`.
pub fn parse(text: &str) -> Option<(Host, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inside) => {
            let (address, rest) = inside.split_once(']')?;
            (
                Host::Address(address.parse::<Ipv6Addr>().ok()?.into()),
                rest,
            )
        }
        None => {
            let end = text.find([':', ' ', '\t']).unwrap_or(text.len());
            (name_or_v4(&text[..end])?, &text[end..])
        }
    };
    Some((host, port(text::trim(rest))?))
}

fn name_or_v4(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    is_name(text).then(|| Host::Name(text.to_owned()))
}

/// Letters, digits, `-` and `.`; `_` too, since container names have it.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text::digits(text::trim(text.strip_prefix(':')?))?;
    u16::try_from(digits).ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        let name = |text: &str| Host::Name(text.into());
        let address = |text: &str| Host::Address(text.parse().unwrap());
        assert_eq!(parse("pbx_1.local"), Some((name("pbx_1.local"), None)));
        assert_eq!(parse("h : 5060"), Some((name("h"), Some(5060))));
        assert_eq!(
            parse("192.0.2.1:5060"),
            Some((address("192.0.2.1"), Some(5060)))
        );
        assert_eq!(
            parse("[2001:db8::9:1]"),
            Some((address("2001:db8::9:1"), None))
        );
        assert_eq!(
            parse("[2001:db8::9:1]:09"),
            Some((address("2001:db8::9:1"), Some(9)))
        );
    }

    #[test]
    fn refused() {
        for text in [
            "", ":5060", "a b", "h:", "h:x", "h:65536", "[::1]x", "::1", "é", "-a",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
