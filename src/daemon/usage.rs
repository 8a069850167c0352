//! What the account's months had before this process, so that tiers go on where they were.

use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use tracing::{error, info};

use crate::call::switchboard::Switchboard;
use crate::rates::{RatesError, Terms};
use crate::store::{ReadError, Records, StoreError};

#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error("{0}")]
    Open(#[from] StoreError),
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("{0}")]
    Rates(#[from] RatesError),
    #[error("{0}")]
    Time(#[from] jiff::Error),
}

/// Calls go on without: a wrong tier costs less than no calls.
pub(super) fn restore(
    now: SystemTime,
    terms: Option<&Terms>,
    database: &Path,
    switchboard: &mut Switchboard,
) {
    let Some(terms) = terms else { return };
    match read(now, terms, database, switchboard) {
        Ok(calls) => info!(
            calls,
            "calls of this month and the last one counted for their tiers"
        ),
        Err(error) => error!(%error, "the month's calls are not known: tiers begin anew"),
    }
}

fn read(
    now: SystemTime,
    terms: &Terms,
    database: &Path,
    switchboard: &mut Switchboard,
) -> Result<usize, UsageError> {
    let since = Timestamp::try_from(terms.counted_since(now)?)?;
    let mut calls = 0;
    Records::open(database)?.picked_up(since, Timestamp::try_from(now)?, |call| {
        switchboard.restore_usage(call);
        calls += 1;
    })?;
    Ok(calls)
}
