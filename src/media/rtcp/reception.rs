//! What a receiver knows of a peer's stream (RFC 3550 A.1, A.3, A.8).

use std::time::{Duration, Instant};

use super::bursts::{Periods, share};
use super::jitter::Jitter;
use super::losses::{Losses, Runs};
use super::{ReportBlock, SenderInfo, Summary, to_compact};
use crate::media::rtp::{Header, SequenceNumber};
use crate::sdp::{Ssrc, SummaryParts};

/// So far ahead a packet still belongs to the same run: a minute of lost packets (RFC 3550 A.1, MAX_DROPOUT).
const MAX_DROPOUT: u16 = 3000;
/// So far back (RFC 3550 A.1, MAX_MISORDER).
const MAX_MISORDER: u16 = 100;
/// Added to the first sequence number, so that packets from before it have an index too.
const ONE_WRAP: u64 = 1 << 16;
/// What a packet may hold, in seconds.
const PACKET_TIMES: std::ops::RangeInclusive<f64> = 0.0025..=0.12;
const USUAL_PACKET_TIME: Duration = Duration::from_millis(20);

/// Fed with packets that are authentic, or from the latched source, so there is no probation: the first packet counts.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    source: Option<Source>,
    jitter: Jitter,
    /// Of the sources before the present one.
    past: Counts,
    gaps: Gaps,
    pace: Pace,
}

/// What a gap in the sequence numbers means. RFC 3550 A.1 and the metrics of RFC 3611 §4.7 take each for loss, however long
/// nothing came: silence and an outage look the same on the wire, and an outage is the worst loss there is. Only the
/// offer/answer exchange tells them apart. Senders that were told to be silent (hold) stop, but some count on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Gaps {
    #[default]
    Lost,
    /// The sender is to be silent.
    Silence,
    /// It may speak again; the gap before its first packet is what it kept to itself.
    LastSilence,
}

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
    /// Without duplicates and suspects.
    pub received: u64,
    pub expected: u64,
    /// Expected and not received so far.
    pub lost: u64,
    /// Received, but too late to be of use.
    pub discarded: u64,
    pub duplicate: u64,
    pub reordered: u64,
    /// Of the inter-arrival jitter, over packets.
    pub jitter_mean: Duration,
    pub jitter_max: Duration,
    /// Mean length of a run of losses against that of random loss (ITU-T G.107 BurstR); 1 when nothing was lost.
    pub burst_ratio: f32,
}

/// One SSRC, since its first packet or its restart.
#[derive(Clone, Debug)]
struct Source {
    ssrc: Ssrc,
    losses: Losses,
    received: u64,
    duplicate: u64,
    reordered: u64,
    /// What would follow a packet that was far off.
    suspected: Option<SequenceNumber>,
    reported: Reported,
    summarized: Summarized,
    last_sr: Option<(u32, Instant)>,
}

/// At the last report of ours.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    expected: u64,
    received: u64,
}

/// At the last summary of ours.
#[derive(Clone, Copy, Debug, Default)]
struct Summarized {
    /// `None`: there was none.
    highest: Option<u64>,
    expected: u64,
    received: u64,
    duplicate: u64,
}

/// How the present source came so far (RFC 3611 §4.7.1, §4.7.2); shares in 1/256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bursty {
    pub ssrc: Ssrc,
    pub loss: u8,
    pub discard: u8,
    pub burst_density: u8,
    pub gap_density: u8,
    /// Means; zero when there was none.
    pub burst: Duration,
    pub gap: Duration,
    pub packet_time: Duration,
}

/// How much a packet holds, by two that were sent and came one after the other.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    last: Option<SequenceNumber>,
    packet_time: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    received: u64,
    expected: u64,
    discarded: u64,
    duplicate: u64,
    reordered: u64,
    runs: Runs,
}

