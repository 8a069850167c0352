//! Which peers of a trunk can take a call, and in which order they are tried.
//!
//! Two things speak about a peer. Probing (OPTIONS, with hysteresis) says whether it is up; a peer that is down is not
//! called. Calls say when it just failed one; such a peer cools down: it is called after all others.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::call::call::Candidate;
use crate::call::operator::{PeerHealth, PeerStatus};
use crate::call::placing::Target;
use crate::config::{Config, Probe, Trunk, TrunkPeer};
use crate::entropy::Entropy;
use crate::sip::endpoint::RequestId;

/// A peer that failed a call is called last for so long.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// A probe that is not answered within this (or within the probe interval, if that is shorter) has failed.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

/// A peer of a trunk, by its place in the configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerId {
    pub trunk: String,
    pub index: usize,
}

impl PeerId {
    pub fn find<'c>(&self, config: &'c Config) -> Option<(&'c Trunk, &'c TrunkPeer)> {
        let trunk = config.trunks.get(&self.trunk)?;
        Some((trunk, trunk.peers.get(self.index)?))
    }

    pub fn all(config: &Config) -> impl Iterator<Item = (Self, &Trunk, &TrunkPeer)> {
        config.trunks.iter().flat_map(|(name, trunk)| {
            trunk.peers.iter().enumerate().map(move |(index, peer)| {
                let id = Self {
                    trunk: name.clone(),
                    index,
                };
                (id, trunk, peer)
            })
        })
    }
}

/// The health of all trunks.
#[derive(Default)]
pub struct Trunks {
    peers: BTreeMap<PeerId, Watched>,
}

struct Watched {
    name: String,
    probe: Probe,
    standing: Standing,
    probing: Probing,
    cooling_until: Option<Instant>,
}

