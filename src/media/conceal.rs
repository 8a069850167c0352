//! Packet loss concealment at 8 kHz for codecs that have none, after ITU-T G.711 appendix I: the last pitch period is
//! repeated, later the last two and three of them so that it does not buzz, fading out to silence. What comes back is
//! overlapped with what was made up.
//!
//! Where ours differs it was measured (a prototype of both on recorded speech with a tenth of the packets lost, at random
//! and in bursts: better by 0.2 of PESQ): the seam at the beginning is smoothed by bending the made-up side alone, while
//! the appendix holds back 3.75 ms of all sound for it; periods are looked for from 50 to 400 Hz in the last 10 ms instead
//! of from 66 to 200 Hz in 20 ms; they grow after 20 and 40 ms instead of 10 and 20; sound fades from the beginning and is
//! gone after 100 ms instead of 60. What it is worth in the bridge: `cargo bench --bench quality`.

/// Three of the longest periods and a quarter (appendix I.2.2).
const HISTORY: usize = MOST_PERIODS * LONGEST_PERIOD + LONGEST_SEAM;
/// 400 Hz.
const SHORTEST_PERIOD: usize = 20;
/// 50 Hz.
const LONGEST_PERIOD: usize = 160;
/// Samples compared to find the period: 10 ms.
const COMPARED: usize = 80;
/// A quarter of a period is overlapped at each seam.
const LONGEST_SEAM: usize = LONGEST_PERIOD / 4;
/// Another period takes part after each 20 ms.
const GROWTH: usize = 160;
const MOST_PERIODS: usize = 3;
/// Nothing is left after 100 ms.
const FADE: usize = 800;
/// 10 ms. With each of them that was concealed the seam at the end grows by 4 ms, up to 10.
const STEP: usize = 80;
const SEAM_GROWTH: usize = 32;

/// Follows what is heard, and goes on with it.
pub struct Concealer {
    /// What was heard and made up last.
    history: [i16; HISTORY],
    /// The loss being concealed.
    loss: Option<Loss>,
}

impl Default for Concealer {
    fn default() -> Self {
        Self {
            history: [0; HISTORY],
            loss: None,
        }
    }
}

impl Concealer {
    pub fn new() -> Self {
        Self::default()
    }

    /// What was really heard; behind a loss its beginning is overlapped with what was made up. Returns how many samples
    /// are left: of what was late the beginning is left out, as far as the next place in phase.
    pub fn hear(&mut self, samples: &mut [i16]) -> usize {
        let mut len = samples.len();
        if let Some(mut loss) = self.loss.take() {
            let seam = loss.last_seam().min(len);
            let mut leaving = [0; STEP];
            let leaving = &mut leaving[..seam];
            leaving.fill_with(|| loss.next());
            if loss.late {
                len -= skip_to_phase(samples, leaving);
            }
            for (n, (sample, leaving)) in samples.iter_mut().zip(leaving).enumerate() {
                *sample = mixed(*leaving, *sample, n + 1, seam + 1);
            }
        }
        self.remember(&samples[..len]);
        len
    }

    /// What is heard next was late and not lost.
    pub fn expect_late(&mut self) {
        if let Some(loss) = &mut self.loss {
            loss.late = true;
        }
    }

    /// Makes up what should have followed.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        let loss = self.loss.get_or_insert_with(|| Loss::after(&self.history));
        for sample in samples.iter_mut() {
            *sample = loss.next();
        }
        self.remember(samples);
    }

    fn remember(&mut self, samples: &[i16]) {
        let recent = &samples[samples.len().saturating_sub(HISTORY)..];
        self.history.copy_within(recent.len().., 0);
        self.history[HISTORY - recent.len()..].copy_from_slice(recent);
    }
}

/// The sound that goes on by itself.
struct Loss {
    /// History whose last quarter period leads over to the beginning of the cycle.
    cycle: [i16; HISTORY],
    /// That quarter as it really was.
    quarter: [i16; LONGEST_SEAM],
    period: usize,
    /// In the cycle.
    periods: usize,
    position: usize,
    made: usize,
    /// It was none: what is concealed comes yet.
    late: bool,
    /// How far off the beginning of the cycle is from the end of what was heard.
    step: i32,
    /// What the shorter cycle would have gone on with.
    leaving: [i16; LONGEST_SEAM],
    /// Samples since the cycle grew.
    since_seam: usize,
}

impl Loss {
    fn after(history: &[i16; HISTORY]) -> Self {
        let period = period(history);
        let mut loss = Self {
            cycle: *history,
            quarter: [0; LONGEST_SEAM],
            period,
            periods: 1,
            position: 0,
            made: 0,
            late: false,
            step: i32::from(history[HISTORY - 1]) - i32::from(history[HISTORY - 1 - period]),
            leaving: [0; LONGEST_SEAM],
            since_seam: LONGEST_SEAM,
        };
        let seam = loss.seam();
        loss.quarter[..seam].copy_from_slice(&history[HISTORY - seam..]);
        loss.close_cycle();
        loss
    }

