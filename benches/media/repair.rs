//! What is done to 20 ms of sound beside coding it.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use wabridge::media::activity;
use wabridge::media::conceal::Concealer;
use wabridge::media::rate::Rate;
use wabridge::media::shorten::{LONGEST, Need, shorten};
use wabridge::media::squeeze::squeeze;
use wabridge::media::tones;

use crate::voice;

pub fn repair(c: &mut Criterion) {
    let mut group = c.benchmark_group("repair");
    let mut frame: [i16; 160] = voice(160).try_into().unwrap();
    let mut concealer = Concealer::new();
    group.bench_function("G.711, 20 ms heard", |bench| {
        bench.iter(|| concealer.hear(black_box(&mut frame)));
    });
    let mut heard = voice(640);
    group.bench_function("G.711, 20 ms lost", |bench| {
        bench.iter_batched_ref(
            || {
                let mut concealer = Concealer::new();
                concealer.hear(&mut heard);
                concealer
            },
            |concealer| concealer.conceal(black_box(&mut frame)),
            BatchSize::SmallInput,
        );
    });
    let sound = voice(640);
    for (name, rate, samples) in [
        ("40 ms shortened", Rate::Narrow, 320),
        ("40 ms shortened, wide", Rate::Wide, 640),
    ] {
        group.bench_function(name, |bench| {
            bench.iter_batched_ref(
                || sound[..samples].to_vec(),
                |sound| shorten(rate, sound, LONGEST, Need::Absolute),
                BatchSize::SmallInput,
            );
        });
    }
    group.bench_function("20 ms squeezed", |bench| {
        bench.iter_batched_ref(
            || sound[..162].to_vec(),
            |sound| squeeze(Rate::Narrow, sound),
            BatchSize::SmallInput,
        );
    });
}

/// Whether it is speech, and whether it is a digit.
pub fn listening(c: &mut Criterion) {
    let mut group = c.benchmark_group("listening");
    let sound = voice(8_000);
    let frames: Vec<[i16; 160]> = sound.as_chunks().0.to_vec();
    let mut cycle = frames.iter().cycle();
    let mut activity = activity::Detector::new();
    group.bench_function("voice activity", |bench| {
        bench.iter(|| activity.judge(cycle.next().unwrap()));
    });
    let mut tones = tones::Detector::default();
    group.bench_function("digits in a voice", |bench| {
        bench.iter(|| tones.handle_frame(black_box(cycle.next().unwrap())));
    });
    let digit = digit();
    let mut cycle = digit.iter().cycle();
    group.bench_function("digits in a tone", |bench| {
        bench.iter(|| tones.handle_frame(black_box(cycle.next().unwrap())));
    });
}

/// 80 ms of a 5 and 80 ms of silence.
fn digit() -> Vec<[i16; 160]> {
    let turn = |n: usize, hertz: f64| (n as f64 / 8000.0 * hertz * std::f64::consts::TAU).sin();
    let tone = |n: usize| ((turn(n, 770.0) + turn(n, 1336.0)) * 6000.0) as i16;
    let sound: Vec<i16> = (0..1_280)
        .map(|n| if n < 640 { tone(n) } else { 0 })
        .collect();
    sound.as_chunks().0.to_vec()
}
