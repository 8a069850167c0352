//! How much of what a party said was heard: intelligibility in the manner of STOI, level, missing speech, clipped start.
//!
//! The intelligibility follows Taal, Hendriks, Heusdens and Jensen, "An algorithm for intelligibility prediction of
//! time-frequency weighted noisy speech" (IEEE TASLP 2011): short-time spectra are summed into third-octave bands; segments of
//! about half a second of each band's envelope are compared by their correlation, after clipping what is far too loud;
//! the mean over segments and bands is the score. Ours differs in three ways: everything is done at 8 kHz with the fourteen
//! bands that a telephone carries (150 Hz to 3.4 kHz); the heard audio is first aligned with the source, once for the
//! whole and then for each second (a jitter buffer may have moved it); and the mean cannot fall below 0.
//!
//! As a guide: a clean Opus and G.711 path gives above 0.9, half of the packets lost about 0.5, another voice or noise
//! below 0.4, silence 0.

pub mod align;
pub mod bands;
pub mod fft;
pub mod resample;

use std::time::Duration;

use crate::sim::wav::Audio;
use align::Alignment;
use resample::resample;

/// Everything is compared at this rate.
pub const RATE: u32 = 8_000;
/// Frames of 10 ms for level and gaps: a lost packet of 20 ms covers at least one.
const FRAME: usize = 80;
/// A source frame this much below the loudest is no speech that could be missed.
const ACTIVE: f64 = 25.0;
/// A heard frame this much below what it should be is missing.
const MISSING: f64 = 20.0;

/// What good enough means.
const INTELLIGIBLE: f64 = 0.75;
const MAY_MISS: f64 = 0.05;
const MAY_CLIP: Duration = Duration::from_millis(150);
const MAY_DIFFER: f64 = 6.0;

/// How a recording compares with its source.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Score {
    /// 0 to 1.
    pub intelligibility: f64,
    /// Louder (positive) or quieter than the source, dB.
    pub level: f64,
    /// Share of the source's speech where next to nothing is heard, 0 to 1.
    pub missing: f64,
    /// From the first sound of the source to the first of it that is heard.
    pub clipped: Duration,
    /// Where in the recording the source begins.
    pub delay: Duration,
}

impl Score {
    /// Nothing was heard.
    pub const SILENCE: Self = Self {
        intelligibility: 0.0,
        level: -96.0,
        missing: 1.0,
        clipped: Duration::MAX,
        delay: Duration::ZERO,
    };

    /// A person would have understood every word.
    pub fn is_good(&self) -> bool {
        self.intelligibility >= INTELLIGIBLE
            && self.missing <= MAY_MISS
            && self.clipped <= MAY_CLIP
            && self.level.abs() <= MAY_DIFFER
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.missing >= 1.0 {
            return f.write_str("0.00, nothing heard");
        }
        write!(
            f,
            "{:.2}, level {:+.1} dB, {:.1} % missing, start clipped by {} ms",
            self.intelligibility,
            self.level,
            self.missing * 100.0,
            self.clipped.as_millis()
        )
    }
}

/// Compares what was heard with what was said. The source may stand anywhere in the recording; where it stands several
/// times, the best one counts. A recording that stops early lacks the rest.
pub fn compare(source: &Audio, heard: &Audio) -> Score {
    let source_8k = resample(&source.samples, source.rate, RATE);
    let heard_8k = resample(&heard.samples, heard.rate, RATE);
    if level(&heard_8k) < -70.0 || source_8k.len() < RATE as usize {
        return Score::SILENCE;
    }
    let alignment = align::align(&source_8k, &heard_8k);
    let fitted = alignment.fit(&source_8k, &heard_8k);
    let gaps = Gaps::of(&source_8k, &fitted);
    Score {
        intelligibility: bands::intelligibility(&source_8k, &fitted),
        level: gaps.level,
        missing: gaps.missing,
        clipped: gaps.clipped,
        delay: delay(&alignment),
    }
}

fn delay(alignment: &Alignment) -> Duration {
    let samples = alignment.offset.max(0) as u64;
    Duration::from_millis(samples * 1000 / u64::from(RATE))
}

/// Root mean square in dB below full scale.
pub fn level(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    decibel(sum / samples.len().max(1) as f64 / 32_768.0_f64.powi(2))
}

fn decibel(power: f64) -> f64 {
    10.0 * power.max(1e-12).log10()
}

/// Frame by frame: how loud, and where it is missing.
struct Gaps {
    level: f64,
    missing: f64,
    clipped: Duration,
}

