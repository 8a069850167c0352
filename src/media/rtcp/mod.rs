//! RTCP (RFC 3550 §6): compound packets written (`Compound`) and read (`Packets`) in place, the reporting interval, and
//! what a receiver knows of a stream (`Reception`); extended reports beside them (RFC 3611). Feedback and APP packets are
//! read over.

mod bursts;
mod extended;
mod jitter;
mod losses;
mod reception;
mod wire;

pub use extended::{
    Block, Concealment, Extended, ExtendedBlocks, GMIN, JitterBuffer, LastReference,
    LastReferences, Summary, SummaryJitter, VoipMetrics,
};
pub use reception::{Arrival, Bursty, Reception, Totals};
pub use wire::{Blocks, Compound, Malformed, Packet, Packets};

use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::media::rtp::RtpTime;
use crate::sdp::Ssrc;

/// NTP timestamp: seconds since 1900 in 32.32 fixed point (RFC 3550 §4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From 1900 to 1970 in seconds.
    const UNIX_EPOCH: u64 = 2_208_988_800;

    /// `since_unix_epoch` is modulo 2^32 s (RFC 5905 §6: the era is not sent).
    pub fn from_unix(since_unix_epoch: Duration) -> Self {
        let seconds = since_unix_epoch.as_secs() + Self::UNIX_EPOCH;
        let fraction = (u64::from(since_unix_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

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
    pub fn ntp(&self, now: Instant) -> NtpTime {
        let elapsed = now.saturating_duration_since(self.at);
        NtpTime::from_unix(self.since_unix_epoch + elapsed)
    }
}

/// RFC 3550 §6.4.1, sender info: what a sender has sent.
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
    pub fn round_trip(&self, received_at: NtpTime) -> Option<Duration> {
        round_trip(self.last_sr, self.delay_since_last_sr, received_at)
    }
}

/// `left`: `NtpTime::compact` of when it left us, as the peer says; `held` in 1/65536 s.
fn round_trip(left: u32, held: u32, received_at: NtpTime) -> Option<Duration> {
    /// Longer is no round trip but a report on somebody else's packet.
    const MOST: Duration = Duration::from_secs(30);
    /// Both ends round, so that a short way may seem to take less than no time (1/65536 s).
    const ROUNDING: i32 = 64;
    if left == 0 {
        return None;
    }
    let since = received_at.compact().wrapping_sub(left);
    let travelled = since.wrapping_sub(held).cast_signed();
    if travelled < -ROUNDING {
        return None;
    }
    let travelled = from_compact(travelled.max(0).cast_unsigned());
    (travelled <= MOST).then_some(travelled)
}

fn from_compact(ticks: u32) -> Duration {
    Duration::from_nanos((u64::from(ticks) * 1_000_000_000) >> 16)
}

/// Saturates after 18 hours.
fn to_compact(duration: Duration) -> u32 {
    let ticks = (duration.as_nanos() << 16) / 1_000_000_000;
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// Until the next report (RFC 3550 §6.2, §6.3.1, A.7): 5 s with a random half more or less, the `first` after half of
/// that. Two parties never need more than 5 % of the bandwidth with it, extended reports included, so the minimum always
/// holds.
pub fn interval(first: bool, entropy: &mut Entropy) -> Duration {
    /// e - 3/2: what reconsideration takes off the mean (RFC 3550 §6.3.1).
    const COMPENSATION: f64 = 1.218_28;
    let minimum = if first { 2.5 } else { 5.0 };
    let spread = 0.5 + f64::from(entropy.below(1 << 20)) / f64::from(1 << 20);
    Duration::from_secs_f64(minimum * spread / COMPENSATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900() {
        let unix = NtpTime::from_unix(Duration::new(0, 500_000_000));
        assert_eq!(unix, NtpTime(0x83aa_7e80_8000_0000));
        assert_eq!(unix.compact(), 0x7e80_8000);
        let era_1 = NtpTime::from_unix(Duration::from_secs((1 << 32) - NtpTime::UNIX_EPOCH));
        assert_eq!(era_1, NtpTime(0));
    }

    #[test]
    fn the_wall_clock_goes_on() {
        let at = Instant::now();
        let clock = WallClock {
            at,
            since_unix_epoch: Duration::from_secs(100),
        };
        let later = clock.ntp(at + Duration::from_millis(1250));
        assert_eq!(later, NtpTime::from_unix(Duration::from_millis(101_250)));
    }

    fn block(last_sr: u32, delay_since_last_sr: u32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(1),
            fraction_lost: 64,
            cumulative_lost: 0,
            highest_sequence: 0,
            jitter: 0,
            last_sr,
            delay_since_last_sr,
        }
    }

    /// The figure of RFC 3550 §6.4.1: 6.125 s.
    #[test]
    fn round_trip_of_the_rfc() {
        let received_at = NtpTime(0x0000_b710_8000_0000);
        let report = block(0xb705_2000, 0x0005_4000);
        let expected = Some(Duration::from_millis(6125));
        assert_eq!(report.round_trip(received_at), expected);
    }

    #[test]
    fn impossible_round_trips_are_none() {
        let at = |compact: u32| NtpTime(u64::from(compact) << 16);
        assert_eq!(block(0, 0).round_trip(at(5)), None);
        assert_eq!(block(100, 900).round_trip(at(500)), None);
        assert_eq!(block(1, 0).round_trip(at(31 << 16)), None);
        let rounded = block(100, 60).round_trip(at(150));
        assert_eq!(rounded, Some(Duration::ZERO));
        let wrapped = block(u32::MAX, 0).round_trip(at(0xffff));
        assert_eq!(wrapped, Some(Duration::from_secs(1)));
    }

    /// RFC 3550 §6.2: two parties, each with a report in 5 s, beside the slowest speech that we send.
    #[test]
    fn the_largest_report_keeps_to_its_share_of_the_bandwidth() {
        const SPEECH: usize = 6_000;
        const PACKETS_PER_S: usize = 50;
        const RTP: usize = 12;
        const UDP_AND_IP: usize = 28;
        // An SRTCP index and its tag.
        const SRTCP: usize = 14;
        const CNAME: usize = 24;
        let report = Compound::MAX_LEN - 255 + CNAME + SRTCP + UDP_AND_IP;
        let used = 2 * report * 8 / 5;
        let session = SPEECH + PACKETS_PER_S * (RTP + UDP_AND_IP) * 8;
        assert!(used * 20 <= session, "{used} of {session} bit/s");
    }

    #[test]
    fn intervals_spread_and_the_first_is_half() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let mut sum = Duration::ZERO;
        for _ in 0..1000 {
            let next = interval(false, &mut entropy);
            assert!((2.05..6.16).contains(&next.as_secs_f64()));
            let first = interval(true, &mut entropy);
            assert!((1.02..3.08).contains(&first.as_secs_f64()));
            sum += next;
        }
        let mean = (sum / 1000).as_secs_f64();
        assert!((3.9..4.3).contains(&mean), "{mean}");
    }
}
