//! Another sample rate by a windowed sinc.

use std::f64::consts::PI;

/// Zero crossings of the sinc on each side, at the lower rate.
const CROSSINGS: f64 = 24.0;

/// The same sound at another rate (Hz), low-passed where that one is lower.
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || from == 0 {
        return samples.to_vec();
    }
    let ratio = f64::from(to) / f64::from(from);
    let length = (samples.len() as f64 * ratio).round() as usize;
    // A little below the lower Nyquist frequency, so that the filter's slope ends there.
    let cutoff = ratio.min(1.0) * 0.94;
    let reach = CROSSINGS / cutoff;
    (0..length)
        .map(|at| {
            let centre = at as f64 / ratio;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor() as usize).min(samples.len().saturating_sub(1));
            let sum: f64 = (first..=last)
                .map(|n| f64::from(samples[n]) * kernel(n as f64 - centre, cutoff, reach))
                .sum();
            sum.round().clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
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
