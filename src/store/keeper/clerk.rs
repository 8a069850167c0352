//! The thread that keeps the ledger.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tracing::{debug, error, info};

use super::{LedgerTroubles, desk, unreadable};
use crate::call::ledger::{Judgement, LedgerCommand, LedgerEvent};
use crate::config::Config;
use crate::consent::operator::{ConsentAnswer, ConsentCommand};
use crate::consent::{Pair, Verdict};
use crate::store::ledger::Entry;
use crate::store::{Ledger, LedgerError};

/// Commands written and synced together.
pub(super) const BATCH: usize = 256;
/// Facts that wait for a disk that does not take them: some ten megabytes at most.
pub(super) const MAX_WAITING: usize = 65_536;
const RETRY: Duration = Duration::from_secs(1);
/// Between tries while closing.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

pub(super) enum Order {
    Ledger(LedgerCommand),
    Follow(Arc<Config>),
    Ask {
        command: ConsentCommand,
        at: SystemTime,
        answer: oneshot::Sender<ConsentAnswer>,
    },
    /// Answered with whether nothing waits any more.
    Close {
        until: Instant,
        done: SyncSender<bool>,
    },
}

pub(super) struct Clerk {
    ledger: Ledger,
    config: Arc<Config>,
    /// Oldest first. Between two tries only facts.
    waiting: VecDeque<LedgerCommand>,
    health: Health,
    events: Sender<LedgerEvent>,
    troubles: Arc<LedgerTroubles>,
}

/// So that trouble is logged when it begins and when it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    Good,
    Failing,
}

impl Clerk {
    pub(super) fn new(
        ledger: Ledger,
        config: Arc<Config>,
        events: Sender<LedgerEvent>,
        troubles: Arc<LedgerTroubles>,
    ) -> Self {
        Self {
            ledger,
            config,
            waiting: VecDeque::new(),
            health: Health::Good,
            events,
            troubles,
        }
    }

    #[cfg(test)]
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Until it is closed.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let first = if self.waiting.is_empty() {
                orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                orders.recv_timeout(RETRY)
            };
            match first {
                Ok(order) => {
                    let rest = orders.try_iter().take(BATCH - 1);
                    if self
                        .handle_batch(std::iter::once(order).chain(rest))
                        .is_break()
                    {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.write(),
                Err(RecvTimeoutError::Disconnected) => return self.write(),
            }
        }
    }

    pub(super) fn handle_batch(&mut self, orders: impl Iterator<Item = Order>) -> ControlFlow<()> {
        for order in orders {
            match order {
                Order::Ledger(command) => self.wait(command),
                Order::Follow(config) => {
                    // What was told before is held against what held then.
                    self.write();
                    self.config = config;
                }
                Order::Ask {
                    command,
                    at,
                    answer,
                } => {
                    self.write();
                    // Who asked may have given up waiting.
                    let _ = answer.send(self.answer(&command, at));
                }
                Order::Close { until, done } => {
                    let _ = done.try_send(self.close(until));
                    return ControlFlow::Break(());
                }
            }
        }
        self.write();
        ControlFlow::Continue(())
    }

    fn answer(&mut self, command: &ConsentCommand, at: SystemTime) -> ConsentAnswer {
        if !self.waiting.is_empty() {
            let why = "the disk does not take what was learned before".to_owned();
            return ConsentAnswer::Failed { why };
        }
        desk::answer(&mut self.ledger, &self.config, command, at)
    }

    fn close(&mut self, until: Instant) -> bool {
        self.write();
        while !self.waiting.is_empty() && Instant::now() < until {
            std::thread::sleep(PAUSE);
            self.write();
        }
        self.waiting.is_empty()
    }

