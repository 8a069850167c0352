//! Opus on both sides: packets pass as they are, in our own rows.

use wabridge::media::rtp::Kind;
use wabridge::sdp::{Codec, PayloadType};

use crate::sound::{envelope, likeness, speech};
use crate::world::{Heard, OPUS, Stream, World, ms};

const PBX_OPUS: PayloadType = PayloadType(107);

fn packets(sound: &[i16], frame_ms: usize) -> Vec<Vec<u8>> {
    let mut encoder =
        opus::Encoder::new(8_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    sound
        .chunks_exact(8 * frame_ms)
        .map(|samples| {
            let mut payload = [0; 1_000];
            let len = encoder.encode(samples, &mut payload).unwrap();
            payload[..len].to_vec()
        })
        .collect()
}

fn pbx_sends(world: &mut World, payloads: &[Vec<u8>], frame_ms: usize, lost: fn(usize) -> bool) {
    let mut stream = Stream::new(1, PBX_OPUS);
    for (n, payload) in payloads.iter().enumerate() {
        let datagram = stream.packet(payload, 48 * frame_ms as u32);
        if !lost(n) {
            world.pbx_sends(ms(200 + (n * frame_ms) as u64), datagram);
        }
    }
}

fn carried<'a>(heard: &'a [Heard], payloads: &'a [Vec<u8>]) -> Vec<&'a Heard> {
    let carried = |heard: &&Heard| payloads.contains(&heard.payload);
    heard.iter().filter(carried).collect()
}

#[test]
fn payloads_pass_unchanged_both_ways() {
    let mut world = World::answered(Codec::Opus);
    let payloads = packets(&speech(2 * 8000), 20);
    pbx_sends(&mut world, &payloads, 20, |_| false);
    let mut caller = Stream::new(3, OPUS);
    for (n, payload) in payloads.iter().enumerate() {
        let datagram = caller.packet(payload, 960);
        world.whatsapp_sends(ms(20 * n as u64), datagram);
    }
    world.run(ms(4_000));
    world.assert_whatsapp_is_fed(ms(50));
    for heard in [&world.heard.a, &world.heard.b] {
        let carried = carried(heard, &payloads);
        assert_eq!(carried.len(), payloads.len());
        assert!(carried.iter().zip(&payloads).all(|(h, p)| h.payload == *p));
    }
    assert!(world.heard.a.iter().all(|h| h.header.payload_type == OPUS));
    assert!(
        world
            .heard
            .b
            .iter()
            .all(|h| h.header.payload_type == PBX_OPUS)
    );
}

#[test]
fn loss_stays_a_loss_for_the_receiver() {
    let mut world = World::answered(Codec::Opus);
    let payloads = packets(&speech(2 * 8000), 20);
    let mut caller = Stream::new(3, OPUS);
    for (n, payload) in payloads.iter().enumerate() {
        let datagram = caller.packet(payload, 960);
        if n != 40 && n != 41 {
            world.whatsapp_sends(ms(20 * n as u64), datagram);
        }
    }
    world.run(ms(3_000));
    let heard = &world.heard.b;
    assert_eq!(heard.len(), 98);
    for (n, pair) in heard.windows(2).enumerate() {
        let (one, next) = (pair[0].header, pair[1].header);
        let packets = if n == 39 { 3 } else { 1 };
        assert_eq!(next.sequence.ahead_of(one.sequence), packets);
        let step = next.timestamp.ahead_of(one.timestamp);
        assert_eq!(step, 960 * i32::from(packets));
    }
}

#[test]
fn whatsapp_gets_20_ms_whatever_the_pbx_sends() {
    for frame_ms in [10, 40, 60] {
        let mut world = World::answered(Codec::Opus);
        let sound = speech(4 * 8000);
        let payloads = packets(&sound, frame_ms);
        pbx_sends(&mut world, &payloads, frame_ms, |_| false);
        world.run(ms(5_000));
        world.assert_whatsapp_is_fed(ms(100));
        let mut decoder = opus::Decoder::new(8000, opus::Channels::Mono).unwrap();
        let mut heard = Vec::new();
        for packet in &world.heard.a {
            let mut samples = [0; 960];
            let count = decoder
                .decode(&packet.payload, &mut samples, false)
                .unwrap();
            assert_eq!(count, 160);
            heard.extend_from_slice(&samples[..count]);
        }
        let like = likeness(&envelope(&sound), &envelope(&heard), 20);
        assert!(like > 0.95, "{frame_ms} ms: {like}");
    }
}

#[test]
fn silence_is_filled_in_opus() {
    let mut world = World::answered(Codec::Opus);
    world.run(ms(2_000));
    world.assert_whatsapp_is_fed(ms(20));
    assert!(
        world
            .rtcp
            .a
            .iter()
            .all(|(_, bytes)| Kind::of(bytes) == Kind::Rtcp)
    );
    let mut decoder = opus::Decoder::new(8000, opus::Channels::Mono).unwrap();
    for packet in &world.heard.a {
        let mut samples = [0; 960];
        let count = decoder
            .decode(&packet.payload, &mut samples, false)
            .unwrap();
        assert!(samples[..count].iter().all(|s| s.unsigned_abs() < 20));
    }
}
