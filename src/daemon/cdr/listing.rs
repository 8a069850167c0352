//! Calls, one a line, as they come from the disk.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::table::{self, Align, Column};
use super::{Failure, Format, moments};
use crate::rates::Amount;
use crate::store::{Filter, Record, Records};

pub(super) fn print(
    records: &Records,
    filter: &Filter,
    zone: &TimeZone,
    format: Format,
    output: &mut dyn Write,
) -> Result<(), Failure> {
    let end = match format {
        Format::Json => records.lines(filter, |line| proceed(writeln!(output, "{line}")))?,
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(output);
            csv.write_record(CSV).map_err(csv_failure)?;
            let end = records.each(filter, |record| {
                let written = csv.write_record(csv_cells(record, zone));
                proceed(written.map_err(csv_failure))
            })?;
            csv.flush()?;
            end
        }
        Format::Table => {
            let columns = columns();
            table::headings(&columns, output)?;
            records.each(filter, |record| {
                proceed(table::row(&columns, &table_cells(record, zone), output))
            })?
        }
    };
    match end {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error.into()),
    }
}

/// A reader that went away must be known as such.
pub(super) fn csv_failure(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn proceed(written: io::Result<()>) -> ControlFlow<io::Error> {
    match written {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

const CSV: [&str; 29] = [
    "call",
    "started",
    "answered",
    "ended",
    "direction",
    "number",
    "user",
    "user_id",
    "user_country",
    "wacid",
    "trunk",
    "extension",
    "peer",
    "cause",
    "ended_by",
    "setup_s",
    "talk_s",
    "whatsapp_duration_s",
    "pulses",
    "market",
    "tier",
    "rate_per_minute",
    "price",
    "currency",
    "charge_error",
    "mos_from_user",
    "mos_to_user",
    "no_audio_from_user",
    "no_audio_from_pbx",
];

fn csv_cells(record: Record, zone: &TimeZone) -> [String; CSV.len()] {
    let currency = record.price.map(|price| price.currency.to_string());
    [
        record.call,
        moments::written(record.started, zone),
        moments::written(record.answered, zone),
        moments::written(record.ended, zone),
        record.direction,
        record.number,
        record.user,
        shown(record.user_id),
        shown(record.country),
        shown(record.wacid),
        shown(record.trunk),
        shown(record.extension),
        shown(record.peer),
        record.cause,
        record.ended_by,
        shown(record.setup.map(seconds)),
        seconds(record.talk),
        shown(record.whatsapp_s),
        shown(record.pulses),
        shown(record.market),
        shown(record.tier),
        shown(record.rate_per_minute),
        shown(record.price.map(Amount::figure)),
        shown(currency),
        shown(record.charge_error),
        shown(record.mos_from_user.map(mos)),
        shown(record.mos_to_user.map(mos)),
        shown(record.no_audio_from_user),
        shown(record.no_audio_from_pbx),
    ]
}

/// Wide enough for what is usual: the calls are not known when the headings are written.
fn columns() -> Vec<Column> {
    [
        ("started", 19, Align::Left),
        ("began", 8, Align::Left),
        ("number", 13, Align::Left),
        ("user", 15, Align::Left),
        ("trunk", 8, Align::Left),
        ("extension", 9, Align::Left),
        ("cause", 11, Align::Left),
        ("ended by", 8, Align::Left),
        ("set-up s", 8, Align::Right),
        ("talk s", 8, Align::Right),
        ("pulses", 6, Align::Right),
        ("price", 12, Align::Right),
        ("not heard", 9, Align::Left),
        ("call", 29, Align::Left),
    ]
    .map(|(heading, width, align)| Column::new(heading, width, align))
    .into()
}

fn table_cells(record: Record, zone: &TimeZone) -> [String; 14] {
    let started = record.started.map(|started| {
        let local = started.to_zoned(zone.clone());
        local.strftime("%Y-%m-%d %H:%M:%S").to_string()
    });
    let price = match (record.price, record.charge_error) {
        (Some(price), _) => price.to_string(),
        (None, Some(_)) => "?".to_owned(),
        (None, None) => String::new(),
    };
    let sides = [
        ("user", record.no_audio_from_user),
        ("PBX", record.no_audio_from_pbx),
    ];
    let sides = sides.into_iter();
    let not_heard: Vec<String> = sides
        .filter_map(|(side, cause)| Some(format!("{side}: {}", cause?)))
        .collect();
    let not_heard = not_heard.join(", ");
    [
        shown(started),
        record.direction.replace("_initiated", ""),
        record.number,
        record.user,
        shown(record.trunk),
        shown(record.extension),
        record.cause,
        record.ended_by,
        shown(record.setup.map(seconds)),
        seconds(record.talk),
        shown(record.pulses),
        price,
        not_heard,
        record.call,
    ]
}

fn shown(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{}.{:03}", duration.as_secs(), duration.subsec_millis())
}

pub(super) fn mos(mos: f64) -> String {
    format!("{mos:.2}")
}
