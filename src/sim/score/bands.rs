//! Intelligibility from third-octave envelopes (see the module above).

use std::f64::consts::PI;

use crate::sim::score::RATE;
use crate::sim::score::fft::{Complex, transform};

const FRAME: usize = 256;
const HOP: usize = FRAME / 2;
const BINS: usize = 512;
const BANDS: usize = 14;
const LOWEST: f64 = 150.0;
/// Frames a segment: 480 ms.
const SEGMENT: usize = 30;
/// Frames of the source this far below the loudest are left out, dB.
const RANGE: f64 = 40.0;
/// A heard band may be this much louder than the source's before it is clipped: 10^(15/20).
const CLIP: f64 = 5.623;

type Frame = [f64; BANDS];

/// 0 to 1; both are of one length and aligned.
pub fn intelligibility(source: &[i16], heard: &[i16]) -> f64 {
    let (source, heard) = (spectra(source), spectra(heard));
    let loud = loud_frames(&source);
    let source: Vec<Frame> = loud.iter().map(|&at| source[at]).collect();
    let heard: Vec<Frame> = loud.iter().map(|&at| heard[at]).collect();
    let mut scores = Vec::new();
    for (source, heard) in source.windows(SEGMENT).zip(heard.windows(SEGMENT)) {
        for band in 0..BANDS {
            scores.push(segment(source, heard, band));
        }
    }
    let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
    mean.max(0.0)
}

/// Correlation of one band's envelopes after normalising and clipping.
fn segment(source: &[Frame], heard: &[Frame], band: usize) -> f64 {
    let source: Vec<f64> = source.iter().map(|frame| frame[band]).collect();
    let heard: Vec<f64> = heard.iter().map(|frame| frame[band]).collect();
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let gain = norm(&source) / norm(&heard).max(1e-9);
    let limited: Vec<f64> = source
        .iter()
        .zip(&heard)
        .map(|(source, heard)| (heard * gain).min(source * (1.0 + CLIP)))
        .collect();
    correlation(&source, &limited)
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    ab / (aa * bb).sqrt().max(1e-9)
}

/// Amplitudes of the bands, frame by frame.
fn spectra(samples: &[i16]) -> Vec<Frame> {
    let window: Vec<f64> = (0..FRAME)
        .map(|n| 0.5 - 0.5 * (2.0 * PI * (n as f64 + 0.5) / FRAME as f64).cos())
        .collect();
    samples
        .windows(FRAME)
        .step_by(HOP)
        .map(|frame| {
            let mut bins = [Complex::default(); BINS];
            for ((bin, &sample), window) in bins.iter_mut().zip(frame).zip(&window) {
                bin.re = f64::from(sample) * window;
            }
            transform(&mut bins);
            bands(&bins)
        })
        .collect()
}

fn bands(bins: &[Complex; BINS]) -> Frame {
    std::array::from_fn(|band| {
        let centre = LOWEST * 2.0_f64.powf(band as f64 / 3.0);
        let bin = |hertz: f64| (hertz * BINS as f64 / f64::from(RATE)).round() as usize;
        let (from, to) = (
            bin(centre * 2.0_f64.powf(-1.0 / 6.0)),
            bin(centre * 2.0_f64.powf(1.0 / 6.0)),
        );
        let power: f64 = bins[from..to].iter().map(|bin| bin.power()).sum();
        power.sqrt()
    })
}

fn loud_frames(source: &[Frame]) -> Vec<usize> {
    let power = |frame: &Frame| frame.iter().map(|v| v * v).sum::<f64>();
    let loudest = source.iter().map(power).fold(0.0, f64::max);
    let threshold = loudest * 10.0_f64.powf(-RANGE / 10.0);
    (0..source.len())
        .filter(|&at| power(&source[at]) > threshold)
        .collect()
}
