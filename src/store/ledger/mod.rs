//! The consent ledger: what is known of each pair of business number and user, one row a pair.
//!
//! A fact that was taken is on disk: it is read, applied and written in one transaction, synced before the method
//! returns, so it outlives the death of this process and of the machine. So writing waits for the disk and belongs on a
//! thread that may wait; a look-up is a walk down one tree and takes some microseconds.

use std::path::Path;
use std::time::SystemTime;

use rusqlite::types::{FromSqlError, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, TransactionBehavior};

use super::{StoreError, sqlite};
use crate::consent::{Fact, Ignored, Pair, Record, Rules, Standing, Verdict};
use crate::party::{Party, PhoneNumber, UserId};

/// Numbers are integers, user ids texts. Few pairs have a call at a time: only those are in the index.
const SCHEMA: [&str; 1] = ["
    CREATE TABLE consent (
        number   INTEGER NOT NULL,
        user     ANY NOT NULL,
        standing TEXT NOT NULL,
        PRIMARY KEY (number, user)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX consent_call ON consent (number)
        WHERE json_extract(standing, '$.line.call') IS NOT NULL;
"];

const READ: &str = "SELECT standing FROM consent WHERE number = ?1 AND user = ?2";
const WRITE: &str = "INSERT INTO consent (number, user, standing) VALUES (?1, ?2, ?3)
    ON CONFLICT DO UPDATE SET standing = excluded.standing";
const REMOVE: &str = "DELETE FROM consent WHERE number = ?1 AND user = ?2";
const LIST: &str = "SELECT number, user, standing FROM consent
    WHERE (number, user) > (?1, coalesce(?2, -1)) AND number <= ?3
    ORDER BY number, user LIMIT ?4";
const CALLS: &str = "SELECT number, user, json_extract(standing, '$.line.call') FROM consent
    WHERE json_extract(standing, '$.line.call') IS NOT NULL";

/// The ledger's file, open.
pub struct Ledger(Connection);

/// A fact with what it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News {
    pub pair: Pair,
    pub fact: Fact,
    /// When it happened.
    pub at: SystemTime,
}

/// The machine's fault.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Nothing of what was asked to be kept is kept.
    #[error("the consent ledger cannot be read or written: {0}")]
    Disk(#[from] rusqlite::Error),
    /// Someone else wrote it.
    #[error("what is kept of {pair:?} is not readable: {error}")]
    Unreadable {
        pair: Pair,
        error: serde_json::Error,
    },
}

impl Ledger {
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self(sqlite::open(file, &SCHEMA)?))
    }

    /// What is known; empty when nothing is.
    pub fn standing(&self, pair: &Pair) -> Result<Standing, LedgerError> {
        read(&self.0, pair)
    }

    /// Learns, and has it on disk when it returns.
    pub fn keep(&mut self, news: &News, rules: &Rules) -> Result<Result<(), Ignored>, LedgerError> {
        let entry = self.begin()?;
        let kept = entry.keep(&news.pair, &news.fact, news.at, rules)?;
        entry.commit()?;
        Ok(kept)
    }

    /// As [`keep`](Self::keep), all or none, with one wait for the disk. How many were news.
    pub fn keep_all<'a>(
        &mut self,
        news: impl IntoIterator<Item = &'a News>,
        rules: &Rules,
    ) -> Result<usize, LedgerError> {
        let entry = self.begin()?;
        let mut kept = 0;
        for news in news {
            let learned = entry.keep(&news.pair, &news.fact, news.at, rules)?;
            kept += usize::from(learned.is_ok());
        }
        entry.commit()?;
        Ok(kept)
    }

    /// Asks, and if the call is not refused, has it on disk as placed: of two who ask at once, one gets the user. `calls`:
    /// how many the business number has now.
    pub fn place(
        &mut self,
        pair: &Pair,
        call: &str,
        calls: u32,
        rules: &Rules,
        now: SystemTime,
    ) -> Result<Verdict, LedgerError> {
        let entry = self.begin()?;
        let verdict = entry.verdict(pair, calls, rules, now)?;
        if verdict.refusal().is_none() {
            entry.keep_placed(pair, call, rules, now)?;
        }
        entry.commit()?;
        Ok(verdict)
    }

    /// What is known of the pairs that follow `after`, by number and user, `most` at most. `number`: of this one alone.
    pub(super) fn records(
        &self,
        number: Option<&PhoneNumber>,
        after: Option<&Pair>,
        most: usize,
    ) -> Result<Vec<Record>, LedgerError> {
        let mut statement = self.0.prepare_cached(LIST)?;
        let after = after.filter(|pair| number.is_none_or(|number| pair.number() == number));
        let number = number.map(digits).transpose()?;
        let (first, user) = match after {
            Some(pair) => (digits(pair.number())?, Some(User(pair.user()))),
            // Below every user there is.
            None => (number.unwrap_or_default(), None),
        };
        let last = number.unwrap_or(i64::MAX);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = statement.query_map((first, user, last, most), |row| {
            let pair = pair(row)?;
            let standing = row.get_ref(2)?.as_bytes()?;
            Ok(standing_of(&pair, standing).map(|standing| Record::new(pair, standing)))
        })?;
        rows.map(|record| record?).collect()
    }

    /// Calls that are going on, as far as is known: after a start, those that died with the last run.
    pub fn calls(&self) -> Result<Vec<(Pair, String)>, LedgerError> {
        let mut statement = self.0.prepare_cached(CALLS)?;
        let rows = statement.query_map((), |row| Ok((pair(row)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// For the start of the only user of this file: no call is going on. What became of those that were is not known, so
    /// nothing else is counted. How many there were.
    pub fn end_all_calls(&mut self, rules: &Rules, now: SystemTime) -> Result<usize, LedgerError> {
        let calls = self.calls()?.into_iter();
        let ended: Vec<News> = calls
            .map(|(pair, call)| News {
                pair,
                fact: Fact::CallEnded { call },
                at: now,
            })
            .collect();
        self.keep_all(&ended, rules)
    }

    /// A disk that is full.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, most: u32) {
        let set = self.0.pragma_update(None, "max_page_count", most);
        set.expect("a limit");
    }

    /// Locks out other writers at once: what is read in it still holds when it is written.
    pub(super) fn begin(&mut self) -> Result<Entry<'_>, LedgerError> {
        let behavior = TransactionBehavior::Immediate;
        Ok(Entry(self.0.transaction_with_behavior(behavior)?))
    }
}

/// Several facts with one wait for the disk: all are kept when `commit` returns, or none. After an error of the disk no
/// more may be entered.
pub(super) struct Entry<'l>(Transaction<'l>);

