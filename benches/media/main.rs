//! What the packet path costs without sockets and codecs. `cargo bench --bench media`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wabridge::media::conceal::Concealer;
use wabridge::media::g711::Law;
use wabridge::media::rate::Rate;
use wabridge::media::rtp::{Header, Kind, Packet, RtpTime, SequenceNumber};
use wabridge::media::shorten::{LONGEST, Need, shorten};
use wabridge::media::srtp::{Inbound, MAX_OVERHEAD, Outbound};
use wabridge::sdp::{MasterKey, PayloadType, Ssrc, Suite};

/// Bytes of a 20 ms frame: Opus at 20 kbit/s, G.711.
const PAYLOADS: [usize; 2] = [50, 160];

fn header(sequence: u16) -> Header {
    Header {
        marker: false,
        payload_type: PayloadType(111),
        sequence: SequenceNumber(sequence),
        timestamp: RtpTime(u32::from(sequence) * 960),
        ssrc: Ssrc(7),
    }
}

fn packet(sequence: u16, payload: usize) -> Vec<u8> {
    let mut packet = header(sequence).to_bytes().to_vec();
    packet.resize(Header::LEN + payload, 0x5a);
    packet
}

fn key() -> MasterKey {
    MasterKey((0..46).collect())
}

fn protect(c: &mut Criterion) {
    let mut group = c.benchmark_group("protect");
    for (suite, payload) in suites_and_payloads() {
        let mut outbound = Outbound::new(suite, &key()).unwrap();
        let mut sequence = SequenceNumber(0);
        let mut buffer = packet(0, payload + MAX_OVERHEAD);
        group.bench_function(format!("{}/{payload}", suite.name()), |bench| {
            bench.iter(|| {
                sequence = sequence.next();
                buffer[..Header::LEN].copy_from_slice(&header(sequence.0).to_bytes());
                outbound.protect_rtp(&mut buffer, Header::LEN + payload)
            });
        });
    }
}

fn unprotect(c: &mut Criterion) {
    let mut group = c.benchmark_group("unprotect");
    for (suite, payload) in suites_and_payloads() {
        let mut outbound = Outbound::new(suite, &key()).unwrap();
        let mut inbound = Inbound::new(suite, &key()).unwrap();
        let mut sequence = SequenceNumber(0);
        let mut next = || {
            sequence = sequence.next();
            let mut packet = packet(sequence.0, payload + MAX_OVERHEAD);
            let length = outbound.protect_rtp(&mut packet, Header::LEN + payload);
            packet.truncate(length.unwrap());
            packet
        };
        group.bench_function(format!("{}/{payload}", suite.name()), |bench| {
            bench.iter_batched_ref(
                &mut next,
                |packet| inbound.unprotect_rtp(packet).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
}

fn suites_and_payloads() -> impl Iterator<Item = (Suite, usize)> {
    Suite::ALL
        .into_iter()
        .flat_map(|suite| PAYLOADS.map(|payload| (suite, payload)))
}

fn g711(c: &mut Criterion) {
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

/// A voice at 125 Hz.
fn voice(samples: usize) -> Vec<i16> {
    let turn = |n: usize, hertz: f64| (n as f64 / 8000.0 * hertz * std::f64::consts::TAU).sin();
    (0..samples)
        .map(|n| ((turn(n, 125.0) + 0.5 * turn(n, 700.0)) * 6000.0) as i16)
        .collect()
}

fn repair(c: &mut Criterion) {
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
}

fn rtp(c: &mut Criterion) {
    let packet = packet(1, 160);
    c.bench_function("rtp/kind and parse", |bench| {
        bench.iter(|| {
            let packet = black_box(&packet[..]);
            (Kind::of(packet), Packet::parse(packet).is_ok())
        });
    });
}

criterion_group!(benches, rtp, protect, unprotect, g711, repair);
criterion_main!(benches);
