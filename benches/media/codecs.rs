//! 20 ms through each codec.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use wabridge::media::bridge::{Digits, Dtx, Habits};
use wabridge::media::g711::Law;
use wabridge::media::g722;
use wabridge::media::gain::Decibels;
use wabridge::media::opus;
use wabridge::media::rate::Rate;
use wabridge::sdp::OpusLimits;

use crate::voice;

pub fn g711(c: &mut Criterion) {
    let mut group = c.benchmark_group("g711");
    group.throughput(Throughput::Elements(160));
    let mut samples = [0; 160];
    for (n, sample) in (0i32..).zip(&mut samples) {
        *sample = ((n * 4931) % 30_000 - 15_000) as i16;
    }
    for law in [Law::Mu, Law::A] {
        let mut codes = [0; 160];
        group.bench_function(format!("encode/{law:?}"), |bench| {
            bench.iter(|| law.encode(black_box(&samples), black_box(&mut codes)));
        });
        group.bench_function(format!("decode/{law:?}"), |bench| {
            bench.iter(|| law.decode(black_box(&codes), black_box(&mut samples)));
        });
    }
}

pub fn g722(c: &mut Criterion) {
    let mut group = c.benchmark_group("g722");
    let (narrow, wide) = (voice(160), voice(320));
    let mut codes = [0; 160];
    let mut encoder = g722::Encoder::default();
    group.bench_function("encode/narrow", |bench| {
        bench.iter(|| encoder.encode_narrow(black_box(&narrow), black_box(&mut codes)));
    });
    group.bench_function("encode/wide", |bench| {
        bench.iter(|| encoder.encode_wide(black_box(&wide), black_box(&mut codes)));
    });
    let (mut decoder, mut joiner) = (g722::Decoder::default(), g722::Joiner::default());
    let (mut low, mut high, mut sound) = ([0; 160], [0; 160], [0; 320]);
    group.bench_function("decode/narrow", |bench| {
        bench.iter(|| decoder.decode(black_box(&codes), &mut low, &mut high));
    });
    group.bench_function("decode/wide", |bench| {
        bench.iter(|| {
            decoder.decode(black_box(&codes), &mut low, &mut high);
            joiner.join(&low, &high, black_box(&mut sound))
        });
    });
}

pub fn opus(c: &mut Criterion) {
    let mut group = c.benchmark_group("opus");
    let limits = OpusLimits::default();
    for (rate, samples) in [(Rate::Narrow, 160), (Rate::Wide, 320)] {
        let frames: Vec<Vec<i16>> = voice(50 * samples)
            .chunks_exact(samples)
            .map(<[i16]>::to_vec)
            .collect();
        let mut packet = [0; 400];
        for complexity in [1, 5, 8] {
            let mut encoder = opus::Encoder::new(rate, &habits(complexity), &limits).unwrap();
            let mut frames = frames.iter().cycle();
            group.bench_function(
                format!("encode/{rate:?}, complexity {complexity}"),
                |bench| {
                    bench.iter(|| encoder.encode(frames.next().unwrap(), black_box(&mut packet)));
                },
            );
        }
        let mut encoder = opus::Encoder::new(rate, &habits(5), &limits).unwrap();
        let packets: Vec<Vec<u8>> = frames
            .iter()
            .map(|frame| {
                let len = encoder.encode(frame, &mut packet).unwrap();
                packet[..len].to_vec()
            })
            .collect();
        let mut decoder = opus::Decoder::new(rate).unwrap();
        let mut packets = packets.iter().cycle();
        let mut sound = [0; 1_920];
        group.bench_function(format!("decode/{rate:?}"), |bench| {
            bench.iter(|| decoder.decode(packets.next().unwrap(), black_box(&mut sound)));
        });
        group.bench_function(format!("conceal/{rate:?}"), |bench| {
            bench.iter(|| decoder.conceal(black_box(&mut sound[..samples])));
        });
    }
}

fn habits(opus_complexity: u8) -> Habits {
    Habits {
        keep_fed: true,
        latch: true,
        media_timeout: Duration::ZERO,
        opus_bitrate: 20_000,
        opus_complexity,
        opus_fec: true,
        early_audio: Duration::ZERO,
        gain_from: Decibels(0),
        gain_to: Decibels(0),
        opus_dtx: Dtx::Never,
        digits: Digits::Events,
    }
}
