//! Phone numbers in international form (ITU-T E.164 §6).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// A number in E.164 form: `+` and 2 to 15 digits, the first not 0. Looked up by its whole text (`Borrow<str>`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads `+12195550714`; visual separators (`-`, `.`, `(`, `)`, space; RFC 3966 §5.1.1) may stand between.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let number = text.strip_prefix('+').ok_or(PhoneNumberError::NoPlus)?;
        Self::from_digits(number)
    }

    /// Reads a business number as WhatsApp writes it, with or without `+`, with RFC 4904 parameters behind.
    pub fn from_user_part(user: &str) -> Result<Self, PhoneNumberError> {
        let name = super::user_name(user).ok_or(PhoneNumberError::NotDigits)?;
        Self::from_digits(name.strip_prefix('+').unwrap_or(&name))
    }

    fn from_digits(text: &str) -> Result<Self, PhoneNumberError> {
        let mut number = String::with_capacity(16);
        number.push('+');
        for digit in text.chars().filter(|c| !"-.() ".contains(*c)) {
            if !digit.is_ascii_digit() {
                return Err(PhoneNumberError::NotDigits);
            }
            if number.len() > 15 {
                return Err(PhoneNumberError::Length);
            }
            number.push(digit);
        }
        if number.starts_with("+0") {
            return Err(PhoneNumberError::LeadingZero);
        }
        if number.len() < 3 {
            return Err(PhoneNumberError::Length);
        }
        Ok(Self(number))
    }

    /// Whole, with `+`.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whole, without `+`: WhatsApp's digest user name (dossier 2.3).
    pub fn expose_digits(&self) -> &str {
        self.0.strip_prefix('+').unwrap_or(&self.0)
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Borrow<str> for PhoneNumber {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::write_masked(f, "+", self.expose_digits())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PhoneNumberError {
    #[error("it does not begin with +")]
    NoPlus,
    #[error("it holds something other than digits")]
    NotDigits,
    #[error("no country code begins with 0")]
    LeadingZero,
    #[error("a number has 2 to 15 digits")]
    Length,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_and_kept_in_one_form() {
        for text in ["+12195550714", "+1-219-555-0714", "+1 (219) 555.0714"] {
            let number = PhoneNumber::parse(text).unwrap();
            assert_eq!(number.expose(), "+12195550714");
            assert_eq!(number.expose_digits(), "12195550714");
        }
    }

    #[test]
    fn what_is_no_number_says_why() {
        for (text, error) in [
            ("12195550714", PhoneNumberError::NoPlus),
            ("", PhoneNumberError::NoPlus),
            ("+", PhoneNumberError::Length),
            ("+1", PhoneNumberError::Length),
            ("+0123", PhoneNumberError::LeadingZero),
            ("+12x", PhoneNumberError::NotDigits),
            ("+1234567890123456", PhoneNumberError::Length),
            ("+١٢٣", PhoneNumberError::NotDigits),
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn business_numbers_may_lack_the_plus() {
        for user in [
            "17015550100",
            "+17015550100",
            "+17015550100;tgrp=x",
            "%2B17015550100",
        ] {
            let number = PhoneNumber::from_user_part(user).unwrap();
            assert_eq!(number.expose(), "+17015550100");
        }
        assert!(PhoneNumber::from_user_part("sales").is_err());
    }

    #[test]
    fn a_map_of_numbers_is_asked_by_text() {
        let numbers = std::collections::BTreeMap::from([(
            PhoneNumber::parse("+1-701-555-0100").unwrap(),
            (),
        )]);
        assert!(numbers.contains_key("+17015550100"));
    }

    proptest! {
        #[test]
        fn only_two_digits_are_ever_printed(digits in "[1-9][0-9]{5,14}") {
            let number = PhoneNumber::parse(&format!("+{digits}")).unwrap();
            for shown in [number.to_string(), format!("{number:?}")] {
                prop_assert_eq!(shown.chars().filter(char::is_ascii_digit).count(), 2);
            }
            prop_assert_eq!(PhoneNumber::parse(number.expose()), Ok(number.clone()));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,40}") {
            let _ = PhoneNumber::parse(&text);
            let _ = PhoneNumber::from_user_part(&text);
            let _ = crate::party::Party::from_user_part(&text);
        }
    }
}
