//! Delay that came is given back, and no word is missing for it: after stalls, with clocks that differ, at the call's start.

use std::time::Duration;

use wabridge::media::bridge::Command;
use wabridge::media::g711::Law;
use wabridge::sdp::Codec;
use wabridge::side::Side;

use crate::feeding::{decoded, pbx_speaks};
use crate::sound::{envelope, speech};
use crate::world::{Heard, Stream, World, habits, ms, pbx, whatsapp};

/// Loud enough to be speech, in an envelope.
const LOUD: f64 = 500.0;

/// A vowel at 125 Hz.
fn vowel(millis: usize) -> Vec<i16> {
    let turn = |n: usize, hertz: f64| (n as f64 / 8000.0 * hertz * std::f64::consts::TAU).sin();
    (0..8 * millis)
        .map(|n| ((turn(n, 125.0) + 0.5 * turn(n, 500.0)) * 6000.0) as i16)
        .collect()
}

/// Words of a vowel, so long and so far apart.
fn words(count: usize, length: usize, pause: usize) -> Vec<i16> {
    (0..count)
        .flat_map(|_| [vowel(length), vec![0; 8 * pause]].concat())
        .collect()
}

fn is_loud(heard: &[Heard]) -> Vec<bool> {
    envelope(&decoded(heard))
        .iter()
        .map(|l| *l > LOUD)
        .collect()
}

/// When the last packet that holds speech left.
fn last_word(world: &World) -> Duration {
    let loud = is_loud(&world.heard.a);
    let last = loud.iter().rposition(|loud| *loud).unwrap();
    world.heard.a[last].at
}

