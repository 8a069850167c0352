//! ICE and DTLS: the samples of dossier 3.1, the rules of 3.2, and what else peers write.

use std::net::SocketAddr;

use super::whatsapp::{KEY, WEBRTC_OFFER, graph_offer, sdes_offer};
use super::*;
use crate::sdp::{CandidateKind, CertificateHash, DtlsRole, IceRole};

const SUITES: [Suite; 1] = [Suite::AesCm128HmacSha1_80];

fn as_offered(offers: Offers) -> Policy {
    Policy {
        security: Security::AsOffered {
            offers,
            suites: SUITES.to_vec(),
        },
        ..whatsapp_policy()
    }
}

fn dtls_leg() -> Negotiation {
    let security = Security::Dtls;
    let policy = Policy {
        security,
        ..whatsapp_policy()
    };
    Negotiation::new(policy, local(1))
}

fn either_leg() -> Negotiation {
    Negotiation::new(as_offered(Offers::Sdes), local(1))
}

/// A description without the lines that begin so.
fn without(text: &str, starts: &[&str]) -> String {
    text.lines()
        .filter(|line| !starts.iter().any(|start| line.starts_with(start)))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The business' answer of the Graph sample: port 9, `0.0.0.0`, no candidates.
fn bare_answer() -> String {
    without(
        &WEBRTC_OFFER
            .replace("audio 3480", "audio 9")
            .replace("IP4 57.144.135.35", "IP4 0.0.0.0")
            .replace("actpass", "active")
            .replace(" 126\n", " 101\n")
            .replace(":126 ", ":101 "),
        &["a=candidate", "a=ice-lite"],
    )
}

#[test]
fn whatsapps_offer_is_answered() {
    let (text, agreement) = answer(&mut dtls_leg(), WEBRTC_OFFER);

    let dtls = agreement.protection.dtls().unwrap();
    assert_eq!(dtls.role, DtlsRole::Client, "actpass: we go first");
    assert_eq!(
        dtls.fingerprints,
        [Fingerprint::parse(
            lines(WEBRTC_OFFER, "a=fingerprint:")[0]
                .split_once(':')
                .unwrap()
                .1
        )
        .unwrap()]
    );
    let ice = agreement.ice.unwrap();
    assert_eq!(ice.role, IceRole::Controlling);
    assert_eq!(ice.theirs.mode, IceMode::Lite);
    assert!(ice.theirs.complete);
    assert_eq!(ice.theirs.credentials.ufrag, "RmDDkfzkwbexPfbC");
    assert_eq!(ice.theirs.credentials.pwd, "abcdefghijklmnopqrstuvwx");
    let addresses: Vec<SocketAddr> = ice.theirs.candidates.iter().map(|c| c.address).collect();
    let v6 = "[2a03:2880:f343:131:face:b00c:0:699c]:3480";
    assert_eq!(
        addresses,
        ["57.144.135.35:3480", v6].map(|text| text.parse().unwrap())
    );
    assert_eq!(
        (ice.ours.mode, &ice.ours.credentials),
        (IceMode::Full, &local(1).ice)
    );
    assert_eq!(ice.ours.candidates, local(1).candidates);
    assert_eq!(agreement.remote_rtcp, agreement.remote_rtp);

    for line in [
        "m=audio 20000 UDP/TLS/RTP/SAVPF 111 126",
        "c=IN IP4 198.51.100.1",
        "a=group:BUNDLE audio",
        "a=mid:audio",
        "a=rtcp-mux",
        "a=candidate:1 1 udp 2130706431 198.51.100.1 20000 typ host",
        "a=setup:active",
        "a=sendrecv",
        "a=ptime:20",
        "a=maxptime:20",
        &format!("a=fmtp:111 {OPUS_FMTP}"),
        &format!("a=ice-ufrag:{}", local(1).ice.ufrag),
        &format!("a=ice-pwd:{}", local(1).ice.pwd),
        &format!("a=fingerprint:{}", local(1).fingerprint),
    ] {
        assert!(has(&text, line), "{line} is not in\n{text}");
    }
    assert_eq!(lines(&text, "a=fingerprint:sha-256 ").len(), 1);
    assert_eq!(lines(&text, "a=fingerprint").len(), 1);
    for absent in [
        "ice-lite",
        "a=crypto",
        "actpass",
        "ice-options",
        "rtcp-fb",
        "msid",
    ] {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn our_offer_to_whatsapp_and_its_lite_answer() {
    let mut leg = dtls_leg();
    let text = leg.offer(Direction::SendRecv);
    for line in [
        "m=audio 20000 UDP/TLS/RTP/SAVPF 111 101",
        "a=group:BUNDLE audio",
        "a=mid:audio",
        "a=rtcp-mux",
        "a=setup:actpass",
        "a=candidate:1 1 udp 2130706431 198.51.100.1 20000 typ host",
        &format!("a=fingerprint:{}", local(1).fingerprint),
    ] {
        assert!(has(&text, line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("ice-lite"));
    let theirs = WEBRTC_OFFER
        .replace("actpass", "active")
        .replace("audio 3480", "audio 3482")
        .replace(" 126\n", " 101\n")
        .replace(":126 ", ":101 ");
    let agreement = leg.handle_answer(&crlf(&theirs)).unwrap();
    assert_eq!(agreement.protection.dtls().unwrap().role, DtlsRole::Server);
    let ice = agreement.ice.unwrap();
    assert_eq!(ice.role, IceRole::Controlling, "in both directions");
    assert_eq!(ice.ours.credentials, local(1).ice);
    assert_eq!(ice.theirs.candidates.len(), 2);
}

#[test]
fn an_offer_may_say_that_we_are_the_client() {
    let policy = Policy {
        dtls_setup: OfferedSetup::Active,
        ..as_offered(Offers::Dtls)
    };
    let mut leg = Negotiation::new(policy, local(1));
    assert!(has(&leg.offer(Direction::SendRecv), "a=setup:active"));
    let agreement = leg.handle_answer(&crlf(
        &bare_answer().replace("setup:active", "setup:passive"),
    ));
    assert_eq!(
        agreement.unwrap().protection.dtls().unwrap().role,
        DtlsRole::Client
    );
}

#[test]
fn graph_offers_of_both_generations_are_answered() {
    let older = graph_offer()
        .replace("2122260223", "2113937151")
        .replace("network-cost 50", "ufrag RmDDkfzkwbexPfbC network-cost 50");
    let (text, agreement) = answer(&mut dtls_leg(), &older);
    assert!(has(&text, "m=audio 20000 UDP/TLS/RTP/SAVPF 111 126"));
    assert!(!text.contains("extmap"));
    let ice = agreement.ice.unwrap();
    assert_eq!(ice.theirs.candidates[0].priority, 2_113_937_151);
    assert_eq!(agreement.remote_ssrc, Some(Ssrc(849_255_537)));
}

/// What WhatsApp sees of a browser in the Graph sample, had it come to us: full agents both, trickle announced.
#[test]
fn a_browsers_offer_is_answered() {
    let offer = WEBRTC_OFFER
        .replace("a=ice-lite", "a=ice-options:trickle")
        .replace("audio 3480", "audio 9")
        .replace("SAVPF 111 126", "SAVPF 111 63 9 0 8 110 126");
    let (text, agreement) = answer(&mut dtls_leg(), &offer);
    assert!(has(&text, "m=audio 20000 UDP/TLS/RTP/SAVPF 111 126"));
    assert_eq!(agreement.direction, Direction::SendRecv);
    assert_eq!(agreement.remote_rtp, None);
    let ice = agreement.ice.unwrap();
    assert_eq!(ice.role, IceRole::Controlled, "the offerer controls");
    assert!(!ice.theirs.complete, "more may come");
    let ended = offer.replace("a=mid", "a=end-of-candidates\na=mid");
    let (_, agreement) = answer(&mut dtls_leg(), &ended);
    assert!(agreement.ice.unwrap().theirs.complete);
}

#[test]
fn an_answer_without_candidates_address_or_port_is_read() {
    let mut leg = dtls_leg();
    leg.offer(Direction::SendRecv);
    let agreement = leg.handle_answer(&crlf(&bare_answer())).unwrap();
    assert_eq!((agreement.remote_rtp, agreement.remote_rtcp), (None, None));
    assert_eq!(agreement.direction, Direction::SendRecv, "no hold");
    let ice = agreement.ice.unwrap();
    assert_eq!(ice.theirs.candidates, []);
    assert_eq!(ice.role, IceRole::Controlling, "both are full: we offered");
}

/// Candidates of every kind; what is not UDP, not RTP's or a name is passed over.
#[test]
fn usable_candidates_are_kept() {
    let offer = WEBRTC_OFFER.replace(
        "a=setup",
        "a=candidate:1 1 tcp 1518283007 192.0.2.1 9 typ host tcptype active
a=candidate:2 2 udp 1 192.0.2.1 4001 typ host
a=candidate:3 1 udp 1 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 4000 typ host
a=candidate:4 1 UDP 1686052607 203.0.113.5 4000 typ srflx raddr 10.0.0.1 rport 4000
a=candidate:5 1 udp 41885439 203.0.113.6 4000 typ relay raddr 203.0.113.5 rport 4000
a=candidate:6 1 udp 1 203.0.113.7 4000 typ prflx
a=setup",
    );
    let (_, agreement) = answer(&mut dtls_leg(), &offer);
    let kinds: Vec<CandidateKind> = agreement
        .ice
        .unwrap()
        .theirs
        .candidates
        .iter()
        .map(|candidate| candidate.kind)
        .collect();
    use CandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
    assert_eq!(kinds, [Host, Host, ServerReflexive, Relayed, PeerReflexive]);
}

#[test]
fn no_description_has_room_for_thousands_of_candidates() {
    let many = "a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\n".repeat(100);
    let (_, agreement) = answer(
        &mut dtls_leg(),
        &WEBRTC_OFFER.replace("a=setup", &format!("{many}a=setup")),
    );
    assert_eq!(agreement.ice.unwrap().theirs.candidates.len(), 32);
}

#[test]
fn the_offers_setup_decides_who_goes_first() {
    for (offered, answered, role) in [
        ("a=setup:actpass", "a=setup:active", DtlsRole::Client),
        ("a=setup:passive", "a=setup:active", DtlsRole::Client),
        ("a=setup:active", "a=setup:passive", DtlsRole::Server),
        ("a=setup:ACTIVE", "a=setup:passive", DtlsRole::Server),
        ("a=x", "a=setup:active", DtlsRole::Client),
        ("a=setup:nonsense", "a=setup:active", DtlsRole::Client),
    ] {
        let offer = WEBRTC_OFFER.replace("a=setup:actpass", offered);
        let (text, agreement) = answer(&mut dtls_leg(), &offer);
        assert!(has(&text, answered), "{offered}");
        assert_eq!(agreement.protection.dtls().unwrap().role, role, "{offered}");
    }
    let held = WEBRTC_OFFER.replace("actpass", "holdconn");
    assert!(matches!(
        refusal(&mut dtls_leg(), &held),
        Refusal::NoDtls(words) if words.contains("holdconn")
    ));
}

#[test]
fn the_answers_setup_is_obeyed() {
    for (setup, role) in [
        ("a=setup:active", DtlsRole::Server),
        ("a=setup:passive", DtlsRole::Client),
        ("a=setup:actpass", DtlsRole::Client),
        ("a=x", DtlsRole::Server),
    ] {
        let mut leg = dtls_leg();
        leg.offer(Direction::SendRecv);
        let text = bare_answer().replace("a=setup:active", setup);
        let agreement = leg.handle_answer(&crlf(&text)).unwrap();
        assert_eq!(agreement.protection.dtls().unwrap().role, role, "{setup}");
    }
}

/// What belongs to the media may stand at the session, and the media's own counts first.
#[test]
fn session_wide_attributes_count() {
    let own = ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=setup"];
    let wide: Vec<&str> = WEBRTC_OFFER
        .lines()
        .filter(|line| own.iter().any(|start| line.starts_with(start)))
        .collect();
    let moved = without(WEBRTC_OFFER, &own).replace(
        "a=ice-lite",
        &format!("{}\na=ice-lite", wide.join("\n")).replace("actpass", "active"),
    );
    let (_, agreement) = answer(&mut dtls_leg(), &moved);
    let (_, usual) = answer(&mut dtls_leg(), WEBRTC_OFFER);
    assert_eq!(agreement.ice, usual.ice);
    assert_eq!(agreement.protection.dtls().unwrap().role, DtlsRole::Server);
    let both = moved.replace("a=mid", "a=setup:passive\na=mid");
    let (_, agreement) = answer(&mut dtls_leg(), &both);
    assert_eq!(agreement.protection.dtls().unwrap().role, DtlsRole::Client);
}

/// aiortc's extra hashes (dossier 3.2): sha-256 counts, in whatever order they come.
#[test]
fn extra_fingerprints_do_no_harm() {
    let line = lines(WEBRTC_OFFER, "a=fingerprint")[0];
    let longer =
        |name: &str, bytes: usize| format!("a=fingerprint:{name} {}", vec!["AB"; bytes].join(":"));
    let extra = [
        longer("sha-384", 48),
        longer("sha-512", 64),
        longer("sha-1", 20),
        line.to_owned(),
        longer("sha-256", 31),
    ];
    let offer = WEBRTC_OFFER.replace(line, &extra.join("\n"));
    let (_, agreement) = answer(&mut dtls_leg(), &offer);
    let (_, usual) = answer(&mut dtls_leg(), WEBRTC_OFFER);
    assert_eq!(agreement.protection, usual.protection);

    let offer = WEBRTC_OFFER.replace(line, &longer("sha-512", 64));
    let (_, agreement) = answer(&mut dtls_leg(), &offer);
    let dtls = agreement.protection.dtls().unwrap().clone();
    assert_eq!(dtls.fingerprints[0].hash(), CertificateHash::Sha512);

    let offer = WEBRTC_OFFER.replace(line, &longer("sha-1", 20));
    assert_eq!(
        refusal(&mut dtls_leg(), &offer),
        Refusal::NoDtls("unknown hash sha-1".to_owned())
    );
}

#[test]
fn missing_bundle_and_mid_are_not_answered_with_any() {
    let (text, agreement) = answer(
        &mut dtls_leg(),
        &without(WEBRTC_OFFER, &["a=group", "a=mid", "a=msid"]),
    );
    assert!(!text.contains("BUNDLE") && !text.contains("a=mid"));
    assert!(agreement.ice.is_some());
    let mut leg = dtls_leg();
    leg.offer(Direction::SendRecv);
    let bare = without(&bare_answer(), &["a=group", "a=mid", "a=msid"]);
    assert!(leg.handle_answer(&crlf(&bare)).is_ok());
}

#[test]
fn bare_line_feeds_are_read() {
    let bare = dtls_leg()
        .answer(WEBRTC_OFFER.trim().as_bytes(), Direction::SendRecv)
        .unwrap();
    assert_eq!(bare, answer(&mut dtls_leg(), WEBRTC_OFFER));
}

/// RTCP that is not multiplexed would need a second set of checks and a second handshake.
#[test]
fn without_multiplexing_there_is_no_way_for_rtcp() {
    let offer = without(WEBRTC_OFFER, &["a=rtcp-mux"]);
    let (text, agreement) = answer(&mut dtls_leg(), &offer);
    assert!(!text.contains("rtcp-mux"));
    assert_eq!((agreement.rtcp_mux, agreement.remote_rtcp), (false, None));
    assert!(agreement.ice.is_some());
}

#[test]
fn dtls_without_ice_goes_where_the_description_says() {
    let offer = without(WEBRTC_OFFER, &["a=ice", "a=candidate"]);
    let (text, agreement) = answer(&mut dtls_leg(), &offer);
    assert!(!text.contains("ice-") && !text.contains("candidate"));
    assert!(agreement.protection.dtls().is_some() && agreement.ice.is_none());
    assert_eq!(
        agreement.remote_rtp,
        Some("57.144.135.35:3480".parse().unwrap())
    );

    let mut leg = dtls_leg();
    leg.offer(Direction::SendRecv);
    let text = without(WEBRTC_OFFER, &["a=ice", "a=candidate"]).replace("actpass", "active");
    let agreement = leg.handle_answer(&crlf(&text)).unwrap();
    assert_eq!(agreement.ice, None);
    assert!(
        !leg.offer(Direction::SendOnly).contains("ice-"),
        "nor later"
    );
}

#[test]
fn unfit_ice_is_refused_and_named() {
    for (from, to) in [
        ("a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=x"),
        ("abcdefghijklmnopqrstuvwx", "short"),
    ] {
        let offer = WEBRTC_OFFER.replace(from, to);
        let refused = refusal(&mut dtls_leg(), &offer);
        assert!(
            matches!(&refused, Refusal::NoIce(words) if words.contains("a=ice-pwd")),
            "{refused}"
        );
    }
}

/// Any token will do when the fingerprint says what is meant, and the answer has the same.
#[test]
fn the_fingerprint_counts_more_than_the_token() {
    for token in [
        "UDP/TLS/RTP/SAVPF",
        "UDP/TLS/RTP/SAVP",
        "RTP/SAVPF",
        "RTP/SAVP",
        "RTP/AVPF",
        "RTP/AVP",
    ] {
        let offer = WEBRTC_OFFER.replace("UDP/TLS/RTP/SAVPF", token);
        for leg in [&mut dtls_leg(), &mut either_leg()] {
            let (text, agreement) = answer(leg, &offer);
            assert!(
                has(&text, &format!("m=audio 20000 {token} 111 126")),
                "{text}"
            );
            assert!(agreement.protection.dtls().is_some(), "{token}");
        }
    }
}

#[test]
fn the_answer_is_of_the_offers_kind() {
    let (text, agreement) = answer(&mut either_leg(), &sdes_offer());
    assert!(agreement.protection.sdes().is_some() && agreement.ice.is_none());
    assert!(!text.contains("fingerprint") && !text.contains("ice-"));
    let (text, agreement) = answer(&mut either_leg(), WEBRTC_OFFER);
    assert!(agreement.protection.dtls().is_some() && agreement.ice.is_some());
    assert!(!text.contains("a=crypto"));
}

/// Keys and a fingerprint: a fixed policy takes its own, else the token decides.
#[test]
fn of_both_kinds_the_policy_chooses() {
    let both = WEBRTC_OFFER.replace(
        "a=rtcp-mux",
        &format!("a=rtcp-mux\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
    );
    let old = both.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVP");
    for (leg, offer, is_dtls) in [
        (&mut dtls_leg(), &both, true),
        (&mut dtls_leg(), &old, true),
        (&mut whatsapp_leg(), &both, false),
        (&mut whatsapp_leg(), &old, false),
        (&mut either_leg(), &both, true),
        (&mut either_leg(), &old, false),
    ] {
        let (text, agreement) = answer(leg, offer);
        assert_eq!(agreement.protection.dtls().is_some(), is_dtls);
        assert_eq!(agreement.protection.sdes().is_some(), !is_dtls);
        assert_eq!(text.contains("a=fingerprint"), is_dtls, "{text}");
        assert_eq!(text.contains("a=crypto"), !is_dtls, "{text}");
    }
}

/// Plain RTP is answered where it would be offered, and nowhere else.
#[test]
fn nothing_secret_is_answered_in_the_clear() {
    let plain = without(&sdes_offer(), &["a=crypto"]).replace("RTP/SAVP", "RTP/AVP");
    for offers in [Offers::Sdes, Offers::Dtls] {
        let mut leg = Negotiation::new(as_offered(offers), local(1));
        let refused = refusal(&mut leg, &plain);
        assert!(
            matches!(&refused, Refusal::SecurityMismatch { found, .. } if found.contains("plain")),
            "{refused}"
        );
    }
    let mut leg = Negotiation::new(as_offered(Offers::Plain), local(1));
    let (text, agreement) = answer(&mut leg, &plain);
    assert_eq!(agreement.protection, Protection::Clear);
    assert!(has(&text, "m=audio 20000 RTP/AVP 111 126"));
    let token_alone = without(WEBRTC_OFFER, &["a=fingerprint"]);
    assert!(matches!(
        refusal(&mut leg, &token_alone),
        Refusal::SecurityMismatch { .. }
    ));
}

#[test]
fn what_is_offered_is_what_the_policy_says() {
    for (offers, token) in [
        (Offers::Plain, "RTP/AVP"),
        (Offers::Sdes, "RTP/SAVP"),
        (Offers::Dtls, "UDP/TLS/RTP/SAVPF"),
    ] {
        let text = Negotiation::new(as_offered(offers), local(1)).offer(Direction::SendRecv);
        assert!(
            has(&text, &format!("m=audio 20000 {token} 111 101")),
            "{text}"
        );
        assert_eq!(text.contains("a=fingerprint"), offers == Offers::Dtls);
        assert_eq!(text.contains("a=crypto"), offers == Offers::Sdes);
    }
}

#[test]
fn an_answer_of_the_other_kind_is_refused_and_named() {
    let mut leg = dtls_leg();
    leg.offer(Direction::SendRecv);
    let refused = leg.handle_answer(&crlf(&sdes_offer())).unwrap_err();
    assert!(
        matches!(&refused, Refusal::SecurityMismatch { wanted, found }
            if wanted.contains("DTLS") && found.contains("a=crypto")),
        "{refused}"
    );
}

#[test]
fn a_lite_agent_says_so_and_is_controlled() {
    let policy = Policy {
        ice: IceMode::Lite,
        ..as_offered(Offers::Dtls)
    };
    let offer = WEBRTC_OFFER.replace("a=ice-lite\n", "");
    let mut leg = Negotiation::new(policy, local(1));
    let (text, agreement) = answer(&mut leg, &offer);
    let (session, media) = text.split_once("m=audio").unwrap();
    assert!(session.contains("a=ice-lite\r\n") && !media.contains("ice-lite"));
    assert_eq!(agreement.ice.unwrap().role, IceRole::Controlled);
}

/// Twice the same, also in between: no restart of ICE, no new handshake (RFC 8842 §5.3).
#[test]
fn a_re_offer_keeps_credentials_and_roles() {
    let mut leg = dtls_leg();
    let first = answer(&mut leg, &WEBRTC_OFFER.replace("actpass", "active"));
    let held = WEBRTC_OFFER.replace("a=sendrecv", "a=sendonly");
    let (text, agreement) = answer(&mut leg, &held);
    assert_eq!(agreement.direction, Direction::RecvOnly);
    assert_eq!(
        agreement.protection, first.1.protection,
        "we stay the server"
    );
    assert_eq!(agreement.ice, first.1.ice);
    assert!(has(&text, "a=setup:passive"));
    let ours = leg.offer(Direction::SendRecv);
    assert!(has(&ours, "a=setup:passive"), "{ours}");
    assert!(has(&ours, &format!("a=ice-ufrag:{}", local(1).ice.ufrag)));
}

/// RFC 8839 §4.4.1.1.1: new credentials are answered with new ones, once; the association and the roles go on.
#[test]
fn a_restart_of_ice_is_answered_with_new_credentials() {
    let mut leg = dtls_leg();
    let (_, first) = answer(&mut leg, WEBRTC_OFFER);
    let restarted = WEBRTC_OFFER
        .replace("RmDDkfzkwbexPfbC", "anotherFragment1")
        .replace("abcdefghijklmnopqrstuvwx", "yetAnotherPasswordOf24ch");
    let (text, second) = answer(&mut leg, &restarted);
    let (before, after) = (first.ice.unwrap(), second.ice.clone().unwrap());
    assert_ne!(before.ours.credentials, after.ours.credentials);
    assert_eq!(after.theirs.credentials.ufrag, "anotherFragment1");
    assert_eq!(before.role, after.role);
    assert_eq!(first.protection, second.protection);
    assert!(has(
        &text,
        &format!("a=ice-ufrag:{}", after.ours.credentials.ufrag)
    ));
    assert!(!text.contains(&before.ours.credentials.pwd));
    assert_eq!(answer(&mut leg, &restarted), (text, second.clone()));
    let ours = leg.offer(Direction::SendOnly);
    assert!(has(
        &ours,
        &format!("a=ice-pwd:{}", after.ours.credentials.pwd)
    ));
}

/// With another certificate it is another association (RFC 8842 §5.3): roles are chosen anew.
#[test]
fn another_certificate_begins_anew() {
    let mut leg = dtls_leg();
    answer(&mut leg, &WEBRTC_OFFER.replace("actpass", "active"));
    let (text, agreement) = answer(&mut leg, &WEBRTC_OFFER.replace("00:11:22", "99:11:22"));
    assert_eq!(agreement.protection.dtls().unwrap().role, DtlsRole::Client);
    assert!(has(&text, "a=setup:active"));
}

#[test]
fn nothing_printed_holds_a_password() {
    let mut leg = dtls_leg();
    let (_, agreement) = answer(&mut leg, WEBRTC_OFFER);
    let shown = format!("{leg:?} {agreement:?}");
    assert!(shown.contains("RmDDkfzkwbexPfbC"));
    assert!(!shown.contains("abcdefghijklmnopqrstuvwx") && !shown.contains(&local(1).ice.pwd));
}
