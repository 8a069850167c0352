//! A datagram on a media socket: told apart, read as RTP and RTCP, opened as SRTP and SRTCP of every suite.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wabridge::media::rtcp::Packets;
use wabridge::media::rtp::{Kind, Packet};
use wabridge::media::srtp::Inbound;
use wabridge::sdp::{MasterKey, Suite};

const SUITES: [Suite; 6] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AesCm256HmacSha1_80,
    Suite::AesCm256HmacSha1_32,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];

fuzz_target!(|bytes: &[u8]| {
    let _ = Kind::of(bytes);
    if let Ok(packet) = Packet::parse(bytes) {
        assert!(packet.payload.len() + 12 <= bytes.len());
    }
    assert!(Packets::of(bytes).count() <= bytes.len() / 4 + 1);
    for suite in SUITES {
        let mut inbound = Inbound::new(suite, &MasterKey(vec![7; 46])).expect("a key that is long enough");
        let opened = inbound.unprotect_rtp(&mut bytes.to_vec());
        assert!(opened.is_err(), "a forged packet was believed");
        let opened = inbound.unprotect_rtcp(&mut bytes.to_vec());
        assert!(opened.is_err(), "a forged packet was believed");
        assert!(inbound.streams().is_empty(), "a forged packet left a trace");
    }
});
