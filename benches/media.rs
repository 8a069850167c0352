//! What the packet path costs without sockets and codecs. `cargo bench --bench media`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wabridge::media::g711::Law;
use wabridge::media::rtp::{Header, Kind, Packet, RtpTime, SequenceNumber};
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

fn rtp(c: &mut Criterion) {
    let packet = packet(1, 160);
    c.bench_function("rtp/kind and parse", |bench| {
        bench.iter(|| {
            let packet = black_box(&packet[..]);
            (Kind::of(packet), Packet::parse(packet).is_ok())
        });
    });
}

criterion_group!(benches, rtp, protect, unprotect, g711);
criterion_main!(benches);
