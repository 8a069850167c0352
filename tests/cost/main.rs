//! A month of calls costs what a table made by hand says: in the CDRs, in the database, and in the sums that
//! `wabridge cdr` prints.

mod command;
mod month;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;
use wabridge::call::cdr::{CallDirection, CallRef, Cdr, Told};
use wabridge::call::charging::Charging;
use wabridge::call::ending::{Cause, Ending, Party as Fault};
use wabridge::call::moment::Moment;
use wabridge::call::record::{Parties, Record};
use wabridge::config::CdrFiles;
use wabridge::party::{Party, PhoneNumber};
use wabridge::rates::{RateBook, Terms, TierScope};
use wabridge::side::Pair;
use wabridge::store::{Records, Store};

const LIST: &str = include_str!("../../examples/rates-2026-list.csv");
const TIERS: &str = include_str!("tiers.csv");
const MONTH: &str = include_str!("month.csv");
pub const ZONE: &str = "America/Los_Angeles";
const LONG: Duration = Duration::from_secs(20);
/// From a call's start to its pick-up.
const SETUP: Duration = Duration::from_secs(5);

/// A line of the table.
pub struct Line {
    pub at: SystemTime,
    pub by: CallDirection,
    pub user: String,
    /// `None`: not picked up.
    pub talk: Option<Duration>,
    pub whatsapp_s: Option<u32>,
    /// Market, pulses, tier, rate, price.
    pub charge: Option<[String; 5]>,
    pub why: Option<String>,
}

pub fn lines() -> Vec<Line> {
    let mut table = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(MONTH.as_bytes());
    table
        .records()
        .map(|record| line(&record.unwrap()))
        .collect()
}

fn line(record: &csv::StringRecord) -> Line {
    let cell = |index: usize| Some(record[index].to_owned()).filter(|cell| !cell.is_empty());
    let at: jiff::Timestamp = record[0].parse().unwrap();
    let seconds = |text: String| Duration::from_secs_f64(text.parse().unwrap());
    Line {
        at: at.into(),
        by: match &record[1] {
            "user" => CallDirection::UserInitiated,
            "business" => CallDirection::BusinessInitiated,
            other => panic!("{other}"),
        },
        user: record[2].to_owned(),
        talk: cell(3).map(seconds),
        whatsapp_s: cell(4).map(|text| text.parse().unwrap()),
        charge: cell(6).map(|market| {
            let [pulses, tier, rate, price] = [7, 8, 9, 10].map(|index| record[index].to_owned());
            [market, pulses, tier, rate, price]
        }),
        why: cell(11),
    }
}

impl Line {
    pub fn cdr(&self, index: usize) -> Cdr {
        let answered = self.talk.map(|_| self.at);
        let started = match answered {
            Some(answered) => answered - SETUP,
            None => self.at,
        };
        let moment = Moment {
            instant: Instant::now(),
            wall: started,
        };
        let parties = Parties {
            direction: self.by,
            wacid: None,
            call_id: None,
            user: Party::from_user_part(&self.user).unwrap(),
            user_id: None,
            user_country: None,
            number: PhoneNumber::parse("+17015550100").unwrap(),
            trunk: Some("office".to_owned()),
            extension: Some("100".to_owned()),
        };
        let ending = match answered {
            Some(_) => Ending::new(Cause::HungUp, Fault::Callee),
            None => Ending::new(Cause::Busy, Fault::Callee),
        };
        let call = CallRef(format!("call-{index:02}"));
        let told = Pair::new(Told::Bye, Told::Nothing);
        let mut cdr = Record::new(moment, call, parties).close(moment, ending, told);
        cdr.answered = answered;
        cdr.setup = answered.map(|_| SETUP);
        cdr.talk = self.talk.unwrap_or_default();
        cdr.whatsapp_duration_s = self.whatsapp_s;
        cdr.ended = self.at + cdr.talk;
        cdr
    }
}

pub fn terms() -> Terms {
    let mut book = RateBook::read(LIST).unwrap();
    assert_eq!(book.add(RateBook::read(TIERS).unwrap()), []);
    Terms {
        book,
        currency: "USD".parse().unwrap(),
        zone: jiff::tz::TimeZone::get(ZONE).unwrap(),
        scope: TierScope::Market,
    }
}

pub struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// With the whole table in it, priced.
    pub fn with_month() -> Self {
        let disk = Self::new();
        let mut charging = Charging::new(Some(&terms()));
        for (line, index) in lines().iter().zip(0..) {
            let mut cdr = line.cdr(index);
            charging.charge(&mut cdr);
            disk.keep(&cdr);
        }
        disk
    }

    pub fn database(&self) -> PathBuf {
        self.0.path().join("wabridge.db")
    }

    /// As a daemon that lives for this one call.
    pub fn keep(&self, cdr: &Cdr) {
        let store = Store::open(&CdrFiles {
            json_lines: self.0.path().join("calls.jsonl"),
            database: self.database(),
        });
        let store = store.unwrap();
        store.keep(cdr);
        store.close(LONG).unwrap();
    }

    /// As the daemon begins at that moment.
    pub fn charging(&self, now: SystemTime) -> Charging {
        let terms = terms();
        let mut charging = Charging::new(Some(&terms));
        if self.database().exists() {
            let since = terms.counted_since(now).unwrap().try_into().unwrap();
            let records = Records::open(&self.database()).unwrap();
            records
                .picked_up(since, now.try_into().unwrap(), |call| {
                    charging.restore(call)
                })
                .unwrap();
        }
        charging
    }

    /// `wabridge cdr` with these words, on this database: exit code and what it said.
    pub fn cdr(&self, words: &str) -> (Option<i32>, String) {
        let output = self.command(words).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wabridge"));
        command.arg("cdr").arg("--database").arg(self.database());
        command.args(words.split_whitespace());
        command
    }
}
