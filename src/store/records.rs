//! Questions to the database of calls, read beside a running daemon.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::database::SCHEMA;
use super::{StoreError, sqlite};
use crate::call::cdr::CallDirection;
use crate::call::charging::{PastCall, billed};
use crate::call::ending::Cause;
use crate::rates::{Amount, Currency};

/// The database of calls, opened for reading.
pub struct Records(Connection);

/// Which calls are meant; all conditions must hold, and none is: every call. A call's time is its pick-up, which is what
/// WhatsApp bills by, or its start when nobody picked up.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Filter {
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    pub number: Option<String>,
    /// A number or a user id.
    pub user: Option<String>,
    pub direction: Option<CallDirection>,
    pub cause: Option<Cause>,
    pub answer: Option<Answer>,
    pub trunk: Option<String>,
    /// The sound was worse than this one way or the other.
    pub mos_below: Option<f64>,
    /// One side was not heard, or did not hear, for a while; holds and silence are meant too.
    pub no_audio: bool,
    pub span: Span,
}

impl Record {
    /// What a [`Filter`] goes by.
    pub fn at(&self) -> Option<Timestamp> {
        self.answered.or(self.started)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Answered,
    Unanswered,
}

/// How many of the calls that are meant. They come in the order of their times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Span {
    #[default]
    All,
    First(u32),
    Last(u32),
}

/// A call as it is summed and tabulated; the whole of it is [`Records::lines`]'.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    pub call: String,
    pub started: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub direction: String,
    pub number: String,
    pub user: String,
    pub user_id: Option<String>,
    pub country: Option<String>,
    pub wacid: Option<String>,
    pub trunk: Option<String>,
    pub extension: Option<String>,
    pub peer: Option<String>,
    pub cause: String,
    pub ended_by: String,
    pub setup: Option<Duration>,
    pub talk: Duration,
    /// What WhatsApp counted.
    pub whatsapp_s: Option<u64>,
    pub pulses: Option<u64>,
    pub market: Option<String>,
    /// From 1.
    pub tier: Option<u64>,
    pub rate_per_minute: Option<String>,
    pub price: Option<Amount>,
    pub charge_error: Option<String>,
    pub mos_from_user: Option<f64>,
    pub mos_to_user: Option<f64>,
    /// Why the user was not heard for longest, on the way to us or on from us.
    pub no_audio_from_user: Option<String>,
    pub no_audio_from_pbx: Option<String>,
}

/// In the order in which [`record`] reads them.
const COLUMNS: &str = "call, started, answered, ended, direction, number, user, user_id, country, wacid, \
    trunk, extension, peer, cause, ended_by, setup_ms, talk_ms, whatsapp_s, pulses, market, tier, rate_per_minute, \
    price_micros, currency, charge_error, mos_from_user, mos_to_user, no_audio_from_user, no_audio_from_pbx";

