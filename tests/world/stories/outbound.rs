//! An agent calls a user.

use std::time::Duration;

use wabridge::call::cdr::{CallDirection, Cdr, Told};
use wabridge::call::ending::{Cause, Party};
use wabridge::config::{Config, Meaning, Refusal};
use wabridge::consent::{Absence, Fact, Pair, Permission, Source};
use wabridge::party::PhoneNumber;
use wabridge::side::Side;

use crate::scene::config::{NUMBER, PASSWORD};
use crate::scene::ledger::LedgerState;
use crate::scene::pbx::Caller;
use crate::scene::whatsapp::{self, RECORD_ROUTES, USER, WACID};
use crate::scene::wire::{Sip, parameter};
use crate::scene::world::{PBX, Reach, WHATSAPP, World};

/// A call that both speak in.
pub struct OutTalk {
    pub caller: Caller,
    /// What the agent's side was answered.
    pub ok: Sip,
    /// WhatsApp's side of it.
    pub invite: Sip,
    pub answer: Sip,
}

pub fn pair() -> Pair {
    let number = |text| PhoneNumber::parse(text).unwrap();
    Pair::of_number(number(NUMBER), number(USER))
}

/// The agent dials; WhatsApp has the INVITE.
pub fn dialled(world: &mut World) -> (Caller, Sip) {
    let caller = Caller::new();
    world.send(PBX, &caller.invite);
    let invite = world.expect(WHATSAPP, "INVITE");
    (caller, invite)
}

pub fn out_talking(world: &mut World) -> OutTalk {
    let (caller, invite) = dialled(world);
    let answer = whatsapp::answer(&invite);
    world.send(WHATSAPP, &answer);
    let ok = world.expect(PBX, "200 INVITE");
    world.expect(WHATSAPP, "ACK");
    world.send(PBX, &caller.ack(&ok));
    world.run(Duration::from_millis(100));
    OutTalk {
        caller,
        ok,
        invite,
        answer,
    }
}

impl OutTalk {
    pub fn agent_hangs_up(&mut self, world: &mut World) -> Sip {
        let bye = self.caller.request("BYE", &self.ok);
        world.send(PBX, &bye);
        world.expect(PBX, "200 BYE");
        let bye = world.expect(WHATSAPP, "BYE");
        world.send(WHATSAPP, &bye.reply(200, "OK"));
        bye
    }
}

fn refused(world: &mut World, caller: &Caller, status: &str) -> Sip {
    let refusal = world.expect(PBX, status);
    world.send(PBX, &caller.same_hop("ACK", refusal.header("To")));
    refusal
}

/// The INVITE has what WhatsApp wants (dossier 2.7), and nothing of the PBX's.
#[test]
fn answered() {
    let mut world = World::new();
    let (caller, invite) = dialled(&mut world);
    assert_eq!(invite.uri(), format!("sip:{USER}@wa.meta.vc;transport=tls"));
    assert_eq!(invite.header("To"), format!("<sip:{USER}@wa.meta.vc>"));
    assert_eq!(
        invite.address("From"),
        format!("sip:{NUMBER}@sip.example.com")
    );
    assert_eq!(
        invite.address("Contact"),
        format!("sip:{NUMBER}@sip.example.com:5061;transport=tls")
    );
    assert_eq!(invite.header("Allow"), "INVITE, ACK, BYE, CANCEL, OPTIONS");
    for absent in [
        "Supported",
        "Session-Expires",
        "P-Asserted-Identity",
        "Route",
    ] {
        assert_eq!(invite.get(absent), None, "{invite}");
    }
    assert_ne!(invite.header("Call-ID"), caller.invite.header("Call-ID"));
    assert!(
        invite
            .sdp_line("m=audio")
            .unwrap()
            .contains("RTP/SAVP 111 101"),
        "{invite}"
    );
    assert!(
        invite
            .sdp_line("a=crypto:1 AES_CM_128_HMAC_SHA1_80")
            .is_some()
    );
    assert!(invite.body.contains("c=IN IP4 198.51.100.7"), "{invite}");

    world.send(WHATSAPP, &invite.reply(100, "Trying"));
    let ringing = invite
        .reply(180, "Ringing")
        .set("To", format!("{};tag=r", invite.header("To")));
    world.send(WHATSAPP, &ringing);
    world.plane.news();
    world.send(WHATSAPP, &whatsapp::answer(&invite));
    let ok = world.expect(PBX, "200 INVITE");
    let ack = world.expect(WHATSAPP, "ACK");
    assert_eq!(
        ack.all("Route"),
        RECORD_ROUTES,
        "the printed order, reversed"
    );
    assert_eq!(
        world.plane.news(),
        ["agree b opus sendrecv", "start a", "start b"]
    );
    assert!(
        ok.sdp_line("m=audio").unwrap().contains("RTP/AVP 0"),
        "{ok}"
    );
    assert!(ok.header("Allow").contains("REFER"), "{ok}");
    world.send(PBX, &caller.ack(&ok));
    world.run(Duration::from_secs(60));
    let answer = whatsapp::answer(&invite);
    world.send(WHATSAPP, &whatsapp::callee_bye(&invite, &answer));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    assert_eq!(world.ledger.log, ["placed", "connected", "ended"]);

    let cdr = world.finish_one();
    assert_eq!(cdr.direction, CallDirection::BusinessInitiated);
    assert_eq!((cdr.user.as_str(), cdr.number.as_str()), (USER, NUMBER));
    assert_eq!(cdr.extension.as_deref(), Some("200"));
    assert_eq!(cdr.user_id.as_deref(), Some("US.13491208655302741918"));
    assert_eq!(cdr.wacid.as_deref(), Some(WACID), "known by the BYE");
    assert_eq!(cdr.whatsapp_duration_s, Some(61));
    assert_eq!((cdr.codec_a, cdr.codec_b), (Some("PCMU"), Some("opus")));
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::HungUp, Party::Callee)
    );
    assert_eq!((cdr.told_a, cdr.told_b), (Told::Bye, Told::Nothing));
}

