//! G.711 (ITU-T G.711, RFC 3551 §4.5.14) by table: PCMU and PCMA at 8 kHz to and from 16-bit linear samples.
//!
//! A code is a sign, a segment of three bits and a step of four. The laws are defined on 14 (μ) and 13 bits (A); a
//! sample's bits below that do not count. The tables are made by the compiler: 20 kB for encoding, 1 kB for decoding.

/// The two companding laws.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// μ-law, PCMU.
    Mu,
    /// A-law, PCMA.
    A,
}

impl Law {
    /// The code of linear zero.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }

    /// Decodes as many samples as both slices hold and returns their number.
    pub fn decode(self, codes: &[u8], samples: &mut [i16]) -> usize {
        let table = match self {
            Self::Mu => &MU_TO_LINEAR,
            Self::A => &A_TO_LINEAR,
        };
        for (sample, code) in samples.iter_mut().zip(codes) {
            *sample = table[usize::from(*code)];
        }
        codes.len().min(samples.len())
    }

    /// Encodes as many samples as both slices hold and returns their number.
    pub fn encode(self, samples: &[i16], codes: &mut [u8]) -> usize {
        match self {
            Self::Mu => encode_by(&LINEAR_TO_MU, 2, samples, codes),
            Self::A => encode_by(&LINEAR_TO_A, 4, samples, codes),
        }
        codes.len().min(samples.len())
    }
}

/// `N` is 2^(16 - shift), so the shifted sample always has its place.
fn encode_by<const N: usize>(table: &[u8; N], shift: u32, samples: &[i16], codes: &mut [u8]) {
    for (code, sample) in codes.iter_mut().zip(samples) {
        *code = table[usize::from(sample.cast_unsigned() >> shift) % N];
    }
}

static MU_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = mu_to_linear(code as u8);
        code += 1;
    }
    table
};

static A_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = a_to_linear(code as u8);
        code += 1;
    }
    table
};

static LINEAR_TO_MU: [u8; 1 << 14] = {
    let mut table = [0; 1 << 14];
    let mut top_bits = 0;
    while top_bits < table.len() {
        table[top_bits] = linear_to_mu((top_bits << 2) as u16 as i16);
        top_bits += 1;
    }
    table
};

static LINEAR_TO_A: [u8; 1 << 12] = {
    let mut table = [0; 1 << 12];
    let mut top_bits = 0;
    while top_bits < table.len() {
        table[top_bits] = linear_to_a((top_bits << 4) as u16 as i16);
        top_bits += 1;
    }
    table
};

/// Added before the segment is found, so that segments begin at powers of two (14-bit scale).
const MU_BIAS: i16 = 33;

/// All bits of a μ-law code are sent inverted.
const fn mu_to_linear(code: u8) -> i16 {
    let plain = !code;
    let segment = (plain >> 4) & 7;
    let step = (plain & 15) as i16;
    let magnitude = (((step << 1) + MU_BIAS) << segment) - MU_BIAS;
    with_sign(plain & 0x80 == 0, magnitude << 2)
}

const fn linear_to_mu(sample: i16) -> u8 {
    let clipped = if magnitude(sample, 2) > 8158 {
        8158
    } else {
        magnitude(sample, 2)
    };
    let biased = clipped + MU_BIAS;
    let segment = (biased.ilog2() - 5) as u8;
    let step = (biased >> (segment + 1)) as u8 & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | segment << 4 | step)
}

/// Every other bit of an A-law code is sent inverted.
const A_INVERTED: u8 = 0x55;

const fn a_to_linear(code: u8) -> i16 {
    let plain = code ^ A_INVERTED;
    let segment = (plain >> 4) & 7;
    let half_step_up = (((plain & 15) as i16) << 1) + 1;
    let magnitude = match segment {
        0 => half_step_up,
        _ => (half_step_up + 32) << (segment - 1),
    };
    with_sign(plain & 0x80 != 0, magnitude << 3)
}

/// The lowest bit of 13 never decides: steps are two wide even in the first segment.
const fn linear_to_a(sample: i16) -> u8 {
    let magnitude = magnitude(sample, 4);
    let (segment, step) = match magnitude {
        0..16 => (0, magnitude),
        _ => {
            let segment = magnitude.ilog2() as u8 - 3;
            (segment, (magnitude >> (segment - 1)) & 15)
        }
    };
    let sign = if sample < 0 { 0 } else { 0x80 };
    (sign | segment << 4 | step as u8) ^ A_INVERTED
}

/// Without the sign, by one's complement: both laws are symmetrical about -1/2 of their finest step (ITU-T G.191).
const fn magnitude(sample: i16, shift: u32) -> i16 {
    let scaled = sample >> shift;
    if scaled < 0 { !scaled } else { scaled }
}