impl Entry<'_> {
    pub(super) fn standing(&self, pair: &Pair) -> Result<Standing, LedgerError> {
        read(&self.0, pair)
    }

    pub(super) fn write(&self, pair: &Pair, standing: &Standing) -> Result<(), LedgerError> {
        write(&self.0, pair, standing)
    }

    pub(super) fn verdict(
        &self,
        pair: &Pair,
        calls: u32,
        rules: &Rules,
        now: SystemTime,
    ) -> Result<Verdict, LedgerError> {
        let standing = self.standing(pair)?;
        Ok(standing.verdict(pair.number(), calls, rules, now))
    }

    pub(super) fn keep(
        &self,
        pair: &Pair,
        fact: &Fact,
        at: SystemTime,
        rules: &Rules,
    ) -> Result<Result<(), Ignored>, LedgerError> {
        let mut standing = self.standing(pair)?;
        let learned = standing.handle_fact(fact, at, rules);
        if learned.is_ok() {
            self.write(pair, &standing)?;
        }
        Ok(learned)
    }

    /// Where another call is known to go on, that one stays the one that is known.
    pub(super) fn keep_placed(
        &self,
        pair: &Pair,
        call: &str,
        rules: &Rules,
        now: SystemTime,
    ) -> Result<(), LedgerError> {
        let call = call.to_owned();
        let _ = self.keep(pair, &Fact::CallPlaced { call }, now, rules)?;
        Ok(())
    }

    pub(super) fn commit(self) -> Result<(), LedgerError> {
        Ok(self.0.commit()?)
    }
}

fn read(connection: &Connection, pair: &Pair) -> Result<Standing, LedgerError> {
    let mut statement = connection.prepare_cached(READ)?;
    let key = (digits(pair.number())?, User(pair.user()));
    let standing = statement
        .query_row(key, |row| {
            let text = row.get_ref(0)?.as_bytes()?;
            Ok(standing_of(pair, text))
        })
        .optional()?;
    standing.unwrap_or_else(|| Ok(Standing::default()))
}

fn standing_of(pair: &Pair, text: &[u8]) -> Result<Standing, LedgerError> {
    serde_json::from_slice(text).map_err(|error| LedgerError::Unreadable {
        pair: pair.clone(),
        error,
    })
}

/// Of whom nothing is known there is no row.
fn write(connection: &Connection, pair: &Pair, standing: &Standing) -> Result<(), LedgerError> {
    let (number, user) = (digits(pair.number())?, User(pair.user()));
    if *standing == Standing::default() {
        connection.prepare_cached(REMOVE)?.execute((number, user))?;
        return Ok(());
    }
    let text = serde_json::to_string(standing).map_err(|error| LedgerError::Unreadable {
        pair: pair.clone(),
        error,
    })?;
    connection
        .prepare_cached(WRITE)?
        .execute((number, user, text))?;
    Ok(())
}

/// A number as an integer, a user id as text.
struct User<'a>(&'a Party);

impl ToSql for User<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Party::Number(number) => ToSqlOutput::Owned(Value::Integer(digits(number)?)),
            Party::User(id) => id.expose().into(),
            Party::Other(user) => user.as_str().into(),
        })
    }
}

/// 15 at most, so they fit.
fn digits(number: &PhoneNumber) -> rusqlite::Result<i64> {
    let digits = number.expose_digits().parse();
    digits.map_err(|error: std::num::ParseIntError| {
        rusqlite::Error::ToSqlConversionFailure(error.into())
    })
}

/// Of a row that begins with number and user.
fn pair(row: &Row<'_>) -> rusqlite::Result<Pair> {
    let number = number(row.get(0)?)?;
    match row.get_ref(1)? {
        ValueRef::Integer(user) => Ok(Pair::of_number(number, self::number(user)?)),
        other => {
            let user = UserId::parse(other.as_str()?).ok_or(FromSqlError::InvalidType)?;
            Ok(Pair::of_user_id(number, user))
        }
    }
}

fn number(digits: i64) -> rusqlite::Result<PhoneNumber> {
    let number = PhoneNumber::parse(&format!("+{digits}"));
    Ok(number.map_err(|error| FromSqlError::Other(error.into()))?)
}

#[cfg(test)]
mod tests;