/// Up until proven down, so that calls flow from the first second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Up { failures: u32 },
    Down { successes: u32 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Probing {
    Off,
    Due { at: Instant },
    Asked { request: RequestId, until: Instant },
}

impl Trunks {
    pub fn new(now: Instant, config: &Config) -> Self {
        let mut trunks = Self::default();
        trunks.reconfigure(now, config);
        trunks
    }

    /// Peers that stay keep their standing.
    pub fn reconfigure(&mut self, now: Instant, config: &Config) {
        let mut known = std::mem::take(&mut self.peers);
        for (id, trunk, peer) in PeerId::all(config) {
            let watched = match known.remove(&id) {
                Some(watched) if watched.name == peer.name && watched.probe == trunk.probe => {
                    watched
                }
                Some(_) | None => Watched::new(now, peer, trunk.probe),
            };
            self.peers.insert(id, watched);
        }
    }

    /// The peers to try, best first: by priority, among equals drawn by weight; those that cool down come last, those
    /// that are down not at all.
    pub fn candidates(
        &self,
        now: Instant,
        name: &str,
        trunk: &Trunk,
        entropy: &mut Entropy,
    ) -> VecDeque<Candidate> {
        let mut waiting: Vec<(bool, u16, u16, Candidate)> = Vec::new();
        for (index, peer) in trunk.peers.iter().enumerate() {
            let id = PeerId {
                trunk: name.to_owned(),
                index,
            };
            let watched = self.peers.get(&id);
            if watched.is_none_or(Watched::is_up) {
                let cooling = watched.is_some_and(|watched| watched.is_cooling(now));
                let candidate = Candidate {
                    target: Target::Peer(id),
                    name: peer.name.clone(),
                };
                waiting.push((cooling, peer.priority, peer.weight, candidate));
            }
        }
        drawn(waiting, entropy)
    }

    /// A call could not be placed with this peer.
    pub fn call_failed(&mut self, now: Instant, id: &PeerId) {
        if let Some(watched) = self.peers.get_mut(id) {
            watched.cooling_until = Some(now + COOL_DOWN);
        }
    }

    /// It answered a call, in whatever way.
    pub fn call_answered(&mut self, id: &PeerId) {
        if let Some(watched) = self.peers.get_mut(id) {
            watched.cooling_until = None;
        }
    }

    /// Every peer, for the operator.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let status = |(id, watched): (&PeerId, &Watched)| PeerStatus {
            trunk: id.trunk.clone(),
            name: watched.name.clone(),
            health: match watched.standing {
                Standing::Up { .. } => PeerHealth::Up,
                Standing::Down { .. } => PeerHealth::Down,
            },
        };
        self.peers.iter().map(status).collect()
    }

    pub fn is_any_up(&self) -> bool {
        self.peers.is_empty() || self.peers.values().any(Watched::is_up)
    }

    /// The peers that are to be probed now; `probed` tells how it was done.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (id, watched) in &mut self.peers {
            match watched.probing {
                Probing::Due { at } if at <= now => {
                    let at = now + watched.probe.interval;
                    watched.probing = Probing::Due { at };
                    due.push(id.clone());
                }
                Probing::Asked { until, .. } if until <= now => watched.judged(now, false),
                Probing::Off | Probing::Due { .. } | Probing::Asked { .. } => {}
            }
        }
        due
    }

    pub fn probed(&mut self, now: Instant, id: &PeerId, request: RequestId) {
        if let Some(watched) = self.peers.get_mut(id) {
            let until = now + watched.probe.interval.min(PROBE_PATIENCE);
            watched.probing = Probing::Asked { request, until };
        }
    }

    /// The outcome of a probe. One that came too late has been judged already.
    pub fn handle_outcome(&mut self, now: Instant, id: &PeerId, request: RequestId, alive: bool) {
        if let Some(watched) = self.peers.get_mut(id) {
            match watched.probing {
                Probing::Asked { request: asked, .. } if asked == request => {
                    watched.judged(now, alive);
                }
                Probing::Off | Probing::Due { .. } | Probing::Asked { .. } => {}
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.peers.values().filter_map(Watched::deadline).min()
    }
}

impl Watched {
    fn new(now: Instant, peer: &TrunkPeer, probe: Probe) -> Self {
        let probing = if probe.interval.is_zero() {
            Probing::Off
        } else {
            Probing::Due { at: now }
        };
        Self {
            name: peer.name.clone(),
            probe,
            standing: Standing::Up { failures: 0 },
            probing,
            cooling_until: None,
        }
    }

    fn judged(&mut self, now: Instant, alive: bool) {
        let at = now + self.probe.interval;
        self.probing = Probing::Due { at };
        let before = self.is_up();
        self.standing = self.standing.after(alive, self.probe);
        match (before, self.is_up()) {
            (true, false) => warn!(peer = %self.name, "peer is down"),
            (false, true) => info!(peer = %self.name, "peer is up"),
            (true, true) | (false, false) => {}
        }
    }

    fn is_up(&self) -> bool {
        match self.standing {
            Standing::Up { .. } => true,
            Standing::Down { .. } => false,
        }
    }

    fn is_cooling(&self, now: Instant) -> bool {
        self.cooling_until.is_some_and(|until| now < until)
    }

    fn deadline(&self) -> Option<Instant> {
        match self.probing {
            Probing::Off => None,
            Probing::Due { at } => Some(at),
            Probing::Asked { until, .. } => Some(until),
        }
    }
}

impl Standing {
    /// Hysteresis: so many failures in a row bring a peer down, so many successes in a row bring it up.
    fn after(self, alive: bool, probe: Probe) -> Self {
        match (self, alive) {
            (Self::Up { .. }, true) => Self::Up { failures: 0 },
            (Self::Up { failures }, false) if failures + 1 >= probe.down_after => {
                Self::Down { successes: 0 }
            }
            (Self::Up { failures }, false) => Self::Up {
                failures: failures + 1,
            },
            (Self::Down { .. }, false) => Self::Down { successes: 0 },
            (Self::Down { successes }, true) if successes + 1 >= probe.up_after => {
                Self::Up { failures: 0 }
            }
            (Self::Down { successes }, true) => Self::Down {
                successes: successes + 1,
            },
        }
    }
}

/// Groups of equal coolness and priority in order, each drawn by weight.
fn drawn(
    mut waiting: Vec<(bool, u16, u16, Candidate)>,
    entropy: &mut Entropy,
) -> VecDeque<Candidate> {
    waiting.sort_by_key(|(cooling, priority, _, _)| (*cooling, *priority));
    let mut order = VecDeque::with_capacity(waiting.len());
    while let Some((cooling, priority, _, _)) = waiting.first() {
        let rank = (*cooling, *priority);
        let group = waiting
            .iter()
            .take_while(|(cooling, priority, _, _)| (*cooling, *priority) == rank)
            .map(|(_, _, weight, _)| *weight);
        let place = draw(group, entropy);
        let (_, _, _, candidate) = waiting.remove(place);
        order.push_back(candidate);
    }
    order
}

/// A place among the weights, each as likely as its weight says; weight 0 counts as 1 in 100 (RFC 2782: a small chance).
fn draw(weights: impl Iterator<Item = u16> + Clone, entropy: &mut Entropy) -> usize {
    let shares = weights.map(|weight| (u32::from(weight) * 100).max(1));
    let mut ticket = entropy.below(shares.clone().sum());
    for (place, share) in shares.enumerate() {
        match ticket.checked_sub(share) {
            Some(rest) => ticket = rest,
            None => return place,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Probe = Probe {
        interval: Duration::from_secs(10),
        down_after: 2,
        up_after: 3,
    };

    #[test]
    fn a_peer_goes_down_and_up_by_runs() {
        let mut standing = Standing::Up { failures: 0 };
        let story = [
            (false, true),
            (true, true),
            (false, true),
            (false, false),
            (true, false),
            (true, false),
            (false, false),
            (true, false),
            (true, false),
            (true, true),
        ];
        for (step, (alive, up)) in story.into_iter().enumerate() {
            standing = standing.after(alive, PROBE);
            assert_eq!(matches!(standing, Standing::Up { .. }), up, "step {step}");
        }
    }

    #[test]
    fn weights_are_shares() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut first = [0u32; 3];
        for _ in 0..10_000 {
            first[draw([3u16, 1, 0].into_iter(), &mut entropy)] += 1;
        }
        assert!((7_200..7_700).contains(&first[0]), "{first:?}");
        assert!((2_300..2_700).contains(&first[1]), "{first:?}");
        assert!((1..150).contains(&first[2]), "{first:?}");
    }

    #[test]
    fn cooling_peers_and_lower_priorities_come_later() {
        let candidate = |name: &str| Candidate {
            target: Target::WhatsApp,
            name: name.to_owned(),
        };
        let waiting = vec![
            (true, 1, 9, candidate("cooling")),
            (false, 2, 9, candidate("backup")),
            (false, 1, 1, candidate("main")),
        ];
        let mut entropy = Entropy::from_seed([1; 32]);
        let order: Vec<String> = drawn(waiting, &mut entropy)
            .into_iter()
            .map(|candidate| candidate.name)
            .collect();
        assert_eq!(order, ["main", "backup", "cooling"]);
    }
}
