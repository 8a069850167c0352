//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966), kept as written.

use std::fmt;

use crate::sip::flow::{Host, Transport};
use crate::sip::host_port;
pub use crate::sip::params::Params;
use crate::sip::text;

/// A URI with its text. What was read is written again byte for byte.
///
/// There is no `Display`: a peer gets `as_str`, a log gets `Debug`, which shows the last two digits of a number.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    pub scheme: Scheme,
    /// User part as written (escaped), with its RFC 4904 parameters (`+1234;tgrp=x`), without the password. The number of `tel:`.
    pub user: Option<String>,
    pub host: Option<Host>,
    pub port: Option<u16>,
    pub params: Params,
    /// What follows `?`, as written.
    pub headers: Option<String>,
    text: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    Other(String),
}

impl Uri {
    /// Reads any absolute URI; of schemes other than `sip`, `sips` and `tel` only the scheme is known.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError)?;
        if !is_scheme(scheme) || rest.is_empty() || text.contains(is_never_in_uri) {
            return Err(UriError);
        }
        let scheme = Scheme::from_text(scheme);
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::parse_sip(scheme, rest, text),
            Scheme::Tel => Self::parse_tel(rest, text),
            Scheme::Other(_) => Ok(Self::opaque(scheme, text)),
        }
    }

    /// `sip:user@host:port;transport=...`; `user` is escaped here. UDP writes no transport parameter.
    pub fn sip(user: Option<&str>, host: &Host, port: Option<u16>, transport: Transport) -> Self {
        let user = user
            .filter(|user| !user.is_empty())
            .map(|user| text::percent_encode(user, is_user_byte));
        let params = Params(match transport {
            Transport::Udp => vec![],
            Transport::Tcp => vec![("transport".into(), Some("tcp".into()))],
            Transport::Tls => vec![("transport".into(), Some("tls".into()))],
        });
        let at_user = user
            .as_ref()
            .map_or(String::new(), |user| format!("{user}@"));
        let at_port = port.map_or(String::new(), |port| format!(":{port}"));
        Self {
            text: format!("sip:{at_user}{host}{at_port}{params}"),
            scheme: Scheme::Sip,
            user,
            host: Some(host.clone()),
            port,
            params,
            headers: None,
        }
    }

    /// A request target that could not be read, kept so that its request can be answered with 400.
    pub(crate) fn unread(text: &str) -> Self {
        Self::opaque(Scheme::Other(String::new()), text)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As it may stand in a request line: what follows `?` and `method` mean nothing there (RFC 3261 §19.1.1). `None`: nothing
    /// is left.
    pub fn request_uri(&self) -> Option<Self> {
        let text = match &self.headers {
            Some(headers) => self
                .text
                .strip_suffix(headers.as_str())?
                .strip_suffix('?')?,
            None => &self.text,
        };
        let place = text.strip_suffix(&self.params.to_string())?;
        let mut params = self.params.clone();
        let is_method = |name: &str| name.eq_ignore_ascii_case("method");
        params.0.retain(|(name, _)| !is_method(name));
        Self::parse(&format!("{place}{params}")).ok()
    }

    /// The user part unescaped and without RFC 4904 parameters: what a number or an extension is matched by. For `tel:`
    /// the number without its visual separators.
    pub fn user_name(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        if self.scheme == Scheme::Tel {
            return Some(user.replace(['-', '.', '(', ')'], ""));
        }
        let name = user.split(';').next().unwrap_or(user);
        Some(text::percent_decode(name).into_owned())
    }

    /// A parameter of the user part (RFC 4904): `tgrp` of `sip:+1234;tgrp=x@host`.
    pub fn user_param(&self, name: &str) -> Option<String> {
        let (_, params) = self.user.as_deref()?.split_once(';')?;
        let (_, value) = params
            .split(';')
            .filter_map(|param| param.split_once('='))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(text::percent_decode(value).into_owned())
    }

    /// What the URI asks for: its `transport` parameter, else TLS when it is `sips:`.
    pub fn transport(&self) -> Option<Transport> {
        match self.params.get("transport") {
            Some(token) => [Transport::Udp, Transport::Tcp, Transport::Tls]
                .into_iter()
                .find(|transport| transport.token().eq_ignore_ascii_case(token)),
            None if self.scheme == Scheme::Sips => Some(Transport::Tls),
            None => None,
        }
    }

    /// Whether both name the same user (without RFC 4904 parameters) at the same host, whatever port and parameters.
    pub fn is_same_user_and_host(&self, other: &Self) -> bool {
        self.user_name() == other.user_name() && same_host(self.host.as_ref(), other.host.as_ref())
    }

    fn parse_sip(scheme: Scheme, rest: &str, text: &str) -> Result<Self, UriError> {
        let (user, place) = match rest.split_once('@') {
            Some((user_info, place)) => (Some(user_part(user_info)?), place),
            None => (None, rest),
        };
        let (place, headers) = match place.split_once('?') {
            Some((place, headers)) => (place, Some(headers.to_owned())),
            None => (place, None),
        };
        let params_at = place.find(';').unwrap_or(place.len());
        let (host, port) = host_port::parse(&place[..params_at]).ok_or(UriError)?;
        Ok(Self {
            scheme,
            user,
            host: Some(host),
            port,
            params: uri_params(&place[params_at..])?,
            headers,
            text: text.to_owned(),
        })
    }

    fn parse_tel(rest: &str, text: &str) -> Result<Self, UriError> {
        let params_at = rest.find(';').unwrap_or(rest.len());
        let number = &rest[..params_at];
        if !is_telephone_number(number) {
            return Err(UriError);
        }
        Ok(Self {
            user: Some(number.to_owned()),
            params: uri_params(&rest[params_at..])?,
            ..Self::opaque(Scheme::Tel, text)
        })
    }

    fn opaque(scheme: Scheme, text: &str) -> Self {
        Self {
            scheme,
            user: None,
            host: None,
            port: None,
            params: Params::default(),
            headers: None,
            text: text.to_owned(),
        }
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", text::masked(&self.text))
    }
}

