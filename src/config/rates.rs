//! What calls cost: the rate cards, and the account's terms.

use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::report::{Finding, Severity};
use super::route::find_zone;
use super::surroundings::Surroundings;
use super::toml_file::{Notes, Table, Value};
use crate::rates::{Currency, Mistake, RateBook, Terms, TierScope};

const CARDS: &str = "write cards = [\"rates.csv\"]: the files of your rate cards";
const TIERS: [(&str, TierScope); 2] = [
    ("market", TierScope::Market),
    ("account", TierScope::Account),
];

/// Of one card: more are consequences of the first ones.
const MAX_MISTAKES: usize = 20;

/// `[rates]`.
pub(super) fn read(table: &Table<'_>, around: Surroundings<'_>, notes: &Notes) -> Option<Terms> {
    table.required("cards", CARDS);
    let mut book = RateBook::default();
    let files = table.filled_list("cards", CARDS, |value| {
        Some(add_card(&mut book, &value, around, notes))
    });
    let currency = table
        .required("currency", "write currency = \"...\", as in \"USD\"")
        .and_then(|value| {
            let currency = value.parse("write the one that the account pays in", str::parse)?;
            Some((currency, value))
        });
    let zone = match table.value("zone") {
        Some(value) => value.parse(
            "write a name of the IANA database, as in \"Europe/Berlin\"",
            find_zone,
        ),
        None => Some(TimeZone::UTC),
    };
    let scope = table.choice("tiers", &TIERS, TierScope::Market);
    files?.into_iter().collect::<Option<()>>()?;
    let (currency, written) = currency?;
    require_prices(&book, currency, &written, around);
    Some(Terms {
        book,
        currency,
        zone: zone?,
        scope,
    })
}

/// Reads one file into the book; what is wrong with it is noted with its own lines.
fn add_card(
    book: &mut RateBook,
    value: &Value<'_>,
    around: Surroundings<'_>,
    notes: &Notes,
) -> Option<()> {
    let path = around.path(value)?;
    let bytes = around.content(value, &path)?;
    let Ok(text) = String::from_utf8(bytes) else {
        let problem = format!("{} is no text", path.display());
        value.error(&problem, "save it as comma-separated values in UTF-8");
        return None;
    };
    match RateBook::read(&text) {
        Ok(more) => {
            for (day, currency) in book.add(more) {
                refuse_twice(value, day, currency);
            }
            Some(())
        }
        Err(mistakes) => {
            for mistake in mistakes.0.into_iter().take(MAX_MISTAKES) {
                notes.add(finding(&path, mistake));
            }
            None
        }
    }
}

fn refuse_twice(value: &Value<'_>, day: Date, currency: Currency) {
    let problem = format!("the card in {currency} of {day} is in a file above already");
    value.error(&problem, "keep a card in one file");
}

fn finding(path: &Path, mistake: Mistake) -> Finding {
    Finding {
        severity: Severity::Error,
        file: path.to_owned(),
        line: mistake.line.and_then(|line| line.try_into().ok()),
        key: String::new(),
        problem: mistake.problem,
        remedy: mistake.remedy,
    }
}

/// A book without a card for today prices nothing.
fn require_prices(
    book: &RateBook,
    currency: Currency,
    written: &Value<'_>,
    around: Surroundings<'_>,
) {
    let today = jiff::Timestamp::try_from(around.outside.now())
        .map(|now| now.to_zoned(TimeZone::UTC).date());
    match (book.begins(currency), today) {
        (None, _) => written.error(
            &format!("no card is in {currency}"),
            "write the currency of the cards, or name cards in this one",
        ),
        (Some(begin), Ok(today)) if today < begin => written.warning(
            &format!("the first card in {currency} is valid from {begin}"),
            "add the card that is valid today: calls have no price without",
        ),
        (Some(_), _) => {}
    }
}