impl Totals {
    /// Share of packets that were of no use, 0-1: `recovered` of those that were lost came back by in-band FEC.
    pub fn unusable(&self, recovered: u64) -> f32 {
        let missing = (self.lost + self.discarded).saturating_sub(recovered);
        missing as f32 / self.expected.max(1) as f32
    }
}

impl Reception {
    pub fn new() -> Self {
        Self::default()
    }

    /// `clock` in Hz is that of the payload type; `None` keeps the packet out of the jitter (telephone events share one
    /// timestamp).
    pub fn handle_packet(&mut self, now: Instant, header: &Header, clock: Option<u32>) -> Arrival {
        let arrival = match &mut self.source {
            Some(source) if source.ssrc == header.ssrc => {
                source.handle_sequence(header.sequence, &mut self.gaps)
            }
            Some(_) | None => Arrival::FirstOfSource,
        };
        match arrival {
            Arrival::FirstOfSource | Arrival::Restarted => self.begin_source(header),
            Arrival::InOrder | Arrival::AfterGap { .. } | Arrival::Reordered => {}
            Arrival::Duplicate | Arrival::Suspect => return arrival,
        }
        if let Some(clock) = clock.filter(|clock| *clock > 0) {
            let sent_apart = self.jitter.handle_packet(now, header.timestamp, clock);
            self.pace.handle_packet(header.sequence, sent_apart);
        }
        arrival
    }

    /// A packet that arrived is of no use any more.
    pub fn handle_discard(&mut self, header: &Header) {
        if let Some(source) = self.source.as_mut().filter(|it| it.ssrc == header.ssrc) {
            source.losses.discard(source.index(header.sequence));
        }
    }

    /// The sender was told to be silent, or that it may speak.
    pub fn handle_agreement(&mut self, may_send: bool) {
        self.gaps = match (self.gaps, may_send) {
            (_, false) => Gaps::Silence,
            (Gaps::Silence | Gaps::LastSilence, true) => Gaps::LastSilence,
            (Gaps::Lost, true) => Gaps::Lost,
        };
    }

    /// An SR of a source that is not heard says nothing.
    pub fn handle_sender_report(&mut self, now: Instant, ssrc: Ssrc, info: &SenderInfo) {
        if let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) {
            source.last_sr = Some((info.ntp.compact(), now));
        }
    }

    /// The block for our next report, and the beginning of the next interval. `None` before the first packet.
    pub fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        let jitter = self.jitter.in_ticks();
        let source = self.source.as_mut()?;
        let (last_sr, received_at) = source.last_sr.unwrap_or((0, now));
        Some(ReportBlock {
            ssrc: source.ssrc,
            fraction_lost: source.take_fraction_lost(),
            cumulative_lost: source.cumulative_lost(),
            highest_sequence: (source.losses.highest() - ONE_WRAP) as u32,
            jitter,
            last_sr,
            delay_since_last_sr: to_compact(now.saturating_duration_since(received_at)),
        })
    }

    /// Of what came since the last summary; `None`: nothing did.
    pub fn summary(&mut self, parts: SummaryParts) -> Option<Summary> {
        let jitter = self.jitter.take_interval();
        let source = self.source.as_mut()?;
        let summary = source.summarize()?;
        Some(Summary {
            lost: summary.lost.filter(|_| parts.loss),
            duplicate: summary.duplicate.filter(|_| parts.duplicates),
            jitter: jitter.filter(|_| parts.jitter),
            ..summary
        })
    }

    /// `None` before the first packet.
    pub fn bursty(&self) -> Option<Bursty> {
        let source = self.source.as_ref()?;
        Some(source.bursty(self.pace.packet_time()))
    }

    pub fn totals(&self) -> Totals {
        let mut counts = self.past;
        if let Some(source) = &self.source {
            counts.add(source);
        }
        Totals {
            received: counts.received,
            expected: counts.expected,
            lost: counts.runs.lost,
            discarded: counts.discarded,
            duplicate: counts.duplicate,
            reordered: counts.reordered,
            jitter_mean: self.jitter.mean(),
            jitter_max: self.jitter.max(),
            burst_ratio: counts.runs.burst_ratio(counts.expected),
        }
    }

    fn begin_source(&mut self, header: &Header) {
        let next = Source::begin(header);
        if let Some(source) = self.source.replace(next) {
            self.past.add(&source);
        }
        self.jitter.restart();
    }
}

