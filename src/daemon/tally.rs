//! What happened since the start, in the log now and then and at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::info;

use super::signalling::World;

const INTERVAL: Duration = Duration::from_secs(15 * 60);

pub(super) struct Tally {
    due: Instant,
}

impl Tally {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now + INTERVAL,
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.due
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, world: &World) {
        if self.due <= now {
            self.due = now + INTERVAL;
            tell(world);
        }
    }
}

pub(super) fn tell(world: &World) {
    let net = world.network.counters();
    let cdr = world.store.troubles();
    let ledger = world.keeper.troubles();
    info!(
        connections = world.network.flows(),
        accepted = value(&net.accepted),
        refused = value(&net.refused),
        accept_errors = value(&net.accept_errors),
        handshakes_failed = value(&net.handshakes_failed),
        connects_failed = value(&net.connects_failed),
        unframeable = value(&net.unframeable),
        stalled = value(&net.stalled),
        datagrams_unsent = value(&net.datagrams_unsent),
        cdr_line_failures = value(&cdr.line_failures),
        cdr_row_failures = value(&cdr.row_failures),
        cdr_lost = value(&cdr.lost),
        ledger_failures = value(&ledger.failures),
        ledger_unreadable = value(&ledger.unreadable),
        ledger_lost = value(&ledger.lost),
        "so far"
    );
}

fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
