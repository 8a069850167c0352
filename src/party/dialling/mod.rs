//! From what a PBX dials to who is called on WhatsApp.

mod not_dialable;
mod plan;

pub use not_dialable::NotDialable;
pub use plan::{Country, RefusedNumbers, RefusedNumbersError};

use super::dialled::{Dialled, compact};
use super::{Party, PhoneNumber, UserId};

/// No WhatsApp user's number is shorter, country code included. Service numbers that are dialled nationally are.
const MIN_DIGITS: usize = 7;
const MAX_DIGITS: usize = 15;

/// How numbers are dialled at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialling {
    /// Marks of the dialplan that are taken off first, once, the longest that fits: `9` for an outside line, `wa`, `*88`.
    pub dial_prefixes: Vec<String>,
    /// What stands for `+`.
    pub international_prefixes: Vec<String>,
    /// `None`: national numbers are not understood.
    pub country: Option<Country>,
    /// Emergency, short and premium numbers, compared as dialled, without the dial prefix, and in E.164 form.
    pub refuse: Vec<RefusedNumbers>,
}

impl Default for Dialling {
    fn default() -> Self {
        Self {
            dial_prefixes: Vec::new(),
            international_prefixes: vec!["00".to_owned()],
            country: None,
            refuse: RefusedNumbers::usual(),
        }
    }
}

impl Dialling {
    /// Who is called: a number in E.164 form, or a user by business-scoped id. Takes the user part of a SIP URI or a whole
    /// `tel:`, `sip:` or `sips:` URI, as it stands in the request line.
    pub fn read(&self, uri_or_user: &str) -> Result<Party, NotDialable> {
        let dialled = Dialled::parse(uri_or_user).ok_or(NotDialable::NoNumber)?;
        let ids = [dialled.name.as_str(), self.undecorated(&dialled.name)];
        if let Some(id) = ids.into_iter().find_map(UserId::parse) {
            return Ok(Party::User(id));
        }
        let whole = compact(&dialled.name);
        let number = self.undecorated(&whole);
        self.check(&whole)?;
        self.check(number)?;
        let digits = self.international(number, dialled.context.as_deref())?;
        let number = in_e164(&digits)?;
        self.check(number.expose())?;
        Ok(Party::Number(number))
    }

    /// Without the dial prefix.
    fn undecorated<'a>(&self, text: &'a str) -> &'a str {
        after_longest(&self.dial_prefixes, text).unwrap_or(text)
    }

    fn check(&self, number: &str) -> Result<(), NotDialable> {
        let is_refused = self.refuse.iter().any(|refused| refused.has(number));
        match is_refused {
            true => Err(NotDialable::Refused),
            false => Ok(()),
        }
    }

    /// The digits of the number in E.164 form, country code first; not checked yet.
    fn international(&self, number: &str, context: Option<&str>) -> Result<String, NotDialable> {
        let digits = number.strip_prefix('+');
        let digits = digits.or_else(|| after_longest(&self.international_prefixes, number));
        if let Some(digits) = digits {
            return Ok(digits.to_owned());
        }
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotDialable::NoNumber);
        }
        match (&self.country, context) {
            (Some(country), Some(context)) if country.code == context => {
                Ok(country.with_code(number))
            }
            (Some(_) | None, Some(context)) => Ok(format!("{context}{number}")),
            (Some(country), None) => country.whole(number),
            (None, None) => Err(NotDialable::NoCountry),
        }
    }
}

fn in_e164(digits: &str) -> Result<PhoneNumber, NotDialable> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotDialable::NoNumber);
    }
    match digits.len() {
        ..MIN_DIGITS => Err(NotDialable::TooShort),
        MIN_DIGITS..=MAX_DIGITS => {
            PhoneNumber::parse(&format!("+{digits}")).map_err(|_| NotDialable::NoCountryCode)
        }
        _ => Err(NotDialable::TooLong),
    }
}

/// What is left of a text that begins with one of these, letters in any case.
fn after_longest<'a>(prefixes: &[String], text: &'a str) -> Option<&'a str> {
    let rest = |prefix: &String| {
        let (start, rest) = text.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    };
    prefixes
        .iter()
        .filter_map(rest)
        .min_by_key(|rest| rest.len())
}

#[cfg(test)]
mod tests;
