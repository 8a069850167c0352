//! `;name=value` parameters of headers and URIs (RFC 3261 §25.1).

use std::borrow::Cow;
use std::fmt;

use crate::sip::text;

/// Parameters in order, names compared without case. Values stay as written: quoted strings keep their quotes here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params(pub Vec<(String, Option<String>)>);

impl Params {
    /// Reads `;a;b=c`, blanks around `;` and `=` allowed. An empty text is no parameters; an empty name is an error.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text::trim(text);
        if text.is_empty() {
            return Some(Self::default());
        }
        let list = text.strip_prefix(';')?;
        text::split_list(list, ';')
            .map(param)
            .collect::<Option<_>>()
            .map(Self)
    }

    /// The value of the first parameter of that name, without the quotes around it.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.find(name)?.1.as_deref()?;
        Some(text::take_quoted(value).map_or(value, |(inside, _)| inside))
    }

    /// Like `get`, with the escapes of a quoted string undone.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.find(name)?.1.as_deref()?;
        Some(match text::take_quoted(value) {
            Some((inside, _)) => text::unescape(inside),
            None => Cow::Borrowed(value),
        })
    }

    /// Whether the parameter is there, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Sets the first parameter of that name, or adds it at the end. The value is written as it is.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self
            .0
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
        {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn find(&self, name: &str) -> Option<&(String, Option<String>)> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

fn param(text: &str) -> Option<(String, Option<String>)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (text::trim(name), Some(text::trim(value))),
        None => (text, None),
    };
    let sound = is_name(name) && value.is_none_or(is_value);
    sound.then(|| (name.to_owned(), value.map(str::to_owned)))
}

/// A token, or what URI parameters may have beside (`[`, `/`, `:`, `&`, `$`, `(`, `)`).
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| text::is_token_byte(byte) || b"[]/:&$()".contains(&byte))
}

fn is_value(value: &str) -> bool {
    match text::take_quoted(value) {
        Some((_, rest)) => rest.is_empty(),
        None => {
            !value.contains(|c: char| c.is_whitespace() || c.is_control() || "\"<>,".contains(c))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_blanks_quotes_and_flags() {
        let params = Params::parse(r#" ; a = 1 ;b; C="x;\"y\"" ;d="#).unwrap();
        assert_eq!(params.get("A"), Some("1"));
        assert!(params.has("b") && params.get("b").is_none());
        assert_eq!(params.get("c"), Some(r#"x;\"y\""#));
        assert_eq!(params.text("c").unwrap(), r#"x;"y""#);
        assert_eq!(params.to_string(), r#";a=1;b;C="x;\"y\"";d="#);
    }

    #[test]
    fn refuses_what_is_no_parameter() {
        for text in [
            "x",
            ";;",
            ";",
            ";a;",
            ";a=\"open",
            ";a=b c",
            ";=b",
            ";a=\"b\"c",
        ] {
            assert_eq!(Params::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sets_in_place() {
        let mut params = Params::parse(";rport;branch=z").unwrap();
        params.set("rport", Some("5060"));
        params.set("received", Some("192.0.2.1"));
        assert_eq!(
            params.to_string(),
            ";rport=5060;branch=z;received=192.0.2.1"
        );
    }
}
