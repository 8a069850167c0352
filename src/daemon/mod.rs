//! The world's loop: the signalling task, the media workers, signals, reload, drain.
//!
//! ```text
//!  SIGHUP, SIGTERM ──► ┌────────────┐ ◄── bytes of messages ──► net (its own threads)
//!  deadlines       ──► │ signalling │ ◄── media events, commands ──► plane ──► worker, worker, ...
//!  health          ──► │            │ ──► finished calls ──► store (its own thread)
//!                      │            │ ◄── judgements, facts ──► keeper of the consent ledger (its own thread)
//!                      └────────────┘ ◄── orders, answers ──► web (on net's threads)
//! ```
//!
//! All signalling is one task on the main thread that owns the [`Switchboard`](crate::call::switchboard::Switchboard)
//! and obeys the law of the doors: after any handle, poll until empty, then read the deadline. No protocol rule lives
//! here.

pub mod cdr;
mod health;
pub mod identity;
mod log;
pub mod plane;
mod reload;
mod scrape;
mod service;
mod signalling;
mod signals;
mod stage;
mod start;
mod tally;
mod usage;
mod worker;

use std::path::Path;
use std::process::ExitCode;

pub use start::StartError;

use crate::config;

/// Everything that was asked for was done.
const DONE: u8 = 0;
/// The machine or the network did not allow it.
const FAILED: u8 = 1;
/// The configuration is wrong.
const MISCONFIGURED: u8 = 2;

/// `wabridge run`: carries calls until it is told to stop.
pub fn run(config: &Path) -> ExitCode {
    match start::run(config) {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// `wabridge check`: says what is wrong with a configuration, and does nothing else.
pub fn check(config: &Path) -> ExitCode {
    let report = config::check(config);
    println!("{report}");
    if report.has_errors() {
        ExitCode::from(MISCONFIGURED)
    } else {
        ExitCode::from(DONE)
    }
}

/// To the operator, who reads a terminal or a journal.
fn complain(error: &dyn std::fmt::Display) {
    eprintln!("{error}");
}
