//! `WWW-Authenticate` and `Proxy-Authenticate` values (RFC 7616 §3.3).

use std::fmt;

use crate::sip::digest::Algorithm;
use crate::sip::digest::auth_params::AuthParams;

/// A challenge that can be answered: an algorithm known here, `qop` absent or with `auth`. Quoted values are kept as they
/// stand between the quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub opaque: Option<String>,
    /// `None` is MD5, and is not named in the answer either.
    pub algorithm: Option<Algorithm>,
    /// `qop="auth"` is offered; else the answer is that of RFC 2069.
    pub qop_auth: bool,
    pub stale: bool,
}

impl Challenge {
    /// `None` for another scheme, a missing realm or nonce, and what cannot be answered.
    pub fn parse(value: &str) -> Option<Self> {
        let params = AuthParams::parse(value)?;
        let algorithm = match params.get("algorithm") {
            Some(token) => Some(Algorithm::parse(token)?),
            None => None,
        };
        let qop = params.get("qop");
        let qop_auth = qop.is_some_and(|offered| offered.split(',').any(is_auth));
        let answerable = qop.is_none() || qop_auth;
        answerable.then_some(Self {
            realm: params.get("realm")?.to_owned(),
            nonce: params.get("nonce")?.to_owned(),
            opaque: params.get("opaque").map(str::to_owned),
            algorithm,
            qop_auth,
            stale: params
                .get("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest realm=\"{}\",nonce=\"{}\"",
            self.realm, self.nonce
        )?;
        if let Some(opaque) = &self.opaque {
            write!(f, ",opaque=\"{opaque}\"")?;
        }
        if self.stale {
            f.write_str(",stale=true")?;
        }
        if let Some(algorithm) = self.algorithm {
            write!(f, ",algorithm={}", algorithm.token())?;
        }
        match self.qop_auth {
            true => f.write_str(",qop=\"auth\""),
            false => Ok(()),
        }
    }
}

fn is_auth(token: &str) -> bool {
    token.trim().eq_ignore_ascii_case("auth")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dossier 2.7.
    #[test]
    fn whatsapp_challenge() {
        let value = "Digest realm=\"wa.meta.vc\",nonce=\"419ac2415577f8e1\",opaque=\"440badfc05072367\",algorithm=MD5,qop=\"auth\"";
        let challenge = Challenge::parse(value).unwrap();
        assert_eq!(challenge.algorithm, Some(Algorithm::Md5));
        assert!(challenge.qop_auth && !challenge.stale);
        assert_eq!(challenge.to_string(), value);
    }

    #[test]
    fn other_forms() {
        let plain =
            Challenge::parse("digest  nonce=\"n\" , realm = \"a, \\\"b\\\"\", stale=TRUE").unwrap();
        assert_eq!(
            (plain.realm.as_str(), plain.algorithm),
            (r#"a, \"b\""#, None)
        );
        assert!(plain.stale && !plain.qop_auth);
        assert!(
            Challenge::parse("Digest realm=x,nonce=y,qop=\"auth-int, auth\"")
                .unwrap()
                .qop_auth
        );
    }

    #[test]
    fn what_cannot_be_answered_is_none() {
        for value in [
            "Basic realm=\"x\"",
            "Digest realm=\"x\"",
            "Digest nonce=\"x\"",
            "Digest",
            "",
            "Digest realm=\"x\",nonce=\"y\",algorithm=MD5-sess",
            "Digest realm=\"x\",nonce=\"y\",qop=\"auth-int\"",
            "Digest realm=\"x,nonce=\"y\"",
            "Digest realm=\"x\",nonce=y\\",
        ] {
            assert_eq!(Challenge::parse(value), None, "{value}");
        }
    }
}
