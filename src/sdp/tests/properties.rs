//! What holds for every policy and every text.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::sdp::IceRole;

fn codecs() -> impl Strategy<Value = Vec<Codec>> {
    subsequence(Codec::ALL.to_vec(), 1..=3).prop_shuffle()
}

fn suites() -> impl Strategy<Value = Vec<Suite>> {
    subsequence(Suite::ALL.to_vec(), 1..=6).prop_shuffle()
}

fn security() -> impl Strategy<Value = Security> {
    prop_oneof![
        Just(Security::Plain),
        suites().prop_map(Security::Sdes),
        suites().prop_map(Security::SdesIfOffered),
        Just(Security::Dtls),
        (
            select(vec![Offers::Plain, Offers::Sdes, Offers::Dtls]),
            suites()
        )
            .prop_map(|(offers, suites)| Security::AsOffered { offers, suites }),
    ]
}

prop_compose! {
    fn policy()(
        codecs in codecs(),
        own_order in any::<bool>(),
        security in security(),
        telephone_event in subsequence(vec![8_000, 48_000], 0..=2),
        packet_time in select(vec![10, 20, 30, 40, 60]),
        rtcp_mux in any::<bool>(),
        rtcp_xr in select(vec![XrUse::Never, XrUse::IfOffered, XrUse::Offer]),
        announce_ssrc in any::<bool>(),
        dtls_setup in select(vec![OfferedSetup::ActPass, OfferedSetup::Active]),
        ice in select(vec![IceMode::Full, IceMode::Lite]),
    ) -> Policy {
        Policy {
            codecs,
            own_order,
            security,
            telephone_event,
            packet_time: Duration::from_millis(packet_time),
            max_packet_time: None,
            opus_fmtp: "useinbandfec=1".to_owned(),
            rtcp_mux,
            rtcp_xr,
            announce_ssrc,
            dtls_setup,
            dtls_newest: DtlsVersion::V1_3,
            ice,
        }
    }
}

fn direction() -> impl Strategy<Value = Direction> {
    select(Direction::ALL.to_vec())
}

/// Whether an offer by the first can be accepted by the second.
fn are_compatible(offerer: &Policy, answerer: &Policy) -> bool {
    let codecs = offerer
        .codecs
        .iter()
        .any(|codec| answerer.codecs.contains(codec));
    let accepted = &answerer.security;
    let security = match &offerer.security {
        Security::Plain
        | Security::SdesIfOffered(_)
        | Security::AsOffered {
            offers: Offers::Plain,
            ..
        } => accepted.takes_plain(),
        Security::Sdes(suites)
        | Security::AsOffered {
            offers: Offers::Sdes,
            suites,
        } => suites.iter().any(|suite| accepted.suites().contains(suite)),
        Security::Dtls
        | Security::AsOffered {
            offers: Offers::Dtls,
            ..
        } => matches!(accepted, Security::Dtls | Security::AsOffered { .. }),
    };
    codecs && security
}

/// Each believes the other's certificate, one sends the ClientHello, and each checks with the other's credentials.
fn assert_handshakes_fit(a: &Agreement, b: &Agreement) -> Result<(), TestCaseError> {
    let (Some(ours), Some(theirs)) = (a.protection.dtls(), b.protection.dtls()) else {
        prop_assert_eq!(a.protection.dtls(), b.protection.dtls());
        prop_assert!(a.ice.is_none() && b.ice.is_none());
        return Ok(());
    };
    prop_assert_ne!(ours.role, theirs.role);
    prop_assert_eq!(&ours.fingerprints, &[local(2).fingerprint]);
    prop_assert_eq!(&theirs.fingerprints, &[local(1).fingerprint]);
    prop_assert!(a.rtcp_mux && b.rtcp_mux);
    let (ours, theirs) = (a.ice.as_ref().unwrap(), b.ice.as_ref().unwrap());
    prop_assert_ne!(ours.role, theirs.role);
    prop_assert_eq!(&ours.ours, &theirs.theirs);
    prop_assert_eq!(&ours.theirs, &theirs.ours);
    let controller = match ours.role {
        IceRole::Controlling => &ours.ours,
        IceRole::Controlled => &ours.theirs,
    };
    let both_lite = [&ours.ours, &ours.theirs]
        .iter()
        .all(|end| end.mode == IceMode::Lite);
    prop_assert!(both_lite || controller.mode == IceMode::Full);
    Ok(())
}

