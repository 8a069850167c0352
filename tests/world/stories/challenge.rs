//! Who may call: the source address and the digest, never a header.

use std::time::Duration;

use md5::{Digest, Md5};
use wabridge::call::turned_away::TurnedAway;
use wabridge::config::{Challenge, Config, PeerCredentials};

use super::{Talk, confirm};
use crate::scene::config::{PASSWORD, prefix};
use crate::scene::pbx::Callee;
use crate::scene::whatsapp;
use crate::scene::wire::{Sip, parameter};
use crate::scene::world::{PBX, STRANGER, WHATSAPP, World};

const USERNAME: &str = "17015550100";
const DIGEST_URI: &str = "sip:+17015550100@sip.example.com";

fn challenging(challenge: Challenge) -> World {
    World::with(|config| demand(config, challenge))
}

fn demand(config: &mut Config, challenge: Challenge) {
    config.profiles.get_mut("meta").unwrap().sip.challenge = challenge;
}

/// As WhatsApp answers (dossier 2.6): same Call-ID and From tag, CSeq + 1, a digest URI without the transport parameter.
fn answer(invite: &Sip, challenge: &Sip, password: &str, round: u32) -> Sip {
    answer_as(USERNAME, DIGEST_URI, invite, challenge, password, round)
}

fn answer_as(
    username: &str,
    uri: &str,
    invite: &Sip,
    challenge: &Sip,
    password: &str,
    round: u32,
) -> Sip {
    let (asks, answers) = match challenge.status() {
        Some(401) => ("WWW-Authenticate", "Authorization"),
        _ => ("Proxy-Authenticate", "Proxy-Authorization"),
    };
    let asked = challenge.header(asks);
    let part = |name| parameter(asked, name).unwrap_or_else(|| panic!("{name} in {asked}"));
    let (realm, nonce) = (part("realm"), part("nonce"));
    let a1 = md5(&format!("{username}:{realm}:{password}"));
    let method = invite.method().expect("a request");
    let a2 = md5(&format!("{method}:{uri}"));
    let response = md5(&format!("{a1}:{nonce}:00000001:0a1b2c3d:auth:{a2}"));
    let value = format!(
        "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", cnonce=\"0a1b2c3d\", opaque=\"{}\", qop=auth, nc=00000001",
        part("opaque")
    );
    again(invite, round).with(answers, value)
}

/// The INVITE once more, with new branches and the next CSeq.
fn again(invite: &Sip, round: u32) -> Sip {
    let mut again = invite.clone();
    for (name, value) in &mut again.headers {
        match name.as_str() {
            "Via" => *value = value.replace("z9hG4bK", &format!("z9hG4bK{round}")),
            "CSeq" => {
                let (number, method) = invite.cseq();
                *value = format!("{} {method}", number + round);
            }
            _ => {}
        }
    }
    again
}

fn md5(text: &str) -> String {
    Md5::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Sends the first INVITE and takes the challenge.
fn challenged(world: &mut World, status: &str) -> (Sip, Sip) {
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    let challenge = world.expect(WHATSAPP, status);
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &challenge));
    (invite, challenge)
}

fn let_in(world: &mut World, invite: Sip) -> Talk {
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer());
    confirm(world, invite, callee)
}

