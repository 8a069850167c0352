//! The thread that writes. Lines wait in memory, apart for each file, until that file takes them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use tracing::{error, info};

use super::database::Database;
use super::lines::LinesFile;
use super::{Line, StoreError, Troubles};
use crate::config::CdrFiles;

/// Lines written and synced together.
const BATCH: usize = 256;
/// Lines that wait for a file that does not take them: some hundred megabytes at most.
const MAX_WAITING: usize = 65_536;
const RETRY: Duration = Duration::from_secs(1);

pub(super) enum Order {
    Keep(Line),
    Reopen,
    /// Answered with whether nothing waits any more.
    Flush(SyncSender<bool>),
}

pub(super) struct Writer {
    lines: LinesFile,
    database: Database,
    unwritten: Waiting,
    uninserted: Waiting,
    troubles: Arc<Troubles>,
}

/// Lines that one of the files has not taken yet, oldest first.
#[derive(Default)]
struct Waiting {
    lines: VecDeque<Arc<Line>>,
    health: Health,
}

/// So that trouble is logged when it begins and when it ends, not for every line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Health {
    #[default]
    Good,
    Failing,
}

impl Writer {
    pub(super) fn open(files: &CdrFiles, troubles: Arc<Troubles>) -> Result<Self, StoreError> {
        Ok(Self {
            lines: LinesFile::open(&files.json_lines).map_err(|error| StoreError::Lines {
                file: files.json_lines.clone(),
                error,
            })?,
            database: Database::open(&files.database)?,
            unwritten: Waiting::default(),
            uninserted: Waiting::default(),
            troubles,
        })
    }

    /// Until the store is dropped.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let first = if self.is_done() {
                orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                orders.recv_timeout(RETRY)
            };
            match first {
                Ok(order) => self.handle_batch(order, orders),
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => return self.write(),
            }
        }
    }

    fn handle_batch(&mut self, first: Order, orders: &Receiver<Order>) {
        let rest = orders.try_iter().take(BATCH - 1);
        let mut flushes = Vec::new();
        for order in std::iter::once(first).chain(rest) {
            match order {
                Order::Keep(line) => self.wait(line),
                Order::Reopen => self.reopen(),
                Order::Flush(done) => flushes.push(done),
            }
        }
        self.write();
        for done in flushes {
            // Who asked may have given up waiting.
            let _ = done.try_send(self.is_done());
        }
    }

    fn wait(&mut self, line: Line) {
        let line = Arc::new(line);
        for waiting in [&mut self.unwritten, &mut self.uninserted] {
            waiting.lines.push_back(line.clone());
            if waiting.lines.len() > MAX_WAITING {
                waiting.lines.pop_front();
                self.troubles.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What waits for the old file is written to it first, if it can be.
    fn reopen(&mut self) {
        self.write_lines();
        match self.lines.reopen() {
            Ok(()) => info!("CDR file reopened"),
            Err(error) => error!(%error, "the CDR file cannot be reopened: the old one stays"),
        }
    }

    fn write(&mut self) {
        self.write_lines();
        let database = &mut self.database;
        self.uninserted
            .drain("CDR database", &self.troubles.row_failures, |lines| {
                database.insert(lines).map(|()| lines.len())
            });
    }

    fn write_lines(&mut self) {
        let file = &mut self.lines;
        self.unwritten
            .drain("CDR file", &self.troubles.line_failures, |lines| {
                file.append(lines)
            });
    }

    fn is_done(&self) -> bool {
        self.unwritten.lines.is_empty() && self.uninserted.lines.is_empty()
    }
}

impl Waiting {
    /// `write` says how many of the lines it took.
    fn drain<E: std::fmt::Display>(
        &mut self,
        file: &'static str,
        failures: &AtomicU64,
        mut write: impl FnMut(&[Arc<Line>]) -> Result<usize, E>,
    ) {
        while !self.lines.is_empty() {
            let count = self.lines.len().min(BATCH);
            let written = write(&self.lines.make_contiguous()[..count]);
            match written {
                Ok(taken) => {
                    self.lines.drain(..taken.min(count));
                    self.recovered(file);
                }
                Err(error) => {
                    failures.fetch_add(1, Ordering::Relaxed);
                    return self.failed(file, &error);
                }
            }
        }
    }

    fn failed(&mut self, file: &'static str, error: &dyn std::fmt::Display) {
        if self.health == Health::Good {
            error!(file, %error, waiting = self.lines.len(), "not writable: CDRs wait in memory");
        }
        self.health = Health::Failing;
    }

    fn recovered(&mut self, file: &'static str) {
        if self.health == Health::Failing {
            info!(file, "writable again");
        }
        self.health = Health::Good;
    }
}
