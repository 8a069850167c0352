//! Speech-like sound and how alike two sounds are.

/// Voiced sound in syllables of changing length and loudness, with pauses: 8 kHz.
pub fn speech(samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|n| {
            let t = n as f64 / 8000.0;
            let turn = |hertz: f64| (t * hertz * std::f64::consts::TAU).sin();
            let syllable = (turn(2.3) + 0.6 * turn(0.71) + 0.3 * turn(5.1)).max(0.0);
            let voice = turn(130.0) + 0.6 * turn(390.0) + 0.5 * turn(780.0) + 0.2 * turn(1700.0);
            (voice * syllable * 4500.0).clamp(-32_000.0, 32_000.0) as i16
        })
        .collect()
}

/// Loudness of each 20 ms.
pub fn envelope(samples: &[i16]) -> Vec<f64> {
    samples
        .chunks_exact(160)
        .map(|frame| {
            let energy: f64 = frame.iter().map(|s| f64::from(*s).powi(2)).sum();
            (energy / 160.0).sqrt()
        })
        .collect()
}

/// Correlation of two envelopes at the best delay up to `frames`.
pub fn likeness(source: &[f64], heard: &[f64], frames: usize) -> f64 {
    (0..=frames)
        .filter_map(|delay| correlation(source, heard.get(delay..)?))
        .fold(0.0, f64::max)
}

fn correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    let len = one.len().min(other.len());
    let (one, other) = (&one[..len], &other[..len]);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / len as f64;
    let (m1, m2) = (mean(one), mean(other));
    let (mut product, mut v1, mut v2) = (0.0, 0.0, 0.0);
    for (x, y) in one.iter().zip(other) {
        product += (x - m1) * (y - m2);
        v1 += (x - m1).powi(2);
        v2 += (y - m2).powi(2);
    }
    (v1 > 0.0 && v2 > 0.0).then(|| product / (v1 * v2).sqrt())
}
