//! Another sample rate by a windowed sinc.

use std::f64::consts::PI;

/// Zero crossings of the sinc on each side, at the lower rate.
const CROSSINGS: f64 = 24.0;

/// The same sound at another rate (Hz), low-passed where that one is lower.
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || from == 0 {
        return samples.to_vec();
    }
    let common = gcd(from, to);
    let (up, down) = ((to / common) as usize, (from / common) as usize);
    let ratio = f64::from(to) / f64::from(from);
    // A little below the lower Nyquist frequency, so that the filter's slope ends there.
    let cutoff = ratio.min(1.0) * 0.94;
    let reach = (CROSSINGS / cutoff).ceil() as usize;
    // Output sample `n` stands `n * down / up` input samples in: there are `up` different fractions.
    let kernels: Vec<Vec<f64>> = (0..up)
        .map(|phase| taps(phase as f64 / up as f64, cutoff, reach))
        .collect();
    let length = samples.len() * up / down;
    (0..length)
        .map(|at| filter(samples, at * down / up, &kernels[at * down % up]))
        .collect()
}

/// The output sample that stands just after input sample `centre`.
fn filter(samples: &[i16], centre: usize, taps: &[f64]) -> i16 {
    let reach = taps.len() / 2;
    let skipped = reach.saturating_sub(centre);
    let first = centre.saturating_sub(reach);
    let near = samples.get(first..).unwrap_or_default();
    let sum: f64 = near
        .iter()
        .zip(&taps[skipped..])
        .map(|(&sample, tap)| f64::from(sample) * tap)
        .sum();
    sum.round().clamp(-32_768.0, 32_767.0) as i16
}

/// Weights of the samples from `reach` before to `reach` after, seen from `fraction` behind the middle one.
fn taps(fraction: f64, cutoff: f64, reach: usize) -> Vec<f64> {
    let reach = reach as isize;
    (-reach..=reach)
        .map(|n| kernel(n as f64 - fraction, cutoff, (reach + 1) as f64))
        .collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Sinc under a Hann window.
fn kernel(distance: f64, cutoff: f64, reach: f64) -> f64 {
    let x = PI * distance * cutoff;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    let window = 0.5 + 0.5 * (PI * distance / reach).cos();
    cutoff * sinc * window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32) -> Vec<i16> {
        let step = 2.0 * PI * hertz / f64::from(rate);
        (0..rate)
            .map(|n| ((f64::from(n) * step).sin() * 10_000.0) as i16)
            .collect()
    }

    #[test]
    fn a_tone_keeps_its_level_and_what_does_not_fit_is_gone() {
        let level = |samples: &[i16]| crate::sim::score::level(&samples[1000..7000]);
        let low = resample(&tone(1_000.0, 16_000), 16_000, 8_000);
        assert_eq!(low.len(), 8_000);
        assert!((level(&low) - level(&tone(1_000.0, 8_000))).abs() < 0.1);
        let high = resample(&tone(5_000.0, 16_000), 16_000, 8_000);
        assert!(level(&high) < -60.0, "{}", level(&high));
    }
}
