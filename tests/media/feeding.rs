//! What WhatsApp is sent never stops, jumps or changes its source, and stays close to the present, whatever the PBX does.

use proptest::prelude::*;
use std::time::Duration;

use wabridge::media::g711::Law;
use wabridge::sdp::{Codec, Direction, PayloadType};
use wabridge::side::Side;

use crate::sound::{envelope, likeness, speech};
use crate::world::{Heard, OUR_SSRC, Stream, World, ms, pbx};

/// The longest time without a packet after a burst: the margin's limit and one slot.
const AFTER_BURST: Duration = Duration::from_millis(100);
/// The same on a steady network: twice the cushion, a slot and the PBX's own packet time come first.
const STEADY: Duration = Duration::from_millis(80);

fn pcmu(samples: &[i16]) -> Vec<u8> {
    let mut codes = vec![0; samples.len()];
    Law::Mu.encode(samples, &mut codes);
    codes
}

/// The PBX speaks from `start` on, in packets of `packet` samples, the nth late by `late(n)`.
pub fn pbx_speaks(
    world: &mut World,
    stream: &mut Stream,
    start: Duration,
    sound: &[i16],
    packet: usize,
    late: impl Fn(usize) -> Duration,
) {
    for (n, samples) in sound.chunks_exact(packet).enumerate() {
        let at = start + Duration::from_micros(125) * (n * packet) as u32 + late(n);
        let datagram = stream.packet(&pcmu(samples), packet as u32);
        world.pbx_sends(at, datagram);
    }
}

/// What WhatsApp's user hears.
pub fn decoded(heard: &[Heard]) -> Vec<i16> {
    let mut decoder = opus::Decoder::new(8000, opus::Channels::Mono).unwrap();
    let mut sound = Vec::new();
    for packet in heard {
        let mut samples = [0; 960];
        let count = decoder
            .decode(&packet.payload, &mut samples, false)
            .unwrap();
        sound.extend_from_slice(&samples[..count]);
    }
    sound
}

#[test]
fn silent_pbx() {
    let mut world = World::answered(Codec::Pcmu);
    world.run(ms(10_000));
    world.assert_whatsapp_is_fed(ms(20));
    assert_eq!(world.heard.a.len(), 501);
    assert!(world.heard.b.is_empty());
    let loud = decoded(&world.heard.a)
        .into_iter()
        .map(i16::unsigned_abs)
        .max();
    assert!(loud < Some(20), "{loud:?}");
}

#[test]
fn speech_keeps_its_envelope_whatever_the_packet_time() {
    let sound = speech(5 * 8000);
    for packet in [80, 160, 240, 320, 480] {
        let mut world = World::answered(Codec::Pcmu);
        pbx_speaks(
            &mut world,
            &mut Stream::pcmu(1),
            ms(500),
            &sound,
            packet,
            |_| Duration::ZERO,
        );
        world.run(ms(6_000));
        world.assert_whatsapp_is_fed(STEADY);
        let heard = envelope(&decoded(&world.heard.a));
        let like = likeness(&envelope(&sound), &heard, 40);
        assert!(like > 0.97, "{packet} samples a packet: {like}");
    }
}

#[test]
fn jitter_and_stalls_leave_no_mark_and_no_delay() {
    let sound = speech(20 * 8000);
    let mut world = World::answered(Codec::Pcmu);
    let late = |n| match n {
        300..350 => ms((350 - n as u64) * 20),
        n => ms((n as u64 * 7919) % 17),
    };
    pbx_speaks(&mut world, &mut Stream::pcmu(1), ms(100), &sound, 160, late);
    world.run(ms(20_000));
    world.assert_whatsapp_is_fed(AFTER_BURST);
    let late_sound = envelope(&sound[14 * 8000..19 * 8000]);
    let first = world
        .heard
        .a
        .iter()
        .position(|h| h.at >= ms(14_100))
        .unwrap();
    let heard = envelope(&decoded(&world.heard.a[first - 100..])[100 * 160..]);
    let like = likeness(&late_sound, &heard, 4);
    assert!(like > 0.95, "within 80 ms: {like}");
}

