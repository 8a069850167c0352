//! What the PBX is sent of a WhatsApp user: the same speech, in G.711, over losses, and nothing of an attacker.

use wabridge::media::bridge::{Channel, Command, Event, Habits};
use wabridge::media::g711::Law;
use wabridge::media::gain::{Decibels, Levels};
use wabridge::media::rtp::Kind;
use wabridge::media::source::RELEARN_AFTER;
use wabridge::sdp::{Agreement, Codec};
use wabridge::side::Side;

use crate::sound::{envelope, likeness, speech};
use crate::world::{
    Heard, OPUS, OUR_SSRC, PBX, Stream, WHATSAPP, World, habits, ms, pbx, whatsapp,
};

const ATTACKER: ([u8; 4], u16) = ([203, 0, 113, 66], 6_666);

/// WhatsApp's user says `sound`; a packet holds `frame_ms`. The nth packet arrives so late, or never.
fn whatsapp_speaks(
    world: &mut World,
    sound: &[i16],
    frame_ms: usize,
    late: impl Fn(usize) -> Option<u64>,
) {
    let mut encoder =
        opus::Encoder::new(8_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(20_000)).unwrap();
    encoder.set_inband_fec(true).unwrap();
    encoder.set_packet_loss_perc(15).unwrap();
    let mut stream = Stream::new(3, OPUS);
    for (n, samples) in sound.chunks_exact(8 * frame_ms).enumerate() {
        let mut payload = [0; 1_000];
        let len = encoder.encode(samples, &mut payload).unwrap();
        let datagram = stream.packet(&payload[..len], 48 * frame_ms as u32);
        if let Some(late) = late(n) {
            world.whatsapp_sends(ms((n * frame_ms) as u64 + late), datagram);
        }
    }
}

/// By its timestamps, silence where nothing came.
fn played(heard: &[Heard], law: Law) -> Vec<i16> {
    let first = heard.first().unwrap().header.timestamp;
    let mut sound = Vec::new();
    for packet in heard {
        let at = packet.header.timestamp.ahead_of(first) as usize;
        sound.resize(at + packet.payload.len(), 0);
        law.decode(&packet.payload, &mut sound[at..]);
    }
    sound
}

fn likeness_at_pbx(world: &World, sound: &[i16], law: Law) -> f64 {
    let heard = envelope(&played(&world.heard.b, law));
    likeness(&envelope(sound), &heard, 3)
}

#[test]
fn speech_in_every_packet_time_and_both_laws() {
    let sound = speech(4 * 8000);
    for (frame_ms, codec, law) in [
        (10, Codec::Pcmu, Law::Mu),
        (20, Codec::Pcma, Law::A),
        (40, Codec::Pcmu, Law::Mu),
        (60, Codec::Pcma, Law::A),
    ] {
        let mut world = World::answered(codec);
        whatsapp_speaks(&mut world, &sound, frame_ms, |_| Some(0));
        world.run(ms(5_000));
        assert!(world.heard.b.iter().all(|heard| heard.payload.len() == 160));
        let like = likeness_at_pbx(&world, &sound, law);
        assert!(like > 0.97, "{frame_ms} ms: {like}");
    }
}

#[test]
fn louder_or_softer_by_so_many_decibels() {
    let sound = speech(3 * 8000);
    let loudness = |gain_from, gain_to| {
        let with = |from, to| Habits {
            gain_from: Decibels(from),
            gain_to: Decibels(to),
            ..habits(false)
        };
        // The other two levels belong to the other direction.
        let mut world = World::with(with(gain_from, 9), with(9, gain_to));
        world.agree(Side::A, whatsapp());
        world.agree(Side::B, pbx(Codec::Pcmu));
        world.start();
        whatsapp_speaks(&mut world, &sound, 20, |_| Some(0));
        world.run(ms(3_500));
        let heard = envelope(&played(&world.heard.b, Law::Mu));
        assert!(likeness(&envelope(&sound), &heard, 3) > 0.97);
        heard.iter().map(|frame| frame.powi(2)).sum::<f64>()
    };
    let plain = loudness(0, 0);
    for (from, to, decibels) in [(-6, 0, -6.0), (0, -10, -10.0), (-12, 6, -6.0), (4, 2, 6.0)] {
        let measured = 10.0 * (loudness(from, to) / plain).log10();
        assert!((measured - decibels).abs() < 0.7, "{from} {to}: {measured}");
    }
}

