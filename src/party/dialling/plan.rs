//! What differs from country to country.

use std::fmt;
use std::str::FromStr;

use super::{MIN_DIGITS, NotDialable};

/// Where national numbers belong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Country {
    /// Without `+`.
    pub code: String,
    /// Dialled before a national number within the country and not part of it: `0` in most, `1` in North America. Empty
    /// where there is none (Spain, Singapore), and where the 0 is part of the number (Italy).
    pub national_prefix: String,
    /// Without the prefix a number is a local one, which would become somebody else's far away. Where the prefix may be
    /// left out, every number is a national one.
    pub is_prefix_required: bool,
}

impl Country {
    /// What is dialled within this country; the prefix is set as in most with this code.
    pub fn usual(code: &str) -> Self {
        let north_america = code == "1";
        Self {
            code: code.to_owned(),
            national_prefix: if north_america { "1" } else { "0" }.to_owned(),
            is_prefix_required: !north_america,
        }
    }

    /// A national number's digits with the country code.
    pub(super) fn whole(&self, number: &str) -> Result<String, NotDialable> {
        let is_dialled_whole =
            !self.is_prefix_required || number.starts_with(self.national_prefix.as_str());
        // A service number has no prefix anywhere: its caller is not sent to look for one.
        if is_dialled_whole || self.code.len() + number.len() < MIN_DIGITS {
            return Ok(self.with_code(number));
        }
        Err(NotDialable::NoNationalPrefix)
    }

    /// A number that is known to be national, with the prefix or without.
    pub(super) fn with_code(&self, number: &str) -> String {
        let significant = number.strip_prefix(self.national_prefix.as_str());
        format!("{}{}", self.code, significant.unwrap_or(number))
    }
}

/// Numbers that are not called: `112` alone, or with `*` at its end all that begin so: `0900*`, `+49900*`. Never a whole
/// user's number, so it is printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefusedNumbers {
    One(String),
    From(String),
}

impl RefusedNumbers {
    pub const MAX_DIGITS: usize = 8;

    /// Emergency numbers of the world, and the services of social value that Europe has in common (116xxx), which are long
    /// enough to be taken for a user's.
    pub const USUAL: [&str; 44] = [
        "000", "100", "101", "102", "103", "104", "105", "106", "107", "108", "110", "111", "112",
        "113", "114", "115", "116", "117", "118", "119", "120", "122", "123", "132", "133", "155",
        "190", "191", "192", "193", "194", "199", "911", "988", "991", "995", "997", "998", "999",
        "116000", "116006", "116111", "116117", "116123",
    ];

    pub fn usual() -> Vec<Self> {
        let one = |number: &str| Self::One(number.to_owned());
        Self::USUAL.into_iter().map(one).collect()
    }

    pub(super) fn has(&self, number: &str) -> bool {
        match self {
            Self::One(refused) => number == refused,
            Self::From(start) => number.starts_with(start.as_str()),
        }
    }
}

impl FromStr for RefusedNumbers {
    type Err = RefusedNumbersError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix('*').unwrap_or(text);
        let digits = number.strip_prefix('+').unwrap_or(number);
        let is_fit = (1..=Self::MAX_DIGITS).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        match (is_fit, text.ends_with('*')) {
            (true, true) => Ok(Self::From(number.to_owned())),
            (true, false) => Ok(Self::One(number.to_owned())),
            (false, true | false) => Err(RefusedNumbersError),
        }
    }
}

impl fmt::Display for RefusedNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(number) => f.write_str(number),
            Self::From(start) => write!(f, "{start}*"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a refused number is 1 to 8 digits, perhaps with + before and * behind for all that begin so"
)]
pub struct RefusedNumbersError;
