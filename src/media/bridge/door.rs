//! What goes into a bridge, and what comes out of it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::media::bridge::NotConnected;
use crate::media::bridge::no_audio::{NoAudio, Way};
use crate::media::gain::Levels;
use crate::sdp::Agreement;
use crate::side::Side;

/// Which of a leg's two sockets. With rtcp-mux everything is on `Rtp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Channel {
    Rtp,
    Rtcp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A side's offer/answer is settled, or settled anew (hold, codec change, new address).
    Agree {
        side: Side,
        agreement: Box<Agreement>,
    },
    /// Packets may leave to this side from now on: checks of ICE first where it is agreed, then media.
    Start { side: Side },
    /// The side has our description for certain, so that a ClientHello of ours is not lost (dossier 3.2): it may leave,
    /// and checks of ICE. Media waits for `Start`, which may come before or after this.
    Confirm { side: Side },
    /// Another is on this side, who is made louder or softer in a way of its own.
    Level { side: Side, levels: Levels },
    /// Play a digit toward this side (RFC 4733): `0-9*#A-D`.
    Dtmf {
        side: Side,
        digit: u8,
        duration: Duration,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The first valid packet from this side.
    FirstMedia { side: Side },
    /// ICE found the way to this side, so long after the first of `Command::Start` and `Command::Confirm`.
    IceConnected { side: Side, after: Duration },
    /// DTLS made this side's keys, so long after the same moment.
    DtlsConnected { side: Side, after: Duration },
    /// Packets cannot pass between us and this side any more. Told once.
    NotConnected { side: Side, cause: NotConnected },
    /// `Habits::media_timeout` passed without a valid packet.
    Starved { side: Side, silent_for: Duration },
    /// There is no audio from this side, or to it, and why; each cause is told once.
    NoAudio {
        side: Side,
        way: Way,
        cause: NoAudio,
        lasting: Duration,
    },
    /// What was told is over.
    AudioAgain {
        side: Side,
        way: Way,
        after: Duration,
    },
    /// A digit ended; it came from this side by RFC 4733. Already played to the other side if that side takes it.
    Dtmf {
        side: Side,
        digit: u8,
        duration: Duration,
    },
}

/// One datagram to be sent now.
#[derive(Debug)]
pub struct Transmit<'a> {
    pub side: Side,
    pub channel: Channel,
    pub to: SocketAddr,
    pub bytes: &'a [u8],
}