fn assert_matches(a: &Agreement, b: &Agreement) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.codec, b.codec);
    prop_assert!(a.receive.contains(&(b.send_pt, b.codec)));
    prop_assert!(b.receive.contains(&(a.send_pt, a.codec)));
    prop_assert_eq!(a.direction, b.direction.mirrored());
    prop_assert_eq!(a.rtcp_mux, b.rtcp_mux);
    prop_assert_eq!(a.extended_reports, b.extended_reports);
    let events = |agreement: &Agreement| agreement.telephone_event;
    prop_assert_eq!(
        events(a).map(|event| (event.send_pt, event.receive_pt, event.clock)),
        events(b).map(|event| (event.receive_pt, event.send_pt, event.clock))
    );
    match (a.protection.sdes(), b.protection.sdes()) {
        (Some(a), Some(b)) => {
            prop_assert_eq!(a.suite, b.suite);
            prop_assert_eq!(&a.send, &b.receive);
            prop_assert_eq!(&b.send, &a.receive);
            prop_assert_ne!(&a.send, &b.send);
        }
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => prop_assert!(false, "one side encrypts"),
    }
    assert_handshakes_fit(a, b)
}

/// One offer from `a`, answered by `b`: both agree, or the policies do not fit and nothing changed.
fn exchange(
    a: &mut Negotiation,
    b: &mut Negotiation,
    offered: Direction,
    wanted: Direction,
) -> Result<Option<(Agreement, Agreement)>, TestCaseError> {
    let offer = a.offer(offered);
    let Ok((answer, theirs)) = b.answer(offer.as_bytes(), wanted) else {
        a.handle_offer_refused();
        return Ok(None);
    };
    let ours = a
        .handle_answer(answer.as_bytes())
        .map_err(|refusal| TestCaseError::fail(format!("{refusal}\n{offer}\n{answer}")))?;
    assert_matches(&ours, &theirs)?;
    prop_assert_eq!(theirs.direction, wanted.and(offered.mirrored()));
    prop_assert_eq!(ours.remote_rtp.map(|at| at.ip()), Some(local(2).address));
    prop_assert_eq!(theirs.remote_rtp.map(|at| at.ip()), Some(local(1).address));
    Ok(Some((ours, theirs)))
}

