//! What the daemon writes and how much it bears.

use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::surroundings::Surroundings;
use super::toml_file::Table;

const DEFAULT_JSON_LINES: &str = "/var/lib/wabridge/calls.jsonl";
const DEFAULT_DATABASE: &str = "/var/lib/wabridge/wabridge.db";
const DEFAULT_FILTER: &str = "info";

#[derive(Clone, Debug)]
pub struct CdrFiles {
    pub json_lines: PathBuf,
    pub database: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub json: bool,
    /// `tracing` filter directives.
    pub filter: String,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub calls: usize,
    pub connections: usize,
    pub connections_per_address: usize,
    /// Unauthenticated INVITEs a second from one address before 503.
    pub invites_per_second: u32,
    pub drain: Duration,
}

impl Default for CdrFiles {
    fn default() -> Self {
        Self {
            json_lines: DEFAULT_JSON_LINES.into(),
            database: DEFAULT_DATABASE.into(),
        }
    }
}

impl CdrFiles {
    pub(super) fn read(table: &Table<'_>, around: Surroundings<'_>) -> Option<Self> {
        let usual = Self::default();
        let path = |key: &'static str, usual: PathBuf| match table.value(key) {
            Some(value) => around.path(&value),
            None => Some(usual),
        };
        let json_lines = path("json_lines", usual.json_lines);
        let database = path("database", usual.database);
        if json_lines.is_some() && json_lines == database {
            table.error(
                "json_lines and database are the same file",
                "write two paths",
            );
        }
        Some(Self {
            json_lines: json_lines?,
            database: database?,
        })
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            json: false,
            filter: DEFAULT_FILTER.to_owned(),
        }
    }
}

impl Log {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let json = table.choice("format", &[("text", false), ("json", true)], false);
        let filter = match table.value("filter") {
            Some(value) => value
                .parse("write levels, as in \"info,wabridge::sip=debug\"", |text| {
                    EnvFilter::builder().parse(text).map(|_| text.to_owned())
                }),
            None => Some(DEFAULT_FILTER.to_owned()),
        };
        Some(Self {
            json,
            filter: filter?,
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 1_000,
            connections: 4_096,
            connections_per_address: 256,
            invites_per_second: 20,
            drain: Duration::from_secs(120),
        }
    }
}

impl Limits {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let usual = Self::default();
        let count = |key: &'static str, usual: usize| {
            table
                .value(key)
                .and_then(|value| value.number(1..=1_000_000))
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(usual)
        };
        Self {
            calls: count("calls", usual.calls),
            connections: count("connections", usual.connections),
            connections_per_address: count(
                "connections_per_address",
                usual.connections_per_address,
            ),
            invites_per_second: table.number(
                "invites_per_second",
                1..=100_000,
                usual.invites_per_second,
            ),
            drain: table.seconds("drain_s", 0..=86_400, usual.drain),
        }
    }
}
