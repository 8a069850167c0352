//! What a PBX's RTCP tells of what we sent it, with extended reports beside it (RFC 3611).

use wabridge::media::bridge::Channel;
use wabridge::media::rtcp::{Compound, Extended, Packet, Packets, ReportBlock};
use wabridge::sdp::{Codec, Ssrc};
use wabridge::side::Side;

use crate::world::{OPUS, OUR_SSRC, PBX, Stream, World, ms};

/// When our last sender report left to the PBX, on our clock.
fn last_report(world: &World) -> (std::time::Duration, u32) {
    let compact = |bytes: &[u8]| {
        Packets::of(bytes).find_map(|packet| match packet {
            Ok(Packet::SenderReport { info, .. }) => Some(info.ntp.compact()),
            _ => None,
        })
    };
    let reports = world.rtcp.b.iter().rev();
    reports
        .filter_map(|(at, bytes)| Some((*at, compact(bytes)?)))
        .next()
        .expect("a sender report")
}

/// Receiver reference time, DLRR and VoIP metrics, and a block of a kind that nobody knows.
fn extended() -> Vec<u8> {
    let blocks: [&[u8]; 4] = [
        &[4, 0, 0, 2, 0xe0, 1, 2, 3, 4, 5, 6, 7],
        &[5, 0, 0, 3, 0, 0, 0xbb, 0xbb, 1, 2, 3, 4, 0, 0, 1, 0],
        &[
            7, 0, 0, 8, 0, 0, 0xbb, 0xbb, 25, 0, 0, 0, 0, 100, 2, 0, 0, 60, 0, 40, 0, 0, 127, 16,
            93, 127, 42, 42, 0, 0, 0, 60, 0, 120, 0, 200,
        ],
        &[99, 0, 0, 1, 1, 2, 3, 4],
    ];
    let body = blocks.concat();
    let words = (body.len() / 4 + 1) as u8;
    [&[0x80, 207, 0, words, 0, 0, 0, 5], body.as_slice()].concat()
}

#[test]
fn round_trip_loss_and_jitter_with_extended_reports_beside_them() {
    let mut world = World::answered(Codec::Pcmu);
    let mut stream = Stream::new(3, OPUS);
    for n in 0..400 {
        world.whatsapp_sends(ms(n * 20), stream.packet(&[0x08, 1, 2, 3], 960));
    }
    world.run(ms(7_000));
    let (left, last_sr) = last_report(&world);
    let block = ReportBlock {
        ssrc: OUR_SSRC.b,
        fraction_lost: 64,
        cumulative_lost: 80,
        highest_sequence: 0,
        jitter: 80,
        last_sr,
        // The PBX kept it for 60 ms.
        delay_since_last_sr: 60 * 65_536 / 1_000,
    };
    let compound = Compound {
        ssrc: Ssrc(5),
        sender: None,
        block: Some(block),
        cname: "pbx",
        extended: Extended::default(),
        bye: false,
    };
    let mut bytes = [0; 500];
    let len = compound.write(&mut bytes).unwrap();
    let datagram = [&bytes[..len], &extended()].concat();
    let sent = left + ms(100);
    let at = sent.max(world.time());
    let late = at - sent;
    world.arrives(
        at,
        Side::B,
        Channel::Rtcp,
        (PBX.0, PBX.1 + 1).into(),
        datagram,
    );
    world.run(at + ms(100));
    let report = world.bridge.report(world.now).sides.b;
    let round_trip = report.round_trip.unwrap() - late;
    assert!((ms(39)..=ms(41)).contains(&round_trip), "{round_trip:?}");
    assert_eq!(report.remote_loss_fraction, Some(0.25));
    assert_eq!(report.remote_jitter, Some(ms(10)));
    assert!(report.mos_sent.unwrap() < 3.0);
    assert_eq!(report.rejected.not_rtp, 0);
}
