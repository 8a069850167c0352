//! In-band FEC toward WhatsApp follows the loss that it reports, within its bitrate.

use wabridge::media::g711::Law;
use wabridge::sdp::Codec;
use wabridge::sim::speech::Voice;

use crate::world::{Stream, World, ms};

/// WhatsApp's `maxaveragebitrate`, bit/s.
const BITRATE: f64 = 20_000.0;

/// A recorded-like voice for so many seconds, and reports of loss: (second, share).
fn spoken(seconds: u64, reports: &[(u64, f32)]) -> World {
    let mut world = World::answered(Codec::Pcmu);
    let mut stream = Stream::pcmu(1);
    let voice = Voice::Agent.samples_at(8_000);
    let frames = voice.chunks_exact(160).cycle();
    for (n, frame) in (0..seconds * 50).zip(frames) {
        let mut codes = [0; 160];
        Law::Mu.encode(frame, &mut codes);
        let datagram = stream.packet(&codes, 160);
        world.pbx_sends(ms(20 * n), datagram);
    }
    for (second, lost) in reports {
        world.whatsapp_reports(ms(1_000 * second), *lost);
    }
    world.run(ms(1_000 * seconds));
    world
}

/// Packets of one second that tell of the one before: the LBRR flag of a SILK frame of 20 ms (RFC 6716 §4.2.4).
fn redundant(world: &World, second: u64) -> usize {
    let in_second = |at| (ms(1_000 * second)..ms(1_000 * (second + 1))).contains(&at);
    let packets = world.heard.a.iter().filter(|heard| in_second(heard.at));
    let tells =
        |payload: &[u8]| payload.len() > 2 && payload[0] >> 3 < 12 && payload[1] & 0x40 != 0;
    packets.filter(|heard| tells(&heard.payload)).count()
}

#[test]
fn redundancy_comes_with_loss_and_goes_when_the_line_stays_clean() {
    let reports = [
        (5, 0.01),
        (10, 0.1),
        (15, 0.0),
        (20, 0.0),
        (25, 0.0),
        (30, 0.0),
    ];
    let world = spoken(40, &reports);
    for second in [1, 4, 6, 8] {
        assert_eq!(redundant(&world, second), 0, "second {second}");
    }
    let lossy: usize = (11..14).map(|second| redundant(&world, second)).sum();
    assert!(lossy > 50, "{lossy} in three seconds");
    let kept: usize = (26..29).map(|second| redundant(&world, second)).sum();
    assert!(kept > 20, "{kept} in three seconds");
    for second in 32..40 {
        assert_eq!(redundant(&world, second), 0, "second {second}");
    }
}

#[test]
fn bitrate_is_held_whatever_the_redundancy() {
    for lost in [0.0, 0.03, 0.1, 0.3] {
        let world = spoken(33, &[(1, lost), (11, lost), (21, lost)]);
        let bits = |from: u64, to: u64| {
            let within = |at| (ms(1_000 * from)..ms(1_000 * to)).contains(&at);
            let heard = world.heard.a.iter().filter(|heard| within(heard.at));
            heard.map(|heard| heard.payload.len() * 8).sum::<usize>() as f64
        };
        let mean = bits(3, 33) / 30.0;
        assert!(mean <= BITRATE, "{lost} lost: {mean} bit/s");
        for second in 3..31 {
            let rate = bits(second, second + 2) / 2.0;
            assert!(
                rate <= BITRATE * 1.1,
                "{lost} lost, second {second}: {rate} bit/s"
            );
        }
    }
}
