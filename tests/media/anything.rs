//! Whatever comes in, in whatever order: no panic, and WhatsApp's rows stay whole.

use proptest::prelude::*;
use std::time::Duration;

use wabridge::media::bridge::{Channel, Command};
use wabridge::media::rtcp::Packets;
use wabridge::media::rtp::{Header, RtpTime, SequenceNumber};
use wabridge::sdp::{
    Agreement, Codec, Direction, ExtendedReports, PayloadType, RoundTripMode, Ssrc, SummaryParts,
};
use wabridge::side::Side;

use crate::world::{PBX, WHATSAPP, World, pbx, whatsapp};

#[derive(Clone, Debug)]
enum Step {
    Wait(u16),
    Bytes(Side, Channel, bool, Vec<u8>),
    Packet {
        payload_type: u8,
        sequence: u16,
        timestamp: u32,
        ssrc: u8,
        payload: Vec<u8>,
    },
    FromWhatsApp(u8, u16, u32, Vec<u8>),
    /// The PBX's RTCP, with extended reports made of this.
    Extended(Vec<u8>),
    Hold(Direction),
    Change(Codec),
    Digit(Side, u8, u16),
    StartAgain(Side),
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::A), Just(Side::B)]
}

fn channel() -> impl Strategy<Value = Channel> {
    prop_oneof![Just(Channel::Rtp), Just(Channel::Rtcp)]
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

fn payload_type() -> impl Strategy<Value = u8> {
    prop_oneof![
        Just(0u8),
        Just(8),
        Just(101),
        Just(107),
        Just(111),
        Just(126),
        0u8..128
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let direction = prop_oneof![
        Just(Direction::SendRecv),
        Just(Direction::SendOnly),
        Just(Direction::RecvOnly),
        Just(Direction::Inactive)
    ];
    let codec = prop_oneof![Just(Codec::Opus), Just(Codec::Pcmu), Just(Codec::Pcma)];
    prop_oneof![
        4 => (0u16..120).prop_map(Step::Wait),
        1 => (side(), channel(), any::<bool>(), bytes(80))
            .prop_map(|(side, channel, known, bytes)| Step::Bytes(side, channel, known, bytes)),
        8 => (payload_type(), 0u16..300, any::<u32>(), 0u8..3, bytes(300)).prop_map(
            |(payload_type, sequence, timestamp, ssrc, payload)| Step::Packet {
                payload_type, sequence, timestamp, ssrc, payload
            }
        ),
        4 => (payload_type(), 0u16..300, any::<u32>(), bytes(300))
            .prop_map(|(pt, step, timestamp, payload)| Step::FromWhatsApp(pt, step, timestamp, payload)),
        1 => bytes(120).prop_map(Step::Extended),
        1 => direction.prop_map(Step::Hold),
        1 => codec.prop_map(Step::Change),
        1 => (side(), any::<u8>(), 0u16..3000).prop_map(|(s, d, ms)| Step::Digit(s, d, ms)),
        1 => side().prop_map(Step::StartAgain),
    ]
}

/// A packet and the numbers it is made of.
fn packet(pt: u8, sequence: u16, timestamp: u32, ssrc: u8, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        marker: timestamp.is_multiple_of(2),
        payload_type: PayloadType(pt),
        sequence: SequenceNumber(sequence),
        timestamp: RtpTime(timestamp),
        ssrc: Ssrc(ssrc.into()),
    };
    [&header.to_bytes(), payload].concat()
}

/// Extended reports: blocks of the types that there are, in place of half of the others.
fn extended(mut blocks: Vec<u8>) -> Vec<u8> {
    blocks.resize(blocks.len().next_multiple_of(4), 0);
    if let Some([kind, _, high, low]) = blocks.first_chunk_mut() {
        *kind %= 9;
        *high = 0;
        *low %= 12;
    }
    let words = (blocks.len() / 4 + 1) as u8;
    let header = [0x80, 201, 0, 1, 0, 0, 0, 5, 0x80, 207, 0, words, 0, 0, 0, 5];
    [&header[..], &blocks].concat()
}

/// With all of them agreed on.
fn agreed(codec: Codec) -> Agreement {
    let extended_reports = ExtendedReports {
        receiver_round_trip: Some(RoundTripMode::All),
        summary: Some(SummaryParts {
            loss: true,
            duplicates: true,
            jitter: true,
        }),
        voip_metrics: true,
    };
    Agreement {
        extended_reports,
        ..pbx(codec)
    }
}

fn play(steps: Vec<Step>) -> World {
    let mut world = World::answered(Codec::Pcmu);
    world.agree(Side::B, agreed(Codec::Pcmu));
    let mut codec = Codec::Pcmu;
    let mut at = Duration::ZERO;
    let mut whatsapp_sequence = 0u16;
    for step in steps {
        world.run(at);
        match step {
            Step::Wait(millis) => at += Duration::from_millis(millis.into()),
            Step::Bytes(side, channel, known, bytes) => {
                let from = match (known, side) {
                    (true, Side::A) => WHATSAPP.into(),
                    (true, Side::B) => PBX.into(),
                    (false, _) => ([1, 2, 3, 4], 5).into(),
                };
                world.arrives(at, side, channel, from, bytes);
            }
            Step::Packet {
                payload_type,
                sequence,
                timestamp,
                ssrc,
                payload,
            } => {
                let datagram = packet(payload_type, sequence, timestamp, ssrc, &payload);
                world.pbx_sends(at, datagram);
            }
            Step::FromWhatsApp(pt, step, timestamp, payload) => {
                // A sender never goes back: SRTP forbids it.
                whatsapp_sequence = whatsapp_sequence.saturating_add(step.max(1));
                let datagram = packet(pt, whatsapp_sequence, timestamp, 3, &payload);
                if whatsapp_sequence < 60_000 {
                    world.whatsapp_sends(at, datagram);
                }
            }
            Step::Extended(blocks) => {
                let from = (PBX.0, PBX.1 + 1).into();
                world.arrives(at, Side::B, Channel::Rtcp, from, extended(blocks));
            }
            Step::Hold(direction) => world.agree(
                Side::B,
                Agreement {
                    direction,
                    ..agreed(codec)
                },
            ),
            Step::Change(to) => {
                codec = to;
                world.agree(Side::B, agreed(codec));
            }
            Step::Digit(side, digit, millis) => world.command(Command::Dtmf {
                side,
                digit,
                duration: Duration::from_millis(millis.into()),
            }),
            Step::StartAgain(side) => world.command(Command::Start { side }),
        }
    }
    world.agree(Side::A, whatsapp());
    world.run(at + Duration::from_millis(500));
    world
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..150)
}

