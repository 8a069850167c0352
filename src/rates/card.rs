//! One rate card: what a minute to each market costs from a day on.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::amount::{Currency, Rate};
use super::pulse::Pulses;
use crate::party::{NumberPrefix, NumberPrefixes, Party};

/// Prices of one currency from one day on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Card {
    pub currency: Currency,
    pub valid_from: Date,
    /// Each tier counts what is above so many minutes of the month; the first is above none.
    tiers: Vec<u32>,
    markets: Vec<Market>,
    by_number: NumberPrefixes<usize>,
    by_country: BTreeMap<String, usize>,
    elsewhere: Option<usize>,
}

/// Countries that cost the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Market {
    pub name: String,
    /// One for each tier; `None`: the business may not call there.
    pub(super) rates: Option<Vec<Rate>>,
}

/// Where a market is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Destination {
    Numbers(NumberPrefix),
    /// ISO 3166, of users who show no number.
    Country(String),
    Elsewhere,
}

impl Card {
    /// `tiers` begin with 0 and rise.
    pub(super) fn new(currency: Currency, valid_from: Date, tiers: Vec<u32>) -> Self {
        Self {
            currency,
            valid_from,
            tiers,
            markets: Vec::new(),
            by_number: NumberPrefixes::default(),
            by_country: BTreeMap::new(),
            elsewhere: None,
        }
    }

    /// The market's rates are as many as the card's tiers. Gives back the destinations that were another market's already.
    pub(super) fn add(
        &mut self,
        market: Market,
        destinations: Vec<Destination>,
    ) -> Vec<Destination> {
        let index = self.markets.len();
        self.markets.push(market);
        destinations
            .into_iter()
            .filter(|destination| self.lead(destination, index).is_some())
            .collect()
    }

    /// The market that the destination led to before.
    fn lead(&mut self, destination: &Destination, index: usize) -> Option<usize> {
        match destination {
            Destination::Numbers(prefix) => self.by_number.insert(prefix.clone(), index),
            Destination::Country(country) => self.by_country.insert(country.clone(), index),
            Destination::Elsewhere => self.elsewhere.replace(index),
        }
    }

    pub(super) fn has_market(&self, name: &str) -> bool {
        self.markets.iter().any(|market| market.name == name)
    }

    /// By the longest prefix of a number, by the country of a user id.
    pub fn market(&self, user: &Party) -> Option<&Market> {
        let found = match user {
            Party::Number(number) => self.by_number.of(number).copied(),
            Party::User(id) => self.by_country.get(id.country()).copied(),
            Party::Other(_) => return None,
        };
        self.markets.get(found.or(self.elsewhere)?)
    }

    /// The tier that the month is in when it has had so many pulses: from 0.
    pub(super) fn tier(&self, month: Pulses) -> usize {
        let begun = |above: &u32| *above == 0 || month > Pulses::in_minutes(*above);
        self.tiers.partition_point(begun).saturating_sub(1)
    }
}

impl Market {
    /// Of a minute in that tier; `None`: it cannot be called.
    pub(super) fn rate(&self, tier: usize) -> Option<Rate> {
        self.rates.as_ref()?.get(tier).copied()
    }
}