/// Our BYE takes WhatsApp's route (dossier 2.5).
#[test]
fn the_agent_hangs_up() {
    let mut world = World::new();
    let mut talk = out_talking(&mut world);
    let bye = talk.agent_hangs_up(&mut world);
    assert_eq!(bye.all("Route"), RECORD_ROUTES);
    assert_eq!(bye.uri(), talk.answer.address("Contact"));
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::HungUp, Party::Caller)
    );
}

/// 407 is answered with the number, without +, and the digest URI of the request (dossier 2.3, 2.7); a stale nonce once more.
#[test]
fn challenged() {
    let mut world = World::new();
    let (_, first) = dialled(&mut world);
    world.send(WHATSAPP, &whatsapp::challenge(&first, "419ac2415577f8e1"));
    world.expect(WHATSAPP, "ACK");
    let second = world.expect(WHATSAPP, "INVITE");
    assert_eq!(second.cseq(), (2, "INVITE"));
    assert_eq!(second.header("Call-ID"), first.header("Call-ID"));
    let digest = second.header("Proxy-Authorization");
    assert_eq!(parameter(digest, "username"), Some("17015550100"));
    assert!(
        digest.contains(&format!("uri=\"{}\"", second.uri())),
        "{digest}"
    );
    assert_eq!(parameter(digest, "nonce"), Some("419ac2415577f8e1"));
    assert!(!second.to_string().contains(PASSWORD));
    let mut stale = whatsapp::challenge(&second, "fresh");
    let value = format!("{},stale=true", stale.header("Proxy-Authenticate"));
    stale = stale.set("Proxy-Authenticate", value);
    world.send(WHATSAPP, &stale);
    world.expect(WHATSAPP, "ACK");
    let third = world.expect(WHATSAPP, "INVITE");
    assert_eq!(
        parameter(third.header("Proxy-Authorization"), "nonce"),
        Some("fresh")
    );
    world.send(WHATSAPP, &whatsapp::challenge(&third, "again"));
    world.expect(WHATSAPP, "ACK");
    let refusal = world.expect(PBX, "503");
    world.send(PBX, &Caller::new().same_hop("ACK", refusal.header("To")));
    assert_eq!(world.finish_one().ending.cause, Cause::PeerRefusedUs);
}

