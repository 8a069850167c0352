//! WhatsApp's leg with ICE and DTLS, in signalling: what is written, what media is told and when, and what happens when
//! it cannot be connected.

use std::time::Duration;

use wabridge::call::ending::{Cause, Party};
use wabridge::config::{ClientHello, Config};
use wabridge::media::bridge::{Event, NotConnected, Report};
use wabridge::sdp::{DtlsRole, IceRole, IceTerms, Offers, Protection, Security, Suite};
use wabridge::side::Side;

use super::outbound::dialled;
use super::{Talk, confirm};
use crate::scene::pbx::Callee;
use crate::scene::sdp::{whatsapp_webrtc_answer, whatsapp_webrtc_offer};
use crate::scene::webrtc::{bridge_fingerprint, peer_fingerprint};
use crate::scene::whatsapp;
use crate::scene::wire::Sip;
use crate::scene::world::{PBX, WHATSAPP, World};

/// WhatsApp is answered in kind, and offered DTLS.
fn as_offered(config: &mut Config) {
    let profile = config.profiles.get_mut("meta").unwrap();
    profile.sdp.security = Security::AsOffered {
        offers: Offers::Dtls,
        suites: vec![Suite::AesCm128HmacSha1_80],
    };
}

fn calling(world: &mut World) -> (Sip, Callee) {
    let invite = whatsapp::invite().with_sdp(whatsapp_webrtc_offer());
    world.send(WHATSAPP, &invite);
    (invite, Callee::new(world.expect(PBX, "INVITE")))
}

fn talking(world: &mut World) -> Talk {
    let (invite, callee) = calling(world);
    world.send(PBX, &callee.answer());
    confirm(world, invite, callee)
}

/// The line for the address of the audio, whose `m=` line ends so.
fn candidate(message: &Sip, proto_and_formats: &str) -> String {
    let media = message.sdp_line("m=audio").unwrap();
    assert!(media.ends_with(proto_and_formats), "{media}");
    let port = media.split(' ').nth(1).unwrap();
    format!("a=candidate:1 1 udp 2130706431 198.51.100.7 {port} typ host")
}

fn ice(world: &World, side: Side) -> IceTerms {
    world.plane.last_agreement(side).ice.clone().unwrap()
}

