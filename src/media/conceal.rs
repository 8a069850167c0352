//! Packet loss concealment at 8 kHz for codecs that have none: the last pitch period again and again, fading out (the
//! idea of ITU-T G.711 appendix I, without its delay).

use crate::media::ticks::Ticks;

/// 40 ms: two periods of the deepest voice.
const HISTORY: usize = 320;
/// 400 Hz.
const SHORTEST_PERIOD: usize = 20;
/// 50 Hz.
const LONGEST_PERIOD: usize = 160;
/// Samples compared to find the period: 10 ms.
const COMPARED: usize = 80;
/// Silent after 60 ms.
const FADE: Ticks = Ticks(480);

pub struct Concealer {
    history: [i16; HISTORY],
    /// The loss being concealed.
    loss: Option<Loss>,
}

#[derive(Clone, Copy)]
struct Loss {
    period: usize,
    made: Ticks,
}

impl Concealer {
    pub fn new() -> Self {
        Self {
            history: [0; HISTORY],
            loss: None,
        }
    }

    /// What was really heard.
    pub fn hear(&mut self, samples: &[i16]) {
        self.loss = None;
        let recent = &samples[samples.len().saturating_sub(HISTORY)..];
        self.history.copy_within(recent.len().., 0);
        self.history[HISTORY - recent.len()..].copy_from_slice(recent);
    }

    /// Makes up what should have followed.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        let Loss { period, made } = *self.loss.get_or_insert_with(|| Loss {
            period: period(&self.history),
            made: Ticks::ZERO,
        });
        let cycle = &self.history[HISTORY - period..];
        let first = made.samples();
        for (n, sample) in (first..).zip(samples.iter_mut()) {
            *sample = faded(cycle[n % period], n);
        }
        let made = made + Ticks(samples.len() as u32);
        self.loss = Some(Loss { period, made });
    }
}

fn faded(sample: i16, position: usize) -> i16 {
    let left = FADE.samples().saturating_sub(position) as i32;
    (i32::from(sample) * left / FADE.samples() as i32) as i16
}

/// The lag at which the end of `history` is most like itself (normalised cross-correlation).
fn period(history: &[i16; HISTORY]) -> usize {
    let likeness = |lag: usize| {
        let end = &history[HISTORY - COMPARED..];
        let before = &history[HISTORY - COMPARED - lag..HISTORY - lag];
        let (mut product, mut energy) = (0i64, 1i64);
        for (x, y) in end.iter().zip(before) {
            product += i64::from(*x) * i64::from(*y);
            energy += i64::from(*y) * i64::from(*y);
        }
        product as f64 / (energy as f64).sqrt()
    };
    (SHORTEST_PERIOD..=LONGEST_PERIOD)
        .max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)))
        .unwrap_or(LONGEST_PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: usize, from: usize) -> Vec<i16> {
        (from..from + samples)
            .map(|n| ((n as f64 * std::f64::consts::TAU / 40.0).sin() * 8000.0) as i16)
            .collect()
    }

    fn loudness(samples: &[i16]) -> f64 {
        let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        (energy / samples.len() as f64).sqrt()
    }

    #[test]
    fn voice_goes_on_in_phase_and_fades() {
        let mut concealer = Concealer::new();
        concealer.hear(&tone(400, 0));
        let mut made = [0; 160];
        concealer.conceal(&mut made);
        let difference: Vec<i16> = made
            .iter()
            .zip(tone(160, 400))
            .map(|(made, real)| made - real)
            .collect();
        assert!(loudness(&difference[..40]) < 800.0);
        let first = loudness(&made);
        concealer.conceal(&mut made);
        assert!(loudness(&made) < first);
        concealer.conceal(&mut made);
        concealer.conceal(&mut made);
        assert_eq!(made, [0; 160]);
    }

    #[test]
    fn next_real_sound_ends_the_fade() {
        let mut concealer = Concealer::new();
        let mut made = [0; 800];
        concealer.conceal(&mut made);
        concealer.hear(&tone(320, 0));
        concealer.conceal(&mut made[..160]);
        assert!(loudness(&made[..160]) > 3000.0);
    }
}
