//! A little less time for the same sound, at a pitch that nobody notices: 20.25 ms become 20 ms, 1.25 % faster, a fifth of
//! a semitone.
//!
//! What `shorten` leaves out must fit the sound; this takes away any length exactly, and where nothing may be cut.

use std::f32::consts::PI;

use crate::media::rate::Rate;
use crate::media::ticks::Ticks;

/// Of the sound, taken away at once.
const STEP: Ticks = Ticks(2);
/// Samples on each side that make a new one.
const REACH: usize = 8;
const LONGEST: usize = 324;

/// Lets the first 20 ms and `STEP` of `samples` (or what there is of it) become 20 ms, which stand at the beginning; what
/// lies between them and the rest is to be dropped. Says how many samples that are, if there are 20 ms.
pub fn squeeze(rate: Rate, samples: &mut [i16]) -> Option<usize> {
    let frame = rate.samples(Ticks::FRAME);
    let step = rate.samples(STEP).min(samples.len().checked_sub(frame)?);
    let mut from = [0.0; LONGEST];
    let from = from.get_mut(..frame + step)?;
    let samples = samples.get_mut(..frame + step)?;
    for (copy, sample) in from.iter_mut().zip(&*samples) {
        *copy = f32::from(*sample);
    }
    let window = Window::new();
    for (n, sample) in samples.iter_mut().take(frame).enumerate() {
        // Sample n lies at n * (frame + step) / frame.
        let (whole, part) = (n + n * step / frame, n * step % frame);
        *sample = match part {
            0 => from.get(whole).copied().unwrap_or_default() as i16,
            part => window.between(from, whole, part as f32 / frame as f32),
        };
    }
    Some(step)
}

/// A raised cosine around the place that is asked for; at each sample its angle from the place `REACH` - 1 samples on, as
/// cosine and sine.
struct Window([(f32, f32); 2 * REACH]);

impl Window {
    const TURN: f32 = PI / (REACH as f32 + 1.0);

    fn new() -> Self {
        Self(std::array::from_fn(|k| {
            let (sine, cosine) = (Self::TURN * behind(k)).sin_cos();
            (cosine, sine)
        }))
    }

    /// The sound at `whole + part`, 0 < `part` < 1: a sinc under the window. Beyond its ends it goes on as it is there.
    fn between(&self, from: &[f32], whole: usize, part: f32) -> i16 {
        let (sine, cosine) = (Self::TURN * part).sin_cos();
        // sin(pi * (k - part)) but for its sign.
        let sinc = (PI * part).sin() / PI;
        let (mut sum, mut weights) = (0.0, 0.0);
        for (k, (cosine_k, sine_k)) in self.0.iter().enumerate() {
            let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
            let raised = 0.5 + 0.5 * (cosine_k * cosine + sine_k * sine);
            let weight = sign * sinc / (behind(k) - part) * raised;
            let at = (whole + k).saturating_sub(REACH - 1).min(from.len() - 1);
            sum += weight * from[at];
            weights += weight;
        }
        (sum / weights).round().clamp(-32_768.0, 32_767.0) as i16
    }
}

/// How far sample `k` lies behind the place with no part.
fn behind(k: usize) -> f32 {
    k as f32 - (REACH as f32 - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(hertz: f64, rate: Rate, len: usize) -> Vec<i16> {
        let turn = hertz * std::f64::consts::TAU / f64::from(rate.hertz());
        (0..len)
            .map(|n| ((n as f64 * turn).sin() * 8_000.0) as i16)
            .collect()
    }

    /// Everything of it, a frame at a time.
    fn squeezed(rate: Rate, mut sound: Vec<i16>) -> Vec<i16> {
        let frame = rate.samples(Ticks::FRAME);
        let mut out = Vec::new();
        while sound.len() >= frame + rate.samples(STEP) {
            let dropped = squeeze(rate, &mut sound).unwrap();
            out.extend_from_slice(&sound[..frame]);
            sound.drain(..frame + dropped);
        }
        out
    }

    #[test]
    fn tone_goes_on_without_a_click_a_hair_higher() {
        for (rate, hertz) in [
            (Rate::Narrow, 200.0),
            (Rate::Narrow, 1_000.0),
            (Rate::Narrow, 3_000.0),
            (Rate::Wide, 6_000.0),
        ] {
            let out = squeezed(rate, tone(hertz, rate, 16_000));
            let wanted = tone(hertz * 162.0 / 160.0, rate, out.len());
            let worst = out.iter().zip(&wanted).map(|(x, y)| (x - y).abs()).max();
            assert!(worst < Some(250), "{hertz} Hz: {worst:?} of 8000");
        }
    }

    #[test]
    fn no_more_than_there_is() {
        let mut sound = tone(500.0, Rate::Narrow, 160);
        assert_eq!(squeeze(Rate::Narrow, &mut sound), Some(0));
        assert_eq!(sound, tone(500.0, Rate::Narrow, 160));
        assert_eq!(squeeze(Rate::Narrow, &mut [0; 161]), Some(1));
        assert_eq!(squeeze(Rate::Wide, &mut [0; 319]), None);
        assert_eq!(squeeze(Rate::Wide, &mut [0; 400]), Some(4));
    }

    proptest! {
        #[test]
        fn any_sound_stays_about_as_loud(sound in prop::collection::vec(any::<i16>(), 324..900), wide: bool) {
            let rate = if wide { Rate::Wide } else { Rate::Narrow };
            let loudest = sound.iter().map(|s| i32::from(*s).abs()).max();
            let out = squeezed(rate, sound);
            let after = out.iter().map(|s| i32::from(*s).abs()).max();
            prop_assert!(after <= loudest.map(|l| 3 * l));
        }
    }
}
