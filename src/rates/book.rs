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
    /// Takes the cards of another book in. Gives back the days and currencies whose card was here already; that one stays.
    pub fn add(&mut self, other: Self) -> Vec<(Date, Currency)> {
        let mut known = Vec::new();
        for card in other.cards {
            let (day, currency) = (card.valid_from, card.currency);
            match self.exact(day, currency) {
                Some(_) => known.push((day, currency)),
                None => self.cards.push(card),
            }
        }
        known
    }

    /// From when on there are prices in a currency.
    pub fn begins(&self, currency: Currency) -> Option<Date> {
        let cards = self.cards.iter().filter(|card| card.currency == currency);
        cards.map(|card| card.valid_from).min()
    }

    fn exact(&self, day: Date, currency: Currency) -> Option<&Card> {
        self.cards
            .iter()
            .find(|card| card.currency == currency && card.valid_from == day)
    }

    /// The card in force: the latest of those that are valid on that day.
    pub fn card(&self, currency: Currency, day: Date) -> Option<&Card> {
        self.cards
            .iter()
            .filter(|card| card.currency == currency && card.valid_from <= day)
            .max_by_key(|card| card.valid_from)
    }
}
