//! The rate cards that are known.

use jiff::civil::Date;

use super::amount::Currency;
use super::card::Card;

/// Cards of several days and currencies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RateBook {
    pub(super) cards: Vec<Card>,
}

impl RateBook {
    /// The card in force: the latest of those that are valid on that day.
    pub fn card(&self, currency: Currency, day: Date) -> Option<&Card> {
        self.cards
            .iter()
            .filter(|card| card.currency == currency && card.valid_from <= day)
            .max_by_key(|card| card.valid_from)
    }
}