impl Source {
    fn begin(header: &Header) -> Self {
        Self {
            ssrc: header.ssrc,
            losses: Losses::begin(ONE_WRAP + u64::from(header.sequence.0)),
            received: 1,
            duplicate: 0,
            reordered: 0,
            suspected: None,
            reported: Reported::default(),
            summarized: Summarized::default(),
            last_sr: None,
        }
    }

    /// RFC 3550 A.1, `update_seq`.
    fn handle_sequence(&mut self, sequence: SequenceNumber, gaps: &mut Gaps) -> Arrival {
        let highest = self.losses.highest();
        let ahead = sequence.ahead_of(SequenceNumber(highest as u16));
        let index = self.index(sequence);
        match ahead {
            1.. if ahead.unsigned_abs() < MAX_DROPOUT => {
                let excused = gaps.excuse();
                if excused {
                    self.losses.skip_to(index);
                }
                self.take(index);
                match ahead.unsigned_abs() - 1 {
                    missing @ 1.. if !excused => Arrival::AfterGap { missing },
                    _ => Arrival::InOrder,
                }
            }
            ..=0 if ahead.unsigned_abs() < MAX_MISORDER => self.take_old(index),
            _ => self.suspect(sequence),
        }
    }

    /// The one that is nearest to the highest.
    fn index(&self, sequence: SequenceNumber) -> u64 {
        let highest = self.losses.highest();
        let ahead = sequence.ahead_of(SequenceNumber(highest as u16));
        highest.saturating_add_signed(ahead.into())
    }

    fn summarize(&mut self) -> Option<Summary> {
        let now = Summarized {
            highest: Some(self.losses.highest()),
            expected: self.losses.expected(),
            received: self.received,
            duplicate: self.duplicate,
        };
        let before = std::mem::replace(&mut self.summarized, now);
        let begin = before.highest.map_or(self.losses.first(), |last| last + 1);
        let end = self.losses.highest() + 1;
        let expected = now.expected - before.expected;
        let lost = expected.saturating_sub(now.received - before.received);
        (end > begin).then_some(Summary {
            ssrc: self.ssrc,
            begin: begin as u16,
            end: end as u16,
            lost: Some(saturated(lost)),
            duplicate: Some(saturated(now.duplicate - before.duplicate)),
            jitter: None,
        })
    }

    fn bursty(&self, packet_time: Duration) -> Bursty {
        let expected = self.losses.expected();
        let periods: Periods = self.losses.periods();
        Bursty {
            ssrc: self.ssrc,
            loss: share(self.losses.runs().lost, expected),
            discard: share(self.losses.discards(), expected),
            burst_density: periods.burst.density(),
            gap_density: periods.gap.density(),
            burst: packet_time.mul_f64(periods.burst_packets()),
            gap: packet_time.mul_f64(periods.gap_packets()),
            packet_time,
        }
    }

    fn take(&mut self, index: u64) {
        self.losses.handle_index(index);
        self.received += 1;
        self.suspected = None;
    }

    fn take_old(&mut self, index: u64) -> Arrival {
        if self.losses.has_seen(index) {
            self.duplicate += 1;
            return Arrival::Duplicate;
        }
        self.take(index);
        self.reordered += 1;
        Arrival::Reordered
    }

    fn suspect(&mut self, sequence: SequenceNumber) -> Arrival {
        if self.suspected == Some(sequence) {
            return Arrival::Restarted;
        }
        self.suspected = Some(sequence.next());
        Arrival::Suspect
    }