/// The texts of the dossier's table (2.9), by the profile that comes with the program.
#[test]
fn what_whatsapp_refuses() {
    let table = [
        (
            400,
            "Asset not found, invalid business phone number",
            Cause::NumberUnknown,
            "503",
        ),
        (
            403,
            "SIP server sip.example.com from INVITE does not match any SIP server configured for phone number id 1",
            Cause::WrongServer,
            "503",
        ),
        (
            403,
            "The app 1 configured for SIP server sip.example.com is not authorized for phone number id 1",
            Cause::NotEligible,
            "503",
        ),
        (
            403,
            "No Approved Call Permission Found: No approved call permission from the recipient",
            Cause::PermissionNotGiven,
            "403",
        ),
        (
            403,
            "Business Initiated Connected Call Per Day Limit Hit",
            Cause::ConnectedLimit,
            "480",
        ),
        (
            403,
            "Duplicate call: a call between the pair is active",
            Cause::CallActive,
            "486",
        ),
        (
            403,
            "Invalid digest auth response",
            Cause::PeerRefusedUs,
            "503",
        ),
        (
            403,
            "Proxy auth uri does not match SIP \"to\" uri",
            Cause::PeerRefusedUs,
            "503",
        ),
        (
            403,
            "Business eligibility: payment issue",
            Cause::NotEligible,
            "503",
        ),
        (403, "SDP Validation Error", Cause::PeerRefusedMedia, "480"),
        (404, "Not Found", Cause::UnknownExtension, "404"),
        (408, "RTP Timeout", Cause::PeerFailed, "503"),
        (480, "Temporarily Unavailable", Cause::NoAnswer, "480"),
        (486, "Busy Here", Cause::Declined, "603"),
        (500, "Internal Server Error", Cause::PeerFailed, "503"),
        (503, "Service Unavailable", Cause::PeerFailed, "503"),
        (302, "Moved Temporarily", Cause::Unavailable, "480"),
    ];
    for (status, text, cause, told) in table {
        let mut world = World::with(with_real_refusals);
        let (caller, invite) = dialled(&mut world);
        world.send(WHATSAPP, &whatsapp::refusal(&invite, status, text));
        world.expect(WHATSAPP, "ACK");
        let refusal = refused(&mut world, &caller, told);
        let row = cause.row();
        assert!(
            refusal
                .header("Reason")
                .contains(&format!("Q.850;cause={}", row.q850)),
            "{refusal}"
        );
        assert!(
            refusal
                .header("Warning")
                .contains(&text.replace('"', "\\\"")),
            "{refusal}"
        );
        assert!(
            refusal
                .to_string()
                .starts_with(&format!("SIP/2.0 {told} {}", row.words))
        );
        let log = world.ledger.log.clone();
        let cdr = world.finish_one();
        assert_eq!(cdr.ending.cause, cause, "{text}");
        assert_eq!(cdr.ending.status, Some(status));
        let learned = match cause {
            Cause::PermissionNotGiven => vec!["placed", "not allowed", "ended"],
            Cause::ConnectedLimit => vec!["placed", "barred", "ended"],
            Cause::NoAnswer => vec!["placed", "unanswered"],
            _ => vec!["placed", "ended"],
        };
        assert_eq!(log, learned, "{text}");
    }
}

fn with_real_refusals(config: &mut Config) {
    let meta = config.profiles.get_mut("meta").unwrap();
    meta.sip.refusals = real_refusals();
}

/// Of sip-profiles/meta.toml.
fn real_refusals() -> Vec<Refusal> {
    let text = std::fs::read_to_string("sip-profiles/meta.toml").unwrap();
    let profile: toml::Table = text.parse().unwrap();
    let refusals = profile["refusals"].as_array().unwrap();
    let read = |refusal: &toml::Value| {
        let means = refusal["means"].as_str().unwrap();
        let (_, means) = Meaning::ALL
            .into_iter()
            .find(|(name, _)| *name == means)
            .unwrap();
        Refusal {
            status: u16::try_from(refusal["status"].as_integer().unwrap()).unwrap(),
            says: refusal
                .get("says")
                .map(|says| says.as_str().unwrap().to_owned()),
            means,
        }
    };
    refusals.iter().map(read).collect()
}

