//! Who asks, and whether they may: whoever reaches the socket, and by TCP whoever shows the token.

use std::fmt;
use std::net::SocketAddr;

use arc_swap::ArcSwapOption;
use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::config::Admin;

/// Where a request came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    /// The Unix socket, with the user's id when the system tells it.
    Socket {
        uid: Option<u32>,
    },
    Address(SocketAddr),
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket { uid: Some(uid) } => write!(f, "socket, user {uid}"),
            Self::Socket { uid: None } => f.write_str("socket"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The token of today.
pub(super) struct Guard(ArcSwapOption<SecretString>);

impl Guard {
    pub(super) fn new(admin: &Admin) -> Self {
        let guard = Self(ArcSwapOption::empty());
        guard.follow(admin);
        guard
    }

    pub(super) fn follow(&self, admin: &Admin) {
        let token = admin.listener.as_ref().map(|listener| &listener.token);
        self.0.store(token.cloned().map(Into::into));
    }

    pub(super) fn lets_in(&self, caller: Caller, headers: &HeaderMap) -> bool {
        match caller {
            // The file's permissions have decided.
            Caller::Socket { .. } => true,
            Caller::Address(_) => self.is_token(bearer(headers)),
        }
    }

    fn is_token(&self, shown: Option<&[u8]>) -> bool {
        let token = self.0.load();
        let (Some(token), Some(shown)) = (token.as_ref(), shown) else {
            return false;
        };
        token.expose_secret().as_bytes().ct_eq(shown).into()
    }
}

/// `Authorization: Bearer TOKEN` (RFC 6750 §2.1), once.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::config::AdminListener;

    const TOKEN: &str = "0123456789abcdef";

    fn admin(token: &str) -> Admin {
        Admin {
            socket: None,
            listener: Some(AdminListener {
                bind: "127.0.0.1:1".parse().unwrap(),
                token: token.to_owned().into(),
            }),
        }
    }

    fn showing(values: &[&str]) -> HeaderMap {
        let name = |value: &&str| {
            let value = HeaderValue::from_str(value).unwrap();
            (header::AUTHORIZATION, value)
        };
        values.iter().map(name).collect()
    }

    #[test]
    fn by_tcp_the_whole_token_is_wanted() {
        let guard = Guard::new(&admin(TOKEN));
        let caller = Caller::Address("192.0.2.1:1000".parse().unwrap());
        let lets_in = |values: &[&str]| guard.lets_in(caller, &showing(values));
        for right in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef"] {
            assert!(lets_in(&[right]), "{right}");
        }
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer  0123456789abcdef",
            "Basic 0123456789abcdef",
            TOKEN,
        ] {
            assert!(!lets_in(&[wrong]), "{wrong}");
        }
        assert!(!lets_in(&[]));
        let right = "Bearer 0123456789abcdef";
        assert!(!lets_in(&[right, right]), "which one?");
    }

    #[test]
    fn a_new_token_takes_the_place_of_the_old_one() {
        let guard = Guard::new(&admin(TOKEN));
        let caller = Caller::Address("192.0.2.1:1000".parse().unwrap());
        let shows = |token: &str| guard.lets_in(caller, &showing(&[&format!("Bearer {token}")]));
        guard.follow(&admin("fedcba9876543210"));
        assert!(!shows(TOKEN));
        assert!(shows("fedcba9876543210"));
        guard.follow(&Admin::default());
        assert!(!shows("fedcba9876543210"));
        assert!(guard.lets_in(Caller::Socket { uid: None }, &HeaderMap::new()));
    }
}
