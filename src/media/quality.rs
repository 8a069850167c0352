//! How a listener would rate what arrived: the E-model (ITU-T G.107) with the impairments of ITU-T G.113 gives a rating
//! R, which is told as a mean opinion score (MOS). An estimate for CDRs and alarms, not a measurement of sound.
//!
//! `R = 93.2 - Idd - Ie,eff`: the rating of a line with all default values (G.107 table 2), less what delay (§3.4) and
//! codec with losses (§3.5) take off. Echo, noise and levels are not known here and taken as the defaults.

use std::time::Duration;

use crate::sdp::Codec;

/// With every parameter of G.107 table 2 at its default.
const BEST: f32 = 93.2;

/// What the model asks about one direction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Conditions {
    pub codec: Codec,
    /// Frames that had to be concealed, 0-1; what FEC brought back is not lost.
    pub loss: f32,
    /// Mean length of a run of losses against that of random loss; 1 when not known.
    pub burst_ratio: f32,
    /// Mouth to ear, one way.
    pub delay: Duration,
}

impl Conditions {
    /// R, 0-93.2.
    pub fn rating(&self) -> f32 {
        (BEST - delay_impairment(self.delay) - self.equipment_impairment()).max(0.0)
    }

    /// MOS-CQE, 1.0-4.5 (G.107 annex B).
    pub fn mos(&self) -> f32 {
        opinion(self.rating())
    }

    /// As somebody who only listens would judge it.
    pub fn without_delay(self) -> Self {
        Self {
            delay: Duration::ZERO,
            ..self
        }
    }

    /// Ie,eff (G.107 §3.5): with a growing share of lost frames, and the more the longer they are in a row, from what
    /// the codec alone takes off to 95.
    fn equipment_impairment(&self) -> f32 {
        let Impairment { codec, robustness } = Impairment::of(self.codec);
        let percent = 100.0 * self.loss.clamp(0.0, 1.0);
        let burst_ratio = self.burst_ratio.max(1.0);
        codec + (95.0 - codec) * percent / (percent / burst_ratio + robustness)
    }
}

/// MOS-CQE of a rating (G.107 annex B).
fn opinion(r: f32) -> f32 {
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// Ie and Bpl of G.113 appendix I.
struct Impairment {
    codec: f32,
    robustness: f32,
}

impl Impairment {
    /// G.711 with concealment is in G.113. Opus is not: the figures are those of a good narrow-band codec (G.729A has
    /// 11 and 19) raised to what listening tests give Opus at 20 kbit/s, which is nearly G.711, with its concealment.
    fn of(codec: Codec) -> Self {
        match codec {
            // Narrow-band listeners' scale does not reward its width (G.107.1 would); its losses are concealed less well.
            Codec::G722 => Self {
                codec: 0.0,
                robustness: 20.0,
            },
            Codec::Pcmu | Codec::Pcma => Self {
                codec: 0.0,
                robustness: 25.1,
            },
            Codec::Opus => Self {
                codec: 4.0,
                robustness: 20.0,
            },
        }
    }
}

/// Idd (G.107 §3.4): nothing up to 100 ms.
fn delay_impairment(delay: Duration) -> f32 {
    let hundreds = delay.as_secs_f32() * 10.0;
    if hundreds <= 1.0 {
        return 0.0;
    }
    let x = hundreds.log2();
    let root = |base: f32| (1.0 + base.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(codec: Codec, loss_percent: f32, burst_ratio: f32, delay_ms: u64) -> Conditions {
        Conditions {
            codec,
            loss: loss_percent / 100.0,
            burst_ratio,
            delay: Duration::from_millis(delay_ms),
        }
    }

    /// Worked by hand from the formulas; 93.2 and 4.41 are the model's own figures for a perfect line.
    #[test]
    fn table_of_ratings() {
        for (codec, loss, burst_ratio, delay, rating, mos) in [
            (Codec::Pcmu, 0.0, 1.0, 0, 93.2, 4.41),
            (Codec::Pcma, 0.0, 1.0, 100, 93.2, 4.41),
            (Codec::Pcmu, 0.0, 1.0, 150, 93.0, 4.41),
            (Codec::Pcmu, 0.0, 1.0, 400, 69.1, 3.55),
            (Codec::Pcmu, 1.0, 1.0, 0, 89.6, 4.32),
            (Codec::Pcmu, 5.0, 1.0, 0, 77.4, 3.91),
            (Codec::Pcmu, 5.0, 2.0, 0, 76.0, 3.85),
            (Codec::Opus, 0.0, 1.0, 0, 89.2, 4.31),
            (Codec::Opus, 5.0, 1.0, 0, 71.0, 3.64),
            (Codec::Pcmu, 100.0, 1.0, 0, 17.3, 1.19),
            (Codec::Pcmu, 100.0, 9.0, 800, 0.0, 1.0),
        ] {
            let conditions = conditions(codec, loss, burst_ratio, delay);
            let found = (conditions.rating(), conditions.mos());
            assert!((found.0 - rating).abs() < 0.1, "{conditions:?}: {found:?}");
            assert!((found.1 - mos).abs() < 0.02, "{conditions:?}: {found:?}");
        }
    }

    /// G.107 table B.1: the lower limits of its five classes of satisfaction.
    #[test]
    fn opinions_of_the_recommendation() {
        for (rating, mos) in [
            (90.0, 4.34),
            (80.0, 4.03),
            (70.0, 3.60),
            (60.0, 3.10),
            (50.0, 2.58),
        ] {
            assert!((opinion(rating) - mos).abs() < 0.01, "{rating}");
        }
    }

    #[test]
    fn worse_is_never_rated_better() {
        let ratings = |codec, of: fn(u64) -> (f32, f32, u64)| -> Vec<f32> {
            let at = |n| {
                let (loss, burst_ratio, delay) = of(n);
                conditions(codec, loss, burst_ratio, delay).mos()
            };
            (0..100).map(at).collect()
        };
        for codec in Codec::ALL {
            for scores in [
                ratings(codec, |n| (n as f32, 1.0, 50)),
                ratings(codec, |n| (10.0, 1.0 + n as f32, 50)),
                ratings(codec, |n| (0.0, 1.0, n * 20)),
            ] {
                assert!(scores.is_sorted_by(|better, worse| better >= worse));
                assert!(scores.iter().all(|mos| (1.0..=4.5).contains(mos)));
            }
        }
    }
}
