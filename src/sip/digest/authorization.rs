//! `Authorization` and `Proxy-Authorization` values (RFC 7616 §3.4).

use std::fmt;

use crate::sip::digest::auth_params::AuthParams;
use crate::sip::text;

/// An answer to a challenge. Quoted values are kept as they stand between the quotes. `Debug` shows the realm only.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    pub username: String,
    pub realm: String,
    pub nonce: String,
    /// As the peer wrote it; it need not be the request URI (dossier 2.6).
    pub uri: String,
    pub response: String,
    /// Its token, known here or not.
    pub algorithm: Option<String>,
    pub opaque: Option<String>,
    /// Absent in the way of RFC 2069.
    pub counted: Option<Counted>,
}

/// What comes with `qop=auth`.
#[derive(Clone, PartialEq, Eq)]
pub struct Counted {
    /// Eight hex digits.
    pub nc: String,
    pub cnonce: String,
}

impl Authorization {
    /// `None` for another scheme, a missing parameter, or a `qop` other than `auth`.
    pub fn parse(value: &str) -> Option<Self> {
        let params = AuthParams::parse(value)?;
        let owned = |name: &str| params.get(name).map(str::to_owned);
        let algorithm = owned("algorithm");
        if algorithm
            .as_deref()
            .is_some_and(|token| !text::is_token(token))
        {
            return None;
        }
        let counted = match params.get("qop") {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(Counted {
                nc: owned("nc").filter(|nc| is_count(nc))?,
                cnonce: owned("cnonce")?,
            }),
            Some(_) => return None,
        };
        Some(Self {
            username: owned("username")?,
            realm: owned("realm")?,
            nonce: owned("nonce")?,
            uri: owned("uri")?,
            response: owned("response")?,
            algorithm,
            opaque: owned("opaque"),
            counted,
        })
    }
}

impl fmt::Display for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username=\"{}\", realm=\"{}\"",
            self.username, self.realm
        )?;
        write!(f, ", nonce=\"{}\", uri=\"{}\"", self.nonce, self.uri)?;
        write!(f, ", response=\"{}\"", self.response)?;
        if let Some(algorithm) = &self.algorithm {
            write!(f, ", algorithm={algorithm}")?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque=\"{opaque}\"")?;
        }
        match &self.counted {
            Some(Counted { nc, cnonce }) => write!(f, ", cnonce=\"{cnonce}\", qop=auth, nc={nc}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization(realm {:?}, ..)", self.realm)
    }
}

impl Counted {
    pub(super) fn count(&self) -> Option<u32> {
        u32::from_str_radix(&self.nc, 16).ok()
    }
}

fn is_count(nc: &str) -> bool {
    nc.len() == 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dossier 2.6: WhatsApp's answer, without `algorithm`.
    const WHATSAPP: &str = "Digest username=\"17015550100\", realm=\"sip.example.com\", nonce=\"n\", \
        uri=\"sip:+17015550100@sip.example.com\", response=\"0123456789abcdef0123456789abcdef\", \
        cnonce=\"c\", opaque=\"o\", qop=auth, nc=0000000a";

    #[test]
    fn reads_and_writes() {
        let answer = Authorization::parse(WHATSAPP).unwrap();
        assert_eq!(answer.algorithm, None);
        assert_eq!(answer.counted.as_ref().unwrap().count(), Some(10));
        assert_eq!(Authorization::parse(&answer.to_string()), Some(answer));
    }

    #[test]
    fn refused() {
        for (from, to) in [
            ("qop=auth", "qop=auth-int"),
            ("nc=0000000a", "nc=a"),
            ("cnonce", "x"),
            ("uri", "url"),
            ("qop=auth", "algorithm=\"M D\""),
            ("Digest", "Basic"),
        ] {
            assert_eq!(
                Authorization::parse(&WHATSAPP.replace(from, to)),
                None,
                "{to}"
            );
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", Authorization::parse(WHATSAPP).unwrap());
        assert_eq!(shown, "Authorization(realm \"sip.example.com\", ..)");
    }
}
