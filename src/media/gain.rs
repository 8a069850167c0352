//! Louder or softer: a factor on linear sound, with a soft limit where it would be clipped.

/// What a level is changed by; 0 leaves it as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Decibels(pub i8);

/// Of one side: what it says, and what it hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Levels {
    pub from: Decibels,
    pub to: Decibels,
}

impl std::ops::Add for Decibels {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Above this the curve bends: 2 dB below full scale.
const KNEE: f32 = 26_028.0;
/// What the bent part can reach but for rounding.
const ROOM: f32 = 32_767.0 - KNEE;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Gain {
    factor: f32,
}

impl Gain {
    /// `None`: nothing is changed.
    pub fn of(level: Decibels) -> Option<Self> {
        (level.0 != 0).then(|| Self {
            factor: 10f32.powf(f32::from(level.0) / 20.0),
        })
    }

    /// Brings samples to the other level.
    pub fn apply(&self, samples: &mut [i16]) {
        for sample in samples {
            *sample = self.sample(*sample);
        }
    }

    fn sample(&self, sample: i16) -> i16 {
        let sample = f32::from(sample) * self.factor;
        let magnitude = sample.abs();
        let limited = match self.factor > 1.0 && magnitude > KNEE {
            true => bent(magnitude),
            false => magnitude,
        };
        // `as` keeps to the bounds of the type.
        limited.copysign(sample).round() as i16
    }
}

/// From the knee on with the same slope, then ever flatter towards full scale: no corner, no wrap.
fn bent(magnitude: f32) -> f32 {
    let over = (magnitude - KNEE) / ROOM;
    KNEE + ROOM * over / (1.0 + over)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(level: i8) -> Gain {
        Gain::of(Decibels(level)).unwrap()
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!(Gain::of(Decibels(0)), None);
    }

    #[test]
    fn six_decibels_double_and_halve() {
        for (level, expected) in [
            (6, [1_995, -1_995, 14, 0]),
            (-6, [501, -501, 4, 0]),
            (20, [10_000, -10_000, 70, 0]),
        ] {
            let mut samples = [1_000, -1_000, 7, 0];
            gain(level).apply(&mut samples);
            assert_eq!(samples, expected);
        }
    }

    #[test]
    fn the_limit_is_soft_monotonous_and_symmetrical() {
        for level in [1, 6, 12, 20] {
            let gain = gain(level);
            let curve: Vec<i16> = (0..=i16::MAX).map(|sample| gain.sample(sample)).collect();
            assert!(curve.is_sorted());
            assert!(curve.iter().all(|sample| *sample >= 0));
            // No step is greater than the gain itself: no corner that could be heard as a click.
            let step = (gain.factor.ceil() as i16) + 1;
            assert!(curve.windows(2).all(|pair| pair[1] - pair[0] <= step));
            for sample in [1, 500, 20_000, i16::MAX] {
                assert_eq!(gain.sample(-sample), -gain.sample(sample));
            }
        }
        assert!(gain(20).sample(i16::MIN) > i16::MIN);
    }

    #[test]
    fn softer_bends_nothing() {
        let full = gain(-1).sample(i16::MAX);
        assert_eq!(full, (32_767.0f32 * 0.891_25).round() as i16);
    }
}
