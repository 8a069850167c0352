//! Packets without what they hold: headers, SRTP, order, RTCP.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion};
use wabridge::media::reorder::{Place, Reorder};
use wabridge::media::rtcp::{
    Compound, Extended, NtpTime, Packets, Reception, ReportBlock, SenderInfo,
};
use wabridge::media::rtp::{Header, Kind, Packet, RtpTime, SequenceNumber};
use wabridge::media::srtp::{Inbound, MAX_OVERHEAD, Outbound};
use wabridge::sdp::{MasterKey, PayloadType, Ssrc, Suite};

const FRAME: Duration = Duration::from_millis(20);
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

pub fn srtp(c: &mut Criterion) {
    protect(c);
    unprotect(c);
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

pub fn rtp(c: &mut Criterion) {
    let packet = packet(1, 160);
    c.bench_function("rtp/kind and parse", |bench| {
        bench.iter(|| {
            let packet = black_box(&packet[..]);
            (Kind::of(packet), Packet::parse(packet).is_ok())
        });
    });
}

/// A stream in order, and one of which each pair of packets changed places.
pub fn reorder(c: &mut Criterion) {
    let mut group = c.benchmark_group("reorder");
    let payload = [0x5a; 160];
    for (name, swapped) in [("in order", 0), ("every second overtaken", 1)] {
        let (mut reorder, mut now, mut sent) = (Reorder::new(), Instant::now(), 0u16);
        reorder.place(&header(0), &payload, now);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                now += FRAME;
                sent = sent.wrapping_add(1);
                let number = (sent.wrapping_sub(1) ^ swapped).wrapping_add(1);
                let used = reorder.place(&header(number), black_box(&payload), now + 2 * FRAME);
                let mut popped = u32::from(used == Place::Now);
                while reorder.pop(now).is_some() {
                    popped += 1;
                }
                popped
            });
        });
    }
}

pub fn rtcp(c: &mut Criterion) {
    let mut group = c.benchmark_group("rtcp");
    let (mut reception, mut now, mut sequence) =
        (Reception::new(), Instant::now(), SequenceNumber(0));
    group.bench_function("a packet counted", |bench| {
        bench.iter(|| {
            now += FRAME;
            sequence = sequence.next();
            reception.handle_packet(now, black_box(&header(sequence.0)), Some(48_000))
        });
    });
    let compound = compound();
    let mut buffer = [0; Compound::MAX_LEN];
    group.bench_function("write a sender report", |bench| {
        bench.iter(|| black_box(&compound).write(black_box(&mut buffer)));
    });
    let len = compound.write(&mut buffer).unwrap();
    group.bench_function("read it", |bench| {
        bench.iter(|| Packets::of(black_box(&buffer[..len])).all(|packet| packet.is_ok()));
    });
}

fn compound() -> Compound<'static> {
    Compound {
        ssrc: Ssrc(7),
        sender: Some(SenderInfo {
            ntp: NtpTime(1 << 40),
            timestamp: RtpTime(960),
            packets: 50,
            octets: 2_500,
        }),
        block: Some(ReportBlock {
            ssrc: Ssrc(8),
            fraction_lost: 3,
            cumulative_lost: 9,
            highest_sequence: 1_000,
            jitter: 20,
            last_sr: 1,
            delay_since_last_sr: 2,
        }),
        cname: "bridge",
        extended: Extended::default(),
        bye: false,
    }
}
