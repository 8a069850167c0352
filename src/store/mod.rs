//! What must outlive this process: CDRs, and the consent ledger ([`Ledger`], kept by [`Keeper`]).
//!
//! CDRs are JSON lines for people and log shippers, and an embedded database for questions ([`Records`]). One OS thread
//! writes both; calls never wait for a disk. Each line is one `write` to a file opened for appending, so it survives the
//! death of this process from then on, and is synced with its batch (what waited together), so a power failure costs at
//! most what was on its way. A full disk or a locked database is counted, logged once, and tried again while the lines
//! wait in memory; each of the two files goes on without the other.

mod database;
mod keeper;
mod ledger;
mod lines;
mod records;
mod sqlite;
mod writer;

pub use keeper::{Keeper, LedgerDoor, LedgerTroubles, NotKept};
pub use ledger::{Ledger, LedgerError, News};
pub use records::{Answer, Filter, ReadError, Record, Records, Span};

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::error;

use crate::call::cdr::{CallRef, Cdr};
use crate::config::CdrFiles;
use writer::{Order, Writer};

/// Lines on their way to the thread. More than that at once and the disk has stood still for minutes.
const QUEUE: usize = 8192;

/// Where finished calls are written down.
pub struct Store {
    orders: SyncSender<Order>,
    troubles: Arc<Troubles>,
    thread: JoinHandle<()>,
}

/// A finished call as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    call: CallRef,
    /// Without line break.
    json: String,
}

/// What went wrong since the start.
#[derive(Default, Debug)]
pub struct Troubles {
    pub line_failures: AtomicU64,
    pub row_failures: AtomicU64,
    /// Lines that neither file will ever see, or one of them will not.
    pub lost: AtomicU64,
}

/// Why there is nowhere to write. The operator's fault or the machine's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the CDR file {file}: {error}")]
    Lines {
        file: PathBuf,
        error: std::io::Error,
    },
    #[error("cannot open the database {file}: {error}")]
    Database {
        file: PathBuf,
        error: rusqlite::Error,
    },
    #[error("the database {file} has schema {found}, this program knows {known} and older")]
    Newer {
        file: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    #[error(
        "the database {file} has schema {found}, this program reads {known}: \
         wabridge run brings it up to date when it starts"
    )]
    Older {
        file: PathBuf,
        found: u32,
        known: u32,
    },
    #[error("cannot start a thread that writes: {0}")]
    Thread(std::io::Error),
}

/// So many lines were not written in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("CDRs were not all written in time")]
pub struct NotWritten;

impl Store {
    pub fn open(files: &CdrFiles) -> Result<Self, StoreError> {
        let troubles = Arc::new(Troubles::default());
        let writer = Writer::open(files, troubles.clone())?;
        let (orders, queue) = mpsc::sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("cdr".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(StoreError::Thread)?;
        Ok(Self {
            orders,
            troubles,
            thread,
        })
    }

    /// Hands a finished call on; never waits.
    pub fn keep(&self, cdr: &Cdr) {
        match serde_json::to_string(cdr) {
            Ok(json) => self.keep_line(Line {
                call: cdr.call.clone(),
                json,
            }),
            Err(error) => self.lose(&cdr.call, &error.to_string()),
        }
    }

    fn keep_line(&self, line: Line) {
        match self.orders.try_send(Order::Keep(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(Order::Keep(line))) => self.lose(&line.call, "queue full"),
            Err(TrySendError::Disconnected(Order::Keep(line))) => {
                self.lose(&line.call, "the CDR thread is gone");
            }
            // Only what was sent comes back.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    fn lose(&self, call: &CallRef, reason: &str) {
        self.troubles.lost.fetch_add(1, Ordering::Relaxed);
        error!(call = %call.0, reason, "CDR lost");
    }

    /// After a rotation: the lines go to the file that now bears the name.
    pub fn reopen(&self) {
        if self.orders.try_send(Order::Reopen).is_err() {
            error!("the CDR file is not reopened: queue full");
        }
    }

    /// Waits until everything handed over so far is on disk.
    pub fn flush(&self, within: Duration) -> Result<(), NotWritten> {
        let (done, finished) = mpsc::sync_channel(1);
        self.orders
            .try_send(Order::Flush(done))
            .map_err(|_| NotWritten)?;
        match finished.recv_timeout(within) {
            Ok(true) => Ok(()),
            Ok(false) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(NotWritten)
            }
        }
    }

    /// Writes what is left and ends the thread.
    pub fn close(self, within: Duration) -> Result<(), NotWritten> {
        let flushed = self.flush(within);
        drop(self.orders);
        if flushed.is_ok() {
            // It ends by itself now; its panic would have been reported by the hook.
            let _ = self.thread.join();
        }
        flushed
    }

    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }
}

#[cfg(test)]
mod tests;
