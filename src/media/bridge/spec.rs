//! What does not change during a call: who we are on each side, and the habits of its peer.

use std::time::Duration;

use crate::media::gain::{Decibels, Levels};
use crate::sdp::Ssrc;
use crate::side::Pair;

/// Of one side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamSpec {
    /// Ours, for everything we send on this side.
    pub ssrc: Ssrc,
    pub cname: String,
    pub habits: Habits,
}

/// The profile's media switches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Habits {
    /// Packets flow from us without a gap, from `Command::Start` to the end: silence while the other side gives nothing
    /// (dossier 3.3: 20 s and 30 s rules). Also makes our packet the first one.
    pub keep_fed: bool,
    /// Send to where valid packets come from, once, instead of the address in the SDP (RFC 4961 symmetric peers behind NAT).
    pub latch: bool,
    /// Nothing valid received for so long: `Event::Starved`. Zero: never.
    pub media_timeout: Duration,
    /// Upper limit of the Opus bitrate, bit/s (WhatsApp: 20000), also when the peer allows more.
    pub opus_bitrate: u32,
    /// libopus complexity 0-10 for frames towards this side.
    pub opus_complexity: u8,
    /// In-band FEC in what we send.
    pub opus_fec: bool,
    /// Of what the other side says after its `Command::Start`, but before packets may leave to this one, the last so much
    /// is kept (at most a second) and then played faster than it was said, until it is caught up. Zero: it is dropped.
    /// Opus that is passed through is never kept.
    pub early_audio: Duration,
    /// What is decoded is made so much louder: what this side says, and what it hears. Opus that is passed through stays as
    /// it is.
    pub gain_from: Decibels,
    pub gain_to: Decibels,
    /// Whether a quiet room is told of only now and then (RFC 6716 §2.1.9).
    pub opus_dtx: Dtx,
    /// How digits come from this side.
    pub digits: Digits,
}

/// Discontinuous transmission: packets pause while nobody speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dtx {
    Never,
    /// When the peer's description says `usedtx=1` (RFC 7587 §6.1).
    IfAsked,
    Always,
}

/// How a peer sends digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Digits {
    /// As events (RFC 4733), or by signalling.
    #[default]
    Events,
    /// As tones in its sound as well: they are found where it is decoded, and sent on as events in their place.
    InBand,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BridgeSpec {
    pub streams: Pair<StreamSpec>,
}

impl BridgeSpec {
    /// Of each side's habits.
    pub fn levels(&self) -> Pair<Levels> {
        let levels = |stream: &StreamSpec| Levels {
            from: stream.habits.gain_from,
            to: stream.habits.gain_to,
        };
        Pair::new(levels(&self.streams.a), levels(&self.streams.b))
    }
}
