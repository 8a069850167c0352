//! G.722 at 64 kbit/s (ITU-T G.722, mode 1): sound of 16 kHz in two bands of 8 kHz each, split by a quadrature mirror
//! filter and coded by ADPCM, six bits for the lower and two for the upper one. In RTP it has payload type 9, and by an old
//! mistake a clock of 8 kHz (RFC 3551 §4.5.2): one byte and one tick for each two samples, as with G.711.
//!
//! The lower band alone is telephone sound at 8 kHz, so a narrow direction needs no filter and no resampler.

mod band;
mod filter;

use band::{Lower, Upper};
use filter::{Analysis, Synthesis};

/// Samples of the bands are half as large as those of 16 bits.
const HALF: i32 = 1;

#[derive(Clone, Default)]
pub struct Encoder {
    analysis: Analysis,
    lower: Lower,
    upper: Upper,
}

impl Encoder {
    /// Two samples at 16 kHz a code. Stops at the end of the shorter one; returns how many codes it wrote.
    pub fn encode_wide(&mut self, samples: &[i16], codes: &mut [u8]) -> usize {
        let (pairs, _) = samples.as_chunks::<2>();
        for (pair, code) in pairs.iter().zip(codes.iter_mut()) {
            let (low, high) = self.analysis.split(*pair);
            *code = self.encode(low, high);
        }
        pairs.len().min(codes.len())
    }

    /// A sample at 8 kHz a code; the upper band is silent.
    pub fn encode_narrow(&mut self, samples: &[i16], codes: &mut [u8]) -> usize {
        for (sample, code) in samples.iter().zip(codes.iter_mut()) {
            *code = self.encode(i32::from(*sample) >> HALF, 0);
        }
        samples.len().min(codes.len())
    }

    fn encode(&mut self, low: i32, high: i32) -> u8 {
        self.upper.encode(high) << 6 | self.lower.encode(low)
    }
}

#[derive(Clone, Default)]
pub struct Decoder {
    lower: Lower,
    upper: Upper,
}

impl Decoder {
    /// Both bands of each code, 8 kHz each. Stops at the end of the shortest; returns how many codes it read.
    pub fn decode(&mut self, codes: &[u8], low: &mut [i16], high: &mut [i16]) -> usize {
        let bands = low.iter_mut().zip(high.iter_mut());
        let mut read = 0;
        for (code, (low, high)) in codes.iter().zip(bands) {
            *low = whole(self.lower.decode(code & 0x3f));
            *high = whole(self.upper.decode(code >> 6));
            read += 1;
        }
        read
    }
}

/// Bands of 8 kHz become sound of 16 kHz.
#[derive(Clone, Default)]
pub struct Joiner(Synthesis);

impl Joiner {
    /// Two samples for each of a band; an upper band that ends early is silent. Returns how many samples it wrote.
    pub fn join(&mut self, low: &[i16], high: &[i16], samples: &mut [i16]) -> usize {
        let (pairs, _) = samples.as_chunks_mut::<2>();
        let high = high.iter().chain(std::iter::repeat(&0));
        for ((pair, low), high) in pairs.iter_mut().zip(low).zip(high) {
            let (low, high) = (i32::from(*low) >> HALF, i32::from(*high) >> HALF);
            *pair = self.0.join(low, high);
        }
        2 * low.len().min(pairs.len())
    }
}

fn whole(half: i32) -> i16 {
    saturated(half << HALF) as i16
}

fn saturated(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}

#[cfg(test)]
mod tests;
