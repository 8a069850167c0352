//! Extended reports of one side (RFC 3611): what goes beside ours where it is agreed, and what the peer tells by its own,
//! asked or not.

use std::time::{Duration, Instant};

use crate::media::bridge::report::conditions;
use crate::media::quality::Conditions;
use crate::media::rtcp::{
    Block, Concealment, Extended, ExtendedBlocks, GMIN, JitterBuffer, LastReference, NtpTime,
    Reception, Totals, VoipMetrics,
};
use crate::sdp::{Codec, ExtendedReports, RoundTripMode, Ssrc};

#[derive(Default)]
pub struct ExtendedReporting {
    agreed: ExtendedReports,
    /// The last that left. What is said to answer another is no answer.
    asked: Option<NtpTime>,
    /// The peer's, not answered yet.
    question: Option<Question>,
    heard: Option<HeardByPeer>,
}

/// A reference time of the peer.
#[derive(Clone, Copy)]
struct Question {
    ssrc: Ssrc,
    time: NtpTime,
    came: Instant,
}

/// What the peer's voice metrics say of our stream; what it does not know is `None`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct HeardByPeer {
    /// Share of packets that came too late for it, since the beginning.
    pub discarded: f32,
    /// E-model rating, 0-100.
    pub r_factor: Option<u8>,
    /// Mean opinion scores, 1.0-5.0, without and with what delay takes off.
    pub mos_listening: Option<f32>,
    pub mos_conversation: Option<f32>,
}

/// How what comes from a side is played out to the other.
#[derive(Clone, Copy, Debug)]
pub struct Playout {
    /// `None`: nothing is agreed.
    pub codec: Option<Codec>,
    /// Frames that in-band FEC brought back.
    pub recovered: u64,
    pub concealment: Concealment,
    /// Sound waits so long, at present and at most.
    pub margin: Duration,
    pub most: Duration,
    /// Mean squares of speech and of the room, where sound is looked at.
    pub speech: Option<u64>,
    pub room: Option<u64>,
}

/// The moment of a report.
#[derive(Clone, Copy)]
pub struct Occasion {
    pub now: Instant,
    pub ntp: NtpTime,
    /// We sent media since the last report.
    pub sends: bool,
    pub round_trip: Option<Duration>,
    /// A straggler is waited for so long.
    pub patience: Duration,
}

impl ExtendedReporting {
    pub fn agree(&mut self, agreed: ExtendedReports) {
        self.agreed = agreed;
    }

    pub fn heard(&self) -> Option<HeardByPeer> {
        self.heard
    }

    /// What goes beside the report that leaves now: nothing without agreement.
    pub fn blocks(
        &mut self,
        at: &Occasion,
        playout: &Playout,
        reception: &mut Reception,
    ) -> Extended {
        let reference_time = self.agreed.receiver_round_trip.map(|_| at.ntp);
        self.asked = reference_time.or(self.asked);
        Extended {
            reference_time,
            last_reference: self.answer(at),
            summary: self
                .agreed
                .summary
                .and_then(|parts| reception.summary(parts)),
            voip: match self.agreed.voip_metrics {
                true => voip_metrics(at, playout, reception),
                false => None,
            },
        }
    }

    /// Each question once.
    fn answer(&mut self, at: &Occasion) -> Option<LastReference> {
        let answers = match self.agreed.receiver_round_trip {
            None => false,
            Some(RoundTripMode::All) => true,
            Some(RoundTripMode::Sender) => at.sends,
        };
        let question = self.question.take().filter(|_| answers)?;
        let waited = at.now.saturating_duration_since(question.came);
        Some(LastReference::new(question.ssrc, question.time, waited))
    }

    /// The peer's, about our stream `ours`. Returns the round trip that they tell.
    pub fn handle_blocks(
        &mut self,
        now: Instant,
        ntp: NtpTime,
        from: Ssrc,
        blocks: ExtendedBlocks<'_>,
        ours: Ssrc,
    ) -> Option<Duration> {
        let mut round_trip = None;
        for block in blocks {
            match block {
                Block::ReferenceTime(time) => {
                    self.question = Some(Question {
                        ssrc: from,
                        time,
                        came: now,
                    });
                }
                Block::LastReferences(answers) => {
                    let mut to_us = answers.filter(|answer| answer.ssrc == ours);
                    let told = to_us.find_map(|answer| self.round_trip(&answer, ntp));
                    round_trip = told.or(round_trip);
                }
                Block::VoipMetrics(voip) if voip.ssrc == ours => {
                    self.heard = Some(HeardByPeer::of(&voip));
                }
                Block::VoipMetrics(_) | Block::Summary(_) | Block::Other { .. } => {}
            }
        }
        round_trip
    }

