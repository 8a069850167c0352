use proptest::prelude::*;

use super::*;
use crate::media::rtp::{Header, RtpTime, SequenceNumber};
use crate::sdp::{MasterKey, PayloadType, Suite};

/// From hexadecimal digits; white space is for the reader.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| d as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn key() -> MasterKey {
    MasterKey((0..46).map(|n| n * 5 + 3).collect())
}

fn pair(suite: Suite) -> (Outbound, Inbound) {
    (
        Outbound::new(suite, &key()).unwrap(),
        Inbound::new(suite, &key()).unwrap(),
    )
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = Header {
        marker: false,
        payload_type: PayloadType(111),
        sequence: SequenceNumber(sequence),
        timestamp: RtpTime(u32::from(sequence) * 960),
        ssrc: Ssrc(ssrc),
    };
    [&header.to_bytes()[..], b"payload", &sequence.to_be_bytes()].concat()
}

/// A receiver report without blocks.
fn rtcp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1], &ssrc.to_be_bytes()[..]].concat()
}

fn with_room(packet: &[u8]) -> Vec<u8> {
    [packet, &[0; MAX_OVERHEAD]].concat()
}

fn protected(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buffer = with_room(packet);
    let length = outbound.protect_rtp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn protected_rtcp(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buffer = with_room(packet);
    let length = outbound.protect_rtcp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn open(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Error> {
    let mut packet = packet.to_vec();
    let length = inbound.unprotect_rtp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

fn open_rtcp(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Error> {
    let mut packet = packet.to_vec();
    let length = inbound.unprotect_rtcp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

/// The packet of libsrtp's self-test, with the keys of RFC 3711 B.3.
#[test]
fn a_whole_packet_is_as_elsewhere() {
    let key = MasterKey(bytes(
        "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
    ));
    let plain = bytes("800f1234decafbadcafebabe abababababababababababababababab");
    let mut outbound = Outbound::new(Suite::AesCm128HmacSha1_80, &key).unwrap();
    let expected = "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb";
    assert_eq!(protected(&mut outbound, &plain), bytes(expected));
}

#[test]
fn every_suite_there_and_back() {
    for suite in Suite::ALL {
        let (mut outbound, mut inbound) = pair(suite);
        for sequence in 1..4 {
            let plain = rtp(7, sequence);
            let packet = protected(&mut outbound, &plain);
            assert_ne!(packet[12..plain.len()], plain[12..], "{suite:?}");
            assert_eq!(open(&mut inbound, &packet), Ok(plain), "{suite:?}");
            let plain = rtcp(7);
            let packet = protected_rtcp(&mut outbound, &plain);
            assert_eq!(open_rtcp(&mut inbound, &packet), Ok(plain), "{suite:?}");
        }
    }
}

#[test]
fn overhead_is_what_the_suites_say() {
    for (suite, rtp_overhead, rtcp_overhead) in [
        (Suite::AesCm128HmacSha1_80, 10, 14),
        (Suite::AesCm128HmacSha1_32, 4, 14),
        (Suite::AesCm256HmacSha1_80, 10, 14),
        (Suite::AesCm256HmacSha1_32, 4, 14),
        (Suite::AeadAes128Gcm, 16, 20),
        (Suite::AeadAes256Gcm, 16, 20),
    ] {
        let (mut outbound, _) = pair(suite);
        let plain = rtp(1, 1);
        assert_eq!(
            protected(&mut outbound, &plain).len(),
            plain.len() + rtp_overhead
        );
        let plain = rtcp(1);
        assert_eq!(
            protected_rtcp(&mut outbound, &plain).len(),
            plain.len() + rtcp_overhead
        );
    }
}

#[test]
fn two_rollovers_with_packets_swapped_and_lost() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let (mut outbound, mut inbound) = pair(suite);
        let packets: Vec<_> = (0x7000u32..0x2_1000)
            .map(|index| protected(&mut outbound, &rtp(7, index as u16)))
            .collect();
        for (index, two) in (0x7000u32..).step_by(2).zip(packets.chunks_exact(2)) {
            if index % 0x100 == 0x80 {
                continue;
            }
            assert_eq!(open(&mut inbound, &two[1]), Ok(rtp(7, (index + 1) as u16)));
            assert_eq!(open(&mut inbound, &two[0]), Ok(rtp(7, index as u16)));
        }
        let highest = inbound.streams()[0].rtp.unwrap().highest;
        assert_eq!(highest, 0x2_0fff);
    }
}

#[test]
fn a_replay_is_refused_whatever_its_age() {
    let (mut outbound, mut inbound) = pair(Suite::AesCm128HmacSha1_80);
    let packets: Vec<_> = (1..=300)
        .map(|sequence| protected(&mut outbound, &rtp(7, sequence)))
        .collect();
    for packet in &packets {
        assert!(open(&mut inbound, packet).is_ok());
    }
    for packet in &packets {
        assert_eq!(open(&mut inbound, packet), Err(Error::Replayed));
    }
    let report = protected_rtcp(&mut outbound, &rtcp(7));
    assert!(open_rtcp(&mut inbound, &report).is_ok());
    assert_eq!(open_rtcp(&mut inbound, &report), Err(Error::Replayed));
}

#[test]
fn forged_sources_leave_no_state() {
    let (mut outbound, mut inbound) = pair(Suite::AesCm128HmacSha1_80);
    assert!(open(&mut inbound, &protected(&mut outbound, &rtp(7, 1))).is_ok());
    let before = inbound.streams();
    for ssrc in 0..1000 {
        let forged = [&rtp(ssrc, 9)[..], &[0; 10]].concat();
        assert_eq!(open(&mut inbound, &forged), Err(Error::Authentication));
        let forged = [&rtcp(ssrc)[..], &[0x80, 0, 0, 9], &[0; 10]].concat();
        assert_eq!(open_rtcp(&mut inbound, &forged), Err(Error::Authentication));
    }
    assert_eq!(inbound.streams(), before);
}

#[test]
fn a_forged_packet_far_ahead_does_not_move_the_window() {
    let (mut outbound, mut inbound) = pair(Suite::AeadAes128Gcm);
    assert!(open(&mut inbound, &protected(&mut outbound, &rtp(7, 1))).is_ok());
    let forged = [&rtp(7, 30_000)[..], &[0; 16]].concat();
    assert_eq!(open(&mut inbound, &forged), Err(Error::Authentication));
    assert!(open(&mut inbound, &protected(&mut outbound, &rtp(7, 2))).is_ok());
}

#[test]
fn a_sender_never_uses_an_index_twice() {
    let (mut outbound, _) = pair(Suite::AesCm128HmacSha1_80);
    protected(&mut outbound, &rtp(7, 100));
    for sequence in [100, 99, 0, 100 + 0x8000] {
        let packet = rtp(7, sequence);
        let mut buffer = with_room(&packet);
        let refused = outbound.protect_rtp(&mut buffer, packet.len());
        assert_eq!(refused, Err(Error::IndexReused), "{sequence}");
        assert_eq!(
            buffer,
            with_room(&packet),
            "sent in the clear or not at all"
        );
    }
}

#[test]
fn a_fifth_source_is_not_sent_but_is_received() {
    let (mut outbound, mut inbound) = pair(Suite::AesCm128HmacSha1_80);
    for ssrc in 1..=4 {
        assert!(open(&mut inbound, &protected(&mut outbound, &rtp(ssrc, 1))).is_ok());
    }
    let packet = rtp(5, 1);
    let refused = outbound.protect_rtp(&mut with_room(&packet), packet.len());
    assert_eq!(refused, Err(Error::TooManySources));
    let (mut other, _) = pair(Suite::AesCm128HmacSha1_80);
    assert!(open(&mut inbound, &protected(&mut other, &packet)).is_ok());
    assert_eq!(inbound.streams().len(), 4);
}

#[test]
fn a_key_ends() {
    let (mut outbound, _) = pair(Suite::AesCm128HmacSha1_80);
    outbound.resume(&[StreamState {
        ssrc: Ssrc(7),
        rtp: Some(Progress {
            highest: (1 << 48) - 1,
            seen: 1,
        }),
        rtcp: Some(Progress {
            highest: (1 << 31) - 1,
            seen: 1,
        }),
    }]);
    let packet = rtp(7, 0);
    let refused = outbound.protect_rtp(&mut with_room(&packet), packet.len());
    assert_eq!(refused, Err(Error::KeyExhausted));
    let packet = rtcp(7);
    let refused = outbound.protect_rtcp(&mut with_room(&packet), packet.len());
    assert_eq!(refused, Err(Error::KeyExhausted));
}

#[test]
fn a_standby_goes_on_in_the_fourth_rollover() {
    for suite in Suite::ALL {
        let (mut outbound, mut inbound) = pair(suite);
        let state = StreamState {
            ssrc: Ssrc(7),
            rtp: Some(Progress {
                highest: 0x4_fffe,
                seen: 1,
            }),
            rtcp: None,
        };
        outbound.resume(&[state]);
        inbound.resume(&[state]);
        let last = protected(&mut outbound, &rtp(7, 0xffff));
        assert!(open(&mut inbound, &last).is_ok());
        let (mut next_outbound, mut next_inbound) = pair(suite);
        next_outbound.resume(&outbound.streams());
        next_inbound.resume(&inbound.streams());
        assert_eq!(open(&mut next_inbound, &last), Err(Error::Replayed));
        let packet = protected(&mut next_outbound, &rtp(7, 0));
        assert_eq!(open(&mut next_inbound, &packet), Ok(rtp(7, 0)));
    }
}

#[test]
fn the_e_bit_is_authenticated() {
    let (mut outbound, mut inbound) = pair(Suite::AesCm128HmacSha1_80);
    let mut packet = protected_rtcp(&mut outbound, &rtcp(7));
    packet[8] &= 0x7f;
    assert_eq!(open_rtcp(&mut inbound, &packet), Err(Error::Authentication));
}

#[test]
fn no_room_is_an_error() {
    let (mut outbound, _) = pair(Suite::AeadAes128Gcm);
    let mut packet = rtp(7, 1);
    let length = packet.len();
    assert_eq!(
        outbound.protect_rtp(&mut packet, length),
        Err(Error::NoRoom)
    );
    assert_eq!(
        outbound.protect_rtp(&mut packet, usize::MAX),
        Err(Error::NoRoom)
    );
    assert_eq!(
        outbound.protect_rtcp(&mut packet, length + 1),
        Err(Error::NoRoom)
    );
}

fn any_suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(&Suite::ALL[..])
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_panic(
        suite in any_suite(),
        mut packet in prop::collection::vec(any::<u8>(), 0..120),
        versioned: bool,
    ) {
        if let (true, Some(first)) = (versioned, packet.first_mut()) {
            *first = *first & 0x3f | 0x80;
        }
        let (_, mut inbound) = pair(suite);
        prop_assert!(open(&mut inbound, &packet).is_err());
        prop_assert!(open_rtcp(&mut inbound, &packet).is_err());
        prop_assert_eq!(inbound.streams(), []);
    }

    #[test]
    fn any_changed_bit_is_noticed(suite in any_suite(), bit in 0usize..21 * 8) {
        let (mut outbound, mut inbound) = pair(suite);
        let mut packet = protected(&mut outbound, &rtp(7, 1));
        packet[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open(&mut inbound, &packet).is_err());
    }

    #[test]
    fn any_changed_bit_of_rtcp_is_noticed(suite in any_suite(), bit in 0usize..22 * 8) {
        let (mut outbound, mut inbound) = pair(suite);
        let mut packet = protected_rtcp(&mut outbound, &rtcp(7));
        packet[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open_rtcp(&mut inbound, &packet).is_err());
    }

    #[test]
    fn any_cut_is_refused(suite in any_suite(), keep in 0.0..1.0f64) {
        let (mut outbound, mut inbound) = pair(suite);
        let packet = protected(&mut outbound, &rtp(7, 1));
        let kept = (packet.len() as f64 * keep) as usize;
        prop_assert!(open(&mut inbound, &packet[..kept]).is_err());
        let packet = protected_rtcp(&mut outbound, &rtcp(7));
        let kept = (packet.len() as f64 * keep) as usize;
        prop_assert!(open_rtcp(&mut inbound, &packet[..kept]).is_err());
    }

    /// Whatever the network does within the window, each packet opens once and only once.
    #[test]
    fn any_order_within_the_window_opens_once(
        suite in any_suite(),
        first: u16,
        displacement in prop::collection::vec(0usize..60, 100..400),
        lost in prop::collection::vec(prop::bool::weighted(0.1), 400),
    ) {
        let (mut outbound, mut inbound) = pair(suite);
        let mut sent: Vec<(usize, Vec<u8>, Vec<u8>)> = displacement
            .iter()
            .enumerate()
            .map(|(n, displaced)| {
                let plain = rtp(7, first.wrapping_add(n as u16));
                let packet = protected(&mut outbound, &plain);
                (n + displaced, packet, plain)
            })
            .collect();
        // What comes before the first packet that arrives cannot be told from the previous rollover.
        sent[0].0 = 0;
        sent.sort_by_key(|(arrival, _, _)| *arrival);
        let arriving = sent.iter().zip(&lost).enumerate();
        let arriving = arriving.filter(|(n, (_, lost))| *n == 0 || !**lost);
        for (_, ((_, packet, plain), _)) in arriving {
            prop_assert_eq!(&open(&mut inbound, packet).unwrap(), plain);
            prop_assert_eq!(open(&mut inbound, packet), Err(Error::Replayed));
        }
    }
}
