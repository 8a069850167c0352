//! Rate cards as people keep them: a table of comma-separated values (RFC 4180), which any spreadsheet writes. Read
//! strictly, and every mistake is told with its line.
//!
//! ```text
//! # Comments say where the figures are from.
//! valid_from,currency,market,destinations,above_0,above_50000
//! 2026-07-01,USD,India,91 IN,0.005,0.0045
//! 2026-07-01,USD,Egypt,20 EG,not supported,not supported
//! 2026-07-01,USD,Other,*,0.013,0.0124
//! ```
//!
//! A column `above_N` is the price of a minute when the month has had more than N minutes. Destinations are the first
//! digits of numbers, and ISO countries for users who show no number; `*` is everywhere else.

use std::fmt;

use csv::{ReaderBuilder, StringRecord, Trim};
use jiff::civil::Date;

use super::amount::{Currency, Rate};
use super::book::RateBook;
use super::card::{Card, Destination, Market};

const COLUMNS: [&str; 4] = ["valid_from", "currency", "market", "destinations"];
/// What a cell of each is.
const NAMES: [&str; 4] = ["day", "currency", "market", "list of destinations"];
const NOT_SUPPORTED: &str = "not supported";
const MAX_ROWS: usize = 10_000;
const MAX_TIERS: usize = 32;
const MAX_NAME: usize = 64;

/// What is wrong in one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// From 1; `None`: the table as a whole.
    pub line: Option<u64>,
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

/// All that is wrong with a table of rates, in the order of its lines.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl RateBook {
    /// Reads one table; it may hold cards of several days and currencies.
    pub fn read(text: &str) -> Result<Self, Mistakes> {
        let mut reader = Reader {
            book: Self::default(),
            tiers: Vec::new(),
            mistakes: Vec::new(),
        };
        // Spreadsheets begin UTF-8 with a byte order mark.
        reader.read_table(text.strip_prefix('\u{feff}').unwrap_or(text));
        if reader.mistakes.is_empty() {
            Ok(reader.book)
        } else {
            Err(Mistakes(reader.mistakes))
        }
    }
}

struct Reader {
    book: RateBook,
    /// Of every row: minutes.
    tiers: Vec<u32>,
    mistakes: Vec<Mistake>,
}

/// A row whose cells are read.
struct Row {
    valid_from: Date,
    currency: Currency,
    market: Market,
    destinations: Vec<Destination>,
}

impl Reader {
    fn read_table(&mut self, text: &str) {
        let mut rows = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(Trim::All)
            .from_reader(text.as_bytes());
        // It cannot fail: text is UTF-8, and rows may be of any length.
        let mut records = rows.records().map_while(Result::ok);
        match records.next() {
            Some(header) => self.read_header(&header),
            None => self.note(
                None,
                "the table is empty",
                &format!("begin with {}", header()),
            ),
        }
        if !self.mistakes.is_empty() {
            return;
        }
        for (count, record) in records.enumerate() {
            if count == MAX_ROWS {
                let problem = format!("there are more than {MAX_ROWS} rows");
                return self.note(line(&record), &problem, "divide the table");
            }
            self.read_row(&record);
        }
        if self.book.cards.is_empty() && self.mistakes.is_empty() {
            self.note(None, "there is no rate", "write a row for each market");
        }
    }

    fn read_header(&mut self, header_row: &StringRecord) {
        let at = line(header_row);
        if !header_row.iter().take(COLUMNS.len()).eq(COLUMNS) {
            return self.note(
                at,
                "these are not the columns",
                &format!("begin with {}", header()),
            );
        }
        for name in header_row.iter().skip(COLUMNS.len()) {
            let above = name.strip_prefix("above_").and_then(|n| n.parse().ok());
            let Some(above) = above else {
                let problem = format!("\"{}\" is not a tier", excerpt(name));
                return self.note(at, &problem, "write above_ and minutes, as in above_50000");
            };
            self.tiers.push(above);
        }
        let rise = self.tiers.is_sorted_by(|a, b| a < b);
        if self.tiers.first() != Some(&0) || !rise || self.tiers.len() > MAX_TIERS {
            self.note(
                at,
                "the tiers are not in order",
                "begin with above_0 and let the minutes rise",
            );
        }
    }