const fn with_sign(positive: bool, magnitude: i16) -> i16 {
    if positive { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ITU-T G.711 table 2: decision values of the positive half on the scale to 8159, one interval of 1, then 15 of 2
    /// and 16 each of 4, 8, ... 256.
    fn mu_decision_values() -> Vec<i32> {
        let mut values = vec![0, 1];
        for (width, count) in [
            (2, 15),
            (4, 16),
            (8, 16),
            (16, 16),
            (32, 16),
            (64, 16),
            (128, 16),
            (256, 16),
        ] {
            for _ in 0..count {
                values.push(values.last().unwrap() + width);
            }
        }
        values
    }

    /// ITU-T G.711 table 1: the same on the scale to 4096, 32 intervals of 2 and 16 each of 4, 8, ... 128.
    fn a_decision_values() -> Vec<i32> {
        let mut values = vec![0];
        for (width, count) in [
            (2, 32),
            (4, 16),
            (8, 16),
            (16, 16),
            (32, 16),
            (64, 16),
            (128, 16),
        ] {
            for _ in 0..count {
                values.push(values.last().unwrap() + width);
            }
        }
        values
    }

    /// The number of the interval that a sample falls into. A sample stands for the middle of its own step, so that it
    /// never lies on a decision value.
    fn interval(decision_values: &[i32], scale: i32, sample: i16) -> u8 {
        let twice = (2 * i32::from(sample) + 1).abs();
        let above = decision_values[1..]
            .iter()
            .take_while(|value| twice > 2 * scale * **value);
        above.count().min(127) as u8
    }

    fn encode_one(law: Law, sample: i16) -> u8 {
        let mut code = [0];
        assert_eq!(law.encode(&[sample], &mut code), 1);
        code[0]
    }

    fn decode_one(law: Law, code: u8) -> i16 {
        let mut sample = [0];
        assert_eq!(law.decode(&[code], &mut sample), 1);
        sample[0]
    }

    #[test]
    fn tables_end_where_the_recommendation_says() {
        assert_eq!(mu_decision_values().len(), 129);
        assert_eq!(mu_decision_values().last(), Some(&8159));
        assert_eq!(a_decision_values().len(), 129);
        assert_eq!(a_decision_values().last(), Some(&4096));
    }

    #[test]
    fn mu_encodes_every_sample_by_the_decision_values() {
        let values = mu_decision_values();
        for sample in i16::MIN..=i16::MAX {
            let sign = if sample < 0 { 0x80 } else { 0 };
            let expected = !(interval(&values, 4, sample) | sign);
            assert_eq!(encode_one(Law::Mu, sample), expected, "{sample}");
        }
    }

    #[test]
    fn a_encodes_every_sample_by_the_decision_values() {
        let values = a_decision_values();
        for sample in i16::MIN..=i16::MAX {
            let sign = if sample < 0 { 0 } else { 0x80 };
            let expected = (interval(&values, 8, sample) | sign) ^ 0x55;
            assert_eq!(encode_one(Law::A, sample), expected, "{sample}");
        }
    }

    #[test]
    fn codes_decode_to_the_middle_of_their_interval() {
        let (mu, a) = (mu_decision_values(), a_decision_values());
        for n in 0..128u8 {
            let (low, high) = (usize::from(n), usize::from(n) + 1);
            let mu_middle = if n == 0 {
                0
            } else {
                (mu[low] + mu[high]) * 4 / 2
            };
            assert_eq!(i32::from(decode_one(Law::Mu, !n)), mu_middle);
            assert_eq!(i32::from(decode_one(Law::Mu, !(n | 0x80))), -mu_middle);
            let a_middle = (a[low] + a[high]) * 8 / 2;
            assert_eq!(i32::from(decode_one(Law::A, (n | 0x80) ^ 0x55)), a_middle);
            assert_eq!(i32::from(decode_one(Law::A, n ^ 0x55)), -a_middle);
        }
    }

    #[test]
    fn a_code_survives_the_way_there_and_back() {
        for code in 0..=255 {
            assert_eq!(encode_one(Law::A, decode_one(Law::A, code)), code);
            let negative_zero = code == 0x7f;
            let expected = if negative_zero { 0xff } else { code };
            assert_eq!(encode_one(Law::Mu, decode_one(Law::Mu, code)), expected);
        }
    }

    #[test]
    fn silence_is_the_code_of_zero() {
        for law in [Law::Mu, Law::A] {
            assert_eq!(encode_one(law, 0), law.silence());
        }
    }

    #[test]
    fn the_shorter_slice_rules() {
        let mut samples = [7; 3];
        assert_eq!(Law::Mu.decode(&[0xff; 2], &mut samples), 2);
        assert_eq!(samples, [0, 0, 7]);
        let mut codes = [1; 2];
        assert_eq!(Law::A.encode(&[0; 3], &mut codes), 2);
        assert_eq!(codes, [0xd5; 2]);
    }
}
