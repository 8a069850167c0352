//! What a kind of peer means by its final responses: `[[refusals]]` of a profile.

use super::toml_file::{Table, Value};

/// A final response, and what it means. Of a profile's list the first that fits counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub status: u16,
    /// Its reason phrase or `Warning` has these words in it, in whatever case.
    pub says: Option<String>,
    pub means: Meaning,
}

/// Why a peer takes no call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Meaning {
    /// Our number is no business number of the peer's.
    NumberUnknown,
    /// We are not the SIP server that the number is set to.
    WrongServer,
    /// The account behind the number may not call.
    NotEligible,
    WrongCredentials,
    /// The user has not allowed calls.
    NoPermission,
    /// The user was called as often as is allowed.
    LimitReached,
    /// A call between the two is going on.
    CallActive,
    /// As many calls of the number are going on as are allowed.
    NumberFull,
    MediaRefused,
    /// The user was rung, or could not be reached, and did not answer.
    NotAnswered,
    Declined,
}

impl Meaning {
    pub const ALL: [(&'static str, Self); 11] = [
        ("number-unknown", Self::NumberUnknown),
        ("wrong-server", Self::WrongServer),
        ("not-eligible", Self::NotEligible),
        ("wrong-credentials", Self::WrongCredentials),
        ("no-permission", Self::NoPermission),
        ("limit-reached", Self::LimitReached),
        ("call-active", Self::CallActive),
        ("number-full", Self::NumberFull),
        ("media-refused", Self::MediaRefused),
        ("not-answered", Self::NotAnswered),
        ("declined", Self::Declined),
    ];
}

impl Refusal {
    /// `texts`: the reason phrase, and what the `Warning`s say.
    pub fn fits<'t>(&self, status: u16, mut texts: impl Iterator<Item = &'t str>) -> bool {
        let said = |words: &String| texts.any(|text| contains(text, words));
        self.status == status && self.says.as_ref().is_none_or(said)
    }

    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let status = table
            .required("status", "write status = 403, the final response")
            .and_then(|value| value.number(300..=699));
        let says = match table.value("says") {
            Some(value) => Some(read_words(&value)?),
            None => None,
        };
        let means = table
            .required("means", "write means = \"...\": what it is")
            .and_then(|value| value.choice(&Meaning::ALL));
        Some(Self {
            status: u16::try_from(status?).ok()?,
            says,
            means: means?,
        })
    }
}

fn read_words(value: &Value<'_>) -> Option<String> {
    value.parse("write some words of its text", |text| {
        let is_fit = (1..=128).contains(&text.trim().len());
        is_fit
            .then(|| text.to_owned())
            .ok_or("the words are empty or longer than 128 bytes")
    })
}

fn contains(text: &str, words: &str) -> bool {
    text.to_lowercase().contains(&words.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_text_and_case() {
        let refusal = Refusal {
            status: 403,
            says: Some("no approved call permission".to_owned()),
            means: Meaning::NoPermission,
        };
        let texts = |texts: &'static [&'static str]| texts.iter().copied();
        assert!(refusal.fits(
            403,
            texts(&["Forbidden", "No Approved Call Permission Found: x"])
        ));
        assert!(!refusal.fits(403, texts(&["Forbidden"])));
        assert!(!refusal.fits(480, texts(&["No Approved Call Permission"])));
        let any = Refusal {
            says: None,
            ..refusal
        };
        assert!(any.fits(403, texts(&[])));
    }
}
