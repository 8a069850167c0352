//! Where the sender's stream stands, by its timestamps, and what lies between two packets of it: a loss, a pause, or
//! something that only the clock can measure.

use crate::media::bridge::egress::clock_rate;
use crate::media::pacer::Gap;
use crate::media::reorder::Ordered;
use crate::media::rtp::RtpTime;
use crate::media::ticks::Ticks;
use crate::sdp::Codec;

/// What a loss may count for; the rest of a longer one is silence.
pub const LONGEST_LOSS: Ticks = Ticks(800);
/// A greater jump of timestamps is no pause but another story.
const LONGEST_PAUSE: Ticks = Ticks(600 * Ticks::RATE);

#[derive(Default)]
pub struct Timeline {
    playhead: Option<Playhead>,
}

/// The end of the last packet.
#[derive(Clone, Copy)]
struct Playhead {
    codec: Codec,
    next: RtpTime,
}

/// What lies between the last packet and this one: first the loss, then the pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Before {
    pub lost: Ticks,
    pub pause: Gap,
}

impl Timeline {
    /// The next packet has nothing to do with the last.
    pub fn reset(&mut self) {
        self.playhead = None;
    }

    /// Of the last packet, if the next one is to follow it.
    pub fn codec(&self) -> Option<Codec> {
        self.playhead.map(|playhead| playhead.codec)
    }

    /// Moves behind this packet, which is so long, and says what lies before it.
    pub fn advance(&mut self, codec: Codec, packet: &Ordered<'_>, length: Ticks) -> Before {
        let clock = clock_rate(codec);
        let timestamp = packet.header.timestamp;
        let next = timestamp.plus(length.to_clock(clock));
        let known = self.playhead.replace(Playhead { codec, next });
        let ahead = known
            .filter(|playhead| playhead.codec == codec)
            .and_then(|playhead| u32::try_from(timestamp.ahead_of(playhead.next)).ok())
            .map(|units| Ticks::from_clock(units, clock));
        match ahead {
            Some(Ticks::ZERO) => Before::NOTHING,
            Some(ahead) if ahead <= LONGEST_PAUSE => {
                Before::within_run(ahead, packet.missing, length)
            }
            Some(_) | None => Before::UNKNOWN,
        }
    }
}

impl Before {
    const NOTHING: Self = Self {
        lost: Ticks::ZERO,
        pause: Gap::None,
    };
    const UNKNOWN: Self = Self {
        lost: Ticks::ZERO,
        pause: Gap::Unknown,
    };

    fn within_run(ahead: Ticks, missing: u16, length: Ticks) -> Self {
        let packet = length.max(Ticks::FRAME);
        let could_be_lost = Ticks(packet.0.saturating_mul(missing.into()));
        let lost = ahead.min(could_be_lost).min(LONGEST_LOSS);
        let pause = match ahead - lost {
            Ticks::ZERO => Gap::None,
            pause => Gap::Silence(pause),
        };
        Self { lost, pause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::{Header, SequenceNumber};
    use crate::sdp::{PayloadType, Ssrc};

    fn packet(timestamp: u32, missing: u16) -> Ordered<'static> {
        Ordered {
            header: Header {
                marker: false,
                payload_type: PayloadType(111),
                sequence: SequenceNumber(0),
                timestamp: RtpTime(timestamp),
                ssrc: Ssrc(1),
            },
            payload: &[],
            missing,
        }
    }

    fn before(codec: Codec, timestamp: u32, missing: u16) -> Before {
        let mut timeline = Timeline::default();
        let first = timeline.advance(Codec::Opus, &packet(u32::MAX - 959, 0), Ticks::FRAME);
        assert_eq!(first, Before::UNKNOWN);
        timeline.advance(codec, &packet(timestamp, missing), Ticks::FRAME)
    }

    #[test]
    fn what_lies_between_two_packets() {
        let lies = |lost, pause| Before {
            lost: Ticks(lost),
            pause,
        };
        let silence = |ticks| Gap::Silence(Ticks(ticks));
        assert_eq!(before(Codec::Opus, 0, 0), Before::NOTHING);
        assert_eq!(before(Codec::Opus, 960, 1), lies(160, Gap::None));
        assert_eq!(before(Codec::Opus, 960, 0), lies(0, silence(160)));
        assert_eq!(before(Codec::Opus, 9_600, 1), lies(160, silence(1_440)));
        assert_eq!(before(Codec::Opus, 28_800, 30), lies(800, silence(4_000)));
        assert_eq!(before(Codec::Opus, 1 << 30, 0), Before::UNKNOWN);
        assert_eq!(before(Codec::Opus, u32::MAX - 5_000, 0), Before::UNKNOWN);
        assert_eq!(before(Codec::Pcmu, 0, 0), Before::UNKNOWN);
    }
}
