//! How finely the sound between decoder and encoder is sampled: a property of a direction, for both of its ends.

use crate::media::ticks::Ticks;
use crate::sdp::Codec;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rate {
    /// 8 kHz: telephone sound, up to 4 kHz.
    #[default]
    Narrow,
    /// 16 kHz: up to 8 kHz.
    Wide,
}

impl Rate {
    /// Of what both ends can carry.
    pub fn between(from: Codec, to: Codec) -> Self {
        match (Self::of(from), Self::of(to)) {
            (Self::Wide, Self::Wide) => Self::Wide,
            (Self::Narrow, _) | (_, Self::Narrow) => Self::Narrow,
        }
    }

    fn of(codec: Codec) -> Self {
        match codec {
            Codec::Opus | Codec::G722 => Self::Wide,
            Codec::Pcmu | Codec::Pcma => Self::Narrow,
        }
    }

    pub fn hertz(self) -> u32 {
        match self {
            Self::Narrow => 8_000,
            Self::Wide => 16_000,
        }
    }

    /// How long so many samples take, in whole ticks.
    pub fn ticks(self, samples: usize) -> Ticks {
        let narrow = match self {
            Self::Narrow => samples,
            Self::Wide => samples / 2,
        };
        Ticks(u32::try_from(narrow).unwrap_or(u32::MAX))
    }

    /// How many samples a stretch of time takes.
    pub fn samples(self, time: Ticks) -> usize {
        match self {
            Self::Narrow => time.samples(),
            Self::Wide => 2 * time.samples(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_end_decides() {
        for (from, to, rate) in [
            (Codec::G722, Codec::Opus, Rate::Wide),
            (Codec::Opus, Codec::G722, Rate::Wide),
            (Codec::Opus, Codec::Opus, Rate::Wide),
            (Codec::Pcmu, Codec::Opus, Rate::Narrow),
            (Codec::G722, Codec::Pcma, Rate::Narrow),
        ] {
            assert_eq!(Rate::between(from, to), rate, "{from:?} {to:?}");
        }
        assert_eq!(Rate::Wide.samples(Ticks::FRAME), 320);
        assert_eq!(Rate::Wide.ticks(320), Ticks::FRAME);
        assert_eq!(Rate::Wide.hertz(), 2 * Rate::Narrow.hertz());
    }
}
