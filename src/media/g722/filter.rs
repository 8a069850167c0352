//! The quadrature mirror filter (ITU-T G.722 §3.1, §4.4, table 11): 24 taps, the same for both ways, delay 22 samples.

use super::saturated;

const TAPS: usize = 24;

/// Every second tap; in reverse order they are the others.
const HALF: [i32; TAPS / 2] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// The last 24 values, the newest last.
#[derive(Clone, Default)]
struct Line([i32; TAPS]);

impl Line {
    fn push(&mut self, pair: [i32; 2]) {
        self.0.copy_within(2.., 0);
        self.0[TAPS - 2..].copy_from_slice(&pair);
    }

    /// Of the values at even places, and of those at odd ones.
    fn sums(&self) -> (i32, i32) {
        let (pairs, _) = self.0.as_chunks::<2>();
        let mut sums = (0, 0);
        for ((pair, tap), mirrored) in pairs.iter().zip(HALF).zip(HALF.into_iter().rev()) {
            sums.0 += pair[0] * tap;
            sums.1 += pair[1] * mirrored;
        }
        sums
    }
}

/// From 16 kHz to two bands of 8 kHz, half as large.
#[derive(Clone, Default)]
pub struct Analysis(Line);

impl Analysis {
    pub fn split(&mut self, pair: [i16; 2]) -> (i32, i32) {
        self.0.push(pair.map(i32::from));
        let (even, odd) = self.0.sums();
        ((odd + even) >> 14, (odd - even) >> 14)
    }
}

/// And back.
#[derive(Clone, Default)]
pub struct Synthesis(Line);

impl Synthesis {
    pub fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        self.0.push([low + high, low - high]);
        let (even, odd) = self.0.sums();
        [odd, even].map(|sum| saturated(sum >> 11) as i16)
    }
}
