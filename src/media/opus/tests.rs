use std::time::Duration;

use super::encoder::{FEC_COMPLEXITY, QUIET_COMPLEXITY, RELIEVED_COMPLEXITY, bitrate};
use super::*;
use crate::media::bridge::{Digits, Dtx, Habits};
use crate::media::gain::Decibels;
use crate::media::rate::Rate;
use crate::sdp::OpusLimits;

fn habits() -> Habits {
    Habits {
        keep_fed: true,
        latch: true,
        media_timeout: Duration::ZERO,
        opus_bitrate: 20_000,
        opus_complexity: 5,
        opus_fec: true,
        early_audio: Duration::from_secs(1),
        gain_from: Decibels(0),
        gain_to: Decibels(0),
        opus_dtx: Dtx::IfAsked,
        digits: Digits::Events,
    }
}

fn whatsapp() -> OpusLimits {
    OpusLimits {
        max_average_bitrate: Some(20_000),
        max_playback_rate: Some(16_000),
        in_band_fec: true,
        dtx: false,
    }
}

fn voice(n: usize) -> Vec<i16> {
    (n * 160..(n + 1) * 160)
        .map(|t| {
            let t = t as f64 / 8000.0;
            let pitch = (t * 140.0 * std::f64::consts::TAU).sin();
            let formant = (t * 900.0 * std::f64::consts::TAU).sin();
            ((pitch + 0.5 * formant) * 6000.0 * (1.0 + (t * 12.0).sin())) as i16
        })
        .collect()
}

fn loudness(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    (energy / samples.len() as f64).sqrt()
}

#[test]
fn voice_survives_at_the_peers_bitrate() {
    let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
    let mut decoder = Decoder::new(Rate::Narrow).unwrap();
    let mut packet = [0; 1500];
    let mut samples = [0; 960];
    let (mut bytes, mut heard) = (0, 0.0);
    for n in 0..100 {
        let len = encoder.encode(&voice(n), &mut packet).unwrap();
        assert_eq!(length(&packet[..len]), Some(Ticks::FRAME));
        assert_eq!(decoder.decode(&packet[..len], &mut samples), Some(160));
        bytes += len;
        heard += loudness(&samples[..160]);
    }
    let bitrate = bytes * 8 / 2;
    assert!((10_000..24_000).contains(&bitrate), "{bitrate} bit/s");
    let spoken: f64 = (0..100).map(|n| loudness(&voice(n))).sum();
    assert!((0.7..1.3).contains(&(heard / spoken)), "{heard} {spoken}");
}

#[test]
fn lost_frame_comes_back_with_the_next() {
    let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
    encoder.expect_loss(0.2);
    let packets: Vec<Vec<u8>> = (0..50)
        .map(|n| {
            let mut packet = [0; 400];
            let len = encoder.encode(&voice(n), &mut packet).unwrap();
            packet[..len].to_vec()
        })
        .collect();
    let mut decoder = Decoder::new(Rate::Narrow).unwrap();
    let mut samples = [0; 960];
    for packet in &packets[..40] {
        decoder.decode(packet, &mut samples).unwrap();
    }
    assert!(carries_fec(&packets[41]));
    let mut recovered = [0; 160];
    assert!(decoder.recover(&packets[41], &mut recovered));
    let ratio = loudness(&recovered) / loudness(&voice(40));
    assert!((0.4..1.6).contains(&ratio), "{ratio}");
}

#[test]
fn peers_limit_and_habit_both_hold() {
    let limits = OpusLimits {
        max_average_bitrate: Some(12_000),
        ..whatsapp()
    };
    assert_eq!(bitrate(&habits(), &limits), 12_000);
    assert_eq!(bitrate(&habits(), &OpusLimits::default()), 20_000);
    let absurd = OpusLimits {
        max_average_bitrate: Some(0),
        ..whatsapp()
    };
    assert_eq!(bitrate(&habits(), &absurd), 6_000);
}

#[test]
fn silence_is_short_and_silent() {
    let silence = Silence::new(&habits(), &whatsapp()).unwrap();
    assert_eq!(length(silence.packet()), Some(Ticks::FRAME));
    let mut samples = [1; 960];
    let decoded = Decoder::new(Rate::Narrow)
        .unwrap()
        .decode(silence.packet(), &mut samples);
    assert_eq!(decoded, Some(160));
    assert!(loudness(&samples[..160]) < 10.0);
}