fn proven(challenge: Challenge, status: &str) {
    let mut world = challenging(challenge);
    let (invite, challenge) = challenged(&mut world, status);
    let invite = answer(&invite, &challenge, PASSWORD, 1);
    world.send(WHATSAPP, &invite);
    let talk = let_in(&mut world, invite);
    let_nothing_of_it_reach_the_pbx(&talk.callee.invite);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

fn let_nothing_of_it_reach_the_pbx(invite: &Sip) {
    let text = invite.to_string().to_ascii_lowercase();
    assert!(
        !text.contains("authorization") && !text.contains("nonce"),
        "{invite}"
    );
}

#[test]
fn by_407() {
    proven(Challenge::ProxyAuthentication, "407");
}

#[test]
fn by_401() {
    proven(Challenge::Unauthorized, "401");
}

/// A wrong password is asked again a few times, then 403; nothing reaches the PBX and there is no call.
#[test]
fn a_wrong_password() {
    let mut world = challenging(Challenge::ProxyAuthentication);
    let (invite, mut challenge) = challenged(&mut world, "407");
    for round in 1..=3 {
        let guess = answer(&invite, &challenge, "guess", round);
        world.send(WHATSAPP, &guess);
        challenge = world.expect(WHATSAPP, "407");
        world.send(WHATSAPP, &whatsapp::ack_rejection(&guess, &challenge));
    }
    let guess = answer(&invite, &challenge, "guess", 4);
    world.send(WHATSAPP, &guess);
    let denied = world.expect(WHATSAPP, "403");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&guess, &denied));
    world.expect_nothing(PBX, Duration::from_secs(1));
    assert!(world.finish().is_empty());
}

/// An old nonce with the right password is asked again with `stale`, and taken then.
#[test]
fn a_stale_nonce() {
    let mut world = challenging(Challenge::ProxyAuthentication);
    let (invite, challenge) = challenged(&mut world, "407");
    world.run(Duration::from_secs(3600));
    let late = answer(&invite, &challenge, PASSWORD, 1);
    world.send(WHATSAPP, &late);
    let stale = world.expect(WHATSAPP, "407");
    assert!(
        stale
            .header("Proxy-Authenticate")
            .to_ascii_lowercase()
            .contains("stale=true")
    );
    world.send(WHATSAPP, &whatsapp::ack_rejection(&late, &stale));
    let invite = answer(&invite, &stale, PASSWORD, 2);
    world.send(WHATSAPP, &invite);
    let talk = let_in(&mut world, invite);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// Someone who overheard a good INVITE cannot place a call with its credentials.
#[test]
fn a_replayed_answer() {
    let mut world = challenging(Challenge::ProxyAuthentication);
    let (invite, challenge) = challenged(&mut world, "407");
    let invite = answer(&invite, &challenge, PASSWORD, 1);
    world.send(WHATSAPP, &invite);
    let talk = let_in(&mut world, invite.clone());
    talk.user_hangs_up(&mut world);

    let replay = again(&invite, 7)
        .set("Call-ID", "another-call")
        .set("From", "<sip:+12195550714@wa.meta.vc>;tag=another");
    world.send(WHATSAPP, &replay);
    let challenge = world.expect(WHATSAPP, "407");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&replay, &challenge));
    world.expect_nothing(PBX, Duration::from_secs(1));
    world.finish_one();
}

/// The right header from the wrong place (dossier 9: spoofed calls).
#[test]
fn a_stranger_with_whatsapps_headers() {
    let mut world = World::new();
    let invite = whatsapp::invite();
    world.send(STRANGER, &invite);
    let refusal = world.expect(STRANGER, "403");
    world.send(STRANGER, &whatsapp::ack_rejection(&invite, &refusal));
    world.expect_nothing(PBX, Duration::from_secs(1));
    assert_turned_away(&world, TurnedAway::NotWhatsApp);
    assert!(world.finish().is_empty());
}

/// The operator's count has it, once and for nothing else.
fn assert_turned_away(world: &World, why: TurnedAway) {
    let counts = world.board.status().turned_away;
    for other in TurnedAway::ALL {
        assert_eq!(counts.of(other), u64::from(other == why), "{other:?}");
    }
}

/// With no allow list the digest alone decides, for the same stranger.
#[test]
fn without_an_allow_list() {
    let mut world = World::with(|config| {
        config.whatsapp.source_prefixes.clear();
        demand(config, Challenge::ProxyAuthentication);
    });
    let invite = whatsapp::invite();
    world.send(STRANGER, &invite);
    let challenge = world.expect(STRANGER, "407");
    world.send(STRANGER, &whatsapp::ack_rejection(&invite, &challenge));
    assert!(world.finish().is_empty());
}