    fn next(&mut self) -> i16 {
        if self.made.is_multiple_of(GROWTH) && self.made > 0 && self.periods < MOST_PERIODS {
            self.grow();
        }
        let mut sample = self.turn();
        let seam = self.seam();
        if self.since_seam < seam {
            let leaving = self.leaving[self.since_seam];
            sample = mixed(leaving, sample, self.since_seam + 1, seam + 1);
            self.since_seam += 1;
        }
        let bent = clipped(i32::from(sample) + self.bend());
        let sample = faded(bent, self.made);
        self.made += 1;
        sample
    }

    /// The step at the beginning is bent away over a seam.
    fn bend(&self) -> i32 {
        let (seam, made) = (self.seam() as i32, self.made as i32);
        self.step * (seam - made).max(0) / (seam + 1)
    }

    /// One sample of the cycle.
    fn turn(&mut self) -> i16 {
        let length = self.periods * self.period;
        let sample = self.cycle[HISTORY - length + self.position];
        self.position = (self.position + 1) % length;
        sample
    }

    /// One period more of the history takes part (appendix I.2.5).
    fn grow(&mut self) {
        let position = self.position;
        for n in 0..self.seam() {
            self.leaving[n] = self.turn();
        }
        self.since_seam = 0;
        self.position = position % self.period;
        self.periods += 1;
        self.close_cycle();
    }

    /// Lets the end of the cycle lead over to its beginning.
    fn close_cycle(&mut self) {
        let seam = self.seam();
        let before = HISTORY - self.periods * self.period - seam;
        for n in 0..seam {
            let entering = self.cycle[before + n];
            self.cycle[HISTORY - seam + n] = mixed(self.quarter[n], entering, n + 1, seam + 1);
        }
    }

    fn seam(&self) -> usize {
        self.period / 4
    }

    /// Where real sound comes back (appendix I.2.6).
    fn last_seam(&self) -> usize {
        let steps = self.made.div_ceil(STEP).saturating_sub(1);
        (self.seam() + steps * SEAM_GROWTH).min(STEP)
    }
}

/// Moves to the beginning the first place that is nearly as much like `leaving` as any within the longest period, and says
/// how much was skipped.
fn skip_to_phase(samples: &mut [i16], leaving: &[i16]) -> usize {
    const NEARLY: f64 = 0.9;
    let most = LONGEST_PERIOD.min(samples.len() - leaving.len());
    let like = |from: usize| alike(leaving, &samples[from..from + leaving.len()], 1);
    let best = (0..=most).map(like).fold(0.0, f64::max);
    let skipped = (0..=most).find(|from| like(*from) >= best * NEARLY);
    let skipped = skipped.unwrap_or(0);
    samples.copy_within(skipped.., 0);
    skipped
}

/// From `leaving` to `entering` in a straight line: `n` of `of` steps are done.
fn mixed(leaving: i16, entering: i16, n: usize, of: usize) -> i16 {
    let (n, of) = (n as i32, of as i32);
    clipped((i32::from(leaving) * (of - n) + i32::from(entering) * n) / of)
}

fn faded(sample: i16, made: usize) -> i16 {
    let left = FADE.saturating_sub(made) as i32;
    (i32::from(sample) * left / FADE as i32) as i16
}

