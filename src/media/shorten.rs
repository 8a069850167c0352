//! Less time for the same speech at the same pitch: a stretch that sounds like what follows it is left out, the two
//! overlapped (WSOLA: Verhelst and Roelands, ICASSP 1993). In a vowel that is a pitch period; in a pause it is silence.

use crate::media::rate::Rate;
use crate::media::ticks::Ticks;

/// 5 ms.
const SHORTEST: Ticks = Ticks(40);
/// 20 ms.
pub const LONGEST: Ticks = Ticks(160);
/// Compared and overlapped: 10 ms.
const SEAM: Ticks = Ticks(80);
/// About -50 dBm0: nobody misses it.
const QUIET: u32 = 60;

/// How unlike the two ends of what is left out may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Only where nothing is said.
    Quiet,
    /// There is time to wait for a better place.
    Slight,
    Urgent,
    /// It must be here.
    Absolute,
}

/// Leaves out at most `most` near the beginning, of sound at least `SHORTEST`; what is left moves there. Returns how much
/// was left out, if there was a place for it.
pub fn shorten(rate: Rate, samples: &mut [i16], most: Ticks, need: Need) -> Option<Ticks> {
    let room = rate.ticks(samples.len()) - SEAM;
    let most = most.min(LONGEST).min(room);
    let gap = match is_quiet(samples.get(..rate.samples(most))?) {
        true if most > Ticks::ZERO => most,
        false if most >= SHORTEST => alike(rate, samples, most, need)?,
        true | false => return None,
    };
    let (skipped, seam) = (rate.samples(gap), rate.samples(SEAM));
    for n in 0..seam {
        samples[n] = mixed(samples[n], samples[skipped + n], n, seam);
    }
    samples.copy_within(skipped + seam.., seam);
    Some(gap)
}

/// The lag at which the beginning is most like itself, if that is enough.
fn alike(rate: Rate, samples: &[i16], most: Ticks, need: Need) -> Option<Ticks> {
    let least = match need {
        Need::Quiet => return None,
        Need::Slight => 0.85,
        Need::Urgent => 0.5,
        Need::Absolute => -1.0,
    };
    let (shortest, most) = (SHORTEST.0, most.0);
    let about = best(rate, samples, (shortest..=most).step_by(2), 2)?.0;
    let near = about.saturating_sub(1).max(shortest)..=(about + 1).min(most);
    let (lag, likeness) = best(rate, samples, near, 1)?;
    (likeness >= least).then_some(Ticks(lag))
}

fn best(
    rate: Rate,
    samples: &[i16],
    lags: impl Iterator<Item = u32>,
    step: u32,
) -> Option<(u32, f64)> {
    lags.map(|lag| (lag, likeness(rate, samples, Ticks(lag), Ticks(step))))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Correlation of the beginning with what lies `lag` behind it, -1 to 1.
fn likeness(rate: Rate, samples: &[i16], lag: Ticks, step: Ticks) -> f64 {
    let (lag, step, seam) = (rate.samples(lag), rate.samples(step), rate.samples(SEAM));
    let (mut product, mut one, mut other) = (0i64, 1i64, 1i64);
    let (begin, behind) = (&samples[..seam], &samples[lag..lag + seam]);
    for (x, y) in begin.iter().zip(behind).step_by(step) {
        let (x, y) = (i64::from(*x), i64::from(*y));
        product += x * y;
        one += x * x;
        other += y * y;
    }
    product as f64 / (one as f64 * other as f64).sqrt()
}

fn mixed(leaving: i16, entering: i16, n: usize, seam: usize) -> i16 {
    let (n, of) = (n as i32 + 1, seam as i32 + 1);
    ((i32::from(leaving) * (of - n) + i32::from(entering) * n) / of) as i16
}

fn is_quiet(samples: &[i16]) -> bool {
    let sum: u32 = samples.iter().map(|s| u32::from(s.unsigned_abs())).sum();
    sum < QUIET * samples.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(period: f64, samples: usize) -> Vec<i16> {
        let turn = |n: usize| (n as f64 * std::f64::consts::TAU / period).sin();
        (0..samples).map(|n| (turn(n) * 8000.0) as i16).collect()
    }

    fn noise(samples: usize) -> Vec<i16> {
        let step = |x: &mut u32| {
            *x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*x >> 16) as u16 as i16 / 4)
        };
        let mut state = 1u32;
        std::iter::from_fn(|| step(&mut state))
            .take(samples)
            .collect()
    }

    #[test]
    fn vowel_loses_whole_periods() {
        for (rate, scale) in [(Rate::Narrow, 1), (Rate::Wide, 2)] {
            for period in [45.0, 61.5, 80.0, 117.0] {
                let period = period * f64::from(scale);
                let len = 320 * scale as usize;
                let mut samples = tone(period, len);
                let gap = shorten(rate, &mut samples, LONGEST, Need::Slight).unwrap();
                let gap = rate.samples(gap);
                let periods = gap as f64 / period;
                assert!(
                    (periods - periods.round()).abs() < 0.02,
                    "{gap} of {period}"
                );
                let difference = samples[..len - gap].iter().zip(tone(period, len));
                let worst = difference.map(|(x, y)| (x - y).unsigned_abs()).max();
                assert!(worst < Some(700), "period {period}: {worst:?}");
            }
        }
    }

    #[test]
    fn silence_goes_first_and_noise_only_in_need() {
        let narrow = |samples: &mut [i16], need| shorten(Rate::Narrow, samples, LONGEST, need);
        assert_eq!(narrow(&mut [3; 320], Need::Slight), Some(LONGEST));
        assert_eq!(narrow(&mut noise(320), Need::Slight), None);
        assert!(narrow(&mut noise(320), Need::Absolute).is_some());
    }

    #[test]
    fn too_little_is_left_as_it_is() {
        let mut samples = tone(80.0, 100);
        let absolute =
            |samples: &mut [i16], most| shorten(Rate::Narrow, samples, most, Need::Absolute);
        assert_eq!(absolute(&mut samples, LONGEST), None);
        assert_eq!(samples, tone(80.0, 100));
        assert_eq!(absolute(&mut tone(80.0, 320), Ticks(39)), None);
    }

    proptest! {
        #[test]
        fn any_sound(
            mut samples in prop::collection::vec(any::<i16>(), 0..900),
            most in 0u32..400,
            wide: bool,
        ) {
            let rate = if wide { Rate::Wide } else { Rate::Narrow };
            let (first, len) = (samples.first().copied(), samples.len());
            if let Some(gap) = shorten(rate, &mut samples, Ticks(most), Need::Absolute) {
                prop_assert!((Ticks(1)..=LONGEST.min(Ticks(most))).contains(&gap));
                prop_assert!(rate.samples(gap + SEAM) <= len);
                let step = i32::from(samples[0]) - i32::from(first.unwrap());
                prop_assert!(step.abs() <= 65_535 / 81 + 1);
            }
        }
    }
}
