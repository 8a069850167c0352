//! Sums of calls by what they have in common.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::listing::{csv_failure, mos, seconds};
use super::table::{self, Align, Column};
use super::{Failure, Format};
use crate::rates::{Amount, Currency};
use crate::store::{Filter, ReadError, Record, Records};

/// What calls are grouped by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Key {
    Day,
    Month,
    Number,
    User,
    Trunk,
    Market,
    Cause,
    Direction,
}

/// Groups of calls, each under the values of its keys.
pub(super) type Sums = BTreeMap<Vec<String>, Sum>;

#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Sum {
    calls: u64,
    answered: u64,
    talk: Duration,
    pulses: u64,
    /// Millionths.
    prices: BTreeMap<Currency, u64>,
    /// Calls that should have a price and have none.
    unpriced: u64,
    setup_s: Mean,
    mos_from_user: Mean,
    mos_to_user: Mean,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Mean {
    total: f64,
    count: u32,
}

/// Without keys: one sum of all, also when there is no call.
pub(super) fn of(
    records: &Records,
    filter: &Filter,
    keys: &[Key],
    zone: &TimeZone,
) -> Result<Sums, ReadError> {
    let mut sums = Sums::new();
    if keys.is_empty() {
        sums.insert(Vec::new(), Sum::default());
    }
    let end: ControlFlow<()> = records.each(filter, |record| {
        let group = keys.iter().map(|key| key.of(&record, zone)).collect();
        sums.entry(group).or_default().add(&record);
        ControlFlow::Continue(())
    })?;
    debug_assert!(end.is_continue());
    Ok(sums)
}

impl Key {
    fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Number => "number",
            Self::User => "user",
            Self::Trunk => "trunk",
            Self::Market => "market",
            Self::Cause => "cause",
            Self::Direction => "direction",
        }
    }

    fn of(self, record: &Record, zone: &TimeZone) -> String {
        let local = |format| match record.at() {
            Some(started) => started.to_zoned(zone.clone()).strftime(format).to_string(),
            None => String::new(),
        };
        match self {
            Self::Day => local("%Y-%m-%d"),
            Self::Month => local("%Y-%m"),
            Self::Number => record.number.clone(),
            Self::User => record.user.clone(),
            Self::Trunk => record.trunk.clone().unwrap_or_default(),
            Self::Market => record.market.clone().unwrap_or_default(),
            Self::Cause => record.cause.clone(),
            Self::Direction => record.direction.clone(),
        }
    }
}

impl Sum {
    fn add(&mut self, record: &Record) {
        self.calls += 1;
        self.answered += u64::from(record.answered.is_some());
        self.talk = self.talk.saturating_add(record.talk);
        self.pulses = self.pulses.saturating_add(record.pulses.unwrap_or(0));
        if let Some(price) = record.price {
            let total = self.prices.entry(price.currency).or_default();
            *total = total.saturating_add(price.micros);
        }
        self.unpriced += u64::from(record.charge_error.is_some());
        self.setup_s
            .add(record.setup.map(|setup| setup.as_secs_f64()));
        self.mos_from_user.add(record.mos_from_user);
        self.mos_to_user.add(record.mos_to_user);
    }

    fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.answered += other.answered;
        self.talk = self.talk.saturating_add(other.talk);
        self.pulses = self.pulses.saturating_add(other.pulses);
        for (currency, micros) in &other.prices {
            let total = self.prices.entry(*currency).or_default();
            *total = total.saturating_add(*micros);
        }
        self.unpriced += other.unpriced;
        self.setup_s.merge(other.setup_s);
        self.mos_from_user.merge(other.mos_from_user);
        self.mos_to_user.merge(other.mos_to_user);
    }

    /// Exactly: `0.010300`; nothing when there is none in this currency.
    fn price(&self, currency: Currency) -> Option<String> {
        let micros = *self.prices.get(&currency)?;
        Some(Amount { micros, currency }.figure())
    }

    fn json(&self, keys: &[Key], group: &[String]) -> Value {
        let names = keys.iter().map(|key| key.name().to_owned());
        let mut json: Map<String, Value> =
            names.zip(group.iter().cloned().map(Value::from)).collect();
        let prices: Map<String, Value> = self
            .prices
            .keys()
            .map(|currency| (currency.to_string(), json!(self.price(*currency))))
            .collect();
        let figures = [
            ("calls", json!(self.calls)),
            ("answered", json!(self.answered)),
            ("talk_s", json!(rounded(self.talk.as_secs_f64()))),
            ("pulses", json!(self.pulses)),
            ("price", Value::Object(prices)),
            ("unpriced", json!(self.unpriced)),
            ("setup_mean_s", json!(self.setup_s.value().map(rounded))),
            (
                "mos_from_user_mean",
                json!(self.mos_from_user.value().map(rounded)),
            ),
            (
                "mos_to_user_mean",
                json!(self.mos_to_user.value().map(rounded)),
            ),
        ];
        json.extend(figures.map(|(name, figure)| (name.to_owned(), figure)));
        Value::Object(json)
    }
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.merge(Self {
                total: value,
                count: 1,
            });
        }
    }

    fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.count = self.count.saturating_add(other.count);
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.total / f64::from(self.count))
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