    fn round_trip(&self, answer: &LastReference, ntp: NtpTime) -> Option<Duration> {
        let asked = self.asked?.compact();
        let is_later = asked.wrapping_sub(answer.last).cast_signed() < 0;
        answer.round_trip(ntp).filter(|_| !is_later)
    }
}

impl HeardByPeer {
    fn of(voip: &VoipMetrics) -> Self {
        let opinion = |tenths: u8| f32::from(tenths) / 10.0;
        Self {
            discarded: f32::from(voip.discard) / 256.0,
            r_factor: voip.r_factor,
            mos_listening: voip.mos_listening.map(opinion),
            mos_conversation: voip.mos_conversation.map(opinion),
        }
    }
}

/// How we hear the peer. `None` before its first packet.
fn voip_metrics(at: &Occasion, playout: &Playout, reception: &Reception) -> Option<VoipMetrics> {
    let bursty = reception.bursty()?;
    let rated = rated(at, playout, &reception.totals());
    Some(VoipMetrics {
        ssrc: bursty.ssrc,
        loss: bursty.loss,
        discard: bursty.discard,
        burst_density: bursty.burst_density,
        gap_density: bursty.gap_density,
        burst_duration_ms: milliseconds(bursty.burst),
        gap_duration_ms: milliseconds(bursty.gap),
        round_trip_ms: at.round_trip.map_or(0, milliseconds),
        end_system_ms: milliseconds(bursty.packet_time + playout.margin),
        signal: playout.speech.map(dbm0),
        noise: playout.room.map(dbm0),
        gmin: GMIN,
        r_factor: rated.map(|it| it.rating().round() as u8),
        mos_listening: rated.map(|it| tenths(it.without_delay().mos())),
        mos_conversation: rated.map(|it| tenths(it.mos())),
        concealment: playout.concealment,
        buffer: playout.buffer(at.patience),
    })
}

/// As the CDR rates it.
fn rated(at: &Occasion, playout: &Playout, totals: &Totals) -> Option<Conditions> {
    let loss = totals.unusable(playout.recovered);
    let round_trip = at.round_trip.unwrap_or_default();
    let (burst_ratio, jitter) = (totals.burst_ratio, totals.jitter_mean);
    let of = |codec| conditions(codec, loss, burst_ratio, jitter, round_trip);
    playout.codec.map(of)
}

impl Playout {
    fn buffer(&self, patience: Duration) -> JitterBuffer {
        JitterBuffer {
            nominal_ms: milliseconds(self.margin),
            maximum_ms: milliseconds(self.margin + patience),
            absolute_maximum_ms: milliseconds(self.most),
        }
    }
}

fn milliseconds(duration: Duration) -> u16 {
    u16::try_from(duration.as_millis()).unwrap_or(u16::MAX)
}

fn tenths(mos: f32) -> u8 {
    (mos * 10.0).round() as u8
}

/// The level of a mean square of 16-bit samples: a sine of full scale is 3.17 dBm0 in μ-law, and hardly less
/// in A-law (ITU-T G.711 §4).
fn dbm0(mean_square: u64) -> i8 {
    const LEAST: f64 = -90.0;
    const FULL_SINE: f64 = 3.17;
    let full_sine = f64::from(1 << 15).powi(2) / 2.0;
    let level = 10.0 * (mean_square.max(1) as f64 / full_sine).log10() + FULL_SINE;
    level.max(LEAST).round() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_recommendation() {
        let full_sine = (1u64 << 30) / 2;
        for (mean_square, level) in [
            (full_sine, 3),
            // A milliwatt: 3.17 dB less.
            (full_sine * 485 / 1000, 0),
            (full_sine / 1_000, -27),
            (1, -84),
            (0, -84),
        ] {
            assert_eq!(dbm0(mean_square), level, "{mean_square}");
        }
    }

    #[test]
    fn figures_end_where_their_fields_do() {
        assert_eq!(milliseconds(Duration::from_secs(100)), u16::MAX);
        assert_eq!((tenths(4.409), tenths(1.0)), (44, 10));
    }
}
