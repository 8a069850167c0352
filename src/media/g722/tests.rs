//! Against what G.722 is known to do: level, distortion, delay. That its codes are the recommendation's is seen by
//! `codes_are_the_recommendations`.

use super::*;

fn tone(hertz: f64, rate: f64, samples: usize, loudness: f64) -> Vec<i16> {
    (0..samples)
        .map(|n| ((n as f64 * hertz / rate * std::f64::consts::TAU).sin() * loudness) as i16)
        .collect()
}

/// Through encoder and decoder at 16 kHz.
fn wide(samples: &[i16]) -> Vec<i16> {
    let mut codes = vec![0; samples.len() / 2];
    assert_eq!(
        Encoder::default().encode_wide(samples, &mut codes),
        codes.len()
    );
    let (mut low, mut high) = (vec![0; codes.len()], vec![0; codes.len()]);
    Decoder::default().decode(&codes, &mut low, &mut high);
    let mut heard = vec![0; samples.len()];
    Joiner::default().join(&low, &high, &mut heard);
    heard
}

/// In dB, the second `delay` samples later than the first.
fn signal_to_noise(said: &[i16], heard: &[i16], delay: usize) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (said, heard) in said.iter().zip(&heard[delay..]).skip(400) {
        signal += f64::from(*said).powi(2);
        noise += (f64::from(*said) - f64::from(*heard)).powi(2);
    }
    10.0 * (signal / noise).log10()
}

/// Both filters together.
const DELAY: usize = 22;

#[test]
fn tones_of_either_band_come_through() {
    for (hertz, least) in [
        (200.0, 30.0),
        (1_000.0, 30.0),
        (2_500.0, 25.0),
        (5_000.0, 10.0),
        (6_500.0, 10.0),
    ] {
        for loudness in [500.0, 5_000.0, 15_000.0] {
            let said = tone(hertz, 16_000.0, 8_000, loudness);
            let ratio = signal_to_noise(&said, &wide(&said), DELAY);
            assert!(ratio > least, "{hertz} Hz at {loudness}: {ratio} dB");
        }
    }
}

#[test]
fn filters_alone_are_nearly_transparent() {
    let said: Vec<i16> = tone(700.0, 16_000.0, 4_000, 6_000.0)
        .iter()
        .zip(tone(5_300.0, 16_000.0, 4_000, 3_000.0))
        .map(|(low, high)| low + high)
        .collect();
    let (mut analysis, mut synthesis) = (Analysis::default(), Synthesis::default());
    let heard: Vec<i16> = said
        .as_chunks::<2>()
        .0
        .iter()
        .flat_map(|pair| {
            let (low, high) = analysis.split(*pair);
            synthesis.join(low, high)
        })
        .collect();
    let ratio = signal_to_noise(&said, &heard, DELAY);
    assert!(ratio > 50.0, "{ratio}");
}

/// The loudest that there is does not wrap around.
#[test]
fn full_scale_saturates() {
    let square: Vec<i16> = (0..4_000)
        .map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN })
        .collect();
    let heard = wide(&square);
    let wrong = square.iter().zip(&heard[DELAY..]).skip(400);
    let wrong = wrong.filter(|(said, heard)| (**said < 0) != (**heard < 0));
    assert!(wrong.count() < 400);
}

#[test]
fn a_narrow_end_has_the_lower_band() {
    let said = tone(1_000.0, 8_000.0, 4_000, 6_000.0);
    let mut codes = vec![0; said.len()];
    Encoder::default().encode_narrow(&said, &mut codes);
    let (mut low, mut high) = (vec![0; said.len()], vec![0; said.len()]);
    Decoder::default().decode(&codes, &mut low, &mut high);
    assert!(signal_to_noise(&said, &low, 0) > 30.0);
    assert!(high.iter().all(|sample| sample.abs() <= 40));
    // A wide listener hears the same tone.
    let mut heard = vec![0; 2 * said.len()];
    Joiner::default().join(&low, &high, &mut heard);
    let energy = |samples: &[i16]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let ratio = energy(&heard) / energy(&said) / 2.0;
    assert!((0.95..1.05).contains(&ratio), "{ratio}");
}

/// Integers alone: a chirp that grows and falls, with noise.
fn chirp() -> Vec<i16> {
    let mut state = 1u32;
    (0..16_000i32)
        .map(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 24) as i32 - 128;
            let wave = (n * n / 13 + n * 131) % 8_192 - 4_096;
            (wave * (n / 500 % 8) + noise * (n / 2_000 % 4)) as i16
        })
        .collect()
}

/// FNV-1a.
fn sum_of(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(16_777_619)
    })
}

/// The sums are those of another implementation (libg722 1.2.8, made after ITU-T G.191's), bit for bit.
#[test]
fn codes_are_the_recommendations() {
    let said = chirp();
    let mut codes = vec![0; 8_000];
    Encoder::default().encode_wide(&said, &mut codes);
    assert_eq!(sum_of(codes.iter().copied()), 0x6c8f_9af9);
    let (mut low, mut high) = (vec![0; 8_000], vec![0; 8_000]);
    Decoder::default().decode(&codes, &mut low, &mut high);
    let mut heard = vec![0; 16_000];
    Joiner::default().join(&low, &high, &mut heard);
    assert_eq!(
        sum_of(heard.iter().flat_map(|s| s.to_le_bytes())),
        0xc0c2_cebb
    );
    let mut codes = vec![0; 16_000];
    Encoder::default().encode_narrow(&said, &mut codes);
    assert_eq!(sum_of(codes.iter().map(|code| code & 0x3f)), 0xdbf4_cbcb);
}

#[test]
fn the_shorter_slice_rules() {
    let mut codes = [0; 3];
    assert_eq!(Encoder::default().encode_wide(&[0; 5], &mut codes), 2);
    assert_eq!(Encoder::default().encode_wide(&[0; 9], &mut codes), 3);
    let (mut low, mut high) = ([0; 2], [0; 1]);
    assert_eq!(Decoder::default().decode(&codes, &mut low, &mut high), 1);
    assert_eq!(Joiner::default().join(&[0; 5], &[], &mut [0; 7]), 6);
}

#[test]
fn any_codes_decode_without_overflow() {
    let mut decoder = Decoder::default();
    let mut state = 1u32;
    for _ in 0..1_000 {
        let codes: Vec<u8> = (0..160)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let (mut low, mut high) = ([0; 160], [0; 160]);
        assert_eq!(decoder.decode(&codes, &mut low, &mut high), 160);
    }
    for code in 0..=255 {
        let (mut low, mut high) = ([0; 500], [0; 500]);
        decoder.decode(&[code; 500], &mut low, &mut high);
    }
}