/// As the bridge is asked to, at the pace of frames: what each came to, and what it sounds like.
fn through(encoder: &mut Encoder, decoder: &mut Decoder, frame: &[i16]) -> (Vec<u8>, Vec<i16>) {
    let mut packet = [0; 400];
    let mut samples = [0; 960];
    let len = encoder.encode(frame, &mut packet).unwrap();
    let count = decoder.decode(&packet[..len], &mut samples).unwrap();
    (packet[..len].to_vec(), samples[..count].to_vec())
}

#[test]
fn long_silence_is_one_packet_again_and_again_and_speech_after_it_is_whole() {
    let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
    let mut decoder = Decoder::new(Rate::Narrow).unwrap();
    for n in 0..50 {
        through(&mut encoder, &mut decoder, &voice(n));
    }
    let silence: Vec<_> = (0..500)
        .map(|_| through(&mut encoder, &mut decoder, &[0; 160]))
        .collect();
    let (last, _) = silence.last().unwrap();
    assert!(silence[100..].iter().all(|(packet, _)| packet == last));
    assert!(
        silence[100..]
            .iter()
            .all(|(_, heard)| loudness(heard) < 10.0)
    );
    let heard: f64 = (0..50)
        .map(|n| loudness(&through(&mut encoder, &mut decoder, &voice(n)).1))
        .sum();
    let spoken: f64 = (0..50).map(|n| loudness(&voice(n))).sum();
    assert!((0.8..1.2).contains(&(heard / spoken)), "{heard} {spoken}");
}

#[test]
fn speech_is_worth_the_effort_and_a_room_is_not() {
    let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
    let mut decoder = Decoder::new(Rate::Narrow).unwrap();
    let room: Vec<i16> = (0..160).map(|n| (n * 7919 % 97 - 48) as i16).collect();
    for _ in 0..50 {
        through(&mut encoder, &mut decoder, &room);
    }
    assert_eq!(encoder.effort, QUIET_COMPLEXITY);
    through(&mut encoder, &mut decoder, &voice(0));
    assert_eq!(encoder.effort, 5);
    encoder.relieve(Relief::Full);
    through(&mut encoder, &mut decoder, &voice(1));
    assert_eq!(encoder.effort, RELIEVED_COMPLEXITY);
    encoder.expect_loss(0.1);
    through(&mut encoder, &mut decoder, &voice(2));
    assert_eq!(encoder.effort, FEC_COMPLEXITY);
}

#[test]
fn with_dtx_a_room_is_told_of_now_and_then() {
    let asked = OpusLimits {
        dtx: true,
        ..whatsapp()
    };
    let mut encoder = Encoder::new(Rate::Narrow, &habits(), &asked).unwrap();
    let mut packet = [0; 400];
    for n in 0..50 {
        assert!(encoder.encode(&voice(n), &mut packet).is_some());
    }
    let sent = (0..500)
        .filter(|_| encoder.encode(&[0; 160], &mut packet).is_some())
        .count();
    assert!((35..=45).contains(&sent), "{sent}");
    assert!(encoder.encode(&voice(0), &mut packet).is_some());
}

#[test]
fn clean_line_carries_no_fec() {
    let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
    let mut packet = [0; 400];
    for n in 0..50 {
        let len = encoder.encode(&voice(n), &mut packet).unwrap();
        assert!(!carries_fec(&packet[..len]));
    }
    assert!(!carries_fec(&[]));
}

#[test]
fn voice_is_told_from_silence_without_decoding() {
    let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
    let mut packet = [0; 400];
    let mut voices = |sound: &dyn Fn(usize) -> Vec<i16>| {
        let frames = (0..50).filter(|n| {
            let len = encoder.encode(&sound(*n), &mut packet).unwrap();
            *n >= 10 && may_hold_voice(&packet[..len])
        });
        frames.count()
    };
    assert!(voices(&voice) > 30);
    assert_eq!(voices(&|_| vec![0; 160]), 0);
    assert!(!may_hold_voice(&[0x08]));
}

#[test]
fn noise_is_no_packet() {
    assert_eq!(length(&[]), None);
    assert_eq!(length(&[0xff, 0xff]), None);
}