/// Another PBX answers, or takes the call over, and has levels of its own: from its first frame on.
#[test]
fn levels_change_with_who_is_there() {
    let sound = speech(6 * 8000);
    let mut world = World::answered(Codec::Pcmu);
    whatsapp_speaks(&mut world, &sound, 20, |_| Some(0));
    let energy = |world: &World| {
        let heard = envelope(&played(&world.heard.b, Law::Mu));
        heard.iter().map(|frame| frame.powi(2)).collect::<Vec<_>>()
    };
    let mut plain = World::answered(Codec::Pcmu);
    whatsapp_speaks(&mut plain, &sound, 20, |_| Some(0));
    plain.run(ms(6_000));
    world.run(ms(3_000));
    world.command(Command::Level {
        side: Side::B,
        levels: Levels {
            from: Decibels(9),
            to: Decibels(-6),
        },
    });
    world.run(ms(6_000));
    let (changed, plain) = (energy(&world), energy(&plain));
    let ratio = |frames: std::ops::Range<usize>| {
        let sum = |energy: &[f64]| energy[frames.clone()].iter().sum::<f64>();
        10.0 * (sum(&changed) / sum(&plain)).log10()
    };
    assert!(ratio(0..145).abs() < 0.1);
    assert!((ratio(155..290) + 6.0).abs() < 0.3, "{}", ratio(155..290));
}

#[test]
fn single_losses_are_recovered() {
    let sound = speech(8 * 8000);
    let mut world = World::answered(Codec::Pcmu);
    whatsapp_speaks(&mut world, &sound, 20, |n| (n % 10 != 9).then_some(0));
    world.run(ms(9_000));
    let report = world.bridge.report(world.now).sides.a;
    assert_eq!(report.packets_lost, 39);
    assert!(report.frames_recovered >= 20, "{report:?}");
    assert_eq!(report.frames_recovered + report.frames_concealed, 39);
    assert!(likeness_at_pbx(&world, &sound, Law::Mu) > 0.97);
    let steps = world.heard.b.windows(2).map(|pair| {
        let (one, next) = (pair[0].header, pair[1].header);
        assert_eq!(next.sequence.ahead_of(one.sequence), 1);
        next.timestamp.ahead_of(one.timestamp)
    });
    assert!(steps.into_iter().all(|step| step == 160));
}

#[test]
fn reordering_is_put_right_and_duplicates_are_dropped() {
    let sound = speech(4 * 8000);
    let mut world = World::answered(Codec::Pcmu);
    whatsapp_speaks(&mut world, &sound, 20, |n| {
        Some(if n % 7 == 3 { 30 } else { 0 })
    });
    world.run(ms(5_000));
    let report = world.bridge.report(world.now).sides.a;
    assert_eq!((report.packets_lost, report.packets_late), (0, 0));
    assert!(report.packets_reordered >= 28);
    assert_eq!(report.frames_concealed, 0);
    assert!(likeness_at_pbx(&world, &sound, Law::Mu) > 0.97);
}

#[test]
fn long_hole_is_concealed_for_100_ms_and_then_skipped() {
    let sound = speech(4 * 8000);
    let mut world = World::answered(Codec::Pcmu);
    whatsapp_speaks(&mut world, &sound, 20, |n| {
        (!(60..90).contains(&n)).then_some(0)
    });
    world.run(ms(5_000));
    let report = world.bridge.report(world.now).sides.a;
    assert_eq!((report.packets_lost, report.frames_concealed), (30, 5));
    let skips: Vec<i32> = world
        .heard
        .b
        .windows(2)
        .map(|pair| pair[1].header.timestamp.ahead_of(pair[0].header.timestamp))
        .filter(|step| *step != 160)
        .collect();
    assert_eq!(skips, [160 * 26]);
    assert_eq!(world.heard.b.iter().filter(|h| h.header.marker).count(), 2);
}

#[test]
fn injected_packets_change_nothing() {
    let sound = speech(4 * 8000);
    let run = |attacked: bool| {
        let mut world = World::answered(Codec::Pcmu);
        whatsapp_speaks(&mut world, &sound, 20, |_| Some(0));
        let mut pbx = Stream::pcmu(1);
        let mut forged = Stream::pcmu(1);
        for n in 0..200 {
            let datagram = pbx.packet(&[0x20; 160], 160);
            world.pbx_sends(ms(20 * n), datagram);
            let datagram = forged.packet(&[0x01; 160], 160);
            if attacked && n > 0 {
                let at = ms(20 * n + 1);
                world.arrives(at, Side::B, Channel::Rtp, ATTACKER.into(), datagram.clone());
                world.arrives(at, Side::A, Channel::Rtp, ATTACKER.into(), datagram.clone());
                world.arrives(at, Side::A, Channel::Rtp, WHATSAPP.into(), datagram);
            }
        }
        world.run(ms(4_500));
        world
    };
    let (calm, attacked) = (run(false), run(true));
    for side in Side::BOTH {
        let bytes = |world: &World| -> Vec<Vec<u8>> {
            world.heard[side]
                .iter()
                .map(|h| h.payload.clone())
                .collect()
        };
        assert!(bytes(&calm) == bytes(&attacked), "side {side}");
        assert!(attacked.heard[side].iter().all(|h| h.to != ATTACKER.into()));
    }
    let report = attacked.bridge.report(attacked.now).sides;
    assert_eq!(report.b.rejected.wrong_source, 199);
    assert_eq!(report.a.rejected.wrong_source, 199);
    assert_eq!(report.a.rejected.authentication, 199);
}

