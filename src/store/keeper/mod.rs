//! The consent ledger's own thread: signalling asks and tells, and never waits for a disk.
//!
//! What waits together is written together, in the order told, with one wait for the disk; an answer comes when that is
//! over. What the disk does not take waits in memory and is tried again, so a fact outlives a passing trouble. A call is
//! never kept waiting by one: who asks meanwhile learns at once that the ledger cannot be read.

mod clerk;
mod desk;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::oneshot;
use tracing::{error, info};

use self::clerk::{Clerk, Order};
use super::{Ledger, StoreError};
use crate::call::cdr::CallRef;
use crate::call::ledger::{Judgement, LedgerCommand, LedgerEvent};
use crate::config::Config;
use crate::consent::operator::{ConsentAnswer, ConsentCommand};

/// Commands on their way to the thread. Some minutes of a busy bridge, should the disk stand still.
const QUEUE: usize = 8_192;

/// Where consent is looked up and written down.
pub struct Keeper {
    orders: SyncSender<Order>,
    events: Receiver<LedgerEvent>,
    /// What the thread was not even asked.
    own_events: VecDeque<LedgerEvent>,
    troubles: Arc<LedgerTroubles>,
    thread: JoinHandle<()>,
}

/// For the operator: many may have one.
#[derive(Clone)]
pub struct LedgerDoor(SyncSender<Order>);

/// What went wrong since the start.
#[derive(Default, Debug)]
pub struct LedgerTroubles {
    /// Of the disk.
    pub failures: AtomicU64,
    /// Calls that were told that the ledger cannot be read.
    pub unreadable: AtomicU64,
    /// Facts that the ledger will never see.
    pub lost: AtomicU64,
}

/// Some facts were not written in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("what was learned of users' consent was not all written in time")]
pub struct NotKept;

impl Keeper {
    /// No call is going on yet: those that are in the ledger died with the last run.
    pub fn open(config: Arc<Config>, now: SystemTime) -> Result<Self, StoreError> {
        let mut ledger = Ledger::open(&config.consent.database)?;
        let ended = ledger.end_all_calls(&config.consent.production, now)?;
        if ended > 0 {
            info!(ended, "calls of the last run are taken out of the ledger");
        }
        Self::start(ledger, config)
    }

    fn start(ledger: Ledger, config: Arc<Config>) -> Result<Self, StoreError> {
        let troubles = Arc::new(LedgerTroubles::default());
        let (orders, queue) = mpsc::sync_channel(QUEUE);
        let (sender, events) = channel(QUEUE);
        let clerk = Clerk::new(ledger, config, sender, troubles.clone());
        let thread = std::thread::Builder::new()
            .name("consent".to_owned())
            .spawn(move || clerk.run(&queue))
            .map_err(StoreError::Thread)?;
        Ok(Self {
            orders,
            events,
            own_events: VecDeque::new(),
            troubles,
            thread,
        })
    }

    /// Never waits.
    pub fn handle_command(&mut self, command: LedgerCommand) {
        match self.orders.try_send(Order::Ledger(command)) {
            Ok(()) => {}
            Err(TrySendError::Full(Order::Ledger(command))) => {
                self.turn_away(command, "the ledger's queue is full");
            }
            Err(TrySendError::Disconnected(Order::Ledger(command))) => {
                self.turn_away(command, "the ledger's thread is gone");
            }
            // Only what was sent comes back.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }

    fn turn_away(&mut self, command: LedgerCommand, why: &str) {
        match command {
            LedgerCommand::Place { call, .. } => {
                let event = unreadable(&self.troubles, call, why);
                self.own_events.push_back(event);
            }
            LedgerCommand::Learn { pair, .. } => {
                self.troubles.lost.fetch_add(1, Ordering::Relaxed);
                error!(number = %pair.number(), user = %pair.user(), why, "a fact is lost");
            }
        }
    }

    /// The next event. Cancel-safe: for `tokio::select!`.
    pub async fn event(&mut self) -> LedgerEvent {
        match self.own_events.pop_front() {
            Some(event) => event,
            None => match self.events.recv().await {
                Some(event) => event,
                // The thread is gone; who asks now is answered above.
                None => std::future::pending().await,
            },
        }
    }

    /// What is told from now on is held against this configuration.
    pub fn follow(&self, config: Arc<Config>) {
        if self.orders.try_send(Order::Follow(config)).is_err() {
            error!("the consent ledger keeps its old rules: queue full");
        }
    }

    pub fn door(&self) -> LedgerDoor {
        LedgerDoor(self.orders.clone())
    }

    pub fn troubles(&self) -> &LedgerTroubles {
        &self.troubles
    }

    /// Writes what is left, trying again while there is time, and ends the thread.
    pub fn close(self, within: Duration) -> Result<(), NotKept> {
        // Nobody listens any more, so nothing holds the thread up.
        drop(self.events);
        let until = Instant::now() + within;
        let (done, finished) = mpsc::sync_channel(1);
        self.orders
            .try_send(Order::Close { until, done })
            .map_err(|_| NotKept)?;
        match finished.recv_timeout(within + clerk::PAUSE) {
            Ok(true) => {
                // It ends by itself now; its panic would have been reported by the hook.
                let _ = self.thread.join();
                Ok(())
            }
            Ok(false) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(NotKept)
            }
        }
    }
}

impl LedgerDoor {
    /// `at`: now.
    pub async fn ask(&self, command: ConsentCommand, at: SystemTime) -> ConsentAnswer {
        let failed = |why: &str| ConsentAnswer::Failed {
            why: why.to_owned(),
        };
        let (answer, answered) = oneshot::channel();
        let order = Order::Ask {
            command,
            at,
            answer,
        };
        if self.0.try_send(order).is_err() {
            return failed("the ledger's queue is full, or its thread is gone");
        }
        answered
            .await
            .unwrap_or_else(|_| failed("the ledger is being closed"))
    }
}

fn unreadable(troubles: &LedgerTroubles, call: CallRef, why: &str) -> LedgerEvent {
    troubles.unreadable.fetch_add(1, Ordering::Relaxed);
    let judgement = Judgement::Unreadable(why.to_owned());
    LedgerEvent::Judged { call, judgement }
}

#[cfg(test)]
mod tests;
