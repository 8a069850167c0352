//! The PBX gives its side of a call to another: by REFER, blind and attended, and by an INVITE that replaces it. WhatsApp
//! hears nothing of it (dossier 2.8).

use std::time::Duration;

use wabridge::call::cdr::{Cdr, TransferKind};
use wabridge::call::ending::Cause;
use wabridge::side::Side;

use super::outbound::out_talking;
use super::{Talk, talking};
use crate::scene::pbx::Callee;
use crate::scene::sdp::PbxSdp;
use crate::scene::sound::assert_unbroken;
use crate::scene::whatsapp;
use crate::scene::wire::Sip;
use crate::scene::world::{BACKUP, PBX, Reach, WHATSAPP, World};

/// A NOTIFY with this status line, answered.
fn notified(world: &mut World, status: &str, state: &str) {
    let notify = world.expect(PBX, "NOTIFY");
    assert!(
        notify.body.starts_with(&format!("SIP/2.0 {status}")),
        "{notify}"
    );
    assert!(
        notify.header("Subscription-State").starts_with(state),
        "{notify}"
    );
    assert!(notify.header("Event").starts_with("refer;id="), "{notify}");
    world.send(PBX, &notify.reply(200, "OK"));
}

fn refer(world: &mut World, talk: &mut Talk, to: &str) -> Sip {
    let request = talk.callee.request("REFER").with("Refer-To", to);
    world.send(PBX, &request);
    request
}

/// REFER is taken, and the target called.
fn referred(world: &mut World, talk: &mut Talk, to: &str) -> Callee {
    refer(world, talk, to);
    world.expect(PBX, "202 REFER");
    notified(world, "100 Trying", "active");
    Callee::fork(world.expect(PBX, "INVITE"), "target")
}

fn transferred(world: &mut World, talk: &Talk, target: &Callee) {
    let sdp = PbxSdp {
        port: 15_000,
        ..PbxSdp::default()
    };
    world.send(PBX, &target.reply(200, "OK").with_sdp(sdp.text()));
    world.expect(PBX, "ACK");
    notified(world, "200 OK", "terminated");
    let bye = world.expect(PBX, "BYE");
    assert_eq!(bye.header("Call-ID"), talk.callee.invite.header("Call-ID"));
    world.send(PBX, &bye.reply(200, "OK"));
}

fn hang_up(world: &mut World, talk: &Talk) {
    talk.user_hangs_up(world);
}

#[test]
fn blind() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let target = referred(&mut world, &mut talk, "<sip:200@10.0.0.1:5060>");
    assert_eq!(
        target.invite.uri(),
        "sip:200@10.0.0.20:5060",
        "at our own address: an extension"
    );
    assert_eq!(
        target.invite.address("From"),
        talk.callee.invite.address("From")
    );
    assert_eq!(
        target.invite.header("X-WA-Wacid"),
        talk.callee.invite.header("X-WA-Wacid")
    );
    world.send(PBX, &target.ringing());
    notified(&mut world, "180 Ringing", "active");
    world.plane.news();
    transferred(&mut world, &talk, &target);
    assert_eq!(world.plane.news(), ["agree b PCMU sendrecv"]);
    let agreed = world.plane.last_agreement(Side::B);
    assert_eq!(agreed.remote_rtp, Some("10.0.0.20:15000".parse().unwrap()));
    world.expect_nothing(WHATSAPP, Duration::from_secs(5));
    talk.callee = target;
    hang_up(&mut world, &talk);
    let cdr = world.finish_one();
    let [transfer] = cdr.transfers.as_slice() else {
        panic!("{:?}", cdr.transfers)
    };
    assert_eq!(
        (transfer.to.as_str(), transfer.kind),
        ("200", TransferKind::Blind)
    );
    assert_eq!(transfer.outcome, "answered");
    assert_eq!(
        cdr.call_id_b.as_deref(),
        Some(talk.callee.invite.header("Call-ID"))
    );
}

/// The referrer does not wait; the call waits for the target without it.
#[test]
fn blind_and_gone() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let target = referred(&mut world, &mut talk, "<sip:200@10.0.0.20>");
    world.send(PBX, &talk.callee.request("BYE"));
    world.expect(PBX, "200 BYE");
    world.send(PBX, &target.ringing());
    world.run(Duration::from_secs(10));
    world.send(PBX, &target.answer());
    world.expect(PBX, "ACK");
    world.expect_nothing(WHATSAPP, Duration::from_secs(5));
    talk.callee = target;
    hang_up(&mut world, &talk);
    assert_eq!(world.finish_one().transfers[0].outcome, "answered");
}