#[test]
fn hold_without_and_with_music() {
    let mut world = World::answered(Codec::Pcmu);
    let mut stream = Stream::pcmu(1);
    pbx_speaks(
        &mut world,
        &mut stream,
        ms(100),
        &speech(16_000),
        160,
        |_| Duration::ZERO,
    );
    world.run(ms(2_000));
    let sent = world.heard.b.len();
    world.agree(
        Side::B,
        wabridge::sdp::Agreement {
            direction: Direction::Inactive,
            ..pbx(Codec::Pcmu)
        },
    );
    world.run(ms(4_000));
    assert_eq!(world.heard.b.len(), sent);
    world.agree(
        Side::B,
        wabridge::sdp::Agreement {
            direction: Direction::RecvOnly,
            ..pbx(Codec::Pcmu)
        },
    );
    stream.timestamp = stream.timestamp.plus(16_000);
    let music = speech(16_000);
    pbx_speaks(&mut world, &mut stream, ms(4_000), &music, 160, |_| {
        Duration::ZERO
    });
    world.run(ms(6_100));
    world.assert_whatsapp_is_fed(STEADY);
    let first = world
        .heard
        .a
        .iter()
        .position(|h| h.at >= ms(4_000))
        .unwrap();
    let heard = envelope(&decoded(&world.heard.a[first..]));
    assert!(likeness(&envelope(&music), &heard, 4) > 0.95);
}

#[test]
fn another_ssrc_codec_and_address_of_the_pbx() {
    let mut world = World::answered(Codec::Pcmu);
    let sound = speech(8_000);
    pbx_speaks(&mut world, &mut Stream::pcmu(1), ms(0), &sound, 160, |_| {
        Duration::ZERO
    });
    world.run(ms(1_000));
    let mut other = Stream::pcmu(999);
    for (n, frame) in sound.chunks_exact(160).enumerate() {
        let datagram = other.packet(&pcmu(frame), 160);
        world.pbx_sends(ms(1_000 + 20 * n as u64), datagram);
    }
    world.run(ms(2_000));
    let mut agreement = pbx(Codec::Pcma);
    agreement.remote_rtp = Some(([10, 0, 0, 6], 20_000).into());
    world.agree(Side::B, agreement);
    let mut third = Stream::new(5, PayloadType(8));
    for n in 0..50 {
        let datagram = third.packet(&[0x55; 160], 160);
        let from = ([10, 0, 0, 6], 20_000).into();
        let channel = wabridge::media::bridge::Channel::Rtp;
        world.arrives(ms(2_000 + 20 * n), Side::B, channel, from, datagram);
    }
    world.run(ms(3_000));
    world.assert_whatsapp_is_fed(STEADY);
    let report = world.bridge.report(world.now);
    assert_eq!(report.sides.b.packets_received, 150);
    assert_eq!(report.sides.b.packets_lost, 0);
}

#[test]
fn pbx_stream_goes_on_in_another_clock() {
    let mut world = World::answered(Codec::Pcmu);
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let mut caller = Stream::new(3, crate::world::OPUS);
    for n in 0..100 {
        let mut packet = [0; 400];
        let len = encoder.encode(&[1000; 960], &mut packet).unwrap();
        let datagram = caller.packet(&packet[..len], 960);
        world.whatsapp_sends(ms(20 * n), datagram);
    }
    world.run(ms(990));
    world.agree(Side::B, pbx(Codec::Opus));
    world.run(ms(2_000));
    let heard = &world.heard.b;
    assert_eq!(heard.len(), 100);
    for (n, pair) in heard.windows(2).enumerate() {
        let (one, next) = (pair[0].header, pair[1].header);
        assert_eq!(next.ssrc, OUR_SSRC.b);
        assert_eq!(next.sequence.ahead_of(one.sequence), 1);
        let step = if n < 50 { 160 } else { 960 };
        assert_eq!(next.timestamp.ahead_of(one.timestamp), step, "packet {n}");
        assert_eq!(next.marker, n == 49, "packet {n}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    /// Loss, jitter, reordering and duplication of the PBX's packets never show in WhatsApp's rows.
    #[test]
    fn any_network(packets in prop::collection::vec((0u64..120, 0u8..100), 200)) {
        let mut world = World::answered(Codec::Pcmu);
        let mut stream = Stream::pcmu(1);
        for (n, (late, luck)) in packets.into_iter().enumerate() {
            let datagram = stream.packet(&[0x23; 160], 160);
            let at = ms(20 * n as u64 + late);
            match luck {
                0..10 => continue,
                10..20 => world.pbx_sends(at + ms(3), datagram.clone()),
                _ => {}
            }
            world.pbx_sends(at, datagram);
        }
        world.run(ms(5_000));
        world.assert_whatsapp_is_fed(AFTER_BURST);
    }
}
