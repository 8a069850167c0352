//! Digest authentication of both roles (RFC 7616, with RFC 2617's MD5), computed here and not by the bridge's own code.

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::sim::sip::message::{Message, split_list};

/// What a challenge says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub opaque: Option<String>,
    /// As printed; `None` means MD5.
    pub algorithm: Option<String>,
    /// `auth` was offered.
    pub qop: bool,
}

/// Who answers it.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    pub username: &'a str,
    pub password: &'a str,
}

impl Challenge {
    /// From a WWW-Authenticate or Proxy-Authenticate value.
    pub fn parse(value: &str) -> Option<Self> {
        let fields = fields(value)?;
        let field = |name: &str| find(&fields, name);
        Some(Self {
            realm: field("realm")?,
            nonce: field("nonce")?,
            opaque: field("opaque"),
            algorithm: field("algorithm"),
            qop: field("qop").is_some_and(|qop| qop.split(',').any(|one| one.trim() == "auth")),
        })
    }

    /// The Authorization value, in the order of fields that WhatsApp uses.
    pub fn answer(&self, who: Identity<'_>, method: &str, uri: &str, cnonce: &str) -> String {
        self.answer_counted(who, method, uri, cnonce, 1)
    }

    /// For a nonce that was used before.
    pub fn answer_counted(
        &self,
        who: Identity<'_>,
        method: &str,
        uri: &str,
        cnonce: &str,
        count: u32,
    ) -> String {
        let algorithm = self.algorithm.as_deref();
        let count = format!("{count:08x}");
        let nc = self.qop.then_some((count.as_str(), cnonce));
        let response = response(algorithm, who, &self.realm, &self.nonce, method, uri, nc);
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            who.username, self.realm, self.nonce
        );
        if let Some(algorithm) = algorithm {
            value += &format!(", algorithm={algorithm}");
        }
        if self.qop {
            value += &format!(", cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque=\"{opaque}\"");
        }
        if self.qop {
            value += &format!(", qop=auth, nc={count}");
        }
        value
    }
}

/// What a request answers to a challenge.
pub struct Answered(Vec<(String, String)>);

impl Answered {
    /// From every Authorization and Proxy-Authorization header.
    pub fn all(request: &Message) -> impl Iterator<Item = Self> {
        request
            .all("Authorization")
            .chain(request.all("Proxy-Authorization"))
            .filter_map(fields)
            .map(Self)
    }

    /// Empty when it is missing.
    pub fn field(&self, name: &str) -> String {
        find(&self.0, name).unwrap_or_default()
    }

    /// Whether it is this identity's response, for the realm, nonce and URI that it names itself.
    pub fn is_of(&self, who: Identity<'_>, method: &str) -> bool {
        let (nc, cnonce) = (self.field("nc"), self.field("cnonce"));
        let counted = (self.field("qop") == "auth").then_some((nc.as_str(), cnonce.as_str()));
        let expected = response(
            find(&self.0, "algorithm").as_deref(),
            who,
            &self.field("realm"),
            &self.field("nonce"),
            method,
            &self.field("uri"),
            counted,
        );
        self.field("username") == who.username && self.field("response") == expected
    }
}

/// Whether the request carries a right answer to our challenge with `nonce`.
pub fn is_authentic(request: &Message, who: Identity<'_>, realm: &str, nonce: &str) -> bool {
    Answered::all(request).any(|answered| {
        answered.field("realm") == realm
            && answered.field("nonce") == nonce
            && answered.is_of(who, request.method())
    })
}

fn response(
    algorithm: Option<&str>,
    who: Identity<'_>,
    realm: &str,
    nonce: &str,
    method: &str,
    uri: &str,
    counted: Option<(&str, &str)>,
) -> String {
    let hash = |text: String| match algorithm {
        Some(name) if name.eq_ignore_ascii_case("SHA-256") => hex(&Sha256::digest(text)),
        _ => hex(&Md5::digest(text)),
    };
    let secret = hash(format!("{}:{realm}:{}", who.username, who.password));
    let request = hash(format!("{method}:{uri}"));
    hash(match counted {
        Some((nc, cnonce)) => format!("{secret}:{nonce}:{nc}:{cnonce}:auth:{request}"),
        None => format!("{secret}:{nonce}:{request}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fields(value: &str) -> Option<Vec<(String, String)>> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("Digest").then(|| {
        split_list(rest)
            .iter()
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (name.trim().into(), value.trim().trim_matches('"').into()))
            .collect()
    })
}

fn find(fields: &[(String, String)], name: &str) -> Option<String> {
    fields
        .iter()
        .find(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_examples_of_the_rfc() {
        let who = Identity {
            username: "Mufasa",
            password: "Circle of Life",
        };
        for (algorithm, expected) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let challenge = Challenge {
                realm: "http-auth@example.org".into(),
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".into(),
                opaque: None,
                algorithm: Some(algorithm.into()),
                qop: true,
            };
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let value = challenge.answer(who, "GET", "/dir/index.html", cnonce);
            assert!(value.contains(expected), "{value}");
        }
    }

    #[test]
    fn what_we_answer_is_authentic_and_nothing_else() {
        let challenge =
            Challenge::parse("Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\"").unwrap();
        let who = Identity {
            username: "bridge",
            password: "secret",
        };
        let value = challenge.answer(who, "INVITE", "sip:600@pbx", "abc");
        let request = Message::request("INVITE", "sip:600@pbx").with("Authorization", value);
        assert!(is_authentic(&request, who, "pbx", "n1"));
        assert!(!is_authentic(&request, who, "pbx", "n2"));
        let wrong = Identity {
            password: "guess",
            ..who
        };
        assert!(!is_authentic(&request, wrong, "pbx", "n1"));
    }
}
