//! One-way audio: each cause as a peer brings it about, told while the call runs and summed at its end.

use std::time::Duration;

use wabridge::media::bridge::no_audio::{Missing, NoAudio, Way};
use wabridge::media::bridge::{Channel, Event};
use wabridge::sdp::{Agreement, Codec, CryptoPair, Direction, MasterKey, PayloadType, Protection};
use wabridge::side::Side;

use crate::world::{OPUS, PBX, Stream, World, ms, pbx, whatsapp};

const LOUD: [u8; 160] = [0x20; 160];
const DIGITAL_SILENCE: [u8; 160] = [0xff; 160];

/// What the bridge told of one way of one side.
fn told(world: &World, side: Side, way: Way) -> Vec<(u64, Option<NoAudio>)> {
    let news = world.audio_news.iter().filter_map(|(at, event)| {
        let (s, w, cause) = match *event {
            Event::NoAudio {
                side, way, cause, ..
            } => (side, way, Some(cause)),
            Event::AudioAgain { side, way, .. } => (side, way, None),
            _ => return None,
        };
        (s == side && w == way).then_some((at.as_secs(), cause))
    });
    news.collect()
}

fn missing(world: &World, side: Side) -> (Option<Missing>, Option<Missing>) {
    let report = world.bridge.report(world.now).sides;
    (report[side].missing_from, report[side].missing_to)
}

fn lasted(cause: NoAudio, seconds: u64) -> Option<Missing> {
    Some(Missing {
        cause,
        lasted: Duration::from_secs(seconds),
    })
}

/// The PBX says `payload` each 20 ms.
fn pbx_says(world: &mut World, stream: &mut Stream, seconds: std::ops::Range<u64>, payload: &[u8]) {
    for n in seconds.start * 50..seconds.end * 50 {
        world.pbx_sends(ms(n * 20), stream.packet(payload, 160));
    }
}

