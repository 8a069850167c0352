//! The ADPCM of one band (ITU-T G.722 §3.2 to §3.6, §6.2): a quantizer whose scale follows the signal, and a predictor of
//! two poles and six zeros. Names of blocks are the recommendation's.

use super::saturated;

/// Decision levels of the six-bit quantizer (table 14, Q6), on the scale of a step of 1/4096.
const DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023,
    1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Codes of its 30 intervals, of negative and of positive differences (ILN, ILP).
const NEGATIVE: [u8; 30] = [
    63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10,
    9, 8, 7, 6, 5, 4,
];
const POSITIVE: [u8; 30] = [
    61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38,
    37, 36, 35, 34, 33, 32,
];
/// What codes of six, four and two bits stand for (QQ6, QQ4, QQ2), by code.
const VALUES_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
const VALUES_4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];
const VALUES_2: [i32; 4] = [-7408, -1616, 7408, 1616];
/// The only decision level of the two-bit quantizer.
const DECISION_2: i32 = 564;
/// How the logarithm of the scale changes with each code (WL by RL4, WH by RH2).
const STEPS_4: [i32; 16] = [
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
];
const STEPS_2: [i32; 4] = [798, -214, 798, -214];
/// 2048 * 2^(n/32) (ILB).
const POWERS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// 0 to 4 kHz.
#[derive(Clone)]
pub struct Lower {
    scale: Scale,
    predictor: Predictor,
}

/// 4 to 8 kHz.
#[derive(Clone)]
pub struct Upper {
    scale: Scale,
    predictor: Predictor,
}

impl Default for Lower {
    fn default() -> Self {
        Self {
            scale: Scale {
                logarithm: 0,
                step: 32,
                most: 18_432,
                shift: 8,
            },
            predictor: Predictor::default(),
        }
    }
}

impl Default for Upper {
    fn default() -> Self {
        Self {
            scale: Scale {
                logarithm: 0,
                step: 8,
                most: 22_528,
                shift: 10,
            },
            predictor: Predictor::default(),
        }
    }
}

impl Lower {
    pub fn encode(&mut self, sample: i32) -> u8 {
        let difference = saturated(sample - self.predictor.next);
        let magnitude = magnitude(difference);
        let step = self.scale.step;
        let interval = DECISIONS.partition_point(|level| (level * step) >> 12 <= magnitude);
        let codes = if difference < 0 { &NEGATIVE } else { &POSITIVE };
        let code = codes.get(interval).copied().unwrap_or(0);
        self.adapt(code);
        code
    }

    /// `code` has six bits.
    pub fn decode(&mut self, code: u8) -> i32 {
        let value = by_code(&VALUES_6, code);
        let sample = self.predictor.next + ((self.scale.step * value) >> 15);
        self.adapt(code);
        limited(sample)
    }

    /// The four bits that every mode has steer both ends.
    fn adapt(&mut self, code: u8) {
        let code = code >> 2;
        let difference = (self.scale.step * by_code(&VALUES_4, code)) >> 15;
        self.scale.follow(by_code(&STEPS_4, code));
        self.predictor.learn(difference);
    }
}

impl Upper {
    pub fn encode(&mut self, sample: i32) -> u8 {
        let difference = saturated(sample - self.predictor.next);
        let is_large = magnitude(difference) >= (DECISION_2 * self.scale.step) >> 12;
        let code = match (difference < 0, is_large) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        self.adapt(code);
        code
    }

    /// `code` has two bits.
    pub fn decode(&mut self, code: u8) -> i32 {
        let expected = self.predictor.next;
        limited(expected + self.adapt(code))
    }

    /// Gives what was added to the expected sample.
    fn adapt(&mut self, code: u8) -> i32 {
        let difference = (self.scale.step * by_code(&VALUES_2, code)) >> 15;
        self.scale.follow(by_code(&STEPS_2, code));
        self.predictor.learn(difference);
        difference
    }
}

/// What leaves a decoder has 15 bits (LIMIT).
fn limited(sample: i32) -> i32 {
    sample.clamp(-16_384, 16_383)
}

/// Without the sign, by one's complement.
fn magnitude(difference: i32) -> i32 {
    if difference < 0 {
        !difference
    } else {
        difference
    }
}

fn by_code<const N: usize>(table: &[i32; N], code: u8) -> i32 {
    table.get(usize::from(code)).copied().unwrap_or(0)
}

/// The quantizer's step (LOGSCL and SCALEL, LOGSCH and SCALEH).
#[derive(Clone)]
struct Scale {
    logarithm: i32,
    step: i32,
    most: i32,
    shift: i32,
}

impl Scale {
    fn follow(&mut self, change: i32) {
        let faded = (self.logarithm * 127) >> 7;
        self.logarithm = (faded + change).clamp(0, self.most);
        let power = POWERS[(self.logarithm >> 6 & 31) as usize];
        let shift = self.shift - (self.logarithm >> 11);
        let power = if shift < 0 {
            power << -shift
        } else {
            power >> shift
        };
        self.step = power << 2;
    }
}

/// The adaptive predictor (block 4 of both ends). The newest value of each row comes first.
#[derive(Clone, Default)]
struct Predictor {
    /// What the next sample is expected to be.
    next: i32,
    /// Of that, by the zeros alone.
    by_zeros: i32,
    /// Reconstructed samples.
    samples: [i32; 2],
    /// Partly reconstructed samples.
    partial: [i32; 2],
    poles: [i32; 2],
    differences: [i32; 6],
    zeros: [i32; 6],
}

impl Predictor {
    /// The quantized difference between the sample and what was expected.
    fn learn(&mut self, difference: i32) {
        let sample = saturated(self.next + difference);
        let partial = saturated(self.by_zeros + difference);
        self.move_poles(partial);
        self.move_zeros(difference);
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.samples = [sample, self.samples[0]];
        self.partial = [partial, self.partial[0]];
        self.predict();
    }

    /// UPPOL2 and UPPOL1.
    fn move_poles(&mut self, partial: i32) {
        let alike = |other: i32| (partial < 0) == (other < 0);
        let [first, second] = self.poles;
        let four = saturated(first << 2);
        let lead = if alike(self.partial[0]) {
            (-four).min(32_767)
        } else {
            four
        };
        let nudge = if alike(self.partial[1]) { 128 } else { -128 };
        let second = (nudge + (lead >> 7) + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let nudge = if alike(self.partial[0]) { 192 } else { -192 };
        let bound = saturated(15_360 - second);
        let first = saturated(nudge + ((first * 32_640) >> 15)).clamp(-bound, bound);
        self.poles = [first, second];
    }

    /// UPZERO.
    fn move_zeros(&mut self, difference: i32) {
        let nudge = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeros.iter_mut().zip(self.differences) {
            let alike = (earlier < 0) == (difference < 0);
            let nudge = if alike { nudge } else { -nudge };
            *zero = saturated(nudge + ((*zero * 32_640) >> 15));
        }
    }

    /// FILTEP, FILTEZ and PREDIC.
    fn predict(&mut self) {
        let product = |factor: i32, value: i32| (factor * saturated(2 * value)) >> 15;
        let by_poles =
            product(self.poles[0], self.samples[0]) + product(self.poles[1], self.samples[1]);
        // The oldest first, as the sum saturates.
        let by_zeros = self.zeros.iter().zip(self.differences).rev();
        self.by_zeros = by_zeros.fold(0, |sum, (zero, difference)| {
            saturated(sum + product(*zero, difference))
        });
        self.next = saturated(saturated(by_poles) + self.by_zeros);
    }
}