/// The disk's fault or SQLite's.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the records: {0}")]
pub struct ReadError(#[from] rusqlite::Error);

impl Records {
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self(sqlite::open_to_read(file, &SCHEMA)?))
    }

    /// Each call that is meant, until `take` breaks off.
    pub fn each<B>(
        &self,
        filter: &Filter,
        mut take: impl FnMut(Record) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, ReadError> {
        self.ask(filter, COLUMNS, |row| Ok(take(record(row)?)))
    }

    /// The same calls, each as the JSON line that was written.
    pub fn lines<B>(
        &self,
        filter: &Filter,
        mut take: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, ReadError> {
        self.ask(filter, "line", |row| Ok(take(row.get_ref(0)?.as_str()?)))
    }

    /// The business's calls that were picked up since then, in the order of their answers: what moves tiers.
    pub fn picked_up(
        &self,
        since: Timestamp,
        until: Timestamp,
        mut take: impl FnMut(&PastCall),
    ) -> Result<(), ReadError> {
        let question = "SELECT user, user_id, answered, coalesce(whatsapp_s * 1000, talk_ms) FROM cdr
            WHERE direction = 'business_initiated' AND answered BETWEEN ?1 AND ?2 ORDER BY answered, call";
        let mut statement = self.0.prepare(question)?;
        let mut rows = statement.query([written(since), written(until)])?;
        while let Some(row) = rows.next()? {
            let (user, id): (String, Option<String>) = (row.get(0)?, row.get(1)?);
            if let Some(answered) = moment(row, 2)? {
                take(&PastCall {
                    user: billed(&user, id.as_deref()),
                    answered: answered.into(),
                    talk: milliseconds(row, 3)?.unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    fn ask<B>(
        &self,
        filter: &Filter,
        columns: &str,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>, ReadError> {
        let (question, values) = question(filter, columns);
        let mut statement = self.0.prepare(&question)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if let ControlFlow::Break(broken) = take(row)? {
                return Ok(ControlFlow::Break(broken));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// SQL, and the values of its question marks in their order.
fn question(filter: &Filter, columns: &str) -> (String, Vec<Value>) {
    let (conditions, values): (Vec<&str>, Vec<Vec<Value>>) = conditions(filter).into_iter().unzip();
    let conditions = match conditions.is_empty() {
        true => "TRUE".to_owned(),
        false => conditions.join(" AND "),
    };
    let meant = format!("FROM cdr WHERE {conditions}");
    let question = match filter.span {
        Span::All => format!("SELECT {columns} {meant} ORDER BY at, call"),
        Span::First(count) => {
            format!("SELECT {columns} {meant} ORDER BY at, call LIMIT {count}")
        }
        Span::Last(count) => format!(
            "SELECT {columns} FROM (SELECT * {meant} ORDER BY at DESC, call DESC LIMIT {count}) \
             ORDER BY at, call"
        ),
    };
    (question, values.into_iter().flatten().collect())
}

fn conditions(filter: &Filter) -> Vec<(&'static str, Vec<Value>)> {
    let text = |condition: &'static str, value: Option<String>| {
        value.map(|value| (condition, vec![Value::from(value)]))
    };
    let user = filter.user.clone().map(Value::from);
    let answer = filter.answer.map(|answer| match answer {
        Answer::Answered => "answered IS NOT NULL",
        Answer::Unanswered => "answered IS NULL",
    });
    let mos = filter.mos_below.map(Value::from);
    [
        text("at >= ?", filter.from.map(written)),
        text("at < ?", filter.to.map(written)),
        text("number = ?", filter.number.clone()),
        user.map(|user| ("(user = ? OR user_id = ?)", vec![user.clone(), user])),
        text(
            "direction = ?",
            filter
                .direction
                .map(|direction| direction.token().to_owned()),
        ),
        text(
            "cause = ?",
            filter.cause.map(|cause| cause.row().token.to_owned()),
        ),
        answer.map(|condition| (condition, Vec::new())),
        text("trunk = ?", filter.trunk.clone()),
        mos.map(|mos| {
            let worst = "min(ifnull(mos_from_user, 5), ifnull(mos_to_user, 5)) < ?";
            (worst, vec![mos])
        }),
        filter.no_audio.then(|| {
            let either = "(no_audio_from_user IS NOT NULL OR no_audio_from_pbx IS NOT NULL)";
            (either, Vec::new())
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// As the CDR has it: texts sort as moments do.
fn written(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let text = |column: usize| row.get(column).map(Option::<String>::unwrap_or_default);
    Ok(Record {
        call: row.get(0)?,
        started: moment(row, 1)?,
        answered: moment(row, 2)?,
        ended: moment(row, 3)?,
        direction: text(4)?,
        number: text(5)?,
        user: text(6)?,
        user_id: row.get(7)?,
        country: row.get(8)?,
        wacid: row.get(9)?,
        trunk: row.get(10)?,
        extension: row.get(11)?,
        peer: row.get(12)?,
        cause: text(13)?,
        ended_by: text(14)?,
        setup: milliseconds(row, 15)?,
        talk: milliseconds(row, 16)?.unwrap_or_default(),
        whatsapp_s: count(row, 17)?,
        pulses: count(row, 18)?,
        market: row.get(19)?,
        tier: count(row, 20)?,
        rate_per_minute: row.get(21)?,
        price: price(count(row, 22)?, row.get(23)?),
        charge_error: row.get(24)?,
        mos_from_user: row.get(25)?,
        mos_to_user: row.get(26)?,
        no_audio_from_user: row.get(27)?,
        no_audio_from_pbx: row.get(28)?,
    })
}

fn price(micros: Option<u64>, currency: Option<String>) -> Option<Amount> {
    let currency: Currency = currency?.parse().ok()?;
    let micros = micros?;
    Some(Amount { micros, currency })
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

fn milliseconds(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Duration>> {
    Ok(count(row, column)?.map(Duration::from_millis))
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let count: Option<i64> = row.get(column)?;
    Ok(count.and_then(|count| count.try_into().ok()))
}