/// Learned once, the next call costs no INVITE, and says until when.
#[test]
fn what_was_learned_is_remembered() {
    for (text, status) in [
        ("No Approved Call Permission Found", "403"),
        ("Business Initiated Connected Call Per Day Limit Hit", "480"),
    ] {
        let mut world = World::with(with_real_refusals);
        let (caller, invite) = dialled(&mut world);
        world.send(WHATSAPP, &whatsapp::refusal(&invite, 403, text));
        world.expect(WHATSAPP, "ACK");
        refused(&mut world, &caller, status);
        let mut again = Caller::new();
        again.invite = again.invite.set("Call-ID", "again").set(
            "Via",
            "SIP/2.0/UDP 10.0.0.20:5060;rport;branch=z9hG4bKagain",
        );
        world.send(PBX, &again.invite);
        let refusal = refused(&mut world, &again, status);
        if status == "480" {
            assert_eq!(refusal.header("Retry-After"), "3600");
            assert!(
                refusal
                    .header("Warning")
                    .contains("again from 2026-11-20T11:00:0"),
                "{refusal}"
            );
        }
        assert_eq!(world.station(WHATSAPP).count("INVITE"), 1);
        let cdrs: Vec<Cdr> = world.finish();
        assert_eq!(cdrs[1].ending.by, Party::Bridge);
        assert_eq!(cdrs[1].attempts, []);
    }
}

#[test]
fn the_ledger_says_no() {
    let mut world = World::new();
    let (at, rules) = (world.moment().wall, world.ledger.rules.clone());
    let withdrawn = Fact::NotAllowed {
        why: Absence::Withdrawn,
        source: Source::Webhook,
    };
    world
        .ledger
        .standing(&pair())
        .handle_fact(&withdrawn, at, &rules)
        .unwrap();
    let caller = Caller::new();
    world.send(PBX, &caller.invite);
    let refusal = refused(&mut world, &caller, "403");
    assert!(
        refusal
            .to_string()
            .starts_with("SIP/2.0 403 The user has declined calls")
    );
    assert!(
        refusal
            .header("Warning")
            .contains("The user has declined calls")
    );
    assert_eq!(world.station(WHATSAPP).count("INVITE"), 0);
    assert_eq!(world.finish_one().ending.cause, Cause::PermissionWithdrawn);
}

/// A disk that fails or hangs stops no call, unless the rules say so.
#[test]
fn the_ledger_says_nothing() {
    for state in [LedgerState::Broken, LedgerState::Hangs] {
        let mut world = World::new();
        world.ledger.state = state;
        let mut talk = out_talking(&mut world);
        talk.agent_hangs_up(&mut world);
        assert_eq!(world.finish_one().ending.cause, Cause::HungUp);
    }
}

/// It rang until we gave up: unanswered; four times in a row, and WhatsApp takes the permission back.
#[test]
fn nobody_answers() {
    let mut world = World::new();
    let rules = world.ledger.rules.clone();
    let allowed = Fact::AllowedForEver {
        source: Source::Operator,
    };
    let at = world.moment().wall;
    world
        .ledger
        .standing(&pair())
        .handle_fact(&allowed, at, &rules)
        .unwrap();
    for call in 0..4 {
        let mut caller = Caller::new();
        caller.invite = caller.invite.set("Call-ID", format!("call-{call}")).set(
            "Via",
            format!("SIP/2.0/UDP 10.0.0.20:5060;rport;branch=z9hG4bK{call}"),
        );
        world.send(PBX, &caller.invite);
        let invite = world.expect(WHATSAPP, "INVITE");
        world.send(WHATSAPP, &invite.reply(100, "Trying"));
        let cancel = world.expect(WHATSAPP, "CANCEL");
        world.send(WHATSAPP, &cancel.reply(200, "OK"));
        world.send(
            WHATSAPP,
            &whatsapp::refusal(&invite, 487, "Request Terminated"),
        );
        world.expect(WHATSAPP, "ACK");
        refused(&mut world, &caller, "480");
    }
    let known = world.ledger.standing(&pair()).permission().unwrap();
    assert_eq!(known.permission, Permission::Absent(Absence::Unanswered));
    let cdrs = world.finish();
    assert!(cdrs.iter().all(|cdr| cdr.ending.cause == Cause::NoAnswer));
}

/// The agent gives up: that is no unanswered call.
#[test]
fn the_agent_cancels() {
    let mut world = World::new();
    let (caller, invite) = dialled(&mut world);
    world.send(WHATSAPP, &invite.reply(100, "Trying"));
    world.run(Duration::from_secs(3));
    world.send(PBX, &caller.same_hop("CANCEL", caller.invite.header("To")));
    world.expect(PBX, "200 CANCEL");
    refused(&mut world, &caller, "487");
    let cancel = world.expect(WHATSAPP, "CANCEL");
    world.send(WHATSAPP, &cancel.reply(200, "OK"));
    world.send(
        WHATSAPP,
        &whatsapp::refusal(&invite, 487, "Request Terminated"),
    );
    world.expect(WHATSAPP, "ACK");
    assert_eq!(world.ledger.log, ["placed", "ended"]);
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.told_b),
        (Cause::Cancelled, Told::Cancel)
    );
}