fn holds(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let world = play(steps);
    world.assert_whatsapp_rows_are_whole();
    let report = world.bridge.report(world.now);
    prop_assert_eq!(report.sides.a.packets_sent, world.heard.a.len() as u64);
    prop_assert_eq!(report.sides.b.packets_sent, world.heard.b.len() as u64);
    for (_, bytes) in &world.rtcp.b {
        prop_assert!(Packets::of(bytes).all(|packet| packet.is_ok()));
    }
    if let Some(heard) = report.sides.b.heard_by_peer {
        let opinions = [heard.mos_listening, heard.mos_conversation];
        prop_assert!(heard.r_factor.is_none_or(|r| r <= 100));
        for opinion in opinions.into_iter().flatten() {
            prop_assert!((1.0..=5.0).contains(&opinion));
        }
    }
    Ok(())
}

/// The same for what a fuzzer chooses: four bytes a step, and those that a step carries.
pub fn holds_of_bytes(mut bytes: &[u8]) {
    let mut steps = vec![];
    while let Some((&[kind, which, low, high], rest)) = bytes.split_first_chunk() {
        let (carried, rest) = rest.split_at(rest.len().min(usize::from(high) % 64));
        bytes = rest;
        steps.push(chosen(kind, which, [low, high], carried.to_vec()));
        if steps.len() == 150 {
            break;
        }
    }
    holds(steps).expect("what must hold");
}

fn chosen(kind: u8, which: u8, number: [u8; 2], carried: Vec<u8>) -> Step {
    let number = u16::from_be_bytes(number);
    let side = [Side::A, Side::B][usize::from(which % 2)];
    let channel = [Channel::Rtp, Channel::Rtcp][usize::from(which / 2 % 2)];
    let payload_type = [0, 8, 101, 107, 111, 126, which % 128][usize::from(which) % 7];
    match kind % 11 {
        0 | 1 => Step::Wait(number % 120),
        2 => Step::Bytes(side, channel, which < 200, carried),
        3..6 => Step::Packet {
            payload_type,
            sequence: number % 300,
            timestamp: u32::from(number) << (which % 16),
            ssrc: kind / 64,
            payload: carried,
        },
        6 | 7 => Step::FromWhatsApp(payload_type, number % 300, u32::from(number) * 160, carried),
        8 => Step::Extended(carried),
        9 => Step::Digit(side, which, number % 3000),
        _ => match which % 8 {
            0 => Step::Hold(Direction::SendRecv),
            1 => Step::Hold(Direction::SendOnly),
            2 => Step::Hold(Direction::RecvOnly),
            3 => Step::Hold(Direction::Inactive),
            4 => Step::Change(Codec::Opus),
            5 => Step::Change(Codec::Pcmu),
            6 => Step::Change(Codec::Pcma),
            _ => Step::StartAgain(side),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn no_panic_and_whole_rows(steps in steps()) {
        holds(steps)?;
    }
}

#[test]
fn bytes_are_steps_too() {
    holds_of_bytes(b"a fuzzer's input");
}
