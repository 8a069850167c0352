//! Digits cross as RFC 4733 events, both ways, under loss, and never as sound beside it.

use proptest::prelude::*;
use std::time::Duration;

use wabridge::media::bridge::{Command, Event};
use wabridge::media::event_in::{EventReceiver, Heard as Digit, digit_of};
use wabridge::media::rtp::RtpTime;
use wabridge::sdp::{Agreement, Codec, PayloadType};
use wabridge::side::Side;

use crate::world::{EVENT_A, EVENT_B, Heard, OPUS, Stream, World, ms, pbx};

/// A key pressed for 100 ms as WhatsApp sends it: audio timestamps of 48 kHz, durations of 8 kHz.
const WHATSAPP_STEP: u32 = 960;
const PBX_STEP: u32 = 160;

fn payload(event: u8, end: bool, duration: u16) -> [u8; 4] {
    let [d0, d1] = duration.to_be_bytes();
    [event, u8::from(end) << 7 | 10, d0, d1]
}

/// The packets of one key press: five updates and three ends, 20 ms apart.
fn press(stream: &mut Stream, payload_type: PayloadType, event: u8, step: u32) -> Vec<Vec<u8>> {
    let begun = stream.timestamp;
    let durations = [160, 320, 480, 640, 800].map(|d| (false, d));
    let ends = [(true, 800); 3];
    let packets = durations
        .into_iter()
        .chain(ends)
        .map(|(end, duration)| stream.at(payload_type, begun, &payload(event, end, duration)))
        .collect();
    stream.timestamp = begun.plus(8 * step);
    packets
}

/// Digits that a peer makes of what it was sent.
fn digits(heard: &[Heard], payload_type: PayloadType) -> Vec<u8> {
    let mut receiver = EventReceiver::default();
    let mut digits = Vec::new();
    for packet in heard
        .iter()
        .filter(|h| h.header.payload_type == payload_type)
    {
        let now = std::time::Instant::now();
        let said = receiver.handle_packet(now, packet.header.timestamp, &packet.payload, 8000);
        for digit in said.into_iter().flatten() {
            if let Digit::Ended { digit, .. } = digit {
                digits.push(digit);
            }
        }
    }
    digits
}

fn told(world: &World) -> Vec<u8> {
    let digit = |event: &Event| match event {
        Event::Dtmf { digit, .. } => Some(*digit),
        Event::FirstMedia { .. }
        | Event::IceConnected { .. }
        | Event::DtlsConnected { .. }
        | Event::NotConnected { .. }
        | Event::Starved { .. }
        | Event::NoAudio { .. }
        | Event::AudioAgain { .. } => None,
    };
    world.events.iter().filter_map(digit).collect()
}

/// WhatsApp's user types `events`, one key in 400 ms, while the microphone is open.
fn whatsapp_types(world: &mut World, events: &[u8], lost: impl Fn(usize) -> bool) {
    let mut stream = Stream::new(3, OPUS);
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let mut sent = 0;
    let mut at = ms(0);
    let mut send = |world: &mut World, packet: Vec<u8>| {
        if !lost(sent) {
            world.whatsapp_sends(at, packet);
        }
        sent += 1;
        at += ms(20);
    };
    for event in events {
        for _ in 0..12 {
            let mut audio = [0; 400];
            let len = encoder.encode(&[300; 960], &mut audio).unwrap();
            let packet = stream.packet(&audio[..len], WHATSAPP_STEP);
            send(world, packet);
        }
        for packet in press(&mut stream, EVENT_A, *event, WHATSAPP_STEP) {
            send(world, packet);
        }
    }
}

#[test]
fn from_whatsapp_to_the_pbx() {
    let mut world = World::answered(Codec::Pcmu);
    let typed: Vec<u8> = (0..16).collect();
    whatsapp_types(&mut world, &typed, |_| false);
    world.run(ms(8_000));
    let expected: Vec<u8> = typed.iter().filter_map(|event| digit_of(*event)).collect();
    assert_eq!(digits(&world.heard.b, EVENT_B), expected);
    assert_eq!(told(&world), expected);
    for pair in world.heard.b.windows(2) {
        let (one, next) = (pair[0].header, pair[1].header);
        assert_eq!(next.sequence.ahead_of(one.sequence), 1);
    }
    let report = world.bridge.report(world.now).sides;
    assert_eq!((report.a.dtmf_received, report.b.dtmf_sent), (16, 16));
}