#[test]
fn both_hang_up_at_once() {
    let mut world = World::new();
    let mut talk = out_talking(&mut world);
    let bye = talk.caller.request("BYE", &talk.ok);
    world.send(PBX, &bye);
    world.send(WHATSAPP, &whatsapp::callee_bye(&talk.invite, &talk.answer));
    world.expect(PBX, "200 BYE");
    // Ours crossed theirs: both are answered.
    let ours = world.expect(WHATSAPP, "BYE");
    world.send(WHATSAPP, &ours.reply(200, "OK"));
    world.expect(WHATSAPP, "200 BYE");
    world.finish_one();
}

#[test]
fn whatsapp_cannot_be_reached() {
    let mut world = World::new();
    world.station(WHATSAPP).reach = Reach::Refused;
    let caller = Caller::new();
    world.send(PBX, &caller.invite);
    let refusal = refused(&mut world, &caller, "503");
    assert!(
        refusal.header("Warning").contains("connection refused"),
        "{refusal}"
    );
    assert_eq!(world.finish_one().ending.cause, Cause::PeerUnreachable);
}

/// The offer comes in our 200, the answer in the ACK.
#[test]
fn a_late_offer() {
    let mut world = World::new();
    let mut caller = Caller::new();
    caller.invite.body = String::new();
    caller
        .invite
        .headers
        .retain(|(name, _)| name != "Content-Type");
    world.send(PBX, &caller.invite);
    let invite = world.expect(WHATSAPP, "INVITE");
    let answer = whatsapp::answer(&invite);
    world.send(WHATSAPP, &answer);
    let ok = world.expect(PBX, "200 INVITE");
    world.expect(WHATSAPP, "ACK");
    world.send(
        PBX,
        &caller.ack(&ok).with_sdp(crate::scene::sdp::pbx_answer()),
    );
    world.run(Duration::from_millis(100));
    assert_eq!(world.plane.last_agreement(Side::A).codec.name(), "PCMU");
    let mut talk = OutTalk {
        caller,
        ok,
        invite,
        answer,
    };
    talk.agent_hangs_up(&mut world);
    world.finish_one();
}

/// Which of the business's numbers calls: the caller's, if it is one, else the trunk's.
#[test]
fn numbers_of_the_business() {
    const OTHER: &str = "+4930123456";
    let several = |config: &mut Config| {
        config.numbers.extend([crate::scene::config::number(OTHER)]);
    };
    for (of_trunk, identity, expected) in [
        (None, None, None),
        (Some(OTHER), None, Some(OTHER)),
        (Some(OTHER), Some(NUMBER), Some(NUMBER)),
        (None, Some(OTHER), Some(OTHER)),
        (Some(OTHER), Some("+4930999999"), Some(OTHER)),
    ] {
        let mut world = World::with(|config| {
            several(config);
            let trunk = config.trunks.get_mut("office").unwrap();
            trunk.number = of_trunk.map(|number| PhoneNumber::parse(number).unwrap());
        });
        let mut caller = Caller::new();
        if let Some(identity) = identity {
            let value = format!("<sip:{identity}@10.0.0.20>");
            caller.invite = caller.invite.with("P-Asserted-Identity", value);
        }
        world.send(PBX, &caller.invite);
        let Some(expected) = expected else {
            let refusal = refused(&mut world, &caller, "403");
            assert!(
                refusal
                    .header("Warning")
                    .contains("set number on the trunk"),
                "{refusal}"
            );
            assert!(world.finish().is_empty());
            continue;
        };
        let invite = world.expect(WHATSAPP, "INVITE");
        assert_eq!(
            invite.address("From"),
            format!("sip:{expected}@sip.example.com")
        );
        world.send(WHATSAPP, &whatsapp::refusal(&invite, 486, "Busy Here"));
        world.expect(WHATSAPP, "ACK");
        refused(&mut world, &caller, "486");
        world.finish_one();
    }
}
