//! G.722 on the PBX's leg: sound of 16 kHz through the bridge both ways, at the old clock of 8 kHz.

use std::f64::consts::TAU;

use wabridge::media::g711::Law;
use wabridge::media::g722::{Decoder, Encoder, Joiner};
use wabridge::sdp::{Agreement, Codec, OpusLimits, PayloadType};
use wabridge::side::Side;

use crate::sound::{envelope, likeness, speech};
use crate::world::{Heard, OPUS, Stream, World, ms, pbx, whatsapp};

const G722: PayloadType = PayloadType(9);
/// In the upper band.
const HIGH: f64 = 5_500.0;

/// A syllabic voice at 16 kHz, with something that 8 kHz cannot carry.
fn wide_speech(seconds: usize) -> Vec<i16> {
    (0..seconds * 16_000)
        .map(|n| {
            let t = n as f64 / 16_000.0;
            let turn = |hertz: f64| (t * hertz * TAU).sin();
            let syllable = (turn(2.3) + 0.6 * turn(0.71) + 0.3 * turn(5.1)).max(0.0);
            let voice = turn(130.0) + 0.6 * turn(390.0) + 0.5 * turn(780.0) + 0.8 * turn(HIGH);
            (voice * syllable * 3_500.0) as i16
        })
        .collect()
}

/// How much of the energy is around a frequency.
fn share(samples: &[i16], hertz: f64) -> f64 {
    let (mut around, mut all) = (0.0, 1.0);
    for frame in samples.chunks_exact(320) {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in frame.iter().enumerate() {
            let (sample, phase) = (f64::from(*sample), n as f64 * hertz / 16_000.0 * TAU);
            re += sample * phase.cos();
            im += sample * phase.sin();
            all += sample * sample;
        }
        around += (re * re + im * im) / 160.0;
    }
    around / all
}

fn pbx_speaks(world: &mut World, sound: &[i16], packet: usize, lost: impl Fn(usize) -> bool) {
    let mut encoder = Encoder::default();
    let mut stream = Stream::new(1, G722);
    for (n, samples) in sound.chunks_exact(2 * packet).enumerate() {
        let mut codes = vec![0; packet];
        encoder.encode_wide(samples, &mut codes);
        let datagram = stream.packet(&codes, packet as u32);
        if !lost(n) {
            world.pbx_sends(ms((n * packet / 8) as u64), datagram);
        }
    }
}

/// What WhatsApp's user hears.
fn heard_by_user(world: &World) -> Vec<i16> {
    let mut decoder = opus::Decoder::new(16_000, opus::Channels::Mono).unwrap();
    let mut sound = Vec::new();
    for packet in &world.heard.a {
        let mut samples = [0; 1_920];
        let count = decoder.decode(&packet.payload, &mut samples, false);
        sound.extend_from_slice(&samples[..count.unwrap()]);
    }
    sound
}

fn user_speaks(world: &mut World, sound: &[i16]) {
    let mut encoder =
        opus::Encoder::new(16_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(24_000)).unwrap();
    let mut stream = Stream::new(3, OPUS);
    for (n, samples) in sound.chunks_exact(320).enumerate() {
        let packet = encoder.encode_vec(samples, 1_000).unwrap();
        world.whatsapp_sends(ms(n as u64 * 20), stream.packet(&packet, 960));
    }
}

fn played(heard: &[Heard]) -> Vec<i16> {
    let mut decoder = Decoder::default();
    let mut joiner = Joiner::default();
    let mut sound = Vec::new();
    for packet in heard {
        let (mut low, mut high) = ([0; 160], [0; 160]);
        let mut samples = [0; 320];
        assert_eq!(decoder.decode(&packet.payload, &mut low, &mut high), 160);
        joiner.join(&low, &high, &mut samples);
        sound.extend_from_slice(&samples);
    }
    sound
}

#[test]
fn the_user_hears_the_upper_band_in_every_packet_time() {
    let sound = wide_speech(4);
    for packet in [80, 160, 240, 480] {
        let mut world = World::answered(Codec::G722);
        pbx_speaks(&mut world, &sound, packet, |_| false);
        world.run(ms(4_000));
        world.assert_whatsapp_is_fed(ms(100));
        let heard = heard_by_user(&world);
        let like = likeness(&envelope(&sound), &envelope(&heard), 16);
        assert!(like > 0.95, "{packet}: {like}");
        let (said, heard) = (share(&sound, HIGH), share(&heard, HIGH));
        assert!(heard > 0.5 * said, "{packet}: {said} {heard}");
    }
}

#[test]
fn the_pbx_hears_the_upper_band_at_a_clock_of_8_khz() {
    let sound = wide_speech(4);
    let mut world = World::answered(Codec::G722);
    user_speaks(&mut world, &sound);
    world.run(ms(4_500));
    for pair in world.heard.b.windows(2) {
        let (one, next) = (&pair[0].header, &pair[1].header);
        assert_eq!(one.payload_type, G722);
        assert_eq!(next.timestamp.ahead_of(one.timestamp), 160);
    }
    let heard = played(&world.heard.b);
    let like = likeness(&envelope(&sound), &envelope(&heard), 8);
    assert!(like > 0.95, "{like}");
    let (said, heard) = (share(&sound, HIGH), share(&heard, HIGH));
    assert!(heard > 0.5 * said, "{said} {heard}");
}