/// How often silence is followed by speech.
fn words_heard(world: &World) -> usize {
    let loud = is_loud(&world.heard.a);
    loud.windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

/// The PBX speaks from 500 ms on; its network stalls for `stall` from 2.5 s on, and delivers then all at once.
fn stalled(sound: &[i16], stall: u64) -> World {
    stalled_in_packets_of(20, sound, stall)
}

fn stalled_in_packets_of(packet_time: usize, sound: &[i16], stall: u64) -> World {
    let mut world = World::answered(Codec::Pcmu);
    let late = |n: usize| match (n * packet_time).checked_sub(2_000) {
        Some(after) => ms(stall.saturating_sub(after as u64)),
        None => Duration::ZERO,
    };
    let packet = 8 * packet_time;
    pbx_speaks(
        &mut world,
        &mut Stream::pcmu(1),
        ms(500),
        sound,
        packet,
        late,
    );
    world.run(ms(600 + sound.len() as u64 / 8 + 1_000));
    world
}

#[test]
fn delay_of_a_stall_is_gone_soon() {
    for stall in [60, 100, 200, 400, 550, 2_000] {
        let sound = [vowel(8_000), vec![0; 8_000]].concat();
        let world = stalled(&sound, stall);
        world.assert_whatsapp_is_fed(ms(100));
        let late = last_word(&world).saturating_sub(ms(8_500));
        assert!(late <= ms(30), "{stall} ms: {late:?}");
    }
}

#[test]
fn delay_of_a_stall_is_gone_soon_in_other_packets_too() {
    let sound = [vowel(9_000), vec![0; 9_000]].concat();
    for packet_time in [10, 30, 40, 60] {
        let late = |stall| {
            let world = stalled_in_packets_of(packet_time, &sound, stall);
            last_word(&world).saturating_sub(ms(9_500))
        };
        let never = late(0);
        for stall in [100, 400] {
            let late = late(stall).saturating_sub(never);
            assert!(late <= ms(20), "{packet_time} ms, {stall} ms: {late:?}");
        }
    }
}

#[test]
fn every_word_behind_a_stall_is_heard() {
    let sound = words(20, 200, 200);
    for stall in [0, 100, 200, 400, 550] {
        let world = stalled(&sound, stall);
        assert_eq!(words_heard(&world), 20, "{stall} ms");
        let late = last_word(&world).saturating_sub(ms(500 + 20 * 400 - 200));
        assert!(late <= ms(30), "{stall} ms: {late:?}");
    }
}

#[test]
fn clocks_that_differ_leave_neither_delay_nor_holes() {
    for (ppm, seconds) in [(-500i64, 300), (-100, 300), (100, 300), (500, 300)] {
        let mut world = World::answered(Codec::Pcmu);
        let mut stream = Stream::pcmu(1);
        let frame = vowel(20);
        let codes: Vec<u8> = frame.iter().map(|s| (s >> 8) as u8 ^ 0xff).collect();
        let packets = seconds * 50;
        for n in 0..packets {
            let at = Duration::from_nanos((n * 20 * (1_000_000 - ppm)) as u64);
            let datagram = stream.packet(&codes, 160);
            world.pbx_sends(at, datagram);
        }
        let end = Duration::from_nanos((packets * 20 * (1_000_000 - ppm)) as u64);
        world.run(end);
        world.assert_whatsapp_is_fed(ms(60));
        let drifted = (seconds * ppm.abs() / 20_000) as u64;
        let report = world.bridge.report(world.now);
        let left_out = report.sides.b.left_out.as_millis() as i64;
        let surplus = seconds * ppm.max(0) / 1_000;
        assert!(
            (surplus - 40..=surplus).contains(&left_out),
            "{ppm} ppm: {left_out} ms left out"
        );
        let filled = report.sides.a.frames_filled;
        let most = if ppm < 0 { drifted * 2 + 3 } else { 3 };
        assert!(filled <= most, "{ppm} ppm: {filled} frames filled");
        let sent = world.heard.a.len() as i64;
        let due = end.as_millis() as i64 / 20;
        assert!((sent - due).abs() <= 3, "{ppm} ppm: {sent} of {due}");
    }
}

/// The PBX says `sound` from its answer on; WhatsApp can be sent to so much later.
fn late_start(early_audio: Duration, sound: &[i16], later: Duration) -> World {
    let mut whatsapps = habits(true);
    whatsapps.early_audio = early_audio;
    let mut world = World::with(whatsapps, habits(false));
    world.agree(Side::A, whatsapp());
    world.agree(Side::B, pbx(Codec::Pcmu));
    pbx_speaks(&mut world, &mut Stream::pcmu(1), ms(0), sound, 160, |_| {
        Duration::ZERO
    });
    world.command(Command::Start { side: Side::B });
    world.run(later);
    world.command(Command::Start { side: Side::A });
    world.run(ms(sound.len() as u64 / 8 + 1_000));
    world
}

#[test]
fn first_words_wait_for_the_other_side_and_are_caught_up() {
    let sound = words(12, 150, 150);
    for later in [0, 100, 300, 600, 900] {
        let world = late_start(ms(1_000), &sound, ms(later));
        assert_eq!(words_heard(&world) + 1, 12, "{later} ms later");
        let late = last_word(&world).saturating_sub(ms(12 * 300 - 150));
        assert!(late <= ms(40), "{later} ms later: {late:?}");
    }
}

#[test]
fn first_words_are_dropped_where_the_profile_says_so() {
    let world = late_start(Duration::ZERO, &words(12, 150, 150), ms(620));
    assert_eq!(words_heard(&world), 10);
}

#[test]
fn only_so_much_is_kept() {
    let world = late_start(ms(400), &words(12, 150, 150), ms(1_200));
    // Of the first four words the last one and the pause before it are within 400 ms.
    assert_eq!(words_heard(&world), 8 + 1);
}

#[test]
fn first_words_to_the_pbx_wait_too() {
    let mut world = World::new();
    world.agree(Side::A, whatsapp());
    world.agree(Side::B, pbx(Codec::Pcmu));
    let mut encoder =
        opus::Encoder::new(8_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let mut stream = Stream::new(3, crate::world::OPUS);
    let sound = speech(4 * 8_000);
    for (n, frame) in sound.chunks_exact(160).enumerate() {
        let payload = encoder.encode_vec(frame, 400).unwrap();
        let datagram = stream.packet(&payload, 960);
        world.whatsapp_sends(ms(20 * n as u64), datagram);
    }
    world.command(Command::Start { side: Side::A });
    world.run(ms(500));
    assert!(world.heard.b.is_empty());
    world.command(Command::Start { side: Side::B });
    world.run(ms(5_000));
    let heard = &world.heard.b;
    for pair in heard.windows(2) {
        let (one, next) = (pair[0].header, pair[1].header);
        assert_eq!(next.sequence.ahead_of(one.sequence), 1);
        assert_eq!(next.timestamp.ahead_of(one.timestamp), 160);
        assert!(pair[1].at - pair[0].at <= ms(40));
    }
    let first = heard.first().unwrap();
    assert_eq!(first.at, ms(500));
    let last = heard.last().unwrap();
    let played = last.header.timestamp.ahead_of(first.header.timestamp) as u64 / 8;
    assert!(
        (3_500 - 60..=3_500 + 60).contains(&played),
        "{played} ms played"
    );
    assert!(last.at <= ms(4_000));
}

/// WhatsApp says `sound` from the beginning, and the PBX can be sent to so much later. How late `mark` finds its place in
/// what comes there, without what Opus itself takes.
fn lateness_at_the_pbx(sound: &[i16], mark: fn(&[i16]) -> usize, later: Duration) -> Duration {
    let mut world = World::new();
    world.agree(Side::A, whatsapp());
    world.agree(Side::B, pbx(Codec::Pcmu));
    let mut encoder =
        opus::Encoder::new(8_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let mut alone = opus::Decoder::new(8_000, opus::Channels::Mono).unwrap();
    let mut stream = Stream::new(3, crate::world::OPUS);
    let mut undelayed = Vec::new();
    for (n, frame) in sound.chunks_exact(160).enumerate() {
        let payload = encoder.encode_vec(frame, 400).unwrap();
        let mut samples = [0; 160];
        alone.decode(&payload, &mut samples, false).unwrap();
        undelayed.extend(samples);
        let datagram = stream.packet(&payload, 960);
        world.whatsapp_sends(ms(20 * n as u64), datagram);
    }
    world.command(Command::Start { side: Side::A });
    world.run(later);
    world.command(Command::Start { side: Side::B });
    world.run(ms(9_000));
    let mut heard = vec![0; 8 * 9_000];
    for packet in &world.heard.b {
        let at = packet.at.as_micros() as usize / 125;
        let room = &mut heard[at..at + packet.payload.len()];
        Law::Mu.decode(&packet.payload, room);
    }
    let begins = mark(&heard) - mark(&undelayed);
    Duration::from_micros(125 * begins as u64)
}

/// The sample at which the last word begins.
fn last_beginning(sound: &[i16]) -> usize {
    let is_word = |window: &[i16]| window.iter().any(|sample| sample.unsigned_abs() > 2_000);
    let windows: Vec<bool> = sound.chunks(8).map(is_word).collect();
    let last = windows.iter().rposition(|word| *word).unwrap();
    let pause = windows[..last]
        .windows(60)
        .rposition(|pause| !pause.contains(&true));
    8 * (pause.unwrap() + 60)
}

/// The sample at which a voice is raised that murmured before.
fn raised(sound: &[i16]) -> usize {
    let raised = sound.iter().position(|sample| *sample > 5_000);
    raised.unwrap()
}

#[test]
fn no_part_of_a_frame_goes_on_waiting() {
    for later in [0, 333, 507, 618] {
        let late = lateness_at_the_pbx(&words(20, 150, 150), last_beginning, ms(later));
        assert!(late <= ms(2), "{later} ms later: {late:?}");
    }
}

/// The same from the PBX to WhatsApp.
#[test]
fn no_part_of_a_frame_waits_for_a_pause_toward_whatsapp() {
    let murmur = vowel(7_000).iter().map(|sample| sample / 3).collect();
    let sound = [murmur, vowel(500)].concat();
    let raised_at = |later| {
        let world = late_start(ms(1_000), &sound, ms(later));
        let mut heard = vec![0; 8 * 9_000];
        let mut decoder = opus::Decoder::new(8_000, opus::Channels::Mono).unwrap();
        for packet in &world.heard.a {
            let at = packet.at.as_micros() as usize / 125;
            let mut samples = [0; 960];
            let count = decoder
                .decode(&packet.payload, &mut samples, false)
                .unwrap();
            heard[at..at + count].copy_from_slice(&samples[..count]);
        }
        raised(&heard) as u64
    };
    let prompt = raised_at(0);
    for later in [333, 340, 347, 353, 507, 618] {
        let late = Duration::from_micros(125 * (raised_at(later) - prompt));
        assert!(late <= ms(1), "{later} ms later: {late:?}");
    }
}

#[test]
fn no_part_of_a_frame_waits_for_a_pause() {
    let murmur = vowel(7_000).iter().map(|sample| sample / 3).collect();
    let sound = [murmur, vowel(500)].concat();
    for later in [0, 333, 507, 618] {
        let late = lateness_at_the_pbx(&sound, raised, ms(later));
        // The voice may be raised within a period of 8 ms, at either end of it.
        assert!(late <= ms(1), "{later} ms later: {late:?}");
    }
}
