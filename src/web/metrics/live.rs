//! What is looked up when somebody asks.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::page::{Figure, Page};
use crate::call::health::Fitness;
use crate::call::operator::{MissedLeg, NoAudioCount, PeerHealth, Status};
use crate::call::turned_away::TurnedAway;

#[derive(Debug)]
pub struct Live {
    pub status: Status,
    pub workers: Vec<Worker>,
    /// When the certificate of a listener ends.
    pub certificates: Vec<(String, SystemTime)>,
    /// Open SIP connections.
    pub connections: usize,
    /// Counters since the start, by what went wrong.
    pub network_errors: Vec<(&'static str, u64)>,
    pub storage_errors: Vec<(&'static str, u64)>,
}

/// A thread that carries media.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    pub is_up: bool,
    /// 0.0-1.0, of the last full second.
    pub busy: f32,
    pub calls: usize,
    /// The share of its calls that the relief valve is open for, and how many they are.
    pub relief: f32,
    pub relieved: u32,
}

const WORKERS: [Figure<Worker, f64>; 5] = [
    (
        "wabridge_worker_up",
        "1 while this media thread runs",
        |worker| f64::from(u8::from(worker.is_up)),
    ),
    (
        "wabridge_worker_busy_ratio",
        "Share of the last second that it did not wait: above 0.75 calls are relieved, at 0.9 refused",
        |worker| thousandths(worker.busy),
    ),
    ("wabridge_worker_calls", "Calls that it carries", |worker| {
        worker.calls as f64
    }),
    (
        "wabridge_worker_relief_ratio",
        "Share of its calls that the relief valve is open for: 0 is shut",
        |worker| thousandths(worker.relief),
    ),
    (
        "wabridge_worker_relieved_calls",
        "Calls that are encoded with less effort",
        |worker| f64::from(worker.relieved),
    ),
];

/// As they were measured: no digits beyond.
fn thousandths(share: f32) -> f64 {
    f64::from((share * 1e3).round()) / 1e3
}

impl Live {
    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        self.write_calls(page)?;
        self.write_no_audio(page)?;
        self.write_fitness(page)?;
        self.write_workers(page)?;
        self.write_peers(page)?;
        self.write_surroundings(page)
    }

    fn write_calls(&self, page: &mut Page<'_>) -> fmt::Result {
        let calls = self.status.calls.iter();
        page.gauges(
            "wabridge_calls",
            "Calls that are not over",
            calls.map(|(direction, calls)| ([("direction", direction.token())], *calls)),
        )?;
        let turned_away = TurnedAway::ALL.map(|why| {
            let count = self.status.turned_away.of(why);
            ([("reason", why.token())], count)
        });
        page.counters(
            "wabridge_invites_turned_away",
            "INVITEs that became no call and have no record",
            turned_away,
        )
    }

    fn write_no_audio(&self, page: &mut Page<'_>) -> fmt::Result {
        let sample = |count: NoAudioCount| {
            let side = match count.leg {
                MissedLeg::User => "whatsapp",
                MissedLeg::Pbx => "pbx",
            };
            let (way, cause) = (count.way.words(), count.cause.token());
            let labels = [("side", side), ("way", way), ("cause", cause)];
            (labels, count.calls)
        };
        page.counters(
            "wabridge_no_audio_calls",
            "Calls in which no audio came from this side, or went to it, once for each cause, after five seconds (silence: ten)",
            self.status.no_audio_of_all().map(sample),
        )
    }

    /// One of the states is 1.
    fn write_fitness(&self, page: &mut Page<'_>) -> fmt::Result {
        let now = match &self.status.fitness {
            Fitness::Fit => "fit",
            Fitness::Draining => "draining",
            Fitness::Unfit(_) => "unfit",
            Fitness::NoTrunkUp => "no_trunk_up",
            Fitness::Full => "full",
        };
        let states = ["fit", "draining", "unfit", "no_trunk_up", "full"];
        page.gauges(
            "wabridge_fitness",
            "Whether a call that comes now is carried: 1 for the state that holds, as OPTIONS tells it",
            states.map(|state| ([("state", state)], u64::from(state == now))),
        )
    }

    fn write_workers(&self, page: &mut Page<'_>) -> fmt::Result {
        let numbers: Vec<String> = (0..self.workers.len()).map(|n| n.to_string()).collect();
        WORKERS.into_iter().try_for_each(|(name, help, of)| {
            let samples = numbers.iter().zip(&self.workers);
            let samples = samples.map(|(n, worker)| ([("worker", n.as_str())], of(worker)));
            page.gauges(name, help, samples)
        })
    }

    /// The same host and port by two transports has one name: all have to be up.
    fn write_peers(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut peers = BTreeMap::new();
        for peer in &self.status.peers {
            let up = match peer.health {
                PeerHealth::Up => 1u64,
                PeerHealth::Down => 0,
            };
            let name = (peer.trunk.as_str(), peer.name.as_str());
            let least = peers.entry(name).or_insert(up);
            *least = up.min(*least);
        }
        let samples = peers
            .into_iter()
            .map(|((trunk, peer), up)| ([("trunk", trunk), ("peer", peer)], up));
        page.gauges(
            "wabridge_peer_up",
            "1 while the peer answers OPTIONS, or is not asked",
            samples,
        )
    }

    fn write_surroundings(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauges(
            "wabridge_connections",
            "Open SIP connections",
            [([], self.connections)],
        )?;
        let by_error = |(error, count): &(&'static str, u64)| ([("error", *error)], *count);
        page.counters(
            "wabridge_network_errors",
            "What went wrong with SIP connections and messages",
            self.network_errors.iter().map(by_error),
        )?;
        page.counters(
            "wabridge_storage_errors",
            "What went wrong with records of calls and with the consent ledger",
            self.storage_errors.iter().map(by_error),
        )?;
        let certificates = self.certificates.iter().map(|(listener, end)| {
            let end = end.duration_since(UNIX_EPOCH).unwrap_or_default();
            ([("listener", listener.as_str())], end.as_secs_f64())
        });
        page.gauges(
            "wabridge_certificate_expiry_timestamp_seconds",
            "When the certificate of a listener ends, in seconds since 1970",
            certificates,
        )
    }
}