/// Nobody is left to go back to.
#[test]
fn blind_and_gone_and_refused() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let target = referred(&mut world, &mut talk, "<sip:200@10.0.0.20>");
    world.send(PBX, &talk.callee.request("BYE"));
    world.expect(PBX, "200 BYE");
    world.send(PBX, &target.reply(486, "Busy Here"));
    world.expect(PBX, "ACK");
    let bye = world.expect(WHATSAPP, "BYE");
    world.send(WHATSAPP, &bye.reply(200, "OK"));
    let cdr = world.finish_one();
    assert_eq!(cdr.ending.cause, Cause::Busy);
    assert_eq!(cdr.transfers[0].outcome, "486");
}

/// The referrer hears why, and goes on with the call.
#[test]
fn a_target_that_refuses() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    for (status, phrase) in [(486, "Busy Here"), (404, "Not Found"), (603, "Decline")] {
        let target = referred(&mut world, &mut talk, "<sip:200@10.0.0.20>");
        world.send(PBX, &target.reply(status, phrase));
        world.expect(PBX, "ACK");
        notified(&mut world, &status.to_string(), "terminated");
    }
    world.expect_nothing(WHATSAPP, Duration::from_secs(5));
    hang_up(&mut world, &talk);
    let outcomes: Vec<String> = world
        .finish_one()
        .transfers
        .into_iter()
        .map(|t| t.outcome)
        .collect();
    assert_eq!(outcomes, ["486", "404", "603"]);
}

#[test]
fn a_target_that_does_not_answer() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let target = referred(&mut world, &mut talk, "<sip:200@10.0.0.20>");
    world.send(PBX, &target.ringing());
    notified(&mut world, "180 Ringing", "active");
    let cancel = world.expect(PBX, "CANCEL");
    world.send(PBX, &cancel.reply(200, "OK"));
    notified(&mut world, "408 Request Timeout", "terminated");
    world.send(PBX, &target.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    hang_up(&mut world, &talk);
    world.finish_one();
}

/// The user hangs up in the middle: all three legs end.
#[test]
fn the_user_does_not_wait() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let target = referred(&mut world, &mut talk, "<sip:200@10.0.0.20>");
    world.send(PBX, &target.ringing());
    notified(&mut world, "180 Ringing", "active");
    world.send(WHATSAPP, &whatsapp::bye(&talk.invite, &talk.ok));
    world.expect(WHATSAPP, "200 BYE");
    for _ in 0..2 {
        let last = match world.peek(PBX) {
            Some(message) if message.is("BYE") => world.expect(PBX, "BYE"),
            _ => world.expect(PBX, "CANCEL"),
        };
        world.send(PBX, &last.reply(200, "OK"));
    }
    world.send(PBX, &target.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    let cdr = world.finish_one();
    assert_eq!(cdr.ending.cause, Cause::HungUp);
    assert_eq!(cdr.transfers[0].outcome, "cancelled");
}

/// Attended: the new call takes the place of the one that the referrer has with the target (RFC 5589 §7).
#[test]
fn attended() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let to = "<sip:201@10.0.0.21:5060?Replaces=consult%40pbx%3Bto-tag%3Dt1%3Bfrom-tag%3Df1&Require=replaces>";
    let request = talk
        .callee
        .request("REFER")
        .with("Refer-To", to)
        .with("Referred-By", "<sip:agent@10.0.0.20>");
    world.send(PBX, &request);
    world.expect(PBX, "202 REFER");
    notified(&mut world, "100 Trying", "active");
    let invite = world.expect(BACKUP, "INVITE");
    assert_eq!(
        invite.uri(),
        "sip:201@10.0.0.21:5060",
        "a peer of ours, as the referrer names it"
    );
    assert_eq!(
        invite.header("Replaces"),
        "consult@pbx;to-tag=t1;from-tag=f1"
    );
    assert_eq!(invite.header("Require"), "replaces");
    assert_eq!(invite.header("Referred-By"), "<sip:agent@10.0.0.20>");
    let target = Callee::fork(invite, "target");
    world.send(BACKUP, &target.answer());
    world.expect(BACKUP, "ACK");
    notified(&mut world, "200 OK", "terminated");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.send(WHATSAPP, &whatsapp::bye(&talk.invite, &talk.ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(BACKUP, "BYE");
    world.send(BACKUP, &bye.reply(200, "OK"));
    assert_eq!(world.finish_one().transfers[0].kind, TransferKind::Attended);
}

/// Whoever is named, only configured peers are called: a foreign host is left to the referrer to route.
#[test]
fn a_foreign_host() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let target = referred(&mut world, &mut talk, "<sip:+1900555@premium.example.net>");
    assert_eq!(target.invite.uri(), "sip:+1900555@premium.example.net");
    world.send(PBX, &target.reply(403, "Forbidden"));
    world.expect(PBX, "ACK");
    notified(&mut world, "403", "terminated");
    hang_up(&mut world, &talk);
    world.finish_one();
}

