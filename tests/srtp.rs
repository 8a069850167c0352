//! `media::srtp` against a second implementation, both ways, and its promise to allocate nothing.

use proptest::prelude::*;
use wabridge::media::rtp::{Header, RtpTime, SequenceNumber};
use wabridge::media::srtp::{Error, Inbound, MAX_OVERHEAD, Outbound};
use wabridge::sdp::{MasterKey, PayloadType, Ssrc, Suite};
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AesCm256HmacSha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    }
}

fn key(suite: Suite, seed: u8) -> MasterKey {
    let length = suite.key_length() + suite.salt_length();
    let bytes = (0..length).map(|n| seed.wrapping_add((n * 7) as u8));
    MasterKey(bytes.collect())
}

fn theirs(suite: Suite, seed: u8) -> Context {
    let joined = key(suite, seed);
    let (key, salt) = joined.0.split_at(suite.key_length());
    let windows = (srtp_replay_protection(128), srtcp_replay_protection(128));
    Context::new(key, salt, profile(suite), Some(windows.0), Some(windows.1)).unwrap()
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        marker: sequence.is_multiple_of(50),
        payload_type: PayloadType(111),
        sequence: SequenceNumber(sequence),
        timestamp: RtpTime(u32::from(sequence) * 960),
        ssrc: Ssrc(ssrc),
    };
    [&header.to_bytes(), payload].concat()
}

/// A receiver report with `words` of something behind its SSRC.
fn rtcp(ssrc: u32, words: &[u32]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, words.len() as u8 + 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    packet
}

