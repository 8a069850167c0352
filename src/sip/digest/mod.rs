//! Digest authentication (RFC 7616, RFC 8760, RFC 3261 §22) from both sides: `Responder` answers challenges, `Guard` makes
//! them. Left out: `-sess` algorithms, `auth-int`, `userhash`; nobody in this field sends them.

mod auth_params;
mod authorization;
mod challenge;
mod guard;
mod memory;
mod nonce;
mod replay;
mod responder;

use std::fmt;

use md5::Md5;
use secrecy::{ExposeSecret, SecretString};
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};
use zeroize::Zeroizing;

pub use authorization::{Authorization, Counted};
pub use challenge::Challenge;
pub use guard::{Guard, GuardConfig, Refusal, Username, Verdict};
pub use memory::{Account, Memory};
pub use responder::{Responder, Unanswerable};

use crate::sip::message::Name;

/// Name and password for a peer's challenge. `Debug` shows neither.
#[derive(Clone)]
pub struct Credentials {
    pub username: String,
    pub password: SecretString,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Who asks: a user agent with 401 or a proxy with 407. Headers follow from it (RFC 3261 §22.2, §22.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    UserAgent,
    Proxy,
}

impl Gate {
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::UserAgent),
            407 => Some(Self::Proxy),
            _ => None,
        }
    }

    pub fn status(self) -> u16 {
        match self {
            Self::UserAgent => 401,
            Self::Proxy => 407,
        }
    }

    pub fn challenge_header(self) -> Name {
        match self {
            Self::UserAgent => Name::WwwAuthenticate,
            Self::Proxy => Name::ProxyAuthenticate,
        }
    }

    pub fn authorization_header(self) -> Name {
        match self {
            Self::UserAgent => Name::Authorization,
            Self::Proxy => Name::ProxyAuthorization,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    Md5,
    Sha256,
    Sha512_256,
}

impl Algorithm {
    pub fn parse(token: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512_256]
            .into_iter()
            .find(|algorithm| algorithm.token().eq_ignore_ascii_case(token))
    }

    pub fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    /// Lower-case hex of the hash over the parts joined by colons.
    fn hash(self, parts: &[&str]) -> Zeroizing<String> {
        match self {
            Self::Md5 => hex_hash::<Md5>(parts),
            Self::Sha256 => hex_hash::<Sha256>(parts),
            Self::Sha512_256 => hex_hash::<Sha512_256>(parts),
        }
    }
}

fn hex_hash<H: Digest>(parts: &[&str]) -> Zeroizing<String> {
    let mut hash = H::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    Zeroizing::new(digits.collect())
}

/// What a response is computed from (RFC 7616 §3.4.1). Quoted values without their quotes, as they stand in the header.
struct Proof<'a> {
    algorithm: Algorithm,
    username: &'a str,
    realm: &'a str,
    password: &'a SecretString,
    nonce: &'a str,
    method: &'a str,
    uri: &'a str,
    /// `nc` and `cnonce` with `qop=auth`; none in the way of RFC 2069.
    counted: Option<(&'a str, &'a str)>,
}

impl Proof<'_> {
    fn response(&self) -> Zeroizing<String> {
        let hash = |parts: &[&str]| self.algorithm.hash(parts);
        let a1 = hash(&[self.username, self.realm, self.password.expose_secret()]);
        let a2 = hash(&[self.method, self.uri]);
        match self.counted {
            Some((nc, cnonce)) => hash(&[&a1, self.nonce, nc, cnonce, "auth", &a2]),
            None => hash(&[&a1, self.nonce, &a2]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn response(algorithm: Algorithm) -> Zeroizing<String> {
        let proof = Proof {
            algorithm,
            username: "Mufasa",
            realm: "http-auth@example.org",
            password: &"Circle of Life".into(),
            nonce: NONCE,
            method: "GET",
            uri: "/dir/index.html",
            counted: Some(("00000001", CNONCE)),
        };
        proof.response()
    }

    /// RFC 7616 §3.9.1.
    #[test]
    fn rfc_7616_vectors() {
        assert_eq!(
            *response(Algorithm::Md5),
            "8ca523f5e9506fed4657c9700eebdbec"
        );
        assert_eq!(
            *response(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    fn mufasa<'a>(password: &'a SecretString, counted: Option<(&'a str, &'a str)>) -> Proof<'a> {
        Proof {
            algorithm: Algorithm::Md5,
            username: "Mufasa",
            realm: "testrealm@host.com",
            password,
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            method: "GET",
            uri: "/dir/index.html",
            counted,
        }
    }

    /// RFC 2617 §3.5, and the same without qop (RFC 2069).
    #[test]
    fn rfc_2617_vectors() {
        let password = "Circle Of Life".into();
        let counted = mufasa(&password, Some(("00000001", "0a4f113b")));
        assert_eq!(*counted.response(), "6629fae49393a05397450978507c4ef1");
        let plain = mufasa(&password, None);
        assert_eq!(*plain.response(), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn sha_512_256_is_the_truncated_hash_with_its_own_start() {
        assert_eq!(
            *Algorithm::Sha512_256.hash(&["abc"]),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
        );
    }

    #[test]
    fn credentials_show_nothing() {
        let credentials = Credentials {
            username: "17015550100".into(),
            password: "hidden".into(),
        };
        assert_eq!(format!("{credentials:?}"), "Credentials(..)");
    }
}
