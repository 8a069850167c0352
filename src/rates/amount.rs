//! Money, in whole numbers.

use std::fmt;
use std::str::FromStr;

use super::pulse::Pulses;

/// An ISO 4217 code: `USD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Currency([u8; 3]);

/// Millionths of a currency's unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Amount {
    pub micros: u64,
    pub currency: Currency,
}

/// Price of a minute: so many times ten millionths of a currency's unit, so that a pulse, a tenth of it, is whole too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rate {
    micros_a_pulse: u64,
}

impl Rate {
    /// Digits behind the point.
    const DECIMALS: usize = 5;
    /// Digits before it: more than any currency's.
    const MAX_WHOLE: usize = 7;

    pub fn price(self, pulses: Pulses, currency: Currency) -> Amount {
        let micros = self.micros_a_pulse.saturating_mul(pulses.count());
        Amount { micros, currency }
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    /// Reads `0.0103`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let are_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(is_digit);
        if !are_digits(whole) || !are_digits(part) || whole.len() > Self::MAX_WHOLE {
            return Err(NotARate::Form);
        }
        if part.len() > Self::DECIMALS {
            return Err(NotARate::TooFine);
        }
        // A minute is ten pulses, so what counts hundred-thousandths of a minute's price counts millionths of a pulse's.
        let digits = format!("{whole}{part:0<width$}", width = Self::DECIMALS);
        let micros_a_pulse = digits.parse().map_err(|_| NotARate::Form)?;
        Ok(Self { micros_a_pulse })
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotARate {
    #[error("a rate is written as in 0.0103")]
    Form,
    #[error("a rate has at most five digits behind the point")]
    TooFine,
}

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        let is_code = letters.iter().all(u8::is_ascii_uppercase);
        is_code.then_some(Self(letters)).ok_or(NotACurrency)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a currency is three capital letters, as in USD")]
pub struct NotACurrency;

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|&c| write!(f, "{}", c as char))
    }
}

impl fmt::Display for Rate {
    /// A minute's: `0.01030`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10u64.pow(Self::DECIMALS as u32);
        let (whole, part) = (self.micros_a_pulse / unit, self.micros_a_pulse % unit);
        write!(f, "{whole}.{part:0width$}", width = Self::DECIMALS)
    }
}

impl Amount {
    /// Without the currency, exactly: `0.010300`.
    pub fn figure(self) -> String {
        let (whole, part) = (self.micros / 1_000_000, self.micros % 1_000_000);
        format!("{whole}.{part:06}")
    }
}

impl fmt::Display for Amount {
    /// `0.010300 USD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.figure(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_are_read_exactly() {
        for (text, shown) in [
            ("0", "0.00000"),
            ("0.005", "0.00500"),
            ("0.0103", "0.01030"),
            ("0.00001", "0.00001"),
            ("391", "391.00000"),
            ("9999999.99999", "9999999.99999"),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
        }
        for text in ["", ".", ".5", "5.", "-1", "1e3", "0,5", "10000000", " 1"] {
            assert_eq!(text.parse::<Rate>(), Err(NotARate::Form), "{text}");
        }
        assert_eq!("0.000001".parse::<Rate>(), Err(NotARate::TooFine));
    }

    #[test]
    fn a_minute_is_ten_pulses() {
        let currency = "USD".parse().unwrap();
        let rate: Rate = "0.0103".parse().unwrap();
        let price = |seconds| rate.price(Pulses::of(Duration::from_secs(seconds)), currency);
        assert_eq!(price(60).to_string(), "0.010300 USD");
        assert_eq!(price(6).to_string(), "0.001030 USD");
        assert_eq!(price(0).micros, 0);
    }

    #[test]
    fn currencies_are_three_letters() {
        assert_eq!("EUR".parse::<Currency>().unwrap().to_string(), "EUR");
        for text in ["", "eur", "EURO", "E1R", "\u{20ac}"] {
            assert_eq!(text.parse::<Currency>(), Err(NotACurrency));
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(whole in 0..10_000_000u32, part in 0..100_000u32) {
            let rate: Rate = format!("{whole}.{part:05}").parse().unwrap();
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,20}") {
            let _ = text.parse::<Rate>();
            let _ = text.parse::<Currency>();
        }
    }
}
