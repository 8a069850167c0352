//! Logs on standard error: text or JSON, filtered as the configuration says, and filtered anew after a reload.

use std::io::{self, IsTerminal};
use std::time::SystemTime;

use tracing::warn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::StartError;
use crate::config::{Finding, Log, Report};

/// Changes the filter while running.
pub(super) struct LogControl(reload::Handle<EnvFilter, Registry>);

pub(super) fn start(log: &Log) -> Result<LogControl, StartError> {
    let (filter, control) = reload::Layer::new(filter(log)?);
    let format = if log.json {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(io::stderr)
            .boxed()
    } else {
        fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(format)
        .try_init()
        .map_err(|error| StartError::System(io::Error::other(error)))?;
    Ok(LogControl(control))
}

impl LogControl {
    /// Text or JSON stays as it was at the start.
    pub(super) fn follow(&self, log: &Log) -> Result<(), StartError> {
        let filter = filter(log)?;
        self.0
            .reload(filter)
            .map_err(|error| StartError::System(io::Error::other(error)))
    }
}

/// What a usable configuration still has to say.
pub(super) fn doubts(report: &Report) {
    for finding in &report.findings {
        let Finding {
            file,
            line,
            key,
            problem,
            remedy,
            ..
        } = finding;
        warn!(file = %file.display(), line, key, remedy, "{problem}");
    }
}

fn filter(log: &Log) -> Result<EnvFilter, StartError> {
    EnvFilter::try_new(&log.filter).map_err(|error| StartError::LogFilter(error.to_string()))
}

/// As people write it in logs: `2026-11-20T17:00:00Z`.
pub(super) fn date(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"))
}
