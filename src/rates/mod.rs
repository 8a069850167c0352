//! What a call costs (dossier 6). WhatsApp bills a business-initiated call by started pulses of six seconds from pick-up
//! to end, at a rate that depends on the user's country and on how many minutes the month has had. Calls from users, and
//! calls that nobody picks up, are free.
//!
//! A [`RateBook`] holds WhatsApp's rate cards, read from data files; a [`Tariff`] prices calls by it and counts the month.
//! All of it is whole numbers: millionths of a currency's unit, pulses. Not here: files, the clock, the CDR.

mod amount;
mod book;
mod card;
mod month;
mod pulse;
mod reader;
mod tariff;

pub use amount::{Amount, Currency, NotACurrency, NotARate, Rate};
pub use book::RateBook;
pub use card::{Card, Market};
pub use pulse::Pulses;
pub use reader::{Mistake, Mistakes};
pub use tariff::{Charge, Initiator, PickedUp, RatesError, Tariff, Terms, TierScope};

#[cfg(test)]
mod tests;
