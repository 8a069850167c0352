//! What a call can say about its media: the figures of the CDR.

use std::time::Duration;

use crate::media::bridge::extended::HeardByPeer;
use crate::media::bridge::no_audio::Missing;
use crate::media::quality::Conditions;
use crate::media::rtcp::Totals;
use crate::sdp::Codec;
use crate::side::Pair;

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
    /// What came from this side and was left out, so that the other side hears no delay that is over.
    pub left_out: Duration,
    /// Frames of silence sent to this side because the other side gave nothing.
    pub frames_filled: u64,
    /// Inter-arrival jitter (RFC 3550 §6.4.1), mean and maximum.
    pub jitter_mean: Duration,
    pub jitter_max: Duration,
    /// From the peer's RTCP about what we sent.
    pub remote_loss_fraction: Option<f32>,
    pub remote_jitter: Option<Duration>,
    pub round_trip: Option<Duration>,
    /// From the peer's own voice metrics of what we sent (RFC 3611 §4.7).
    pub heard_by_peer: Option<HeardByPeer>,
    /// E-model estimate of what this side's party was sent to hear is on the other side's row: this one is of what we
    /// received here (ITU-T G.107, 1.0-4.5).
    pub mos_received: Option<f32>,
    /// Of what we sent, from the peer's RTCP.
    pub mos_sent: Option<f32>,
    /// From `Command::Start` of this side to the first valid packet from it.
    pub first_packet_after: Option<Duration>,
    /// From `Command::Start` of this side to the first packet to it that carried sound from the other side (not fill).
    pub first_audio_after: Option<Duration>,
    /// From the first of `Command::Start` and `Command::Confirm` of this side to the way that ICE found.
    pub ice_after: Option<Duration>,
    /// And to the keys that DTLS made.
    pub dtls_after: Option<Duration>,
    /// Rejected datagrams by cause.
    pub rejected: Rejected,
    pub dtmf_received: u32,
    pub dtmf_sent: u32,
    /// Why the peer was not heard, and why it did not hear us.
    pub missing_from: Option<Missing>,
    pub missing_to: Option<Missing>,
}

/// Capture, packet time and both jitter buffers: what a path takes beside the network (ITU-T G.114 annex A, about).
const FIXED_DELAY: Duration = Duration::from_millis(100);

impl StreamReport {
    /// Estimates both ratings from the figures that are there.
    pub(super) fn rate(&mut self, codec: Codec, totals: &Totals) {
        let round_trip = self.round_trip.unwrap_or_default();
        let mos = |loss, burst_ratio, jitter| {
            conditions(codec, loss, burst_ratio, jitter, round_trip).mos()
        };
        if self.packets_received > 0 {
            let loss = totals.unusable(self.frames_recovered);
            self.mos_received = Some(mos(loss, totals.burst_ratio, totals.jitter_mean));
        }
        let jitter = self.remote_jitter.unwrap_or_default();
        self.mos_sent = self.remote_loss_fraction.map(|loss| mos(loss, 1.0, jitter));
    }
}

/// What a listener has of one direction: half the round trip, and the jitter buffer that its jitter needs.
pub(super) fn conditions(
    codec: Codec,
    loss: f32,
    burst_ratio: f32,
    jitter: Duration,
    round_trip: Duration,
) -> Conditions {
    Conditions {
        codec,
        loss,
        burst_ratio,
        delay: FIXED_DELAY + round_trip / 2 + 2 * jitter,
    }
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
    /// Or before there were keys.
    pub before_agreement: u64,
    /// ICE: not authentic, or of another session. DTLS: from where the peer is not.
    pub forged_setup: u64,
}

impl Rejected {
    /// Between `earlier` and now.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            not_rtp: self.not_rtp - earlier.not_rtp,
            wrong_source: self.wrong_source - earlier.wrong_source,
            authentication: self.authentication - earlier.authentication,
            replayed: self.replayed - earlier.replayed,
            unknown_payload_type: self.unknown_payload_type - earlier.unknown_payload_type,
            undecodable: self.undecodable - earlier.undecodable,
            before_agreement: self.before_agreement - earlier.before_agreement,
            forged_setup: self.forged_setup - earlier.forged_setup,
        }
    }
}