#[test]
fn from_the_pbx_to_whatsapp_in_its_clocks() {
    let mut world = World::answered(Codec::Pcmu);
    let mut stream = Stream::pcmu(1);
    stream.timestamp = RtpTime(77_000);
    for (n, packet) in press(&mut stream, EVENT_B, 5, PBX_STEP)
        .into_iter()
        .enumerate()
    {
        world.pbx_sends(ms(500 + 20 * n as u64), packet);
    }
    world.run(ms(1_500));
    world.assert_whatsapp_is_fed(ms(40));
    let events: Vec<&Heard> = world
        .heard
        .a
        .iter()
        .filter(|h| h.header.payload_type == EVENT_A)
        .collect();
    let begun = events[0].header.timestamp;
    assert!(events[0].header.marker);
    assert!(events.iter().all(|h| h.header.timestamp == begun));
    let durations: Vec<u16> = events
        .iter()
        .map(|h| u16::from_be_bytes([h.payload[2], h.payload[3]]))
        .collect();
    assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800, 800]);
    assert_eq!(digits(&world.heard.a, EVENT_A), *b"5");
}

#[test]
fn commanded_digits_are_played_in_a_row() {
    let mut world = World::answered(Codec::Pcmu);
    world.run(ms(500));
    for digit in *b"1234#" {
        world.command(Command::Dtmf {
            side: Side::A,
            digit,
            duration: ms(100),
        });
        world.command(Command::Dtmf {
            side: Side::B,
            digit,
            duration: ms(100),
        });
    }
    world.run(ms(3_000));
    world.assert_whatsapp_is_fed(ms(40));
    assert_eq!(digits(&world.heard.a, EVENT_A), *b"1234#");
    assert_eq!(digits(&world.heard.b, EVENT_B), *b"1234#");
}

#[test]
fn without_events_there_the_call_room_hears_them_and_the_pbx_no_sound() {
    let mut world = World::answered(Codec::Pcmu);
    let deaf = Agreement {
        telephone_event: None,
        ..pbx(Codec::Pcmu)
    };
    world.agree(Side::B, deaf);
    whatsapp_types(&mut world, &[1, 2, 3], |_| false);
    world.run(ms(2_000));
    assert_eq!(told(&world), *b"123");
    assert!(
        world
            .heard
            .b
            .iter()
            .all(|h| h.header.payload_type == PayloadType(0))
    );
    assert_eq!(world.heard.b.len(), 36);
}

#[test]
fn sound_beside_a_key_does_not_cross() {
    let mut world = World::answered(Codec::Pcmu);
    let mut stream = Stream::pcmu(1);
    let begun = stream.timestamp;
    for n in 0..25u64 {
        let at = ms(500 + 20 * n);
        let event = payload(7, n >= 22, (n as u16 + 1) * 160);
        world.pbx_sends(at, stream.at(EVENT_B, begun, &event));
        let tone = stream.packet(&[0x00; 160], 160);
        world.pbx_sends(at, tone);
    }
    world.run(ms(960));
    let sound = |h: &&Heard| h.header.payload_type == OPUS && h.at > ms(500);
    assert_eq!(world.heard.a.iter().filter(sound).count(), 0);
    world.run(ms(2_000));
    assert_eq!(digits(&world.heard.a, EVENT_A), *b"7");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    /// Of eight packets a digit any seven may be lost.
    #[test]
    fn every_digit_of_which_one_packet_comes(
        typed in prop::collection::vec((0u8..12, 1u8..=255), 1..12),
    ) {
        let mut world = World::answered(Codec::Pcmu);
        let events: Vec<u8> = typed.iter().map(|(event, _)| *event).collect();
        whatsapp_types(&mut world, &events, |n| {
            let (digit, packet) = (n / 20, n % 20);
            packet >= 12 && typed[digit].1 >> (packet - 12) & 1 == 0
        });
        world.run(Duration::from_secs(8));
        let expected: Vec<u8> = events.iter().filter_map(|event| digit_of(*event)).collect();
        prop_assert_eq!(told(&world), expected.clone());
        prop_assert_eq!(digits(&world.heard.b, EVENT_B), expected);
    }
}
