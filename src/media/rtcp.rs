//! RTCP (RFC 3550 §6): compound packets written and read in place, the reporting interval, and what a receiver knows of
//! a stream (`Reception`). Feedback, XR and APP packets are read over.

use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::media::rtp;
use crate::media::rtp::RtpTime;
use crate::sdp::Ssrc;

/// NTP timestamp: seconds since 1900 in 32.32 fixed point (RFC 3550 §4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The middle 32 bits, in 1/65536 s, as in LSR.
    pub fn compact(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// The wall clock, read once and passed in, so that an `Instant` can be told as NTP time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WallClock {
    /// When it was read.
    pub at: Instant,
    /// What it said, counted from 1970.
    pub since_unix_epoch: Duration,
}

impl WallClock {
    pub fn ntp(&self, _now: Instant) -> NtpTime {
        todo!()
    }
}

/// RFC 3550 §6.4.1, sender info: what we have sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderInfo {
    pub ntp: NtpTime,
    /// The same moment on the stream's own clock.
    pub timestamp: RtpTime,
    pub packets: u32,
    /// Payload bytes without headers and padding.
    pub octets: u32,
}

/// RFC 3550 §6.4.1, report block: how a stream arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlock {
    /// Of the stream reported on.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost in all; negative with duplicates. 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Highest sequence number, extended by its wraps.
    pub highest_sequence: u32,
    /// Inter-arrival jitter in ticks of the payload's clock.
    pub jitter: u32,
    /// `NtpTime::compact` of the last SR received; 0 when there was none.
    pub last_sr: u32,
    /// Since that SR, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    pub fn loss_fraction(&self) -> f32 {
        f32::from(self.fraction_lost) / 256.0
    }

    /// RFC 3550 §6.4.1: from our SR to the peer and back with this report, without the peer's holding time. `None`
    /// when the peer had no SR yet or the figures contradict the clock.
    pub fn round_trip(&self, _received_at: NtpTime) -> Option<Duration> {
        todo!()
    }
}

/// A compound packet as we send it: SR (when we sent audio) or RR, SDES with the CNAME, BYE at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compound<'a> {
    pub ssrc: Ssrc,
    pub sender: Option<SenderInfo>,
    pub block: Option<ReportBlock>,
    /// At most 255 bytes; the rest is cut off.
    pub cname: &'a str,
    pub bye: bool,
}

impl Compound<'_> {
    /// Enough for every compound of ours.
    pub const MAX_LEN: usize = 360;

    /// Writes the packet and returns its length; `None` when `buffer` is too small (our own fault).
    pub fn write(&self, _buffer: &mut [u8]) -> Option<usize> {
        todo!()
    }
}

/// One packet of a received compound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    SenderReport {
        ssrc: Ssrc,
        info: SenderInfo,
        blocks: Blocks<'a>,
    },
    ReceiverReport {
        ssrc: Ssrc,
        blocks: Blocks<'a>,
    },
    /// SDES: the first CNAME in it.
    Description {
        ssrc: Ssrc,
        cname: &'a [u8],
    },
    /// BYE: the first source that it names.
    Goodbye {
        ssrc: Ssrc,
    },
    /// Feedback, XR, APP, SDES without CNAME, BYE without source.
    Other {
        packet_type: u8,
    },
}

/// The report blocks of an SR or RR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Blocks<'a> {
    bytes: &'a [u8],
}

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let _ = self.bytes;
        todo!()
    }
}

/// The packets of a received datagram, compound or single (RFC 5506). Ends after the first malformed one.
pub struct Packets<'a> {
    _rest: &'a [u8],
}

impl<'a> Packets<'a> {
    pub fn of(datagram: &'a [u8]) -> Self {
        Self { _rest: datagram }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}

/// The sender's fault; to be counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed RTCP packet")]
pub struct Malformed;

/// Until the next report (RFC 3550 §6.2, §6.3.1, A.7): 5 s with a random half more or less, the `first` after half of
/// that. Two parties never need more than 5 % of the bandwidth with it, so the minimum always holds.
pub fn interval(_first: bool, _entropy: &mut Entropy) -> Duration {
    todo!()
}

/// What a receiver knows of a peer's stream (RFC 3550 A.1, A.3, A.8). Fed with packets that are authentic, or from the
/// latched source, so there is no probation: the first packet counts.
pub struct Reception {}

/// What a packet's sequence number says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The first packet of this SSRC.
    FirstOfSource,
    /// The one expected next.
    InOrder,
    /// Newer than expected: this many are missing so far.
    AfterGap {
        missing: u16,
    },
    /// Older than the newest, but not seen before.
    Reordered,
    Duplicate,
    /// Far off, and not followed up yet: ignored (RFC 3550 A.1).
    Suspect,
    /// The second in a row far off: the sender began anew, and so do the statistics of this source.
    Restarted,
}

/// Since the first packet, over all sources.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Totals {
    pub received: u64,
    pub expected: u64,
    /// Expected and not received so far.
    pub lost: u64,
    pub duplicate: u64,
    pub reordered: u64,
    /// Of the inter-arrival jitter, over packets.
    pub jitter_mean: Duration,
    pub jitter_max: Duration,
    /// Mean length of a run of losses against that of random loss (ITU-T G.107 BurstR); 1 when nothing was lost.
    pub burst_ratio: f32,
}

impl Default for Reception {
    fn default() -> Self {
        Self::new()
    }
}

impl Reception {
    pub fn new() -> Self {
        Self {}
    }

    /// `clock` in Hz is that of the payload type; `None` keeps the packet out of the jitter (telephone events share one
    /// timestamp).
    pub fn handle_packet(
        &mut self,
        _now: Instant,
        _header: &rtp::Header,
        _clock: Option<u32>,
    ) -> Arrival {
        todo!()
    }

    pub fn handle_sender_report(&mut self, _now: Instant, _ssrc: Ssrc, _info: &SenderInfo) {
        todo!()
    }

    /// The block for our next report, and the beginning of the next interval. `None` before the first packet.
    pub fn report(&mut self, _now: Instant) -> Option<ReportBlock> {
        todo!()
    }

    pub fn totals(&self) -> Totals {
        todo!()
    }
}