/// Opus beyond what the peer plays is waste (RFC 7587 §6.1).
#[test]
fn a_user_who_plays_8_khz_is_sent_no_more() {
    let narrow = Agreement {
        opus: OpusLimits {
            max_playback_rate: Some(8_000),
            ..whatsapp().opus
        },
        ..whatsapp()
    };
    let mut world = World::new();
    world.agree(Side::A, narrow);
    world.agree(Side::B, pbx(Codec::G722));
    world.start();
    pbx_speaks(&mut world, &wide_speech(3), 160, |_| false);
    world.run(ms(3_000));
    assert!(share(&heard_by_user(&world), HIGH) < 0.001);
}

#[test]
fn losses_are_concealed() {
    let sound = wide_speech(8);
    let mut world = World::answered(Codec::G722);
    pbx_speaks(&mut world, &sound, 160, |n| n % 10 == 9);
    world.run(ms(8_000));
    let report = world.bridge.report(world.now).sides.b;
    let lost = 8_000 / 20 / 10;
    assert!((lost - 1..=lost).contains(&(report.packets_lost as usize)));
    assert!(report.frames_concealed + world.bridge.report(world.now).sides.a.frames_filled > 30);
    let like = likeness(&envelope(&sound), &envelope(&heard_by_user(&world)), 16);
    assert!(like > 0.9, "{like}");
}

/// The PBX goes over to G.711 and back in one call; the user's stream goes on.
#[test]
fn the_width_may_change_in_a_call() {
    let mut world = World::answered(Codec::G722);
    pbx_speaks(&mut world, &wide_speech(2), 160, |_| false);
    world.run(ms(2_000));
    world.agree(Side::B, pbx(Codec::Pcmu));
    let sound = speech(2 * 8_000);
    let mut stream = Stream::pcmu(7);
    for (n, samples) in sound.chunks_exact(160).enumerate() {
        let mut codes = [0; 160];
        Law::Mu.encode(samples, &mut codes);
        world.pbx_sends(ms(2_000 + n as u64 * 20), stream.packet(&codes, 160));
    }
    world.run(ms(4_000));
    let narrow = heard_by_user(&world);
    assert!(share(&narrow[35_000..], HIGH) < 0.01);
    let narrow: Vec<i16> = narrow[32_000..].iter().step_by(2).copied().collect();
    assert!(likeness(&envelope(&sound), &envelope(&narrow), 16) > 0.9);
    world.agree(Side::B, pbx(Codec::G722));
    world.run(ms(4_500));
    world.assert_whatsapp_is_fed(ms(100));
}

/// A PBX that answered with both may send either, and G.711 is heard in a wide direction too.
#[test]
fn g711_in_a_wide_direction() {
    let both = Agreement {
        receive: vec![(G722, Codec::G722), (PayloadType(0), Codec::Pcmu)],
        ..pbx(Codec::G722)
    };
    let mut world = World::new();
    world.agree(Side::A, whatsapp());
    world.agree(Side::B, both);
    world.start();
    let sound = speech(4 * 8_000);
    let mut stream = Stream::pcmu(7);
    for (n, samples) in sound.chunks_exact(160).enumerate() {
        let mut codes = [0; 160];
        Law::Mu.encode(samples, &mut codes);
        world.pbx_sends(ms(n as u64 * 20), stream.packet(&codes, 160));
    }
    world.run(ms(4_000));
    let heard = heard_by_user(&world);
    let narrow: Vec<i16> = heard.iter().step_by(2).copied().collect();
    let like = likeness(&envelope(&sound), &envelope(&narrow), 16);
    assert!(like > 0.95, "{like}");
}

/// Two telephones without Opus between them: no filter, no resampling.
#[test]
fn g722_to_g711() {
    let mut world = World::new();
    world.agree(
        Side::A,
        Agreement {
            codec: Codec::Pcma,
            send_pt: PayloadType(8),
            receive: vec![(PayloadType(8), Codec::Pcma)],
            ..whatsapp()
        },
    );
    world.agree(Side::B, pbx(Codec::G722));
    world.start();
    let sound = wide_speech(3);
    pbx_speaks(&mut world, &sound, 160, |_| false);
    world.run(ms(3_000));
    let mut heard = Vec::new();
    for packet in &world.heard.a {
        let mut samples = vec![0; packet.payload.len()];
        Law::A.decode(&packet.payload, &mut samples);
        heard.extend(samples);
    }
    let low: Vec<i16> = sound.iter().step_by(2).copied().collect();
    assert!(likeness(&envelope(&low), &envelope(&heard), 16) > 0.9);
}