#[test]
fn peer_behind_nat_is_learnt_and_found_again_after_it_moved() {
    let (first, second) = (([192, 0, 2, 7], 30_000), ([192, 0, 2, 7], 30_002));
    let mut world = World::new();
    world.agree(Side::A, whatsapp());
    let unknown = Agreement {
        remote_rtp: None,
        remote_rtcp: None,
        ..pbx(Codec::Pcmu)
    };
    world.agree(Side::B, unknown);
    world.start();
    whatsapp_speaks(&mut world, &speech(8 * 8000), 20, |_| Some(0));
    let mut stream = Stream::pcmu(1);
    for n in 0..50 {
        let datagram = stream.packet(&[0x20; 160], 160);
        world.arrives(
            ms(500 + 20 * n),
            Side::B,
            Channel::Rtp,
            first.into(),
            datagram,
        );
    }
    world.run(ms(500));
    assert!(world.heard.b.is_empty(), "nowhere to send yet");
    world.run(ms(2_000));
    assert!(world.heard.b.iter().all(|h| h.to == first.into()));
    let moved = ms(1_480) + RELEARN_AFTER;
    for n in 0..50 {
        let datagram = stream.packet(&[0x20; 160], 160);
        world.arrives(
            moved + ms(20 * n),
            Side::B,
            Channel::Rtp,
            second.into(),
            datagram,
        );
    }
    world.run(ms(6_000));
    assert_eq!(world.heard.b.last().unwrap().to, second.into());
}

#[test]
fn another_stream_of_whatsapp_is_carried_on_in_ours() {
    let mut world = World::answered(Codec::Pcmu);
    whatsapp_speaks(&mut world, &speech(8_000), 20, |_| Some(0));
    world.run(ms(1_500));
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let mut other = Stream::new(77, OPUS);
    for n in 0..50 {
        let mut payload = [0; 400];
        let len = encoder.encode(&[500; 960], &mut payload).unwrap();
        let datagram = other.packet(&payload[..len], 960);
        world.whatsapp_sends(ms(1_500 + 20 * n), datagram);
    }
    world.run(ms(3_000));
    let heard = &world.heard.b;
    assert_eq!(heard.len(), 100);
    for pair in heard.windows(2) {
        let (one, next) = (pair[0].header, pair[1].header);
        assert_eq!((one.ssrc, next.ssrc), (OUR_SSRC.b, OUR_SSRC.b));
        assert_eq!(next.sequence.ahead_of(one.sequence), 1);
        let steps = next.timestamp.ahead_of(one.timestamp);
        assert!([160, 160 * 26].contains(&steps), "{steps}");
    }
}

#[test]
fn reports_cross_and_the_peers_are_believed() {
    let mut world = World::answered(Codec::Pcmu);
    whatsapp_speaks(&mut world, &speech(30 * 8000), 20, |_| Some(0));
    world.run(ms(31_000));
    for side in Side::BOTH {
        let reports = &world.rtcp[side];
        assert!(
            (4..=12).contains(&reports.len()),
            "{} reports",
            reports.len()
        );
        assert!(
            reports
                .iter()
                .all(|(_, bytes)| Kind::of(bytes) == Kind::Rtcp)
        );
    }
    let report = world.bridge.report(world.now).sides;
    assert!(report.a.mos_received.unwrap() > 3.5);
    assert_eq!(report.a.first_packet_after, Some(ms(0)));
    assert!(report.b.first_audio_after.unwrap() <= ms(20));
    assert_eq!(report.b.packets_received, 0);
    assert_eq!(report.b.mos_received, None);
}

#[test]
fn silence_of_a_side_is_told_once_and_not_on_hold() {
    let mut watched = habits(false);
    watched.media_timeout = ms(3_000);
    let mut world = World::with(habits(true), watched);
    world.agree(Side::A, whatsapp());
    world.agree(Side::B, pbx(Codec::Pcmu));
    world.start();
    let mut stream = Stream::pcmu(1);
    world.pbx_sends(ms(1_000), stream.packet(&[0x20; 160], 160));
    world.run(ms(3_990));
    assert_eq!(world.events, [Event::FirstMedia { side: Side::B }]);
    world.run(ms(20_000));
    let starved = Event::Starved {
        side: Side::B,
        silent_for: ms(3_000),
    };
    assert_eq!(world.events[1..], [starved]);
    let held = Agreement {
        direction: wabridge::sdp::Direction::SendOnly,
        ..pbx(Codec::Pcmu)
    };
    world.agree(Side::B, held);
    world.run(ms(60_000));
    assert_eq!(world.events.len(), 2);
}

#[test]
fn datagrams_before_the_agreement_are_counted() {
    let mut world = World::new();
    world.pbx_sends(ms(0), Stream::pcmu(1).packet(&[0; 160], 160));
    world.run(ms(100));
    let report = world.bridge.report(world.now).sides.b;
    assert_eq!(report.rejected.before_agreement, 1);
    assert!(world.heard.a.is_empty());
    assert_eq!(PBX.1, 14_000);
}
