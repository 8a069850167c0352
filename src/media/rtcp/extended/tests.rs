use proptest::prelude::*;

use super::*;
use crate::media::rtcp::{Compound, Packet, Packets};

const SUMMARY_OF_ALL: Summary = Summary {
    ssrc: Ssrc(0xaabb_ccdd),
    begin: 65_000,
    end: 100,
    lost: Some(7),
    duplicate: Some(2),
    jitter: Some(SummaryJitter {
        least: 0,
        most: 300,
        mean: 40,
        deviation: 55,
    }),
};

const VOIP: VoipMetrics = VoipMetrics {
    ssrc: Ssrc(0xaabb_ccdd),
    loss: 25,
    discard: 3,
    burst_density: 128,
    gap_density: 2,
    burst_duration_ms: 340,
    gap_duration_ms: 12_000,
    round_trip_ms: 60,
    end_system_ms: 40,
    signal: Some(-23),
    noise: None,
    gmin: 16,
    r_factor: Some(93),
    mos_listening: Some(42),
    mos_conversation: None,
    concealment: Concealment::Enhanced,
    buffer: JitterBuffer {
        nominal_ms: 30,
        maximum_ms: 60,
        absolute_maximum_ms: 120,
    },
};

fn compound(extended: Extended) -> Compound<'static> {
    Compound {
        ssrc: Ssrc(7),
        sender: None,
        block: None,
        cname: "abc",
        extended,
        bye: false,
    }
}

/// The bytes of the XR packet alone.
fn written(extended: Extended) -> Vec<u8> {
    let mut buffer = [0xee; Compound::MAX_LEN];
    let length = compound(extended).write(&mut buffer).unwrap();
    buffer[24..length].to_vec()
}