proptest! {
    #[test]
    fn compatible_policies_agree(
        a in policy(), b in policy(), offered in direction(), wanted in direction(),
    ) {
        let fits = are_compatible(&a, &b);
        let mut a = Negotiation::new(a, local(1));
        let mut b = Negotiation::new(b, local(2));
        let agreed = exchange(&mut a, &mut b, offered, wanted)?;
        prop_assert_eq!(agreed.is_some(), fits);
    }

    /// Offers go back and forth; the session stays one session.
    #[test]
    fn a_session_lives_through_re_offers_from_both_sides(
        a in policy(), b in policy(), turns in prop::collection::vec((any::<bool>(), direction()), 1..8),
    ) {
        prop_assume!(are_compatible(&a, &b));
        let mut legs = [Negotiation::new(a, local(1)), Negotiation::new(b, local(2))];
        let [a, b] = &mut legs;
        let (first, _) = exchange(a, b, Direction::SendRecv, Direction::SendRecv)?.unwrap();
        for (from_a, direction) in turns {
            let (offer, answer) = if from_a {
                let offer = a.offer(direction);
                let (answer, _) = b.answer(offer.as_bytes(), Direction::SendRecv).unwrap();
                a.handle_answer(answer.as_bytes()).unwrap();
                (offer, answer)
            } else {
                let offer = b.offer(direction);
                let (answer, _) = a.answer(offer.as_bytes(), Direction::SendRecv).unwrap();
                b.handle_answer(answer.as_bytes()).unwrap();
                (offer, answer)
            };
            prop_assert_eq!(lines(&offer, "m=").len(), 1);
            prop_assert_eq!(lines(&answer, "m=").len(), 1);
            assert_matches(a.agreement().unwrap(), b.agreement().unwrap())?;
            let now = a.agreement().unwrap();
            prop_assert_eq!(&first.ice, &now.ice, "nobody restarts");
            prop_assert_eq!(first.protection.dtls(), now.protection.dtls());
            prop_assert_eq!(first.protection.is_encrypted(), now.protection.is_encrypted());
        }
    }

    #[test]
    fn the_same_offer_gets_the_same_answer(a in policy(), b in policy()) {
        prop_assume!(are_compatible(&a, &b));
        let offer = Negotiation::new(a, local(1)).offer(Direction::SendRecv);
        let mut b = Negotiation::new(b, local(2));
        let first = b.answer(offer.as_bytes(), Direction::SendRecv).unwrap();
        let second = b.answer(offer.as_bytes(), Direction::SendRecv).unwrap();
        prop_assert_eq!(first, second);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600), policy in policy()) {
        let mut leg = Negotiation::new(policy, local(1));
        let _ = leg.answer(&bytes, Direction::SendRecv);
        leg.offer(Direction::SendRecv);
        let _ = leg.handle_answer(&bytes);
    }

    /// Lines that look like SDP, in any order and number.
    #[test]
    fn any_lines_are_survived_and_answered_safely(
        body in prop::collection::vec("(v=0|o=- 1 1 IN IP4 1\\.2\\.3\\.4|c=IN IP[46] [0-9.:]{0,12}|m=(audio|video) [0-9]{1,5} (RTP/S?AVPF?|UDP/TLS/RTP/SAVPF|x) [0-9 ]{0,12}|a=(rtpmap|fmtp|ptime|mid|crypto|rtcp|ssrc|group|sendonly|ice-ufrag|ice-pwd|ice-lite|ice-options|candidate|fingerprint|setup):?[ -~]{0,40})", 0..30),
        policy in policy(),
    ) {
        let text = format!("v=0\r\n{}\r\n", body.join("\r\n"));
        let mut leg = Negotiation::new(policy, local(1));
        if let Ok((answer, _)) = leg.answer(text.as_bytes(), Direction::SendRecv) {
            prop_assert_eq!(lines(&answer, "m=").len(), lines(&text, "m=").len());
            prop_assert_eq!(lines(&answer, "m=audio 20000 ").len(), 1);
            let offer = leg.offer(Direction::SendRecv);
            prop_assert_eq!(lines(&offer, "m=").len(), lines(&text, "m=").len());
        }
    }

    #[test]
    fn any_candidate_is_survived(value in "([0-9]{1,3} [12] udp [0-9]{1,10} [0-9a-f.:]{0,20} [0-9]{1,5} typ (host|srflx) )?[ -~]{0,80}") {
        if let Some(candidate) = crate::sdp::Candidate::parse(&value) {
            prop_assert_eq!(crate::sdp::Candidate::parse(&candidate.to_value()), Some(candidate));
        }
    }

    #[test]
    fn any_fingerprint_is_survived(value in "(sha-(256|384|512) )?([0-9A-Fa-f]{2}:){0,70}[ -~]{0,10}") {
        if let Ok(fingerprint) = Fingerprint::parse(&value) {
            prop_assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Ok(fingerprint));
        }
    }

    #[test]
    fn any_crypto_line_is_survived(value in "[ -~]{0,120}") {
        if let Ok(line) = crate::sdp::CryptoLine::parse(&value) {
            prop_assert_eq!(crate::sdp::CryptoLine::parse(&line.to_value()), Ok(line));
        }
    }
}