    /// RFC 3550 A.3: duplicates count as received.
    fn cumulative_lost(&self) -> i32 {
        let expected = self.losses.expected().cast_signed();
        let received = (self.received + self.duplicate).cast_signed();
        let limit = (1 << 23) - 1;
        (expected - received).clamp(-limit, limit) as i32
    }

    fn take_fraction_lost(&mut self) -> u8 {
        let now = Reported {
            expected: self.losses.expected(),
            received: self.received + self.duplicate,
        };
        let before = std::mem::replace(&mut self.reported, now);
        let expected = now.expected - before.expected;
        let lost = expected.saturating_sub(now.received - before.received);
        match (lost << 8).checked_div(expected) {
            Some(fraction) => u8::try_from(fraction).unwrap_or(u8::MAX),
            None => 0,
        }
    }
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Pace {
    fn handle_packet(&mut self, sequence: SequenceNumber, sent_apart: Option<f64>) {
        let last = self.last.replace(sequence);
        if last.is_some_and(|last| last.next() == sequence)
            && let Some(apart) = sent_apart.filter(|apart| PACKET_TIMES.contains(apart))
        {
            self.packet_time = Some(Duration::from_secs_f64(apart));
        }
    }

    fn packet_time(&self) -> Duration {
        self.packet_time.unwrap_or(USUAL_PACKET_TIME)
    }
}

impl Gaps {
    /// Whether the gap before a packet that just came was silence.
    fn excuse(&mut self) -> bool {
        match self {
            Self::Lost => false,
            Self::Silence => true,
            Self::LastSilence => {
                *self = Self::Lost;
                true
            }
        }
    }
}

impl Counts {
    fn add(&mut self, source: &Source) {
        self.received += source.received;
        self.expected += source.losses.expected();
        self.discarded += source.losses.discards();
        self.duplicate += source.duplicate;
        self.reordered += source.reordered;
        self.runs.add(source.losses.runs());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::rtcp::NtpTime;
    use crate::media::rtp::RtpTime;
    use crate::sdp::PayloadType;

    const TICK: Duration = Duration::from_millis(20);

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: SequenceNumber(sequence),
            timestamp: RtpTime(u32::from(sequence) * 160),
            ssrc: Ssrc(ssrc),
        }
    }

    /// Feeds sequence numbers of SSRC 7.
    fn feed(reception: &mut Reception, sequences: impl IntoIterator<Item = u16>) -> Vec<Arrival> {
        let now = Instant::now();
        let arrive = |sequence| reception.handle_packet(now, &header(7, sequence), None);
        sequences.into_iter().map(arrive).collect()
    }

    #[test]
    fn arrivals_are_told_apart_across_a_wrap() {
        let mut reception = Reception::new();
        let arrivals = feed(&mut reception, [65_534, 65_535, 2, 0, 0, 2, 65_533]);
        let expected = [
            Arrival::FirstOfSource,
            Arrival::InOrder,
            Arrival::AfterGap { missing: 2 },
            Arrival::Reordered,
            Arrival::Duplicate,
            Arrival::Duplicate,
            Arrival::Reordered,
        ];
        assert_eq!(arrivals, expected);
        let totals = reception.totals();
        assert_eq!((totals.expected, totals.received, totals.lost), (6, 5, 1));
        assert_eq!((totals.duplicate, totals.reordered), (2, 2));
    }