/// All of it is known before the PBX answers, so the answer waits for nothing; the ClientHello waits for the ACK.
#[test]
fn a_user_calls() {
    let mut world = World::with(as_offered);
    let (invite, callee) = calling(&mut world);
    assert_eq!(world.plane.news(), ["open", "agree a opus sendrecv"]);
    let agreed = world.plane.last_agreement(Side::A).clone();
    let Protection::Dtls(dtls) = &agreed.protection else {
        panic!("{agreed:?}");
    };
    assert_eq!(dtls.role, DtlsRole::Client);
    assert_eq!(dtls.fingerprints, [peer_fingerprint()]);
    let ice = agreed.ice.unwrap();
    assert_eq!(ice.role, IceRole::Controlling);
    assert!(
        !callee.invite.body.contains("fingerprint"),
        "the PBX's leg is its own"
    );

    world.send(PBX, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    for line in [
        "c=IN IP4 198.51.100.7".to_owned(),
        "a=setup:active".to_owned(),
        "a=rtcp-mux".to_owned(),
        candidate(&ok, "UDP/TLS/RTP/SAVPF 111 126"),
        format!("a=ice-ufrag:{}", ice.ours.credentials.ufrag),
        format!("a=ice-pwd:{}", ice.ours.credentials.pwd),
        format!("a=fingerprint:{}", bridge_fingerprint()),
    ] {
        assert!(ok.sdp_line(&line).is_some(), "{line} is not in\n{ok}");
    }
    assert!(!ok.body.contains("ice-lite") && !ok.body.contains("a=crypto"));
    assert_eq!(
        world.plane.news(),
        ["agree b PCMU sendrecv", "start a", "start b"]
    );
    world.expect(PBX, "ACK");
    world.expect_nothing(WHATSAPP, Duration::from_millis(300));
    assert!(world.plane.news().is_empty(), "no hello before the ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    world.run(Duration::from_millis(100));
    assert_eq!(world.plane.news(), ["confirm a"]);

    Talk { invite, ok, callee }.user_hangs_up(&mut world);
    assert!(world.finish_one().encrypted_a);
}

#[test]
fn the_hello_may_be_told_not_to_wait() {
    let mut world = World::with(|config| {
        as_offered(config);
        let profile = config.profiles.get_mut("meta").unwrap();
        profile.sip.client_hello = ClientHello::AtOnce;
    });
    let (invite, callee) = calling(&mut world);
    world.plane.news();
    world.send(PBX, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    assert_eq!(
        world.plane.news(),
        ["agree b PCMU sendrecv", "confirm a", "start a", "start b"]
    );
    world.expect(PBX, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    world.run(Duration::from_millis(100));
    Talk { invite, ok, callee }.user_hangs_up(&mut world);
    world.finish_one();
}

/// The description of the 183 is that of the 200; media waits for the answer all the same.
#[test]
fn the_description_may_come_with_the_ringing() {
    let mut world = World::with(|config| {
        as_offered(config);
        let profile = config.profiles.get_mut("meta").unwrap();
        profile.sip.early_description = true;
    });
    let (invite, callee) = calling(&mut world);
    world.plane.news();
    world.send(PBX, &callee.ringing());
    world.expect(WHATSAPP, "180");
    let early = world.expect(WHATSAPP, "183");
    assert_eq!(world.plane.news(), ["confirm a"]);
    world.run(Duration::from_secs(1));
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    assert_eq!(talk.ok.body, early.body);
    assert_eq!(
        world.plane.news(),
        ["agree b PCMU sendrecv", "start a", "start b", "confirm a"]
    );
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// SDES from the same WhatsApp is answered with SDES, and nothing waits for the ACK.
#[test]
fn an_sdes_offer_is_still_answered_with_sdes() {
    let mut world = World::with(as_offered);
    let (invite, callee) = super::calling(&mut world);
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    assert!(
        talk.ok
            .sdp_line("a=crypto:1 AES_CM_128_HMAC_SHA1_80")
            .is_some()
    );
    assert!(!talk.ok.body.contains("fingerprint"));
    assert_eq!(
        world.plane.news(),
        [
            "open",
            "agree a opus sendrecv",
            "agree b PCMU sendrecv",
            "start a",
            "start b"
        ]
    );
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// WhatsApp's answer is `active`: we wait for its ClientHello.
#[test]
fn an_agent_calls() {
    let mut world = World::with(as_offered);
    let (caller, invite) = dialled(&mut world);
    for line in [
        "a=setup:actpass",
        "a=group:BUNDLE audio",
        "a=mid:audio",
        "a=rtcp-mux",
        &candidate(&invite, "UDP/TLS/RTP/SAVPF 111 101"),
        "a=ice-ufrag:",
        "a=ice-pwd:",
        &format!("a=fingerprint:{}", bridge_fingerprint()),
    ] {
        assert!(
            invite.sdp_line(line).is_some(),
            "{line} is not in\n{invite}"
        );
    }
    assert!(!invite.body.contains("ice-lite"));
    world.plane.news();
    let answer = whatsapp::answer(&invite).with_sdp(whatsapp_webrtc_answer());
    world.send(WHATSAPP, &answer);
    let ok = world.expect(PBX, "200 INVITE");
    world.expect(WHATSAPP, "ACK");
    world.send(PBX, &caller.ack(&ok));
    world.run(Duration::from_millis(100));
    assert_eq!(
        world.plane.news(),
        ["agree b opus sendrecv", "confirm b", "start a", "start b"]
    );
    let agreed = world.plane.last_agreement(Side::B);
    assert_eq!(agreed.protection.dtls().unwrap().role, DtlsRole::Server);
    assert_eq!(ice(&world, Side::B).role, IceRole::Controlling);
    let bye = whatsapp::callee_bye(&invite, &answer);
    world.send(WHATSAPP, &bye);
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}

/// One certificate for all calls, but credentials that no other call has.
#[test]
fn calls_share_the_certificate_and_nothing_else() {
    let mut world = World::with(as_offered);
    let mut seen = Vec::new();
    for call in [1, 2] {
        let invite = whatsapp::invite_number(call).with_sdp(whatsapp_webrtc_offer());
        world.send(WHATSAPP, &invite);
        let callee = Callee::new(world.expect(PBX, "INVITE"));
        seen.push(ice(&world, Side::A).ours.credentials);
        world.send(PBX, &callee.answer());
        confirm(&mut world, invite, callee).user_hangs_up(&mut world);
    }
    world.finish();
    assert!(seen[0].ufrag != seen[1].ufrag && seen[0].pwd != seen[1].pwd);
}

/// There is nothing to wait for: both sides are told at once, and in plain words.
#[test]
fn a_side_that_cannot_be_connected_ends_the_call() {
    let no_keys = "the certificate is not the one that the description named";
    for (side, why, cause, by, detail) in [
        (
            Side::A,
            NotConnected::NoKeys(no_keys.to_owned()),
            Cause::DtlsFailed,
            Party::Caller,
            format!("the WhatsApp user: no keys: {no_keys}"),
        ),
        (
            Side::A,
            NotConnected::NoPath,
            Cause::IceFailed,
            Party::Caller,
            "the WhatsApp user: no way to it was found: none of its candidates answers".to_owned(),
        ),
        (
            Side::B,
            NotConnected::ConsentLost,
            Cause::IceFailed,
            Party::Callee,
            "the PBX: it stopped answering checks of the way to it".to_owned(),
        ),
    ] {
        let mut world = World::with(as_offered);
        let _talk = talking(&mut world);
        world.media_event(Event::NotConnected { side, cause: why });
        let row = cause.row();
        for station in [WHATSAPP, PBX] {
            let bye = world.expect(station, "BYE");
            let reason = format!("Q.850;cause={};text=\"{}\"", row.q850, row.words);
            assert_eq!(bye.header("Reason"), reason);
            world.send(station, &bye.reply(200, "OK"));
        }
        let cdr = world.finish_one();
        assert_eq!((cdr.ending.cause, cdr.ending.by), (cause, by));
        assert_eq!(cdr.ending.detail, Some(detail));
    }
}

/// With a description that came early, also before the answer.
#[test]
fn it_may_fail_while_it_rings() {
    let mut world = World::with(|config| {
        as_offered(config);
        let profile = config.profiles.get_mut("meta").unwrap();
        profile.sip.early_description = true;
    });
    let (invite, callee) = calling(&mut world);
    world.send(PBX, &callee.ringing());
    world.expect(WHATSAPP, "180");
    world.expect(WHATSAPP, "183");
    let cause = NotConnected::NoKeys("the peer does not answer".to_owned());
    world.media_event(Event::NotConnected {
        side: Side::A,
        cause,
    });
    let rejection = world.expect(WHATSAPP, "480");
    assert!(rejection.header("Reason").contains("No media encryption"));
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &rejection));
    let cancel = world.expect(PBX, "CANCEL");
    world.send(PBX, &cancel.reply(200, "OK"));
    world.send(PBX, &callee.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    assert_eq!(world.finish_one().ending.cause, Cause::DtlsFailed);
}

#[test]
fn how_long_it_took_is_in_the_cdr() {
    let mut report = Report::default();
    report.sides.a.ice_after = Some(Duration::from_micros(51_250));
    report.sides.a.dtls_after = Some(Duration::from_millis(153));
    report.sides.a.first_audio_after = Some(Duration::from_millis(160));
    let mut world = World::with(as_offered);
    world.plane.report = Some(report);
    let talk = talking(&mut world);
    let (side, after) = (Side::A, Duration::from_millis(51));
    world.media_event(Event::IceConnected { side, after });
    world.media_event(Event::DtlsConnected { side, after });
    talk.user_hangs_up(&mut world);
    let json = serde_json::to_value(world.finish_one()).unwrap();
    assert_eq!(json["quality"]["a"]["ice_ms"], 51.25);
    assert_eq!(json["quality"]["a"]["dtls_ms"], 153.0);
    assert_eq!(json["quality"]["a"]["first_audio_ms"], 160.0);
    assert!(json["quality"]["b"]["ice_ms"].is_null());
}
