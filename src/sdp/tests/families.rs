//! A machine with an address of each family: descriptions in the peer's.

use super::pbx::audio;
use super::whatsapp::WEBRTC_OFFER;
use super::*;

const V4: &str = "198.51.100.1";
const V6: &str = "2001:db8::1";

/// We like IPv4 best.
fn both() -> Local {
    let addresses = [V4, V6].map(|ip| (ip.parse::<IpAddr>().unwrap(), 20_000).into());
    Local {
        candidates: vec![
            Candidate::host(addresses[0], 0),
            Candidate::host(addresses[1], 1),
        ],
        ..local(1)
    }
}

fn webrtc() -> Negotiation {
    let security = Security::Dtls;
    let policy = Policy {
        security,
        ..whatsapp_policy()
    };
    Negotiation::new(policy, both())
}

fn plain() -> Negotiation {
    Negotiation::new(pbx_policy(), both())
}

/// WhatsApp's offer without its IPv4.
fn ipv6_offer() -> String {
    let offer = WEBRTC_OFFER.replace("IN IP4 57.144.135.35", "IN IP6 2a03:2880:f343:131::699c");
    let v6_alone = |line: &&str| !line.starts_with("a=candidate") || !line.contains(" 57.");
    offer
        .lines()
        .filter(v6_alone)
        .map(|line| format!("{line}\n"))
        .collect()
}

#[track_caller]
fn assert_told_in(text: &str, family: &str, address: &str) {
    let connection = format!("c=IN {family} {address}");
    assert!(has(text, &connection), "{connection} is not in\n{text}");
    let origin = lines(text, "o=")[0];
    assert!(
        origin.ends_with(&format!("IN {family} {address}")),
        "{origin}"
    );
}

#[test]
fn an_offer_of_ours_has_both_and_prefers_the_first() {
    let offer = webrtc().offer(Direction::SendRecv);
    assert_told_in(&offer, "IP4", V4);
    assert_eq!(
        lines(&offer, "a=candidate"),
        [
            "a=candidate:1 1 udp 2130706431 198.51.100.1 20000 typ host",
            "a=candidate:2 1 udp 2130706175 2001:db8::1 20000 typ host",
        ]
    );
}

#[test]
fn an_answer_is_in_the_family_of_the_offer() {
    let (text, agreement) = answer(&mut webrtc(), WEBRTC_OFFER);
    assert_told_in(&text, "IP4", V4);
    assert_eq!(lines(&text, "a=candidate").len(), 2);
    assert_eq!(agreement.ice.unwrap().ours.candidates, both().candidates);

    let (text, _) = answer(&mut webrtc(), &ipv6_offer());
    assert_told_in(&text, "IP6", V6);
    assert_eq!(lines(&text, "a=candidate").len(), 2);

    let v6 = audio("m=audio 4000 RTP/AVP 8").replace("IN IP4 192.0.2.9", "IN IP6 2001:db8::9");
    let (text, agreement) = answer(&mut plain(), &v6);
    assert_told_in(&text, "IP6", V6);
    assert_eq!(agreement.remote_rtp, "[2001:db8::9]:4000".parse().ok());
}

/// `c=IN IP4 0.0.0.0`, as some write before they know where they are.
#[test]
fn candidates_tell_the_family_when_the_line_does_not() {
    let offer = ipv6_offer()
        .replace("IN IP6 2a03:2880:f343:131::699c", "IN IP4 0.0.0.0")
        .replace("audio 3480", "audio 9");
    let (text, _) = answer(&mut webrtc(), &offer);
    assert_told_in(&text, "IP6", V6);
}

#[test]
fn who_has_one_family_answers_in_it_whatever_is_offered() {
    let policy = Policy {
        security: Security::Dtls,
        ..whatsapp_policy()
    };
    let mut leg = Negotiation::new(policy, local(1));
    let (text, _) = answer(&mut leg, &ipv6_offer());
    assert_told_in(&text, "IP4", V4);
}

/// Neither hold nor an offer of our own changes it; the origin stays whatever comes (RFC 3264 §8).
#[test]
fn the_family_stays_for_the_session() {
    let mut leg = plain();
    let v6 = audio("m=audio 4000 RTP/AVP 8").replace("IN IP4 192.0.2.9", "IN IP6 2001:db8::9");
    answer(&mut leg, &v6);
    let held = audio("m=audio 4000 RTP/AVP 8").replace("IN IP4 192.0.2.9", "IN IP4 0.0.0.0");
    let (text, _) = answer(&mut leg, &held);
    assert_told_in(&text, "IP6", V6);
    assert_told_in(&leg.offer(Direction::SendOnly), "IP6", V6);

    let (text, _) = answer(&mut leg, &audio("m=audio 4000 RTP/AVP 8"));
    assert!(has(&text, "c=IN IP4 198.51.100.1"), "{text}");
    assert!(
        lines(&text, "o=")[0].ends_with("IN IP6 2001:db8::1"),
        "{text}"
    );
}

/// RFC 8445 §5.1.1.1: nobody should write it, and a socket of both families would send by IPv4.
#[test]
fn ipv4_in_the_clothes_of_ipv6_is_ipv4() {
    let v4 = "1 1 udp 5 ::ffff:192.0.2.1 4000 typ host";
    let address = Candidate::parse(v4).map(|candidate| candidate.address);
    assert_eq!(address, "192.0.2.1:4000".parse().ok());
    let offer =
        audio("m=audio 4000 RTP/AVP 8").replace("IN IP4 192.0.2.9", "IN IP6 ::ffff:192.0.2.1");
    let (text, agreement) = answer(&mut plain(), &offer);
    assert_told_in(&text, "IP4", V4);
    assert_eq!(agreement.remote_rtp, "192.0.2.1:4000".parse().ok());
}