pub(super) fn print(
    sums: &Sums,
    keys: &[Key],
    format: Format,
    output: &mut dyn Write,
) -> Result<(), Failure> {
    match format {
        Format::Json => {
            for (group, sum) in sums {
                writeln!(output, "{}", sum.json(keys, group))?;
            }
        }
        Format::Csv => print_csv(sums, keys, output)?,
        Format::Table => print_table(sums, keys, output)?,
    }
    Ok(())
}

/// Those in which anything was paid, in every line.
fn currencies(sums: &Sums) -> Vec<Currency> {
    let mut all: Vec<_> = sums.values().flat_map(|sum| sum.prices.keys()).collect();
    all.sort();
    all.dedup();
    all.into_iter().copied().collect()
}

fn print_csv(sums: &Sums, keys: &[Key], output: &mut dyn Write) -> io::Result<()> {
    let currencies = currencies(sums);
    let mut csv = csv::Writer::from_writer(output);
    let names = keys.iter().map(|key| key.name().to_owned());
    let prices = currencies
        .iter()
        .map(|currency| format!("price_{currency}"));
    let (before, behind) = (
        ["calls", "answered", "talk_s", "pulses"].map(str::to_owned),
        [
            "unpriced",
            "setup_mean_s",
            "mos_from_user_mean",
            "mos_to_user_mean",
        ]
        .map(str::to_owned),
    );
    csv.write_record(names.chain(before).chain(prices).chain(behind))
        .map_err(csv_failure)?;
    for (group, sum) in sums {
        let talk = seconds(sum.talk);
        csv.write_record(cells(group, sum, talk, &currencies, "0.000000"))
            .map_err(csv_failure)?;
    }
    csv.flush()
}

/// `no_price`: what stands where nothing was paid.
fn cells(
    group: &[String],
    sum: &Sum,
    talk: String,
    currencies: &[Currency],
    no_price: &str,
) -> Vec<String> {
    let shown = |value: Option<String>| value.unwrap_or_default();
    let mut cells = group.to_vec();
    cells.extend([sum.calls.to_string(), sum.answered.to_string()]);
    cells.extend([talk, sum.pulses.to_string()]);
    for currency in currencies {
        cells.push(sum.price(*currency).unwrap_or_else(|| no_price.to_owned()));
    }
    cells.extend([
        sum.unpriced.to_string(),
        shown(sum.setup_s.value().map(|setup| format!("{setup:.3}"))),
        shown(sum.mos_from_user.value().map(mos)),
        shown(sum.mos_to_user.value().map(mos)),
    ]);
    cells
}

/// With a line for all in the end, unless there is but one.
fn print_table(sums: &Sums, keys: &[Key], output: &mut dyn Write) -> io::Result<()> {
    let currencies = currencies(sums);
    let column = |heading: &str| Column::new(heading, 0, Align::Right);
    let mut columns: Vec<Column> = keys
        .iter()
        .map(|key| Column::new(key.name(), 0, Align::Left))
        .collect();
    columns.extend(["calls", "answered", "talk", "pulses"].map(column));
    columns.extend(
        currencies
            .iter()
            .map(|currency| column(&currency.to_string())),
    );
    columns.extend(["unpriced", "set-up s", "MOS from user", "MOS to user"].map(column));
    let line = |group: &[String], sum: &Sum| cells(group, sum, hours(sum.talk), &currencies, "");
    let mut rows: Vec<_> = sums.iter().map(|(group, sum)| line(group, sum)).collect();
    if !keys.is_empty() {
        let mut all = Sum::default();
        sums.values().for_each(|sum| all.merge(sum));
        let mut group = vec!["all".to_owned()];
        group.resize(keys.len(), String::new());
        rows.push(line(&group, &all));
    }
    table::fit(&mut columns, &rows);
    table::headings(&columns, output)?;
    rows.iter()
        .try_for_each(|row| table::row(&columns, row, output))
}

/// `1:01:10`.
fn hours(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours}:{minutes:02}:{:02}", seconds % 60)
}