    /// Packets under way when the sender was told to be silent, then those after it may speak again.
    #[test]
    fn silence_that_was_agreed_on_is_no_loss() {
        let mut reception = Reception::new();
        reception.handle_agreement(true);
        feed(&mut reception, [1, 2, 4]);
        reception.handle_agreement(false);
        feed(&mut reception, [5, 50]);
        reception.handle_agreement(true);
        reception.handle_agreement(true);
        let arrivals = feed(&mut reception, [150, 151, 153]);
        let expected = [
            Arrival::InOrder,
            Arrival::InOrder,
            Arrival::AfterGap { missing: 1 },
        ];
        assert_eq!(arrivals, expected);
        let totals = reception.totals();
        assert_eq!((totals.expected, totals.received, totals.lost), (10, 8, 2));
        let block = reception.report(Instant::now()).unwrap();
        assert_eq!((block.highest_sequence, block.cumulative_lost), (153, 2));
    }

    #[test]
    fn one_packet_far_off_is_ignored_and_two_begin_anew() {
        let mut reception = Reception::new();
        feed(&mut reception, [1, 2]);
        let arrivals = feed(&mut reception, [9000, 3, 9001, 20_000, 20_001, 20_002]);
        let expected = [
            Arrival::Suspect,
            Arrival::InOrder,
            Arrival::Suspect,
            Arrival::Suspect,
            Arrival::Restarted,
            Arrival::InOrder,
        ];
        assert_eq!(arrivals, expected);
        let totals = reception.totals();
        assert_eq!((totals.expected, totals.received, totals.lost), (5, 5, 0));
    }

    #[test]
    fn the_limits_of_a_run() {
        let mut reception = Reception::new();
        let arrivals = feed(&mut reception, [0, 2999]);
        assert_eq!(arrivals[1], Arrival::AfterGap { missing: 2998 });
        let arrivals = feed(&mut reception, [2999 + 3000, 2999 - 99, 2999 - 100]);
        let expected = [Arrival::Suspect, Arrival::Reordered, Arrival::Suspect];
        assert_eq!(arrivals, expected);
    }

    #[test]
    fn another_source_begins_anew_and_the_totals_go_on() {
        let mut reception = Reception::new();
        feed(&mut reception, [1, 2, 4]);
        let now = Instant::now();
        let arrival = reception.handle_packet(now, &header(8, 500), None);
        assert_eq!(arrival, Arrival::FirstOfSource);
        let block = reception.report(now).unwrap();
        assert_eq!((block.ssrc, block.highest_sequence), (Ssrc(8), 500));
        assert_eq!((block.cumulative_lost, block.fraction_lost), (0, 0));
        let totals = reception.totals();
        assert_eq!((totals.expected, totals.received, totals.lost), (5, 4, 1));
    }

    #[test]
    fn reports_count_losses_of_their_interval() {
        let mut reception = Reception::new();
        assert_eq!(reception.report(Instant::now()), None);
        feed(&mut reception, 65_436..=65_535);
        feed(&mut reception, (0..100).filter(|n| n % 4 != 1));
        let block = reception.report(Instant::now()).unwrap();
        assert_eq!(block.highest_sequence, 0x1_0000 + 99);
        assert_eq!((block.cumulative_lost, block.fraction_lost), (25, 32));
        feed(&mut reception, 100..200);
        let block = reception.report(Instant::now()).unwrap();
        assert_eq!((block.cumulative_lost, block.fraction_lost), (25, 0));
        feed(&mut reception, 150..170);
        let block = reception.report(Instant::now()).unwrap();
        assert_eq!((block.cumulative_lost, block.fraction_lost), (5, 0));
    }

    const ALL_PARTS: SummaryParts = SummaryParts {
        loss: true,
        duplicates: true,
        jitter: true,
    };