/// One at a time; nonsense; before the answer; the user's side.
#[test]
fn refers_that_are_refused() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    for nonsense in ["<nonsense", "http://x/", "<sip:1@10.0.0.20?Replaces=x>"] {
        refer(&mut world, &mut talk, nonsense);
        world.expect(PBX, "400 REFER");
    }
    let target = referred(&mut world, &mut talk, "<sip:200@10.0.0.20>");
    refer(&mut world, &mut talk, "<sip:300@10.0.0.20>");
    world.expect(PBX, "491 REFER");
    let from_user = whatsapp::in_dialog("REFER", &talk.invite, &talk.ok, 40_000)
        .with("Refer-To", "<sip:1@10.0.0.20>");
    world.send(WHATSAPP, &from_user);
    world.expect(WHATSAPP, "603 REFER");
    transferred(&mut world, &talk, &target);
    talk.callee = target;
    let bye = whatsapp::in_dialog("BYE", &talk.invite, &talk.ok, 40_001);
    world.send(WHATSAPP, &bye);
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}

/// An agent's own call to a user is transferred like any other: the side is the PBX's, wherever the call came in.
#[test]
fn of_an_outgoing_call() {
    let mut world = World::new();
    let mut talk = out_talking(&mut world);
    let request = talk
        .caller
        .request("REFER", &talk.ok)
        .with("Refer-To", "<sip:201@10.0.0.20>");
    world.send(PBX, &request);
    world.expect(PBX, "202 REFER");
    notified(&mut world, "100 Trying", "active");
    let target = Callee::fork(world.expect(PBX, "INVITE"), "target");
    world.plane.news();
    world.send(PBX, &target.answer());
    world.expect(PBX, "ACK");
    notified(&mut world, "200 OK", "terminated");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    assert_eq!(world.plane.news(), ["agree a PCMU sendrecv"]);
    world.send(WHATSAPP, &whatsapp::callee_bye(&talk.invite, &talk.answer));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    assert_eq!(bye.header("Call-ID"), target.invite.header("Call-ID"));
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}

/// RFC 3891: another phone of the PBX takes the call by an INVITE of its own.
fn takeover(talk: &Talk, from_tag: &str) -> Sip {
    let invite = &talk.callee.invite;
    let replaces = format!(
        "{};to-tag={};from-tag={from_tag}",
        invite.header("Call-ID"),
        invite.tag("From").unwrap()
    );
    Sip::request("INVITE", invite.address("Contact"))
        .with(
            "Via",
            "SIP/2.0/UDP 10.0.0.20:5060;rport;branch=z9hG4bKtakes",
        )
        .with("Max-Forwards", "70")
        .with("From", "<sip:202@10.0.0.20>;tag=takes")
        .with("To", "<sip:user@10.0.0.1>")
        .with("Contact", "<sip:202@10.0.0.20:5060>")
        .with("Call-ID", "takes-over")
        .with("CSeq", "1 INVITE")
        .with("Replaces", replaces)
        .with("Require", "replaces")
        .with_sdp(
            PbxSdp {
                port: 16_000,
                ..PbxSdp::default()
            }
            .text(),
        )
}

