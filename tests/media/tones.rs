//! Digits that a PBX sends as tones in its sound.

use std::f64::consts::TAU;

use wabridge::media::bridge::{Digits, Event, Habits};
use wabridge::media::event_in::{EventReceiver, Heard as Digit};
use wabridge::media::g711::Law;
use wabridge::media::g722;
use wabridge::sdp::{Agreement, Codec, PayloadType};
use wabridge::side::Side;

use crate::sound::speech;
use crate::world::{EVENT_A, Stream, World, habits, ms, pbx, whatsapp};

const KEYS: &[u8; 16] = b"123A456B789C*0#D";
const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// Each key 60 ms long, 60 ms apart, after half a second and between words; at this rate.
fn typed(rate: usize) -> Vec<i16> {
    let mut sound = Vec::new();
    let words: Vec<i16> = speech(4_000)
        .into_iter()
        .flat_map(|sample| vec![sample; rate / 8_000])
        .collect();
    sound.extend(&words);
    for place in 0..16 {
        let tone = (0..rate * 60 / 1_000).map(|n| {
            let turn = |hertz: f64| (n as f64 / rate as f64 * hertz * TAU).sin();
            (5_000.0 * (turn(LOW[place / 4]) + turn(HIGH[place % 4]))) as i16
        });
        sound.extend(tone);
        sound.extend(vec![0; rate * 60 / 1_000]);
    }
    sound.extend(&words);
    sound
}

fn answered(codec: Codec, digits: Digits, user: Agreement) -> World {
    let of_pbx = Habits {
        digits,
        ..habits(false)
    };
    let mut world = World::with(habits(true), of_pbx);
    world.agree(Side::A, user);
    world.agree(Side::B, pbx(codec));
    world.start();
    world
}

fn pbx_speaks(world: &mut World, codec: Codec) {
    let mut encoder = g722::Encoder::default();
    let (rate, payload_type) = match codec {
        Codec::G722 => (16_000, PayloadType(9)),
        _ => (8_000, PayloadType(0)),
    };
    let mut stream = Stream::new(1, payload_type);
    for (n, samples) in typed(rate).chunks_exact(rate / 50).enumerate() {
        let mut codes = [0; 160];
        match codec {
            Codec::G722 => encoder.encode_wide(samples, &mut codes),
            _ => Law::Mu.encode(samples, &mut codes),
        };
        world.pbx_sends(ms(n as u64 * 20), stream.packet(&codes, 160));
    }
    world.run(ms(4_000));
}

fn told(world: &World) -> Vec<u8> {
    let digit = |event: &Event| match event {
        Event::Dtmf { digit, .. } => Some(*digit),
        _ => None,
    };
    world.events.iter().filter_map(digit).collect()
}

fn events_at_user(world: &World) -> Vec<u8> {
    let mut receiver = EventReceiver::default();
    let packets = world
        .heard
        .a
        .iter()
        .filter(|heard| heard.header.payload_type == EVENT_A);
    packets
        .flat_map(|packet| {
            let timestamp = packet.header.timestamp;
            receiver.handle_packet(world.now, timestamp, &packet.payload, 8_000)
        })
        .flatten()
        .filter_map(|heard| match heard {
            Digit::Ended { digit, .. } => Some(digit),
            Digit::Began { .. } => None,
        })
        .collect()
}

/// Energy of the keys' frequencies in what the user hears as sound.
fn tones_at_user(world: &World) -> f64 {
    let mut decoder = opus::Decoder::new(8_000, opus::Channels::Mono).unwrap();
    let audio = world
        .heard
        .a
        .iter()
        .filter(|heard| heard.header.payload_type != EVENT_A);
    let mut energy = 0.0;
    for packet in audio.filter(|heard| (ms(560)..ms(2_400)).contains(&heard.at)) {
        let mut samples = [0; 960];
        let count = decoder
            .decode(&packet.payload, &mut samples, false)
            .unwrap();
        let squares = samples[..count]
            .iter()
            .map(|sample| f64::from(*sample).powi(2));
        energy += squares.sum::<f64>();
    }
    energy
}