fn read(datagram: &[u8]) -> Vec<Block<'_>> {
    match Packets::of(datagram).next() {
        Some(Ok(Packet::Extended { ssrc, blocks })) => {
            assert_eq!(ssrc, Ssrc(7));
            blocks.collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Worked by hand from the figures of RFC 3611 §2, §3, §4.4 and §4.5.
#[test]
fn reference_times_on_the_wire() {
    let extended = Extended {
        reference_time: Some(NtpTime(0x0102_0304_0506_0708)),
        last_reference: Some(LastReference {
            ssrc: Ssrc(0x0a0b_0c0d),
            last: 0x1112_1314,
            delay: 0x0001_8000,
        }),
        ..Extended::default()
    };
    let expected: [&[u8]; 4] = [
        &[0x80, 207, 0, 8, 0, 0, 0, 7],
        &[4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8],
        &[5, 0, 0, 3, 10, 11, 12, 13],
        &[0x11, 0x12, 0x13, 0x14, 0, 1, 0x80, 0],
    ];
    assert_eq!(written(extended), expected.concat());
}

/// §4.6.
#[test]
fn summary_on_the_wire() {
    let extended = Extended {
        summary: Some(SUMMARY_OF_ALL),
        ..Extended::default()
    };
    let expected: [&[u8]; 6] = [
        &[0x80, 207, 0, 11, 0, 0, 0, 7],
        &[6, 0xe0, 0, 9, 0xaa, 0xbb, 0xcc, 0xdd],
        &[0xfd, 0xe8, 0, 100, 0, 0, 0, 7, 0, 0, 0, 2],
        &[0, 0, 0, 0, 0, 0, 1, 44],
        &[0, 0, 0, 40, 0, 0, 0, 55],
        &[0; 4],
    ];
    assert_eq!(written(extended), expected.concat());
}

/// §4.7.
#[test]
fn voip_metrics_on_the_wire() {
    let extended = Extended {
        voip: Some(VOIP),
        ..Extended::default()
    };
    let expected: [&[u8]; 6] = [
        &[0x80, 207, 0, 10, 0, 0, 0, 7],
        &[7, 0, 0, 8, 0xaa, 0xbb, 0xcc, 0xdd, 25, 3, 128, 2],
        &[1, 84, 0x2e, 0xe0, 0, 60, 0, 40],
        &[0xe9, 127, 127, 16],
        &[93, 127, 42, 127],
        &[0xb0, 0, 0, 30, 0, 60, 0, 120],
    ];
    assert_eq!(written(extended), expected.concat());
}

#[test]
fn every_block_there_and_back() {
    let last_reference = LastReference {
        ssrc: Ssrc(3),
        last: 4,
        delay: 5,
    };
    let extended = Extended {
        reference_time: Some(NtpTime(77)),
        last_reference: Some(last_reference),
        summary: Some(SUMMARY_OF_ALL),
        voip: Some(VOIP),
    };
    let bytes = written(extended);
    assert_eq!(bytes.len(), Extended::MAX_LEN);
    let blocks = read(&bytes);
    let [
        Block::ReferenceTime(time),
        Block::LastReferences(answers),
        ref rest @ ..,
    ] = blocks[..]
    else {
        panic!("{blocks:?}")
    };
    assert_eq!(time, NtpTime(77));
    assert_eq!(answers.collect::<Vec<_>>(), [last_reference]);
    let expected = [Block::Summary(SUMMARY_OF_ALL), Block::VoipMetrics(VOIP)];
    assert_eq!(*rest, expected);
}

#[test]
fn parts_that_are_not_told_are_not_read() {
    let summary = Summary {
        lost: None,
        jitter: None,
        ..SUMMARY_OF_ALL
    };
    let bytes = written(Extended {
        summary: Some(summary),
        ..Extended::default()
    });
    assert_eq!(bytes[9], 0x40);
    assert_eq!(read(&bytes), [Block::Summary(summary)]);
}

#[test]
fn scores_out_of_range_are_not_known() {
    let mut bytes = written(Extended {
        voip: Some(VOIP),
        ..Extended::default()
    });
    bytes[32..36].copy_from_slice(&[101, 127, 9, 51]);
    let blocks = read(&bytes);
    let [Block::VoipMetrics(voip)] = blocks[..] else {
        panic!("{blocks:?}")
    };
    let scores = (voip.r_factor, voip.mos_listening, voip.mos_conversation);
    assert_eq!(scores, (None, None, None));
}

#[test]
fn blocks_of_other_kinds_and_lengths_are_read_over() {
    let header = [0x80, 207, 0, 10, 0, 0, 0, 7];
    let blocks: [&[u8]; 5] = [
        &[1, 0, 0, 1, 0, 0, 0, 9],
        &[4, 0, 0, 1, 1, 2, 3, 4],
        &[7, 0, 0, 0],
        &[5, 0, 0, 0],
        &[4, 9, 0, 2, 0, 0, 0, 0, 0, 0, 0, 6],
    ];
    let datagram = [&header[..], &blocks.concat()].concat();
    let kinds = read(&datagram);
    let [first, second, third, Block::LastReferences(mut none), last] = kinds[..] else {
        panic!("{kinds:?}")
    };
    let others = [first, second, third];
    assert_eq!(
        others,
        [1, 4, 7].map(|block_type| Block::Other { block_type })
    );
    assert_eq!(none.next(), None);
    assert_eq!(last, Block::ReferenceTime(NtpTime(6)));
}

#[test]
fn a_block_beyond_its_packet_is_malformed() {
    for blocks in [
        &[4, 0, 0, 2, 0, 0, 0, 0][..],
        &[7, 0, 255, 255],
        &[4, 0, 0, 0, 5, 0, 0, 1],
    ] {
        let words = (blocks.len() / 4 + 1) as u8;
        let header = [0x80, 207, 0, words, 0, 0, 0, 7];
        let datagram = [&header[..], blocks].concat();
        let packets: Vec<_> = Packets::of(&datagram).collect();
        assert_eq!(packets, [Err(Malformed)], "{blocks:?}");
    }
    let packets: Vec<_> = Packets::of(&[0x80, 207, 0, 0]).collect();
    assert_eq!(packets, [Err(Malformed)]);
}

/// §4.5: the same figure as that of RFC 3550 §6.4.1.
#[test]
fn round_trip_without_media() {
    let answer = LastReference {
        ssrc: Ssrc(1),
        last: 0xb705_2000,
        delay: 0x0005_4000,
    };
    let received_at = NtpTime(0x0000_b710_8000_0000);
    let expected = Some(Duration::from_millis(6_125));
    assert_eq!(answer.round_trip(received_at), expected);
    let never = LastReference { last: 0, ..answer };
    assert_eq!(never.round_trip(received_at), None);
    let held = LastReference::new(Ssrc(1), NtpTime(5 << 16), Duration::from_millis(1_500));
    assert_eq!((held.last, held.delay), (5, 98_304));
}

proptest! {
    #[test]
    fn any_blocks_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let words = bytes.len() / 4;
        let header = [0x80, 207, 0, (words + 1) as u8, 0, 0, 0, 7];
        let datagram = [&header[..], &bytes[..words * 4]].concat();
        if let Some(Ok(Packet::Extended { blocks, .. })) = Packets::of(&datagram).next() {
            prop_assert!(blocks.count() <= words);
            for block in blocks {
                if let Block::LastReferences(answers) = block {
                    prop_assert!(answers.count() <= words);
                }
            }
        }
    }
}