fn protect_rtp(ours: &mut Outbound, plain: &[u8]) -> Vec<u8> {
    let mut buffer = [plain, &[0; MAX_OVERHEAD]].concat();
    let length = ours.protect_rtp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn protect_rtcp(ours: &mut Outbound, plain: &[u8]) -> Vec<u8> {
    let mut buffer = [plain, &[0; MAX_OVERHEAD]].concat();
    let length = ours.protect_rtcp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn unprotect_rtp(ours: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Error> {
    let mut packet = packet.to_vec();
    let length = ours.unprotect_rtp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

fn unprotect_rtcp(ours: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Error> {
    let mut packet = packet.to_vec();
    let length = ours.unprotect_rtcp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

fn any_suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(&Suite::ALL[..])
}

proptest! {
    #[test]
    fn they_open_what_we_protect(
        suite in any_suite(), seed: u8, ssrc: u32,
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        words in prop::collection::vec(any::<u32>(), 0..60),
    ) {
        let mut ours = Outbound::new(suite, &key(suite, seed)).unwrap();
        let mut theirs = theirs(suite, seed);
        for (sequence, payload) in (1..).zip(&payloads) {
            let plain = rtp(ssrc, sequence, payload);
            let opened = theirs.decrypt_rtp(&protect_rtp(&mut ours, &plain)).unwrap();
            prop_assert_eq!(&opened[..], &plain[..]);
            let plain = rtcp(ssrc, &words);
            let opened = theirs.decrypt_rtcp(&protect_rtcp(&mut ours, &plain)).unwrap();
            prop_assert_eq!(&opened[..], &plain[..]);
        }
    }

    #[test]
    fn we_open_what_they_protect(
        suite in any_suite(), seed: u8, ssrc: u32,
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        words in prop::collection::vec(any::<u32>(), 0..60),
    ) {
        let mut ours = Inbound::new(suite, &key(suite, seed)).unwrap();
        let mut theirs = theirs(suite, seed);
        for (sequence, payload) in (1..).zip(&payloads) {
            let plain = rtp(ssrc, sequence, payload);
            let packet = theirs.encrypt_rtp(&plain).unwrap();
            prop_assert_eq!(unprotect_rtp(&mut ours, &packet), Ok(plain));
            let plain = rtcp(ssrc, &words);
            let packet = theirs.encrypt_rtcp(&plain).unwrap();
            prop_assert_eq!(unprotect_rtcp(&mut ours, &packet), Ok(plain));
        }
    }

    /// What they protect survives no change of ours to it, and we survive the change.
    #[test]
    fn a_changed_packet_of_theirs_is_refused(
        suite in any_suite(), at in 0.0..1.0f64, bit in 0u8..8, keep in 0.0..1.0f64,
    ) {
        let mut ours = Inbound::new(suite, &key(suite, 1)).unwrap();
        let packet = theirs(suite, 1).encrypt_rtp(&rtp(7, 1, b"a payload")).unwrap();
        let mut changed = packet.to_vec();
        let place = (changed.len() as f64 * at) as usize;
        changed[place] ^= 1 << bit;
        prop_assert!(unprotect_rtp(&mut ours, &changed).is_err());
        let kept = (packet.len() as f64 * keep) as usize;
        prop_assert!(unprotect_rtp(&mut ours, &packet[..kept]).is_err());
        prop_assert_eq!(unprotect_rtp(&mut ours, &packet), Ok(rtp(7, 1, b"a payload")));
    }
}

const FIRST: usize = 0x7000;
/// Every fifth packet arrives.
const STEP: usize = 5;

/// Some packets overtake others, one of them across the first wrap.
fn disorder(packets: &mut [Vec<u8>]) {
    for chunk in packets.chunks_exact_mut(20) {
        chunk.swap(3, 15);
    }
    let behind_wrap = (0x1_0000 - FIRST).div_ceil(STEP);
    packets.swap(behind_wrap - 1, behind_wrap);
}

#[test]
fn two_rollovers_both_ways() {
    for suite in Suite::ALL {
        let plain: Vec<_> = (FIRST..0x2_0400)
            .step_by(STEP)
            .map(|index| rtp(7, index as u16, b"speech"))
            .collect();
        let mut ours = Outbound::new(suite, &key(suite, 9)).unwrap();
        let mut they = theirs(suite, 9);
        let mut packets: Vec<_> = plain.iter().map(|it| protect_rtp(&mut ours, it)).collect();
        disorder(&mut packets);
        for packet in &packets {
            assert!(they.decrypt_rtp(packet).is_ok(), "{suite:?}");
        }

        let mut ours = Inbound::new(suite, &key(suite, 9)).unwrap();
        let mut they = theirs(suite, 9);
        let encrypt = |it: &Vec<u8>| they.encrypt_rtp(it).unwrap().to_vec();
        let mut packets: Vec<_> = plain.iter().map(encrypt).collect();
        disorder(&mut packets);
        for packet in &packets {
            assert!(unprotect_rtp(&mut ours, packet).is_ok(), "{suite:?}");
        }
        for packet in &packets[packets.len() - 20..] {
            assert_eq!(unprotect_rtp(&mut ours, packet), Err(Error::Replayed));
        }
    }
}

#[test]
fn nothing_is_allocated_per_packet() {
    for suite in Suite::ALL {
        let mut outbound = Outbound::new(suite, &key(suite, 3)).unwrap();
        let mut inbound = Inbound::new(suite, &key(suite, 3)).unwrap();
        let mut buffer = [0; 300];
        let report = rtcp(7, &[1, 2, 3]);
        let packets: Vec<_> = (1..500).map(|n| rtp(7, n, &[5; 160])).collect();
        let allocated = allocation_counter::measure(|| {
            for packet in &packets {
                buffer[..packet.len()].copy_from_slice(packet);
                let length = outbound.protect_rtp(&mut buffer, packet.len()).unwrap();
                assert_eq!(
                    inbound.unprotect_rtp(&mut buffer[..length]),
                    Ok(packet.len())
                );
                assert!(inbound.unprotect_rtp(&mut buffer[..length]).is_err());
                buffer[..report.len()].copy_from_slice(&report);
                let length = outbound.protect_rtcp(&mut buffer, report.len()).unwrap();
                assert_eq!(
                    inbound.unprotect_rtcp(&mut buffer[..length]),
                    Ok(report.len())
                );
            }
        });
        assert_eq!(allocated.count_total, 0, "{suite:?}");
    }
}
