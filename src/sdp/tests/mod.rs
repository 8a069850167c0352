//! Offers and answers as peers write them.

mod extended_reports;
mod families;
mod pbx;
mod properties;
mod re_offers;
mod webrtc;
mod whatsapp;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{
    Agreement, Candidate, Codec, Direction, DtlsVersion, Fingerprint, IceCredentials, IceMode,
    Local, MasterKey, Negotiation, OfferedSetup, Offers, Policy, Protection, Refusal, Security,
    Ssrc, Suite, XrUse,
};

const OPUS_FMTP: &str = "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1";

fn whatsapp_policy() -> Policy {
    Policy {
        codecs: vec![Codec::Opus],
        own_order: true,
        security: Security::Sdes(vec![Suite::AesCm128HmacSha1_80]),
        telephone_event: vec![8_000],
        packet_time: Duration::from_millis(20),
        max_packet_time: Some(Duration::from_millis(20)),
        opus_fmtp: OPUS_FMTP.to_owned(),
        rtcp_mux: true,
        rtcp_xr: XrUse::IfOffered,
        announce_ssrc: true,
        dtls_setup: OfferedSetup::ActPass,
        dtls_newest: DtlsVersion::V1_2,
        ice: IceMode::Full,
    }
}

fn pbx_policy() -> Policy {
    Policy {
        codecs: vec![Codec::Pcma, Codec::Pcmu, Codec::Opus],
        own_order: false,
        security: Security::SdesIfOffered(Suite::ALL.to_vec()),
        telephone_event: vec![8_000, 48_000],
        packet_time: Duration::from_millis(20),
        max_packet_time: None,
        opus_fmtp: "useinbandfec=1".to_owned(),
        rtcp_mux: false,
        rtcp_xr: XrUse::IfOffered,
        announce_ssrc: false,
        dtls_setup: OfferedSetup::ActPass,
        dtls_newest: DtlsVersion::V1_2,
        ice: IceMode::Full,
    }
}

fn address(seed: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, seed))
}

fn local(seed: u8) -> Local {
    Local {
        address: address(seed),
        rtp_port: 20_000,
        rtcp_port: 20_001,
        ssrc: Ssrc(0x1234_5600 + u32::from(seed)),
        cname: "wabridge".to_owned(),
        key: MasterKey(vec![seed; MasterKey::LONGEST]),
        ice: IceCredentials::new(&[seed; 32]),
        candidates: vec![Candidate::host((address(seed), 20_000).into(), 0)],
        fingerprint: Fingerprint::of(&[seed]),
        session_id: 7_000 + u64::from(seed),
    }
}

fn whatsapp_leg() -> Negotiation {
    Negotiation::new(whatsapp_policy(), local(1))
}

fn pbx_leg() -> Negotiation {
    Negotiation::new(pbx_policy(), local(2))
}

fn crlf(text: &str) -> Vec<u8> {
    text.trim_start().replace('\n', "\r\n").into_bytes()
}

fn answer(leg: &mut Negotiation, offer: &str) -> (String, Agreement) {
    leg.answer(&crlf(offer), Direction::SendRecv).unwrap()
}

fn refusal(leg: &mut Negotiation, offer: &str) -> Refusal {
    leg.answer(&crlf(offer), Direction::SendRecv).unwrap_err()
}

/// Lines of a description that begin so.
fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines()
        .filter(|line| line.starts_with(start))
        .collect()
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}