#[test]
fn all_keys_reach_whatsapp_as_events_and_not_as_sound() {
    for codec in [Codec::Pcmu, Codec::G722] {
        let mut world = answered(codec, Digits::InBand, whatsapp());
        pbx_speaks(&mut world, codec);
        assert_eq!(told(&world), KEYS, "{codec:?}");
        assert_eq!(events_at_user(&world), KEYS, "{codec:?}");
        world.assert_whatsapp_is_fed(ms(100));
        let mut plain = answered(codec, Digits::Events, whatsapp());
        pbx_speaks(&mut plain, codec);
        let (left, all) = (tones_at_user(&world), tones_at_user(&plain));
        // At most 3 ms of 60.
        assert!(left * 20.0 < all, "{codec:?}: {left} of {all}");
    }
}

#[test]
fn nothing_is_looked_for_unless_asked() {
    let mut world = answered(Codec::Pcmu, Digits::Events, whatsapp());
    pbx_speaks(&mut world, Codec::Pcmu);
    assert!(told(&world).is_empty());
    assert!(events_at_user(&world).is_empty());
}

/// Who takes no events goes on hearing tones; the call is told all the same.
#[test]
fn a_side_without_events_hears_them() {
    let user = Agreement {
        telephone_event: None,
        ..whatsapp()
    };
    let mut world = answered(Codec::Pcmu, Digits::InBand, user.clone());
    pbx_speaks(&mut world, Codec::Pcmu);
    assert_eq!(told(&world), KEYS);
    let mut plain = answered(Codec::Pcmu, Digits::Events, user);
    pbx_speaks(&mut plain, Codec::Pcmu);
    let (left, all) = (tones_at_user(&world), tones_at_user(&plain));
    assert!(left > 0.9 * all, "{left} of {all}");
}

/// The PBX falls silent within a tone: the digit has ended, and not after 20 s.
#[test]
fn a_tone_that_breaks_off() {
    let mut world = answered(Codec::Pcmu, Digits::InBand, whatsapp());
    let mut stream = Stream::pcmu(1);
    let tone: Vec<i16> = (0..800)
        .map(|n| {
            let turn = |hertz: f64| (f64::from(n) / 8_000.0 * hertz * TAU).sin();
            (5_000.0 * (turn(LOW[1]) + turn(HIGH[1]))) as i16
        })
        .collect();
    for (n, samples) in tone.chunks_exact(160).enumerate() {
        let mut codes = [0; 160];
        Law::Mu.encode(samples, &mut codes);
        world.pbx_sends(ms(n as u64 * 20), stream.packet(&codes, 160));
    }
    world.run(ms(600));
    assert_eq!(told(&world), b"5");
    assert_eq!(events_at_user(&world), b"5");
}

/// It takes a frame, and words are whole.
#[test]
fn words_are_20_ms_later_and_whole() {
    let at_user = |digits| {
        let mut world = answered(Codec::Pcmu, digits, whatsapp());
        let mut stream = Stream::pcmu(1);
        for (n, samples) in speech(3 * 8_000).chunks_exact(160).enumerate() {
            let mut codes = [0; 160];
            Law::Mu.encode(samples, &mut codes);
            world.pbx_sends(ms(n as u64 * 20), stream.packet(&codes, 160));
        }
        world.run(ms(3_000));
        let mut decoder = opus::Decoder::new(8_000, opus::Channels::Mono).unwrap();
        let mut sound = Vec::new();
        for packet in &world.heard.a {
            let mut samples = [0; 960];
            let count = decoder
                .decode(&packet.payload, &mut samples, false)
                .unwrap();
            sound.extend_from_slice(&samples[..count]);
        }
        assert!(told(&world).is_empty());
        crate::sound::envelope(&sound)
    };
    let (plain, searched) = (at_user(Digits::Events), at_user(Digits::InBand));
    assert!(crate::sound::likeness(&plain, &searched[1..], 0) > 0.99);
}
