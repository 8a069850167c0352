//! A session description, as an offer and as an answer, to legs of every kind of policy.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use wabridge::sdp::{
    Candidate, Codec, Direction, DtlsVersion, Fingerprint, IceCredentials, IceMode, Local,
    MasterKey, Negotiation, OfferedSetup, Offers, Policy, Security, Ssrc, Suite, XrUse,
};

fuzz_target!(|sdp: &[u8]| {
    for security in [
        Security::Plain,
        Security::Sdes(Suite::ALL.to_vec()),
        Security::SdesIfOffered(Suite::ALL.to_vec()),
        Security::Dtls,
        as_offered(),
    ] {
        answer_offer(leg(security.clone()), sdp);
        read_answer(leg(security), sdp);
    }
});

/// What we answer has a line for each of the offer's, is the same again, and can itself be read.
fn answer_offer(mut leg: Negotiation, offer: &[u8]) {
    let Ok((answer, agreement)) = leg.answer(offer, Direction::SendRecv) else {
        assert!(leg.current().is_none() && leg.agreement().is_none());
        return;
    };
    assert_eq!(leg.current(), Some(answer.as_str()));
    assert_eq!(
        leg.answer(offer, Direction::SendRecv),
        Ok((answer.clone(), agreement.clone()))
    );
    let media = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
    assert_eq!(media(&answer), media(&leg.offer(Direction::SendRecv)));
    leg.handle_offer_refused();
    assert_eq!(leg.agreement(), Some(&agreement));
    let mut peer = self::leg(as_offered());
    let (_, theirs) = peer
        .answer(answer.as_bytes(), Direction::SendRecv)
        .expect("our own text is an offer");
    assert_eq!(theirs.codec, agreement.codec);
}

fn read_answer(mut leg: Negotiation, answer: &[u8]) {
    leg.offer(Direction::SendRecv);
    if let Ok(agreement) = leg.handle_answer(answer) {
        assert!(!agreement.receive.is_empty());
        assert_eq!(leg.handle_answer(answer), Ok(agreement));
    }
}

fn as_offered() -> Security {
    Security::AsOffered {
        offers: Offers::Plain,
        suites: Suite::ALL.to_vec(),
    }
}

fn leg(security: Security) -> Negotiation {
    let policy = Policy {
        codecs: Codec::ALL.to_vec(),
        own_order: false,
        security,
        telephone_event: vec![8_000, 48_000],
        packet_time: Duration::from_millis(20),
        max_packet_time: None,
        opus_fmtp: "useinbandfec=1".to_owned(),
        rtcp_mux: true,
        rtcp_xr: XrUse::IfOffered,
        announce_ssrc: true,
        dtls_setup: OfferedSetup::ActPass,
        dtls_newest: DtlsVersion::V1_3,
        ice: IceMode::Full,
    };
    let local = Local {
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        rtp_port: 20_000,
        rtcp_port: 20_001,
        ssrc: Ssrc(1),
        cname: "fuzz".to_owned(),
        key: MasterKey(vec![7; MasterKey::LONGEST]),
        ice: IceCredentials::new(&[7; 32]),
        candidates: vec![Candidate::host(
            (Ipv4Addr::new(192, 0, 2, 1), 20_000).into(),
            0,
        )],
        fingerprint: Fingerprint::of(b"a certificate"),
        session_id: 1,
    };
    Negotiation::new(policy, local)
}
