//! Two streams joined: what arrives from one side leaves, re-made, to the other.
//!
//! Each direction is re-originated: our own SSRC, sequence and timestamps, one of each for the whole call, whatever the
//! far side does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::sdp::{Agreement, Ssrc};
use crate::side::{Pair, Side};

/// Which of a leg's two sockets. With rtcp-mux everything is on `Rtp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Channel {
    Rtp,
    Rtcp,
}

/// What does not change during a call.
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
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BridgeSpec {
    pub streams: Pair<StreamSpec>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A side's offer/answer is settled, or settled anew (hold, codec change, new address).
    Agree {
        side: Side,
        agreement: Box<Agreement>,
    },
    /// Packets may leave to this side from now on.
    Start { side: Side },
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
    /// `Habits::media_timeout` passed without a valid packet.
    Starved { side: Side, silent_for: Duration },
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

/// What a finished or running call can say about itself.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    pub sides: Pair<StreamReport>,
}

/// One leg. "Received" is from the peer to us, "sent" from us to the peer.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StreamReport {
    pub packets_received: u64,
    pub bytes_received: u64,
    pub packets_sent: u64,
    pub bytes_sent: u64,
    /// Expected but never came (from sequence numbers).
    pub packets_lost: u64,
    pub packets_late: u64,
    pub packets_duplicate: u64,
    pub packets_reordered: u64,
    /// Frames made up by FEC and by concealment for the other side.
    pub frames_recovered: u64,
    pub frames_concealed: u64,
    /// Frames of silence sent to this side because the other side gave nothing.
    pub frames_filled: u64,
    /// Inter-arrival jitter (RFC 3550 §6.4.1), mean and maximum.
    pub jitter_mean: Duration,
    pub jitter_max: Duration,
    /// From the peer's RTCP about what we sent.
    pub remote_loss_fraction: Option<f32>,
    pub remote_jitter: Option<Duration>,
    pub round_trip: Option<Duration>,
    /// E-model estimate of what this side's party was sent to hear is on the other side's row: this one is of what we
    /// received here (ITU-T G.107, 1.0-4.5).
    pub mos_received: Option<f32>,
    /// Of what we sent, from the peer's RTCP.
    pub mos_sent: Option<f32>,
    /// From `Command::Start` of this side to the first valid packet from it.
    pub first_packet_after: Option<Duration>,
    /// From `Command::Start` of this side to the first packet to it that carried sound from the other side (not fill).
    pub first_audio_after: Option<Duration>,
    /// Rejected datagrams by cause.
    pub rejected: Rejected,
    pub dtmf_received: u32,
    pub dtmf_sent: u32,
}

/// Datagrams that changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rejected {
    pub not_rtp: u64,
    pub wrong_source: u64,
    pub authentication: u64,
    pub replayed: u64,
    pub unknown_payload_type: u64,
    pub undecodable: u64,
    pub before_agreement: u64,
}

pub struct Bridge {
    _spec: BridgeSpec,
}

impl Bridge {
    pub fn new(_now: Instant, spec: BridgeSpec, _entropy: Entropy) -> Self {
        Self { _spec: spec }
    }

    pub fn handle_command(&mut self, _now: Instant, _command: Command) {
        todo!()
    }

    /// `datagram` is decrypted in place.
    pub fn handle_datagram(
        &mut self,
        _now: Instant,
        _side: Side,
        _channel: Channel,
        _from: SocketAddr,
        _datagram: &mut [u8],
    ) {
        todo!()
    }

    pub fn handle_timeout(&mut self, _now: Instant) {
        todo!()
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        todo!()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    pub fn report(&self, _now: Instant) -> Report {
        todo!()
    }
}
