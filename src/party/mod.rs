//! Who is calling: phone numbers, business-scoped user ids, display names. All masked when printed; `expose` gives the
//! whole for the wire and the call record.

mod dialled;
mod dialling;
mod display_name;
mod number;
mod prefix;
mod user_id;

pub use dialling::{Country, Dialling, NotDialable, RefusedNumbers, RefusedNumbersError};
pub use display_name::DisplayName;
pub use number::{PhoneNumber, PhoneNumberError};
pub use prefix::{NumberPrefix, NumberPrefixError, NumberPrefixes};
pub use user_id::UserId;

use std::fmt;

/// The longest user part that is looked at, bytes.
const MAX_USER: usize = 256;

/// Who a SIP user part names (dossier 2.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    Number(PhoneNumber),
    /// A WhatsApp user who shows no number.
    User(UserId),
    /// Anything else: an extension, a name, `anonymous`. Opaque.
    Other(String),
}

impl Party {
    /// Reads the user part of a SIP URI or the number of a `tel:` URI, escaped or not, with RFC 4904 or other parameters
    /// (`+1234;tgrp=wacall`). A number is known by its `+`; digits alone may be an extension. `None`: nothing is there,
    /// or it cannot be a user part.
    pub fn from_user_part(user: &str) -> Option<Self> {
        let user = user_name(user)?;
        if let Ok(number) = PhoneNumber::parse(&user) {
            return Some(Self::Number(number));
        }
        Some(match UserId::parse(&user) {
            Some(id) => Self::User(id),
            None => Self::Other(user),
        })
    }

    /// Whole, as in a user part before escaping.
    pub fn expose(&self) -> &str {
        match self {
            Self::Number(number) => number.expose(),
            Self::User(id) => id.expose(),
            Self::Other(user) => user,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::User(id) => id.fmt(f),
            Self::Other(user) => write_masked(f, "", user),
        }
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The user part without parameters, unescaped once (RFC 3261 §19.1.2).
fn user_name(user: &str) -> Option<String> {
    if user.len() > MAX_USER {
        return None;
    }
    let name = unescape(user.split(';').next()?)?;
    let is_clean = !name.is_empty() && !name.chars().any(char::is_control);
    is_clean.then_some(name)
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// `prefix*42`: the last two characters of what is longer than four, else nothing.
fn write_masked(f: &mut fmt::Formatter<'_>, prefix: &str, secret: &str) -> fmt::Result {
    let length = secret.chars().count();
    let shown = if length > 4 { 2 } else { 0 };
    let tail: String = secret.chars().skip(length - shown).collect();
    write!(f, "{prefix}*{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(user: &str) -> Party {
        Party::from_user_part(user).unwrap()
    }

    #[test]
    fn user_parts_of_whatsapp() {
        assert!(matches!(read("+12195550714"), Party::Number(_)));
        assert!(matches!(
            read("+1234567890;tgrp=wacall;trunk-context=byoc.example.com"),
            Party::Number(number) if number.expose() == "+1234567890"
        ));
        assert!(matches!(read("%2B12195550714"), Party::Number(_)));
        assert!(matches!(read("US.13491208655302741918"), Party::User(_)));
        assert!(matches!(
            read("US.ENT.11815799212886844830"),
            Party::User(_)
        ));
        assert!(matches!(read("us.ent.1181"), Party::Other(_)));
    }

    #[test]
    fn user_parts_of_pbxs() {
        for user in [
            "100",
            "12195550714",
            "anonymous",
            "+",
            "+0123",
            "J%C3%BCrgen",
        ] {
            assert!(matches!(read(user), Party::Other(_)), "{user}");
        }
        assert_eq!(read("J%C3%BCrgen").expose(), "Jürgen");
    }

    #[test]
    fn what_is_no_user_part() {
        for user in [
            "",
            ";x",
            "%",
            "%4",
            "%zz",
            "%00",
            "%ff",
            "a%0d%0ab",
            &"1".repeat(300),
        ] {
            assert_eq!(Party::from_user_part(user), None, "{user}");
        }
    }

    #[test]
    fn printing_hides_all_but_two_characters() {
        for (user, shown) in [
            ("+12195550714", "+*14"),
            ("US.13491208655302741918", "US.*18"),
            ("US.ENT.11815799212886844830", "US.ENT.*30"),
            ("secretary", "*ry"),
            ("100", "*"),
        ] {
            assert_eq!(read(user).to_string(), shown);
            assert_eq!(format!("{:?}", read(user)), shown);
        }
    }
}