#[test]
fn a_number_that_is_not_ours() {
    let mut world = World::new();
    let invite = whatsapp::invite();
    let mut other = invite.clone();
    other.start = other.start.replace("+17015550100", "+17015550199");
    world.send(WHATSAPP, &other);
    let refusal = world.expect(WHATSAPP, "404");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&other, &refusal));
    assert!(world.finish().is_empty());
}

/// INVITEs without credentials are limited for each source address; those with good ones are not counted.
#[test]
fn a_flood() {
    let mut world = World::with(|config| {
        demand(config, Challenge::ProxyAuthentication);
        config.limits.invites_per_second = 5;
    });
    world.station(WHATSAPP).link.delay = Duration::ZERO;
    for call in 0..8 {
        let invite = whatsapp::invite_number(call);
        world.send(WHATSAPP, &invite);
        let status = if call < 5 { "407" } else { "503" };
        let refusal = world.expect(WHATSAPP, status);
        world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &refusal));
    }
    assert!(world.finish().is_empty());
}

/// Nobody that WhatsApp knows.
const OUTSIDE_URI: &str = "sip:lobby@10.0.0.1";

/// A request of the PBX outside any dialog.
fn from_pbx(method: &str) -> Sip {
    let branch = format!("z9hG4bKout{method}");
    Sip::request(method, OUTSIDE_URI)
        .with(
            "Via",
            format!("SIP/2.0/UDP 10.0.0.20:5060;rport;branch={branch}"),
        )
        .with("Max-Forwards", "70")
        .with("From", "<sip:agent@10.0.0.20>;tag=out")
        .with("To", format!("<{OUTSIDE_URI}>"))
        .with("Contact", "<sip:agent@10.0.0.20>")
        .with("Call-ID", format!("outgoing-{method}"))
        .with("CSeq", format!("1 {method}"))
}

/// A PBX that has credentials shows them before it is told what we think of its request.
#[test]
fn of_a_pbx() {
    let mut world = World::with(|config| {
        let peer = &mut config.trunks.get_mut("office").unwrap().peers[0];
        peer.authenticate = Some(PeerCredentials {
            username: "office".to_owned(),
            password: "of the office".into(),
        });
    });
    for (method, served) in [("INVITE", "404"), ("MESSAGE", "405"), ("REGISTER", "405")] {
        let request = from_pbx(method);
        let ack = |world: &mut World, request: &Sip, response: &Sip| {
            if method == "INVITE" {
                world.send(PBX, &whatsapp::ack_rejection(request, response));
            }
        };
        world.send(PBX, &request);
        let mut challenge = world.expect(PBX, "401");
        ack(&mut world, &request, &challenge);
        for (round, password, status) in [(1, "a guess", "401"), (2, "of the office", served)] {
            let proven = answer_as("office", OUTSIDE_URI, &request, &challenge, password, round);
            world.send(PBX, &proven);
            challenge = world.expect(PBX, status);
            ack(&mut world, &proven, &challenge);
        }
    }
    let options = from_pbx("OPTIONS");
    world.send(PBX, &options);
    world.expect(PBX, "200");
    world.finish_one();
}

/// Strangers on the PBX side hear 403.
#[test]
fn from_the_pbx_side() {
    let mut world = World::new();
    let invite = from_pbx("INVITE");
    world.station(PBX).address = "10.0.0.77:5060".parse().unwrap();
    let stranger = invite.set("Call-ID", "outgoing-2").set(
        "Via",
        "SIP/2.0/UDP 10.0.0.77:5060;rport;branch=z9hG4bKother",
    );
    world.send(PBX, &stranger);
    let refusal = world.expect(PBX, "403");
    world.send(PBX, &whatsapp::ack_rejection(&stranger, &refusal));
    assert_turned_away(&world, TurnedAway::NoPeer);
    assert!(world.finish().is_empty());
}

/// The prefix of the test's own station, so that a change of the dossier's list shows here.
#[test]
fn the_allow_list_is_by_prefix() {
    let mut world = World::with(|config| {
        config.whatsapp.source_prefixes = vec![prefix("69.171.251.112", 32)];
    });
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    let talk = let_in(&mut world, invite);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