    #[test]
    fn summaries_tell_of_their_interval() {
        let mut reception = Reception::new();
        assert_eq!(reception.summary(ALL_PARTS), None);
        feed(&mut reception, (65_530..=65_535).filter(|n| *n != 65_533));
        feed(&mut reception, [2, 2]);
        let summary = reception.summary(ALL_PARTS).unwrap();
        assert_eq!(
            (summary.begin, summary.end, summary.lost, summary.duplicate),
            (65_530, 3, Some(3), Some(1))
        );
        assert_eq!(reception.summary(ALL_PARTS), None);
        feed(&mut reception, [3, 5]);
        let summary = reception.summary(ALL_PARTS).unwrap();
        assert_eq!(
            (summary.begin, summary.end, summary.lost, summary.duplicate),
            (3, 6, Some(1), Some(0))
        );
        feed(&mut reception, [6]);
        let jitter_alone = SummaryParts {
            loss: false,
            duplicates: false,
            jitter: true,
        };
        let summary = reception.summary(jitter_alone).unwrap();
        assert_eq!((summary.lost, summary.duplicate), (None, None));
    }

    /// 400 packets of 30 ms: two lost close together, one alone, and one that was too late.
    #[test]
    fn bursts_are_timed_by_the_packets() {
        let start = Instant::now();
        let mut reception = Reception::new();
        assert_eq!(reception.bursty(), None);
        for n in (0..400u16).filter(|n| !matches!(n, 100 | 103 | 200)) {
            let header = Header {
                timestamp: RtpTime(u32::from(n) * 240),
                ..header(7, n)
            };
            let at = start + Duration::from_millis(30) * n.into();
            reception.handle_packet(at, &header, Some(8_000));
            if n == 300 {
                reception.handle_discard(&header);
            }
        }
        let bursty = reception.bursty().unwrap();
        let expected = Bursty {
            ssrc: Ssrc(7),
            loss: 1,
            discard: 0,
            // Two of four, and two of 396.
            burst_density: 128,
            gap_density: 1,
            burst: Duration::from_millis(120),
            // Two gaps of 396 packets.
            gap: Duration::from_millis(198 * 30),
            packet_time: Duration::from_millis(30),
        };
        assert_eq!(bursty, expected);
        let totals = reception.totals();
        assert_eq!((totals.lost, totals.discarded), (3, 1));
    }

    #[test]
    fn sender_reports_come_back_with_their_delay() {
        let start = Instant::now();
        let mut reception = Reception::new();
        reception.handle_packet(start, &header(7, 1), None);
        let info = SenderInfo {
            ntp: NtpTime(0x0000_1234_5678_0000),
            timestamp: RtpTime(0),
            packets: 1,
            octets: 160,
        };
        reception.handle_sender_report(start, Ssrc(8), &info);
        let block = reception.report(start).unwrap();
        assert_eq!((block.last_sr, block.delay_since_last_sr), (0, 0));
        reception.handle_sender_report(start, Ssrc(7), &info);
        let block = reception
            .report(start + Duration::from_millis(1500))
            .unwrap();
        let expected = (0x1234_5678, 98_304);
        assert_eq!((block.last_sr, block.delay_since_last_sr), expected);
    }

    #[test]
    fn jitter_is_reported_in_ticks() {
        let start = Instant::now();
        let mut reception = Reception::new();
        for n in 0..1000 {
            let late = TICK / 2 * u32::from(n % 2);
            let now = start + TICK * u32::from(n) + late;
            reception.handle_packet(now, &header(7, n), Some(8000));
        }
        let block = reception.report(start).unwrap();
        assert_eq!(block.jitter, 80, "10 ms either way");
        let totals = reception.totals();
        assert!(totals.jitter_mean < totals.jitter_max);
    }

    proptest! {
        /// Whatever comes, the figures fit each other.
        #[test]
        fn figures_agree(packets in prop::collection::vec((0u32..3, any::<u16>()), 1..300)) {
            let now = Instant::now();
            let mut reception = Reception::new();
            for (ssrc, sequence) in packets {
                reception.handle_agreement(sequence % 5 > 1);
                reception.handle_packet(now, &header(ssrc, sequence % 700), Some(8000));
                reception.report(now);
            }
            let totals = reception.totals();
            prop_assert_eq!(totals.expected, totals.received + totals.lost);
            prop_assert!(totals.burst_ratio >= 1.0);
        }
    }
}
