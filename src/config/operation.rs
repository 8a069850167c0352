//! What the daemon writes and how much it bears.

use std::path::PathBuf;
use std::time::Duration;

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