    fn wait(&mut self, command: LedgerCommand) {
        self.waiting.push_back(command);
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
            self.troubles.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn write(&mut self) {
        while !self.waiting.is_empty() {
            match self.write_batch() {
                Ok(events) => {
                    self.recovered();
                    self.tell(events);
                }
                Err(error) => return self.failed(&error),
            }
        }
    }

    /// All or none of it; the events are to be told when it is on disk.
    fn write_batch(&mut self) -> Result<Vec<LedgerEvent>, LedgerError> {
        let count = self.waiting.len().min(BATCH);
        let entry = self.ledger.begin()?;
        let mut events = Vec::new();
        for command in self.waiting.iter().take(count) {
            let book = Book {
                entry: &entry,
                config: &self.config,
                troubles: &self.troubles,
            };
            events.extend(book.enter(command)?);
        }
        entry.commit()?;
        self.waiting.drain(..count);
        Ok(events)
    }

    fn tell(&self, events: Vec<LedgerEvent>) {
        for event in events {
            // Nobody listens any more while closing.
            let _ = self.events.blocking_send(event);
        }
    }

    /// Facts wait for a better time, calls do not.
    fn failed(&mut self, error: &LedgerError) {
        self.troubles.failures.fetch_add(1, Ordering::Relaxed);
        let mut events = Vec::new();
        self.waiting.retain(|command| match command {
            LedgerCommand::Place { call, .. } => {
                let why = error.to_string();
                events.push(unreadable(&self.troubles, call.clone(), &why));
                false
            }
            LedgerCommand::Learn { .. } => true,
        });
        if self.health == Health::Good {
            error!(%error, waiting = self.waiting.len(), "facts wait in memory");
        }
        self.health = Health::Failing;
        self.tell(events);
    }

    fn recovered(&mut self) {
        if self.health == Health::Failing {
            info!("the consent ledger is writable again");
        }
        self.health = Health::Good;
    }
}

/// The ledger, open at a page.
struct Book<'c> {
    entry: &'c Entry<'c>,
    config: &'c Config,
    troubles: &'c LedgerTroubles,
}

impl Book<'_> {
    /// A pair that somebody else has spoilt spoils no other.
    fn enter(&self, command: &LedgerCommand) -> Result<Option<LedgerEvent>, LedgerError> {
        match (command, self.try_enter(command)) {
            (_, Ok(event)) => Ok(event),
            (_, Err(error @ LedgerError::Disk(_))) => Err(error),
            (LedgerCommand::Place { call, .. }, Err(error @ LedgerError::Unreadable { .. })) => {
                let event = unreadable(self.troubles, call.clone(), &error.to_string());
                Ok(Some(event))
            }
            (LedgerCommand::Learn { .. }, Err(error @ LedgerError::Unreadable { .. })) => {
                self.troubles.lost.fetch_add(1, Ordering::Relaxed);
                error!(%error, "a fact is lost");
                Ok(None)
            }
        }
    }

    fn try_enter(&self, command: &LedgerCommand) -> Result<Option<LedgerEvent>, LedgerError> {
        match command {
            LedgerCommand::Learn { pair, fact, at } => {
                let rules = self.config.consent_rules(pair.number());
                if let Err(ignored) = self.entry.keep(pair, fact, *at, &rules)? {
                    debug!(?pair, ?fact, %ignored, "no news");
                }
                Ok(None)
            }
            LedgerCommand::Place {
                call,
                pair,
                calls,
                at,
            } => {
                let verdict = self.place(&call.0, pair, *calls, *at)?;
                Ok(Some(LedgerEvent::Judged {
                    call: call.clone(),
                    judgement: Judgement::Verdict(verdict),
                }))
            }
        }
    }

    fn place(
        &self,
        call: &str,
        pair: &Pair,
        calls: u32,
        at: SystemTime,
    ) -> Result<Verdict, LedgerError> {
        let rules = self.config.consent_rules(pair.number());
        let verdict = match self.entry.verdict(pair, calls, &rules, at)? {
            Verdict::Refused(refusal) if self.config.consent.enforce => {
                return Ok(Verdict::Refused(refusal));
            }
            Verdict::Refused(refusal) => {
                info!(call, ?pair, %refusal, "not enforced");
                Verdict::Unknown
            }
            verdict @ (Verdict::Allowed | Verdict::Unknown) => verdict,
        };
        self.entry.keep_placed(pair, call, &rules, at)?;
        Ok(verdict)
    }
}