    fn read_row(&mut self, record: &StringRecord) {
        let at = line(record);
        let wanted = COLUMNS.len() + self.tiers.len();
        if record.len() != wanted {
            let problem = format!("the row has {} cells, the header {wanted}", record.len());
            return self.note(at, &problem, "write a value for each column");
        }
        match row(record) {
            Ok(row) => self.add(at, row),
            Err((problem, remedy)) => self.note(at, &problem, remedy),
        }
    }

    fn add(&mut self, at: Option<u64>, row: Row) {
        let card = card_of(&mut self.book, &self.tiers, row.currency, row.valid_from);
        if card.has_market(&row.market.name) {
            let problem = format!("{} is in this card already", excerpt(&row.market.name));
            return self.note(at, &problem, "remove one of the two rows");
        }
        for destination in card.add(row.market, row.destinations) {
            let problem = format!("{destination} is in this card already");
            self.note(at, &problem, "a destination belongs to one market");
        }
    }

    fn note(&mut self, line: Option<u64>, problem: &str, remedy: &str) {
        self.mistakes.push(Mistake {
            line,
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        });
    }
}

fn card_of<'a>(
    book: &'a mut RateBook,
    tiers: &[u32],
    currency: Currency,
    valid_from: Date,
) -> &'a mut Card {
    let known = book
        .cards
        .iter()
        .position(|card| card.currency == currency && card.valid_from == valid_from);
    let index = known.unwrap_or(book.cards.len());
    if known.is_none() {
        book.cards
            .push(Card::new(currency, valid_from, tiers.to_vec()));
    }
    &mut book.cards[index]
}

/// The problem and the remedy, when a cell cannot be read.
fn row(record: &StringRecord) -> Result<Row, (String, &'static str)> {
    let cell = |index: usize| record.get(index).unwrap_or_default();
    let wrong = |index: usize| format!("\"{}\" is no {}", excerpt(cell(index)), NAMES[index]);
    let rates: Vec<&str> = record.iter().skip(COLUMNS.len()).collect();
    Ok(Row {
        valid_from: cell(0)
            .parse()
            .map_err(|_| (wrong(0), "write a day as in 2026-07-01"))?,
        currency: cell(1)
            .parse()
            .map_err(|_| (wrong(1), "write three capital letters, as in USD"))?,
        market: Market {
            name: name(cell(2)).ok_or((wrong(2), "write a name of at most 64 characters"))?,
            rates: read_rates(&rates)?,
        },
        destinations: read_destinations(cell(3)).ok_or((
            wrong(3),
            "write first digits (91), countries (IN) or *, with spaces between",
        ))?,
    })
}

fn name(text: &str) -> Option<String> {
    let is_fit = (1..=MAX_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
    is_fit.then(|| text.to_owned())
}

/// `None`: the market cannot be called.
fn read_rates(cells: &[&str]) -> Result<Option<Vec<Rate>>, (String, &'static str)> {
    if cells.iter().all(|cell| *cell == NOT_SUPPORTED) {
        return Ok(None);
    }
    let remedy = "write the price of a minute as in 0.0103, or \"not supported\" in every tier";
    let rates = cells.iter().map(|cell| {
        cell.parse()
            .map_err(|error| (format!("\"{}\": {error}", excerpt(cell)), remedy))
    });
    rates.collect::<Result<_, _>>().map(Some)
}

fn read_destinations(text: &str) -> Option<Vec<Destination>> {
    let destinations: Vec<_> = text
        .split_ascii_whitespace()
        .map(read_destination)
        .collect::<Option<_>>()?;
    (!destinations.is_empty()).then_some(destinations)
}

fn read_destination(text: &str) -> Option<Destination> {
    if text == "*" {
        return Some(Destination::Elsewhere);
    }
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Some(Destination::Country(text.to_owned()));
    }
    text.parse().ok().map(Destination::Numbers)
}

fn header() -> String {
    format!("{},above_0", COLUMNS.join(","))
}

fn line(record: &StringRecord) -> Option<u64> {
    record.position().map(csv::Position::line)
}

fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(prefix) => prefix.fmt(f),
            Self::Country(country) => f.write_str(country),
            Self::Elsewhere => f.write_str("*"),
        }
    }
}

impl fmt::Display for Mistakes {
    /// A line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mistake, place) in self.0.iter().zip(0..) {
            let break_before = if place == 0 { "" } else { "\n" };
            write!(f, "{break_before}{mistake}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}
