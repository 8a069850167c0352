//! What a scrape looks up in the world.

use std::sync::atomic::{AtomicU64, Ordering};

use super::signalling::World;
use crate::call::switchboard::Switchboard;
use crate::web::metrics::Live;

pub(super) fn live(world: &World, switchboard: &Switchboard) -> Live {
    let certificates = world.network.listeners().into_iter();
    Live {
        status: switchboard.status(),
        workers: world.plane.workers(),
        certificates: certificates
            .filter_map(|state| Some((state.name, state.certificate?.not_after)))
            .collect(),
        connections: world.network.flows(),
        network_errors: network_errors(world),
        storage_errors: storage_errors(world),
    }
}

fn network_errors(world: &World) -> Vec<(&'static str, u64)> {
    let net = world.network.counters();
    vec![
        ("refused", value(&net.refused)),
        ("accept", value(&net.accept_errors)),
        ("handshake", value(&net.handshakes_failed)),
        ("connect", value(&net.connects_failed)),
        ("unframeable", value(&net.unframeable)),
        ("stalled", value(&net.stalled)),
        ("datagram_unsent", value(&net.datagrams_unsent)),
    ]
}

fn storage_errors(world: &World) -> Vec<(&'static str, u64)> {
    let (cdr, ledger) = (world.store.troubles(), world.keeper.troubles());
    vec![
        ("cdr_line", value(&cdr.line_failures)),
        ("cdr_row", value(&cdr.row_failures)),
        ("cdr_lost", value(&cdr.lost)),
        ("ledger_write", value(&ledger.failures)),
        ("ledger_read", value(&ledger.unreadable)),
        ("ledger_lost", value(&ledger.lost)),
    ]
}

fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
