//! `name-addr` and `addr-spec` with header parameters (RFC 3261 §20.10, §25.1).

use std::fmt;

use crate::sip::text;
use crate::sip::uri::{Params, Uri};

/// A `From`, `To`, `Contact`, `Route`, `Record-Route`, `P-Asserted-Identity`, ... value.
#[derive(Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Unquoted and unescaped; `None` when empty.
    pub display: Option<String>,
    pub uri: Uri,
    pub params: Params,
}

impl NameAddr {
    pub fn new(uri: Uri) -> Self {
        Self {
            display: None,
            uri,
            params: Params::default(),
        }
    }

    /// One value, not a list. Without angle brackets, parameters belong to the header (RFC 3261 §20).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text::trim(text);
        if text.contains(['\r', '\n']) {
            return None;
        }
        if text.starts_with('"') {
            let (inside, rest) = text::take_quoted(text)?;
            return Self::bracketed(&text::unescape(inside), text::trim(rest).strip_prefix('<')?);
        }
        match text.split_once('<') {
            Some((display, rest)) if is_display(display) => {
                Self::bracketed(text::trim(display), rest)
            }
            Some(_) => None,
            None => Self::bare(text),
        }
    }

    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// As a header value: the display name quoted, the URI in angle brackets.
    pub fn to_value(&self) -> String {
        let display = match &self.display {
            Some(display) => format!("{} ", text::quote(display)),
            None => String::new(),
        };
        format!("{display}<{}>{}", self.uri.as_str(), self.params)
    }

    /// `rest` begins behind the `<`.
    fn bracketed(display: &str, rest: &str) -> Option<Self> {
        let (uri, params) = rest.split_once('>')?;
        Some(Self {
            display: Some(display.to_owned()).filter(|display| !display.is_empty()),
            uri: Uri::parse(uri).ok()?,
            params: Params::parse(params)?,
        })
    }

    fn bare(text: &str) -> Option<Self> {
        let params_at = text.find(';').unwrap_or(text.len());
        let uri = text::trim(&text[..params_at]);
        // RFC 3261 §20: a URI with a comma or question mark must be in brackets.
        if uri.contains([',', '?']) {
            return None;
        }
        Some(Self {
            display: None,
            uri: Uri::parse(uri).ok()?,
            params: Params::parse(&text[params_at..])?,
        })
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let display = self.display.as_deref().map(text::masked);
        write!(f, "{display:?} {:?}{}", self.uri, self.params)
    }
}

/// Unquoted display names are tokens by the grammar; dots, brackets and UTF-8 are written by real phones.
fn is_display(text: &str) -> bool {
    !text.contains(['"', '>', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> NameAddr {
        NameAddr::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn display_forms() {
        let quoted = parse(r#""Watson, \"T\" é" <sip:t@h>;tag=1"#);
        assert_eq!(quoted.display.as_deref(), Some(r#"Watson, "T" é"#));
        assert_eq!(quoted.tag(), Some("1"));
        assert_eq!(
            parse("J. Müller  <sip:t@h>").display.as_deref(),
            Some("J. Müller")
        );
        assert_eq!(parse("<sip:t@h>").display, None);
        assert_eq!(parse("\"\"<sip:t@h>").display, None);
        assert_eq!(parse("sip:t@h").uri.as_str(), "sip:t@h");
    }

    #[test]
    fn parameters_belong_inside_or_outside() {
        let contact = parse("<sip:+12195550714@wa.meta.vc;transport=tls;ob>;isfocus");
        assert!(contact.params.has("isfocus") && contact.uri.params.has("ob"));
        let bare = parse("sip:a@h;tag=x");
        assert_eq!((bare.uri.as_str(), bare.tag()), ("sip:a@h", Some("x")));
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "\"open <sip:a@h>",
            "<sip:a@h",
            "\"a\" sip:a@h",
            "< sip:a@h >",
            "\"a\"b<sip:a@h>",
            "<>",
            "a\" <sip:a@h>",
            "sip:a@h?x=y",
            "<sip:a@h>x",
            "<sip:a@h>;;",
            "sip:a,b@h",
            "a\nb <sip:a@h>",
        ] {
            assert_eq!(NameAddr::parse(text), None, "{text}");
        }
    }

    #[test]
    fn written_and_read_again() {
        let name = NameAddr {
            display: Some("a \"b\", \\".into()),
            uri: Uri::parse("sip:x;y=z@h;lr").unwrap(),
            params: Params::parse(";tag=1;x").unwrap(),
        };
        assert_eq!(parse(&name.to_value()), name);
    }
}
