mod cards;
mod month;

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;

use super::*;
use crate::party::Party;

/// From RFC 3339.
fn time(text: &str) -> SystemTime {
    text.parse::<jiff::Timestamp>().unwrap().into()
}

fn user(text: &str) -> Party {
    Party::from_user_part(text).unwrap()
}

fn usd() -> Currency {
    "USD".parse().unwrap()
}

fn tariff(cards: &str, scope: TierScope) -> Tariff {
    let book = RateBook::read(cards).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    Tariff::new(terms(book, TimeZone::UTC, scope))
}

fn terms(book: RateBook, zone: TimeZone, scope: TierScope) -> Terms {
    let currency = usd();
    Terms {
        book,
        currency,
        zone,
        scope,
    }
}

fn call(user: &Party, at: SystemTime, talk: Duration) -> PickedUp<'_> {
    let by = Initiator::Business;
    PickedUp { by, user, at, talk }
}
