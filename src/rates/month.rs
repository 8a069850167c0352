//! How much was called in a month.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::pulse::Pulses;

/// The months that are counted: the present one, and the one before for calls that are told late.
const COUNTED: usize = 2;

/// A calendar month.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Month(Date);

impl From<Date> for Month {
    fn from(day: Date) -> Self {
        Self(day.first_of_month())
    }
}

/// Pulses by month and market.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Usage(BTreeMap<Month, BTreeMap<String, Pulses>>);

impl Usage {
    /// Months before it are counted no more.
    pub(super) fn is_closed(&self, month: Month) -> bool {
        self.0.len() == COUNTED && self.0.keys().next().is_some_and(|first| month < *first)
    }

    /// What this month had so far; `market`: in one market, else in all.
    pub(super) fn so_far(&self, month: Month, market: Option<&str>) -> Pulses {
        let Some(markets) = self.0.get(&month) else {
            return Pulses::default();
        };
        match market {
            Some(market) => markets.get(market).copied().unwrap_or_default(),
            None => markets
                .values()
                .copied()
                .fold(Pulses::default(), |a, b| a + b),
        }
    }

    pub(super) fn add(&mut self, month: Month, market: &str, pulses: Pulses) {
        let total = self.so_far(month, Some(market)) + pulses;
        let markets = self.0.entry(month).or_default();
        markets.insert(market.to_owned(), total);
        while self.0.len() > COUNTED {
            self.0.pop_first();
        }
    }
}