impl Gaps {
    fn of(source: &[i16], heard: &[i16]) -> Self {
        let levels: Vec<(f64, f64)> = source
            .chunks_exact(FRAME)
            .zip(heard.chunks_exact(FRAME))
            .map(|(source, heard)| (level(source), level(heard)))
            .collect();
        let loudest = levels
            .iter()
            .map(|(source, _)| *source)
            .fold(-96.0, f64::max);
        let active: Vec<(usize, f64)> = levels
            .iter()
            .enumerate()
            .filter(|(_, (source, _))| *source > loudest - ACTIVE)
            .map(|(at, (source, heard))| (at, heard - source))
            .collect();
        let usual = median(active.iter().map(|(_, gain)| *gain).collect());
        // Something of the whole is needed to call a frame of it missing.
        let threshold = usual.max(-MISSING) - MISSING;
        let is_missing = |gain: f64| gain < threshold;
        let lost = active.iter().filter(|(_, gain)| is_missing(*gain)).count();
        let onset = active.first().map_or(0, |(at, _)| *at);
        let first = active.iter().find(|(_, gain)| !is_missing(*gain));
        let first = first.map_or(levels.len(), |(at, _)| *at);
        Self {
            level: level(heard) - level(source),
            missing: lost as f64 / active.len().max(1) as f64,
            clipped: Duration::from_millis(10 * first.saturating_sub(onset) as u64),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(-96.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::sim::media::codec::{Codec, Decoder, Encoder, from_pcmu, to_pcmu};
    use crate::sim::speech::{self, Voice};

    fn said(voice: Voice) -> Audio {
        Audio {
            rate: speech::RATE,
            samples: voice.samples().to_vec(),
        }
    }

    /// Opus at 20 kbit/s, then µ-law, 700 ms late. `keep` tells which packets arrive.
    fn path(voice: Voice, mut keep: impl FnMut(usize) -> bool) -> Audio {
        let mut encoder = Encoder::new(Codec::Opus, false).unwrap();
        let mut decoder = Decoder::new(Codec::Opus).unwrap();
        let mut wide = vec![0; 11_200];
        for (number, frame) in voice.samples().chunks_exact(320).enumerate() {
            let packet = encoder.encode(frame);
            wide.extend(match keep(number) {
                true => decoder.decode(&packet).unwrap(),
                false => vec![0; 320],
            });
        }
        wide.extend(vec![0; 8_000]);
        let narrow = resample(&wide, speech::RATE, RATE);
        Audio {
            rate: RATE,
            samples: narrow.iter().map(|&s| from_pcmu(to_pcmu(s))).collect(),
        }
    }

    #[test]
    fn a_clean_path_is_good() {
        for voice in [Voice::User, Voice::Agent] {
            let score = compare(&said(voice), &path(voice, |_| true));
            assert!(score.is_good() && score.intelligibility > 0.9, "{score}");
            let delay = score.delay.as_millis();
            assert!((690..=720).contains(&delay), "{delay} ms");
        }
    }

    #[test]
    fn little_loss_costs_little() {
        let mut random = Entropy::from_seed([5; 32]);
        let heard = path(Voice::User, |_| random.below(100) >= 5);
        let score = compare(&said(Voice::User), &heard);
        assert!((0.75..0.97).contains(&score.intelligibility), "{score}");
        assert!((0.01..0.12).contains(&score.missing), "{score}");
    }

    #[test]
    fn silence_is_nothing() {
        let heard = Audio {
            rate: RATE,
            samples: vec![0; 80_000],
        };
        assert_eq!(compare(&said(Voice::User), &heard), Score::SILENCE);
        assert!(!Score::SILENCE.is_good());
    }

    #[test]
    fn the_other_voice_is_not_good() {
        let score = compare(&said(Voice::User), &path(Voice::Agent, |_| true));
        assert!(score.intelligibility < 0.5, "{score}");
        assert!(!score.is_good());
    }

    #[test]
    fn half_lost_is_not_good() {
        let score = compare(
            &said(Voice::Agent),
            &path(Voice::Agent, |number| number / 50 % 2 == 0),
        );
        assert!(!score.is_good() && score.missing > 0.3, "{score}");
    }

    #[test]
    fn noise_is_not_good() {
        let mut random = Entropy::from_seed([6; 32]);
        let heard = Audio {
            rate: RATE,
            samples: (0..80_000).map(|_| random.u16() as i16 / 4).collect(),
        };
        let score = compare(&said(Voice::User), &heard);
        assert!(score.intelligibility < 0.5 && !score.is_good(), "{score}");
    }

    #[test]
    fn a_clipped_start_is_seen() {
        let score = compare(
            &said(Voice::User),
            &path(Voice::User, |number| number >= 40),
        );
        assert!(score.clipped >= Duration::from_millis(500), "{score}");
        assert!(!score.is_good());
    }
}
