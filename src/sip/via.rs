//! Via (RFC 3261 §20.42) with `rport` (RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::sip::flow::{Host, Transport};
use crate::sip::host_port;
use crate::sip::text;
use crate::sip::uri::Params;

/// One Via: who sent the request to whom it stands above.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Via {
    /// `UDP`, `TLS`, ... as written; unknown ones are no error.
    pub transport: String,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Params,
}

impl Via {
    /// Of a request of our own: asks for `rport`.
    pub fn new(transport: Transport, host: Host, port: u16, branch: &str) -> Self {
        Self {
            transport: transport.token().to_owned(),
            host,
            port: Some(port),
            params: Params(vec![
                ("rport".into(), None),
                ("branch".into(), Some(branch.to_owned())),
            ]),
        }
    }

    /// One value, not a list: `SIP/2.0/TLS [2001:db8::1]:5061;branch=...`.
    pub fn parse(text: &str) -> Option<Self> {
        let params_at = text.find(';').unwrap_or(text.len());
        let (protocol, rest) = text[..params_at].split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        let (transport, sent_by) = text::trim(rest).split_once(text::is_blank)?;
        let known =
            text::trim(protocol).eq_ignore_ascii_case("SIP") && text::trim(version) == "2.0";
        if !known || !text::is_token(transport) {
            return None;
        }
        let (host, port) = host_port::parse(text::trim(sent_by))?;
        Some(Self {
            transport: transport.to_owned(),
            host,
            port,
            params: Params::parse(&text[params_at..])?,
        })
    }

    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// The address the next hop saw, with or without brackets.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        text.trim_matches(['[', ']']).parse().ok()
    }

    /// The port the next hop saw.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// `;rport` without a value: the sender wants the response at the port it sent from.
    pub fn asks_rport(&self) -> bool {
        self.params.has("rport") && self.params.get("rport").is_none()
    }

    /// Notes where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn mark_received(&mut self, remote: SocketAddr) {
        let asks_rport = self.asks_rport();
        if asks_rport {
            self.params.set("rport", Some(&remote.port().to_string()));
        }
        if asks_rport || self.host != Host::Address(remote.ip()) {
            self.params.set("received", Some(&remote.ip().to_string()));
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatsapp_ipv6() {
        let text = "SIP/2.0/TLS [2803:6080:f948:9597:1ac5:cdf8:300:0]:63057;rport=63057;received=2803:6080:f948:9597:1ac5:cdf8:300:0;branch=z9hG4bKPj-phic0sb;alias";
        let via = Via::parse(text).unwrap();
        assert_eq!(
            via.host,
            Host::Address("2803:6080:f948:9597:1ac5:cdf8:300:0".parse().unwrap())
        );
        assert_eq!((via.port, via.rport()), (Some(63057), Some(63057)));
        assert_eq!(
            via.received(),
            Some("2803:6080:f948:9597:1ac5:cdf8:300:0".parse().unwrap())
        );
        assert_eq!(via.branch(), Some("z9hG4bKPj-phic0sb"));
        assert!(via.params.has("alias") && !via.asks_rport());
    }

    #[test]
    fn blanks_everywhere() {
        let via =
            Via::parse("SIP  / 2.0  /UDP    192.168.1.2 : 5060 ; branch = z9 ;rport").unwrap();
        assert_eq!(
            via.to_string(),
            "SIP/2.0/UDP 192.168.1.2:5060;branch=z9;rport"
        );
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0/UDP ;branch=x",
            "SIP/7.0/UDP h",
            "HTTP/2.0/UDP h",
            "SIP/2.0 h",
            "SIP/2.0/UDP h;;,;,,",
            "SIP/2.0/UDP ::1",
        ] {
            assert_eq!(Via::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_source_is_noted() {
        let mark = |via: &str, remote: &str| {
            let mut via = Via::parse(via).unwrap();
            via.mark_received(remote.parse().unwrap());
            via.to_string()
        };
        assert_eq!(
            mark("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=x", "192.0.2.9:6000"),
            "SIP/2.0/UDP 10.0.0.1:5060;rport=6000;branch=x;received=192.0.2.9"
        );
        assert_eq!(
            mark("SIP/2.0/UDP pbx:5060;branch=x", "[2001:db8::1]:5060"),
            "SIP/2.0/UDP pbx:5060;branch=x;received=2001:db8::1"
        );
        let same = "SIP/2.0/UDP 192.0.2.9:5060;branch=x";
        assert_eq!(mark(same, "192.0.2.9:7000"), same);
    }
}
