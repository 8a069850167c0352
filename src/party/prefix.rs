//! The first digits of numbers: countries, areas.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::PhoneNumber;

/// The first digits of numbers in E.164 form, without `+`: `49`, `1242`. Never a whole number, so it is printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NumberPrefix(String);

impl NumberPrefix {
    /// The longest that tells countries and areas apart.
    pub const MAX_DIGITS: usize = 8;
}

impl FromStr for NumberPrefix {
    type Err = NumberPrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_fit = (1..=Self::MAX_DIGITS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && !text.starts_with('0');
        is_fit
            .then(|| Self(text.to_owned()))
            .ok_or(NumberPrefixError)
    }
}

impl fmt::Display for NumberPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a prefix is 1 to 8 digits without +, the first not 0")]
pub struct NumberPrefixError;

/// What is known of numbers by how they begin; the longest prefix that fits counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberPrefixes<T>(BTreeMap<String, T>);

impl<T> NumberPrefixes<T> {
    /// Gives back what was known of this prefix before.
    pub fn insert(&mut self, prefix: NumberPrefix, value: T) -> Option<T> {
        self.0.insert(prefix.0, value)
    }

    pub fn of(&self, number: &PhoneNumber) -> Option<&T> {
        let digits = number.expose_digits();
        (1..=NumberPrefix::MAX_DIGITS)
            .rev()
            .find_map(|length| self.0.get(digits.get(..length)?))
    }
}

impl<T> Default for NumberPrefixes<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> FromIterator<(NumberPrefix, T)> for NumberPrefixes<T> {
    fn from_iter<I: IntoIterator<Item = (NumberPrefix, T)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        Self(entries.map(|(prefix, value)| (prefix.0, value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        let countries: NumberPrefixes<&str> = [("1", "US"), ("1242", "BS"), ("49", "DE")]
            .map(|(prefix, country)| (prefix.parse().unwrap(), country))
            .into_iter()
            .collect();
        for (number, country) in [
            ("+12195550714", Some("US")),
            ("+12425550714", Some("BS")),
            ("+1242", Some("BS")),
            ("+124", Some("US")),
            ("+4930123456", Some("DE")),
            ("+48221234567", None),
        ] {
            let number = PhoneNumber::parse(number).unwrap();
            assert_eq!(countries.of(&number).copied(), country);
        }
    }

    #[test]
    fn what_is_no_prefix() {
        for text in ["", "+49", "049", "4x", "123456789"] {
            assert!(text.parse::<NumberPrefix>().is_err(), "{text}");
        }
        assert_eq!("12345678".parse(), Ok(NumberPrefix("12345678".to_owned())));
    }
}