#[test]
fn both_are_heard_and_nothing_is_told() {
    let mut world = World::answered(Codec::Pcmu);
    pbx_says(&mut world, &mut Stream::pcmu(1), 0..21, &LOUD);
    let mut encoder =
        opus::Encoder::new(8_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let mut stream = Stream::new(3, OPUS);
    let mut packet = [0; 1_000];
    for (n, frame) in crate::sound::speech(21 * 8_000)
        .chunks_exact(160)
        .enumerate()
    {
        let len = encoder.encode(frame, &mut packet).unwrap();
        world.whatsapp_sends(ms(n as u64 * 20), stream.packet(&packet[..len], 960));
    }
    world.run(ms(21_000));
    assert_eq!(world.audio_news, []);
    assert_eq!(missing(&world, Side::A), (None, None));
    assert_eq!(missing(&world, Side::B), (None, None));
}

#[test]
fn nothing_ever_comes_and_then_it_does() {
    let mut world = World::answered(Codec::Pcmu);
    pbx_says(&mut world, &mut Stream::pcmu(1), 12..30, &LOUD);
    world.run(ms(30_000));
    let nothing = Some(NoAudio::NothingReceived);
    assert_eq!(told(&world, Side::B, Way::From), [(5, nothing), (15, None)]);
    assert_eq!(told(&world, Side::A, Way::From), [(5, nothing)]);
    assert_eq!(
        missing(&world, Side::B).0,
        lasted(NoAudio::NothingReceived, 10)
    );
    assert_eq!(
        missing(&world, Side::A).0,
        lasted(NoAudio::NothingReceived, 30)
    );
}

#[test]
fn wrong_key() {
    let mut world = World::new();
    let other_key = CryptoPair {
        receive: MasterKey(vec![9; 30]),
        ..whatsapp().protection.sdes().unwrap().clone()
    };
    world.agree(
        Side::A,
        Agreement {
            protection: Protection::Sdes(other_key),
            ..whatsapp()
        },
    );
    world.agree(Side::B, pbx(Codec::Pcmu));
    world.start();
    let mut stream = Stream::new(3, OPUS);
    for n in 0..300 {
        world.whatsapp_sends(ms(n * 20), stream.packet(&[0x08, 1, 2, 3], 960));
    }
    world.run(ms(6_000));
    let cause = Some(NoAudio::Authentication);
    assert_eq!(told(&world, Side::A, Way::From), [(5, cause)]);
}

/// Six seconds of datagrams at the PBX's side.
fn cause_of(
    from: ([u8; 4], u16),
    datagram: impl Fn(u16) -> Vec<u8>,
) -> Vec<(u64, Option<NoAudio>)> {
    let mut world = World::answered(Codec::Pcmu);
    for n in 0..300 {
        let at = ms(u64::from(n) * 20);
        world.arrives(at, Side::B, Channel::Rtp, from.into(), datagram(n));
    }
    world.run(ms(6_000));
    told(&world, Side::B, Way::From)
}

#[test]
fn wrong_source_wrong_payload_type_and_noise() {
    let rtp = |payload_type, sequence: u16| {
        let mut stream = Stream::new(1, PayloadType(payload_type));
        stream.sequence.0 = sequence;
        stream.packet(&LOUD, 160)
    };
    let elsewhere = ([10, 0, 0, 66], 9);
    // Nobody described it, and it proves nothing: its numbers are in no row.
    let wrong_source = cause_of(elsewhere, |n| rtp(0, n * 10));
    assert_eq!(wrong_source, [(5, Some(NoAudio::WrongSource))]);
    let unknown = cause_of(PBX, |n| rtp(18, n));
    assert_eq!(unknown, [(5, Some(NoAudio::UnknownPayloadType))]);
    let noise = cause_of(PBX, |_| vec![0x10; 50]);
    assert_eq!(noise, [(5, Some(NoAudio::NotRtp))]);
}

#[test]
fn muted_party_in_either_codec() {
    let mut world = World::answered(Codec::Pcmu);
    pbx_says(&mut world, &mut Stream::pcmu(1), 0..16, &DIGITAL_SILENCE);
    let mut encoder =
        opus::Encoder::new(8_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let mut stream = Stream::new(3, OPUS);
    let mut packet = [0; 1_000];
    for n in 0..800 {
        let len = encoder.encode(&[0; 160], &mut packet).unwrap();
        world.whatsapp_sends(ms(n * 20), stream.packet(&packet[..len], 960));
    }
    world.run(ms(16_000));
    let cause = Some(NoAudio::Silence);
    assert_eq!(told(&world, Side::B, Way::From), [(10, cause)]);
    assert_eq!(told(&world, Side::A, Way::From), [(10, cause)]);
    assert_eq!(missing(&world, Side::B).0, lasted(NoAudio::Silence, 15));
}

#[test]
fn hold_is_named_and_ends() {
    let mut world = World::answered(Codec::Pcmu);
    let mut stream = Stream::pcmu(1);
    pbx_says(&mut world, &mut stream, 0..5, &LOUD);
    world.run(ms(5_000));
    world.agree(
        Side::B,
        Agreement {
            direction: Direction::Inactive,
            ..pbx(Codec::Pcmu)
        },
    );
    world.run(ms(20_000));
    world.agree(Side::B, pbx(Codec::Pcmu));
    pbx_says(&mut world, &mut stream, 20..26, &LOUD);
    world.run(ms(26_000));
    let hold = Some(NoAudio::Hold);
    for way in [Way::From, Way::To] {
        assert_eq!(told(&world, Side::B, way), [(10, hold), (25, None)]);
    }
    assert_eq!(missing(&world, Side::B).0, lasted(NoAudio::Hold, 15));
}

#[test]
fn peer_without_address() {
    let mut world = World::new();
    world.agree(Side::A, whatsapp());
    world.agree(
        Side::B,
        Agreement {
            remote_rtp: None,
            remote_rtcp: None,
            ..pbx(Codec::Pcmu)
        },
    );
    world.start();
    world.run(ms(6_000));
    let cause = Some(NoAudio::NoAddress);
    assert_eq!(told(&world, Side::B, Way::To), [(5, cause)]);
    assert_eq!(told(&world, Side::A, Way::To), []);
}
