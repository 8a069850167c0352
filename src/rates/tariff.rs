//! The price of calls as they come.

use std::time::{Duration, SystemTime};

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::amount::{Amount, Currency, Rate};
use super::book::RateBook;
use super::month::{Month, Usage};
use super::pulse::Pulses;
use crate::party::Party;

/// What an account pays by.
#[derive(Clone, Debug)]
pub struct Terms {
    pub book: RateBook,
    pub currency: Currency,
    /// The account's: its midnights begin months and cards.
    pub zone: TimeZone,
    pub scope: TierScope,
}

/// Prices calls, and counts what the month has had.
#[derive(Clone, Debug)]
pub struct Tariff {
    terms: Terms,
    usage: Usage,
}

/// Whose minutes move a market's tier. The dossier does not say; WhatsApp's messages count by market.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TierScope {
    Market,
    Account,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Initiator {
    User,
    Business,
}

/// A call that was picked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PickedUp<'a> {
    pub by: Initiator,
    pub user: &'a Party,
    /// The call belongs to the day and month of this moment.
    pub at: SystemTime,
    /// From pick-up to end: WhatsApp's count where it is known, else ours.
    pub talk: Duration,
}

/// What a call costs, and how that came about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    pub market: String,
    pub pulses: Pulses,
    /// From 1.
    pub tier: usize,
    /// Of a minute.
    pub rate: Rate,
    pub price: Amount,
}

/// Why a call has no price. The operator's fault (cards are missing), or the call should not have been possible.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RatesError {
    #[error("no rate card in {currency} is valid on {day}")]
    NoCard { currency: Currency, day: Date },
    #[error("the rate card of {valid_from} has no market for this user")]
    NoMarket { valid_from: Date },
    #[error("by the rate card of {valid_from}, {market} cannot be called")]
    NotSupported { market: String, valid_from: Date },
    #[error("the month of {day} is counted no more")]
    MonthClosed { day: Date },
    #[error("the call's time is beyond the calendar")]
    Time,
}

impl Tariff {
    /// Nothing called yet: give it the month's calls again after a start.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            usage: Usage::default(),
        }
    }

    /// New terms take over; what the months had so far stays. A market keeps its minutes by its name.
    pub fn follow(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Counts and prices a call. A call that crosses a border between tiers costs the later tier's rate as a whole.
    /// `None`: it is free.
    pub fn handle_call(&mut self, call: &PickedUp<'_>) -> Result<Option<Charge>, RatesError> {
        match call.by {
            Initiator::User => Ok(None),
            Initiator::Business => self.charge(call).map(Some),
        }
    }

    fn charge(&mut self, call: &PickedUp<'_>) -> Result<Charge, RatesError> {
        let day = self.terms.day(call.at)?;
        let month = Month::from(day);
        if self.usage.is_closed(month) {
            return Err(RatesError::MonthClosed { day });
        }
        let currency = self.terms.currency;
        let card = self.terms.book.card(currency, day);
        let card = card.ok_or(RatesError::NoCard { currency, day })?;
        let valid_from = card.valid_from;
        let market = card.market(call.user);
        let market = market.ok_or(RatesError::NoMarket { valid_from })?;
        let pulses = Pulses::of(call.talk);
        let tier = card.tier(self.so_far(month, &market.name) + pulses);
        let Some(rate) = market.rate(tier) else {
            let market = market.name.clone();
            return Err(RatesError::NotSupported { market, valid_from });
        };
        let market = market.name.clone();
        self.usage.add(month, &market, pulses);
        Ok(Charge {
            market,
            pulses,
            tier: tier + 1,
            rate,
            price: rate.price(pulses, currency),
        })
    }

    fn so_far(&self, month: Month, market: &str) -> Pulses {
        let market = match self.terms.scope {
            TierScope::Market => Some(market),
            TierScope::Account => None,
        };
        self.usage.so_far(month, market)
    }
}

impl Terms {
    /// When the month before this moment's began: calls picked up since then are what a new [`Tariff`] must be given.
    pub fn counted_since(&self, now: SystemTime) -> Result<SystemTime, RatesError> {
        let begin = self.day(now)?.first_of_month();
        let begin = begin
            .checked_sub(1.month())
            .and_then(|begin| begin.to_zoned(self.zone.clone()));
        let begin = begin.map_err(|_| RatesError::Time)?;
        Ok(begin.timestamp().into())
    }

    fn day(&self, at: SystemTime) -> Result<Date, RatesError> {
        let at = jiff::Timestamp::try_from(at).map_err(|_| RatesError::Time)?;
        Ok(at.to_zoned(self.zone.clone()).date())
    }
}