#[test]
fn taken_over() {
    let mut world = World::new();
    let talk = talking(&mut world);
    world.plane.news();
    let invite = takeover(&talk, "pbx-1");
    world.send(PBX, &invite);
    let ok = world.expect(PBX, "200 INVITE");
    let bye = world.expect(PBX, "BYE");
    assert_eq!(bye.header("Call-ID"), talk.callee.invite.header("Call-ID"));
    world.send(PBX, &bye.reply(200, "OK"));
    let ack = Sip::request("ACK", ok.address("Contact"))
        .with(
            "Via",
            "SIP/2.0/UDP 10.0.0.20:5060;rport;branch=z9hG4bKtakesack",
        )
        .with("From", invite.header("From"))
        .with("To", ok.header("To"))
        .with("Call-ID", "takes-over")
        .with("CSeq", "1 ACK");
    world.send(PBX, &ack);
    assert_eq!(world.plane.news(), ["agree b PCMU sendrecv"]);
    world.expect_nothing(WHATSAPP, Duration::from_secs(5));
    world.send(WHATSAPP, &whatsapp::bye(&talk.invite, &talk.ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    assert_eq!(bye.header("Call-ID"), "takes-over");
    world.send(PBX, &bye.reply(200, "OK"));
    let cdr: Cdr = world.finish_one();
    assert_eq!(cdr.transfers[0].kind, TransferKind::Takeover);
}

#[test]
fn not_taken_over() {
    for (wrong, status) in [("nobody", "481"), ("pbx-1;early-only", "486")] {
        let mut world = World::new();
        let talk = talking(&mut world);
        let invite = takeover(&talk, wrong);
        world.send(PBX, &invite);
        let refusal = world.expect(PBX, status);
        let ack = invite.clone();
        world.send(PBX, &acknowledging(ack, &refusal));
        world.expect_nothing(WHATSAPP, Duration::from_secs(5));
        hang_up(&mut world, &talk);
        world.finish_one();
    }
}

fn acknowledging(invite: Sip, refusal: &Sip) -> Sip {
    Sip::request("ACK", invite.uri())
        .with("Via", invite.header("Via"))
        .with("From", invite.header("From"))
        .with("To", refusal.header("To"))
        .with("Call-ID", invite.header("Call-ID"))
        .with("CSeq", "1 ACK")
}

/// A target that is down: the referrer hears it.
#[test]
fn a_target_that_is_not_there() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.station(BACKUP).reach = Reach::Refused;
    refer(&mut world, &mut talk, "<sip:200@10.0.0.21>");
    world.expect(PBX, "202 REFER");
    notified(&mut world, "100 Trying", "active");
    notified(&mut world, "503", "terminated");
    hang_up(&mut world, &talk);
    world.finish_one();
}

/// Fifty in a row on one call, blind and attended by turns, with real bridges: toward the user one SSRC in step, never
/// 200 ms without a packet, and nothing left open.
#[test]
fn fifty_in_a_row() {
    let mut world = World::with(|config| {
        for profile in config.profiles.values_mut() {
            profile.media.media_timeout = Duration::ZERO;
        }
    });
    world.play_real_sound();
    let mut talk = talking(&mut world);
    for round in 0..50u16 {
        let to = match round % 2 {
            0 => "<sip:200@10.0.0.20>",
            _ => "<sip:200@10.0.0.20?Replaces=consult%3Bto-tag%3Dt%3Bfrom-tag%3Df>",
        };
        let mut target = referred(&mut world, &mut talk, to);
        target.rename(&format!("target-{round}"));
        if round % 3 == 0 {
            world.send(PBX, &target.ringing());
            notified(&mut world, "180 Ringing", "active");
        }
        world.run(Duration::from_millis(300));
        transferred(&mut world, &talk, &target);
        talk.callee = target;
        world.run(Duration::from_secs(1));
    }
    let toward_user = world.sent(Side::A);
    assert_unbroken(toward_user, 960);
    assert!(toward_user.len() > 50 * 50, "{}", toward_user.len());
    let gaps = toward_user.windows(2).map(|two| two[1].at - two[0].at);
    let longest = gaps.max().unwrap_or_default();
    assert!(longest < Duration::from_millis(200), "{longest:?}");
    hang_up(&mut world, &talk);
    let transfers = world.finish_one().transfers;
    let attended = transfers
        .iter()
        .filter(|transfer| transfer.kind == TransferKind::Attended);
    assert_eq!((transfers.len(), attended.count()), (50, 25));
}