impl Scheme {
    fn from_text(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "sip" => Self::Sip,
            "sips" => Self::Sips,
            "tel" => Self::Tel,
            _ => Self::Other(text.to_owned()),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a URI")]
pub struct UriError;

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_never_in_uri(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "<>\"".contains(c)
}

/// User without password. Characters beyond the grammar (`#`, raw UTF-8) are let through: PBXs write them.
fn user_part(user_info: &str) -> Result<String, UriError> {
    let user = user_info.split(':').next().unwrap_or_default();
    if user.is_empty() {
        return Err(UriError);
    }
    Ok(user.to_owned())
}

/// `user` of RFC 3261 §25.1 without `;`, `?` and what else needs care in a header.
fn is_user_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$/".contains(&byte)
}

fn same_host(a: Option<&Host>, b: Option<&Host>) -> bool {
    match (a, b) {
        (Some(Host::Name(a)), Some(Host::Name(b))) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    }
}

fn is_telephone_number(text: &str) -> bool {
    text.bytes()
        .any(|byte| byte.is_ascii_hexdigit() || b"*#".contains(&byte))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b"+*#-.()".contains(&byte))
}

fn uri_params(text: &str) -> Result<Params, UriError> {
    Params::parse(text).ok_or(UriError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        let uri = Uri::parse(text).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(uri.as_str(), text);
        uri
    }

    #[test]
    fn whatsapp_contact() {
        let uri = uri(
            "sip:+12195550714@wa.meta.vc;transport=tls;ob;X-FB-Sip-Smc-Tier=a.sip_gateway.prod",
        );
        assert_eq!(uri.user_name().as_deref(), Some("+12195550714"));
        assert_eq!(uri.host, Some(Host::Name("wa.meta.vc".into())));
        assert_eq!(uri.transport(), Some(Transport::Tls));
        assert!(uri.params.has("ob"));
        assert_eq!(
            uri.params.get("x-fb-sip-smc-tier"),
            Some("a.sip_gateway.prod")
        );
    }

    #[test]
    fn user_parameters_are_no_part_of_the_number() {
        let uri =
            uri("sip:+1234567890;tgrp=wacall;trunk-context=byoc.example.com@sip.example.com:5061");
        assert_eq!(uri.user_name().as_deref(), Some("+1234567890"));
        assert_eq!(uri.user_param("TGRP").as_deref(), Some("wacall"));
        assert_eq!(uri.port, Some(5061));
        assert_eq!(uri.params, Params::default());
    }

    #[test]
    fn user_forms() {
        assert_eq!(
            uri("sip:US.13491208655302741918@h").user_name().as_deref(),
            Some("US.13491208655302741918")
        );
        assert_eq!(
            uri("sip:sips%3Auser%40example.com@h")
                .user_name()
                .as_deref(),
            Some("sips:user@example.com")
        );
        assert_eq!(uri("sip:alice:secret@h").user.as_deref(), Some("alice"));
        assert_eq!(uri("sip:*72#@h").user_name().as_deref(), Some("*72#"));
        assert_eq!(
            uri("sips:1212@gateway.com").transport(),
            Some(Transport::Tls)
        );
    }

    #[test]
    fn ipv6_hosts_and_headers() {
        let uri = uri("SIP:[2803:6080::1]:5060;lr?Replaces=a%40b&x=y");
        assert_eq!(
            uri.host,
            Some(Host::Address("2803:6080::1".parse().unwrap()))
        );
        assert_eq!((uri.port, uri.user_name()), (Some(5060), None));
        assert_eq!(uri.headers.as_deref(), Some("Replaces=a%40b&x=y"));
    }

    #[test]
    fn a_request_uri_has_no_method_and_no_headers() {
        for (text, left) in [
            ("sip:a@h", "sip:a@h"),
            (
                "sip:a?b@[::1]:5060;x;Method=BYE;y=?Via=x?y",
                "sip:a?b@[::1]:5060;x;y=",
            ),
            ("sip:h;method=INVITE?", "sip:h"),
            ("tel:+49-30;ext=1", "tel:+49-30;ext=1"),
            ("urn:x?method=y", "urn:x?method=y"),
        ] {
            assert_eq!(uri(text).request_uri(), Some(uri(left)));
        }
    }

    #[test]
    fn other_schemes() {
        let tel = uri("tel:+1-201-555-0123;phone-context=example.com");
        assert_eq!(tel.user_name().as_deref(), Some("+12015550123"));
        assert_eq!(tel.params.get("phone-context"), Some("example.com"));
        assert_eq!(uri("urn:service:sos").scheme, Scheme::Other("urn".into()));
        assert_eq!(uri("soap.beep://192.0.2.103:3002").host, None);
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "sip:",
            ":x",
            "sip",
            "sip:@h",
            "sip:a@",
            "sip:a@b@c",
            "sip:a@h:",
            "sip:a@h:70000",
            "sip:a@h:5 060",
            "sip:a@[::1",
            "sip:a@[nonsense]",
            "<sip:a@h>",
            "sip:a b@h",
            "sip:a@h;",
            "sip:a@h;;x",
            "1ip:a@h",
            "tel:",
            "tel:+",
            "tel:abc!",
            "sip:a@ho st",
            "sip:a@h\r\nx",
        ] {
            assert_eq!(Uri::parse(text), Err(UriError), "{text}");
        }
    }

    #[test]
    fn written_from_parts() {
        let host = Host::Address("::1".parse().unwrap());
        let written = Uri::sip(Some("a b;c@d"), &host, Some(5061), Transport::Tls);
        assert_eq!(
            written.as_str(),
            "sip:a%20b%3Bc%40d@[::1]:5061;transport=tls"
        );
        assert_eq!(Uri::parse(written.as_str()).unwrap(), written);
        assert_eq!(written.user_name().as_deref(), Some("a b;c@d"));
        let bare = Uri::sip(None, &Host::Name("pbx".into()), None, Transport::Udp);
        assert_eq!(bare.as_str(), "sip:pbx");
    }

    #[test]
    fn debug_masks_the_number() {
        assert_eq!(
            format!("{:?}", uri("sip:+12195550714@wa.meta.vc")),
            "Uri(sip:+..14@wa.meta.vc)"
        );
    }
}
