//! How the bridge is.

use serde::{Deserialize, Serialize};

use crate::call::health;
use crate::call::operator;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::web) struct Status {
    pub(in crate::web) version: String,
    pub(in crate::web) fitness: Fitness,
    /// Calls that are not over.
    pub(in crate::web) calls: usize,
    pub(in crate::web) peers: Vec<Peer>,
    /// Calls since the start in which audio was missing.
    #[serde(default)]
    pub(in crate::web) no_audio: Vec<NoAudio>,
}

/// Calls in which audio was missing from or to one party, for one cause.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::web) struct NoAudio {
    pub(in crate::web) party: MissedParty,
    /// `from` or `to` it.
    pub(in crate::web) way: String,
    /// As in CDRs.
    pub(in crate::web) cause: String,
    pub(in crate::web) calls: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::web) enum MissedParty {
    User,
    Pbx,
}

/// Whether a call that comes now is carried: what OPTIONS tells.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(in crate::web) enum Fitness {
    Fit,
    Draining,
    Unfit { reason: String },
    NoTrunkUp,
    Full,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::web) struct Peer {
    pub(in crate::web) trunk: String,
    pub(in crate::web) peer: String,
    pub(in crate::web) health: PeerHealth,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::web) enum PeerHealth {
    Up,
    Down,
}

impl From<operator::Status> for Status {
    fn from(status: operator::Status) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fitness: status.fitness.into(),
            calls: status.calls.iter().map(|(_, calls)| calls).sum(),
            peers: status.peers.into_iter().map(Into::into).collect(),
            no_audio: status.no_audio.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<health::Fitness> for Fitness {
    fn from(fitness: health::Fitness) -> Self {
        match fitness {
            health::Fitness::Fit => Self::Fit,
            health::Fitness::Draining => Self::Draining,
            health::Fitness::Unfit(reason) => Self::Unfit { reason },
            health::Fitness::NoTrunkUp => Self::NoTrunkUp,
            health::Fitness::Full => Self::Full,
        }
    }
}

impl From<operator::PeerStatus> for Peer {
    fn from(peer: operator::PeerStatus) -> Self {
        Self {
            trunk: peer.trunk,
            peer: peer.name,
            health: match peer.health {
                operator::PeerHealth::Up => PeerHealth::Up,
                operator::PeerHealth::Down => PeerHealth::Down,
            },
        }
    }
}

impl From<operator::NoAudioCount> for NoAudio {
    fn from(count: operator::NoAudioCount) -> Self {
        Self {
            party: match count.leg {
                operator::MissedLeg::User => MissedParty::User,
                operator::MissedLeg::Pbx => MissedParty::Pbx,
            },
            way: count.way.words().to_owned(),
            cause: count.cause.token().to_owned(),
            calls: count.calls,
        }
    }
}
