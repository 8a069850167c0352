//! A datagram on a media socket: told apart, read as RTP and RTCP, opened as SRTP and SRTCP of every suite; and, where
//! it could be one of ours, protected and opened again.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wabridge::media::rtcp::{
    Block, Blocks, Compound, Extended, ExtendedBlocks, NtpTime, Packet as Report, Packets,
    Reception,
};
use wabridge::media::rtp::{Header, Kind, Packet};
use wabridge::media::srtp::{Inbound, MAX_OVERHEAD, Outbound};
use wabridge::sdp::{MasterKey, Ssrc, Suite};

fuzz_target!(|bytes: &[u8]| {
    let _ = Kind::of(bytes);
    read(bytes);
    for suite in Suite::ALL {
        open(suite, bytes);
        protect_and_open(suite, bytes);
    }
});

fn read(bytes: &[u8]) {
    let now = Instant::now();
    let mut reception = Reception::new();
    for datagram in bytes.chunks(Header::LEN).chain([bytes]) {
        if let Ok(packet) = Packet::parse(datagram) {
            assert!(packet.payload.len() + Header::LEN <= datagram.len());
            reception.handle_packet(now, &packet.header, Some(8_000));
        }
    }
    assert!(Packets::of(bytes).count() <= bytes.len() / 4 + 1);
    for packet in Packets::of(bytes).flatten() {
        match packet {
            Report::SenderReport { ssrc, info, blocks } => {
                reception.handle_sender_report(now, ssrc, &info);
                round_trips(blocks);
            }
            Report::ReceiverReport { blocks, .. } => round_trips(blocks),
            Report::Extended { blocks, .. } => extended(blocks, bytes.len()),
            Report::Description { .. } | Report::Goodbye { .. } | Report::Other { .. } => {}
        }
    }
    reception.report(now);
    let totals = reception.totals();
    assert_eq!(totals.expected, totals.received + totals.lost);
}

fn round_trips(blocks: Blocks<'_>) {
    for block in blocks {
        let round_trip = block.round_trip(NtpTime(1 << 60));
        assert!(round_trip.is_none_or(|it| it <= Duration::from_secs(30)));
    }
}

/// Whatever is read of a block is written the same again.
fn extended(blocks: ExtendedBlocks<'_>, most: usize) {
    assert!(blocks.count() <= most / 4);
    for block in blocks {
        let mut again = Extended::default();
        match block {
            Block::ReferenceTime(time) => again.reference_time = Some(time),
            Block::LastReferences(mut answers) => {
                assert!(answers.count() <= most / 12);
                again.last_reference = answers.next();
                let round_trip = again
                    .last_reference
                    .and_then(|it| it.round_trip(NtpTime(1 << 60)));
                assert!(round_trip.is_none_or(|it| it <= Duration::from_secs(30)));
            }
            Block::Summary(summary) => again.summary = Some(summary),
            Block::VoipMetrics(voip) => again.voip = Some(voip),
            Block::Other { .. } => {}
        }
        written_and_read(again);
    }
}

fn written_and_read(extended: Extended) {
    let compound = Compound {
        ssrc: Ssrc(1),
        sender: None,
        block: None,
        cname: "fuzz",
        extended,
        bye: false,
    };
    let mut buffer = [0; Compound::MAX_LEN];
    let length = compound
        .write(&mut buffer)
        .expect("room for every compound");
    let mut read = Extended::default();
    for packet in Packets::of(&buffer[..length]) {
        if let Report::Extended { blocks, .. } = packet.expect("our own") {
            for block in blocks {
                match block {
                    Block::ReferenceTime(time) => read.reference_time = Some(time),
                    Block::LastReferences(mut answers) => read.last_reference = answers.next(),
                    Block::Summary(summary) => read.summary = Some(summary),
                    Block::VoipMetrics(voip) => read.voip = Some(voip),
                    Block::Other { .. } => panic!("a block of no type of ours"),
                }
            }
        }
    }
    assert_eq!(read, extended);
}

fn key() -> MasterKey {
    MasterKey(vec![7; 46])
}

fn open(suite: Suite, datagram: &[u8]) {
    let mut inbound = Inbound::new(suite, &key()).expect("a key that is long enough");
    let opened = inbound.unprotect_rtp(&mut datagram.to_vec());
    assert!(opened.is_err(), "a forged packet was believed");
    let opened = inbound.unprotect_rtcp(&mut datagram.to_vec());
    assert!(opened.is_err(), "a forged packet was believed");
    assert!(inbound.streams().is_empty(), "a forged packet left a trace");
}

fn protect_and_open(suite: Suite, datagram: &[u8]) {
    let mut outbound = Outbound::new(suite, &key()).expect("a key that is long enough");
    let mut inbound = Inbound::new(suite, &key()).expect("a key that is long enough");
    let mut buffer = [datagram, &[0; MAX_OVERHEAD]].concat();
    if let Ok(length) = outbound.protect_rtp(&mut buffer, datagram.len()) {
        let opened = inbound.unprotect_rtp(&mut buffer[..length]);
        assert_eq!(opened, Ok(datagram.len()));
        assert_eq!(&buffer[..datagram.len()], datagram);
    }
    let mut buffer = [datagram, &[0; MAX_OVERHEAD]].concat();
    if let Ok(length) = outbound.protect_rtcp(&mut buffer, datagram.len()) {
        let opened = inbound.unprotect_rtcp(&mut buffer[..length]);
        assert_eq!(opened, Ok(datagram.len()));
        assert_eq!(&buffer[..datagram.len()], datagram);
    }
}