fn clipped(sample: i32) -> i16 {
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// The lag at which the end of `history` is most like itself: first every other one on every other sample, then near
/// the best of those (appendix I.2.3).
fn period(history: &[i16; HISTORY]) -> usize {
    let best = |lags: &mut dyn Iterator<Item = usize>, step| {
        let liked = lags.map(|lag| (lag, likeness(history, lag, step)));
        liked
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map_or(LONGEST_PERIOD, |(lag, _)| lag)
    };
    let about = best(&mut (SHORTEST_PERIOD..=LONGEST_PERIOD).step_by(2), 2);
    let (least, most) = (about - 1, about + 1);
    best(
        &mut (least.max(SHORTEST_PERIOD)..=most.min(LONGEST_PERIOD)),
        1,
    )
}

fn likeness(history: &[i16; HISTORY], lag: usize, step: usize) -> f64 {
    let end = &history[HISTORY - COMPARED..];
    alike(end, &history[HISTORY - COMPARED - lag..HISTORY - lag], step)
}

/// Cross-correlation of both, by the energy of the other.
fn alike(one: &[i16], other: &[i16], step: usize) -> f64 {
    /// Of nearly nothing any lag is as good.
    const LEAST_ENERGY: i64 = 40_000;
    let (mut product, mut energy) = (0i64, 0i64);
    for (x, y) in one.iter().zip(other).step_by(step) {
        product += i64::from(*x) * i64::from(*y);
        energy += i64::from(*y) * i64::from(*y);
    }
    product as f64 / (energy.max(LEAST_ENERGY) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: usize = 160;

    fn tone(period: f64, from: usize, samples: usize) -> Vec<i16> {
        (from..from + samples)
            .map(|n| ((n as f64 * std::f64::consts::TAU / period).sin() * 8000.0) as i16)
            .collect()
    }

    fn loudness(samples: &[i16]) -> f64 {
        let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        (energy / samples.len() as f64).sqrt()
    }

    fn after(mut heard: Vec<i16>) -> Concealer {
        let mut concealer = Concealer::new();
        concealer.hear(&mut heard);
        concealer
    }

    fn steepest(samples: &[i16]) -> i32 {
        let steps = samples.windows(2);
        let steep = steps.map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
        steep.max().unwrap_or(0)
    }

    #[test]
    fn voice_goes_on_in_phase_and_fades() {
        let mut concealer = after(tone(80.0, 0, 640));
        let mut made = [0; 6 * FRAME];
        concealer.conceal(&mut made);
        let real = tone(80.0, 640, STEP);
        let difference: Vec<i16> = made.iter().zip(real).map(|(m, r)| m - r).collect();
        assert!(loudness(&difference) < 500.0, "{}", loudness(&difference));
        let steps: Vec<f64> = made.chunks(STEP).map(loudness).collect();
        assert!(
            steps
                .windows(2)
                .all(|pair| pair[1] < pair[0] || pair[1] == 0.0)
        );
        assert!(made[FADE..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn no_seam_is_steeper_than_the_voice() {
        for period in [40.0, 53.0, 66.6, 80.0, 97.3, 120.0] {
            for lost in [1, 2, 3, 4] {
                let mut sound = tone(period, 0, 3 * FRAME);
                let mut concealer = after(sound.clone());
                let mut made = vec![0; lost * FRAME];
                concealer.conceal(&mut made);
                let mut back = tone(period, (3 + lost) * FRAME, FRAME);
                concealer.hear(&mut back);
                sound.extend([made, back].concat());
                let usual = (8000.0 * std::f64::consts::TAU / period) as i32;
                let steep = steepest(&sound);
                assert!(
                    steep <= usual * 2,
                    "period {period}, {lost} lost: {steep} of {usual}"
                );
            }
        }
    }

    #[test]
    fn late_sound_goes_on_in_phase_and_makes_up_time() {
        for period in [45.0, 66.6, 97.3] {
            let mut sound = tone(period, 0, 3 * FRAME);
            let mut concealer = after(sound.clone());
            let mut made = vec![0; FRAME];
            concealer.conceal(&mut made);
            concealer.expect_late();
            let mut back = tone(period, 3 * FRAME, FRAME);
            let len = concealer.hear(&mut back);
            assert!((FRAME - LONGEST_PERIOD..FRAME).contains(&len) || len == FRAME);
            let mut next = tone(period, 4 * FRAME, FRAME);
            assert_eq!(concealer.hear(&mut next), FRAME);
            sound.extend([&made, &back[..len], &next].concat());
            let usual = (8000.0 * std::f64::consts::TAU / period) as i32;
            let steep = steepest(&sound);
            assert!(
                steep <= usual * 5 / 4,
                "period {period}: {steep} of {usual}"
            );
        }
    }

    #[test]
    fn sound_without_loss_is_left_as_it_is() {
        let mut concealer = Concealer::new();
        let mut heard = tone(77.0, 0, FRAME);
        concealer.hear(&mut heard);
        assert_eq!(heard, tone(77.0, 0, FRAME));
    }

    #[test]
    fn next_real_sound_ends_the_fade() {
        let mut concealer = Concealer::new();
        concealer.conceal(&mut [0; 800]);
        concealer.hear(&mut tone(80.0, 0, 320));
        let mut made = [0; FRAME];
        concealer.conceal(&mut made);
        assert!(loudness(&made) > 3000.0);
    }

    #[test]
    fn loudest_sound_is_not_turned_over() {
        let mut square: Vec<i16> = (0..400)
            .map(|n| if n / 31 % 2 == 0 { i16::MAX } else { i16::MIN })
            .collect();
        let mut concealer = Concealer::new();
        concealer.hear(&mut square);
        concealer.conceal(&mut [0; 480]);
        concealer.hear(&mut square);
    }

    proptest! {
        /// A loss may be made up in pieces of any length.
        #[test]
        fn pieces_make_the_whole(heard in prop::collection::vec(any::<i16>(), 400), piece in 1usize..300) {
            let mut whole = [0; 600];
            after(heard.clone()).conceal(&mut whole);
            let mut pieces = [0; 600];
            let mut concealer = after(heard);
            pieces.chunks_mut(piece).for_each(|piece| concealer.conceal(piece));
            prop_assert_eq!(whole, pieces);
        }
    }
}
