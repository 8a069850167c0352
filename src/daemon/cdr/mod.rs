//! `wabridge cdr`: lists, filters, sums and exports the calls that were, beside a running daemon or without one. Numbers
//! are shown in full: it is the operator's own record.

mod listing;
mod moments;
mod sums;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::tz::TimeZone;

use self::moments::When;
use self::sums::Key;
use super::{DONE, FAILED, MISCONFIGURED, complain};
use crate::call::cdr::CallDirection;
use crate::call::ending::{Cause, TABLE};
use crate::config::{self, USUAL_FILE, find_zone};
use crate::party::{Party, PhoneNumber};
use crate::store::{Answer, Filter, ReadError, Records, Span, StoreError};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file, for where the records are
    #[arg(short, long, value_name = "FILE", default_value = USUAL_FILE)]
    config: PathBuf,
    /// The database itself, without a configuration
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    database: Option<PathBuf>,
    /// Calls picked up (or else begun) at this time or later: 2026-11-20, 2026-11-20T10:00 in --zone, or 2026-11-20T10:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<When>,
    /// Calls picked up (or else begun) before this time; of a date, the whole day is meant
    #[arg(long, value_name = "TIME")]
    to: Option<When>,
    /// Whose times are read and shown, as in Europe/Berlin
    #[arg(long, value_name = "NAME", default_value = "UTC", value_parser = find_zone)]
    zone: TimeZone,
    /// The business number
    #[arg(long, value_name = "NUMBER", value_parser = business_number)]
    number: Option<String>,
    /// The WhatsApp user: number or user id
    #[arg(long, value_name = "USER", value_parser = whatsapp_user)]
    user: Option<String>,
    /// Who began the call
    #[arg(long)]
    direction: Option<Direction>,
    /// Why the call ended: the words of the README's table
    #[arg(long, value_name = "CAUSE", value_parser = cause)]
    cause: Option<Cause>,
    /// Answered calls alone
    #[arg(long, conflicts_with = "unanswered")]
    answered: bool,
    /// Unanswered calls alone
    #[arg(long)]
    unanswered: bool,
    /// The trunk
    #[arg(long, value_name = "NAME")]
    trunk: Option<String>,
    /// Calls that sounded worse than this (1.0 to 4.5) one way or the other
    #[arg(long, value_name = "MOS")]
    mos_below: Option<f64>,
    /// Calls in which one side was not heard for a while, for whatever cause
    #[arg(long)]
    no_audio: bool,
    /// The first N calls alone
    #[arg(long, value_name = "N", conflicts_with_all = ["last", "sum"])]
    limit: Option<u32>,
    /// The last N calls alone
    #[arg(long, value_name = "N", conflicts_with = "sum")]
    last: Option<u32>,
    /// Sums instead of calls: of all, or by one or more of these, as in --sum month,market. A call belongs to the day and
    /// month in which it was picked up, or else begun
    #[arg(long, value_name = "BY", num_args = 0..=1, value_delimiter = ',', require_equals = false)]
    sum: Option<Vec<Key>>,
    /// How it is printed: JSON is a line a call, as it was written; CSV begins with a header
    #[arg(long, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Direction {
    #[value(name = "user_initiated", alias = "user-initiated", alias = "uic")]
    UserInitiated,
    #[value(
        name = "business_initiated",
        alias = "business-initiated",
        alias = "bic"
    )]
    BusinessInitiated,
}

/// Why nothing, or not everything, is shown.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Config(#[from] config::Report),
    #[error("{0}")]
    Open(#[from] StoreError),
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("a time is beyond the calendar: {0}")]
    Time(#[from] jiff::Error),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

pub fn run(args: &Args) -> ExitCode {
    match show(args) {
        Ok(()) => ExitCode::from(DONE),
        // Whoever reads has seen enough: `| head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(DONE)
        }
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Time(_) => MISCONFIGURED,
            Self::Open(_) | Self::Read(_) | Self::Output(_) => FAILED,
        }
    }
}

fn show(args: &Args) -> Result<(), Failure> {
    let filter = args.filter()?;
    let database = match &args.database {
        Some(file) => file.clone(),
        None => config::cdr_files(&args.config)?.database,
    };
    let records = Records::open(&database)?;
    let mut output = BufWriter::new(io::stdout().lock());
    match &args.sum {
        Some(keys) => {
            let sums = sums::of(&records, &filter, keys, &args.zone)?;
            sums::print(&sums, keys, args.format, &mut output)?;
        }
        None => listing::print(&records, &filter, &args.zone, args.format, &mut output)?,
    }
    Ok(output.flush()?)
}

impl Args {
    fn filter(&self) -> Result<Filter, jiff::Error> {
        let begin = |when: &When| when.begin(&self.zone);
        let end = |when: &When| when.end(&self.zone);
        Ok(Filter {
            from: self.from.as_ref().map(begin).transpose()?,
            to: self.to.as_ref().map(end).transpose()?,
            number: self.number.clone(),
            user: self.user.clone(),
            direction: self.direction.map(CallDirection::from),
            cause: self.cause,
            answer: match (self.answered, self.unanswered) {
                (true, _) => Some(Answer::Answered),
                (false, true) => Some(Answer::Unanswered),
                (false, false) => None,
            },
            trunk: self.trunk.clone(),
            mos_below: self.mos_below,
            no_audio: self.no_audio,
            span: match (self.limit, self.last) {
                (Some(count), _) => Span::First(count),
                (None, Some(count)) => Span::Last(count),
                (None, None) => Span::All,
            },
        })
    }
}

impl From<Direction> for CallDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::UserInitiated => Self::UserInitiated,
            Direction::BusinessInitiated => Self::BusinessInitiated,
        }
    }
}

/// With or without `+`.
fn business_number(text: &str) -> Result<String, String> {
    PhoneNumber::from_user_part(text)
        .map(|number| number.expose().to_owned())
        .map_err(|error| error.to_string())
}

fn whatsapp_user(text: &str) -> Result<String, String> {
    match Party::from_user_part(text) {
        Some(Party::Other(name)) => Ok(business_number(&name).unwrap_or(name)),
        Some(user) => Ok(user.expose().to_owned()),
        None => Err("write a number as in +4915112345678, or a user id".to_owned()),
    }
}

fn cause(text: &str) -> Result<Cause, String> {
    let found = TABLE.iter().find(|row| row.token == text);
    found.map(|row| row.cause).ok_or_else(|| {
        let known: Vec<&str> = TABLE.iter().map(|row| row.token).collect();
        format!("write one of {}", known.join(", "))
    })
}
