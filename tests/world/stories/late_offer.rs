//! Offers that come the other way round.

use std::time::Duration;

use wabridge::side::Side;

use super::{calling, talking};
use crate::scene::sdp::{PbxSdp, whatsapp_offer};
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

/// A re-INVITE without a description: our 200 offers, the ACK answers.
#[test]
fn in_a_reinvite_of_the_pbx() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let reinvite = talk.callee.request("INVITE");
    world.send(PBX, &reinvite);
    let ok = world.expect(PBX, "200 INVITE");
    assert!(ok.sdp_line("m=audio").is_some(), "{ok}");
    let moved = PbxSdp {
        version: 2,
        port: 15_000,
        ..PbxSdp::default()
    };
    world.send(PBX, &talk.callee.ack(&reinvite).with_sdp(moved.text()));
    world.run(Duration::from_millis(50));
    let agreed = world.plane.last_agreement(Side::B);
    assert_eq!(agreed.remote_rtp, Some("10.0.0.20:15000".parse().unwrap()));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// Not described by WhatsApp; plain RFC 3261 §13.2.1. Media toward the user starts with the ACK that says where.
#[test]
fn in_the_users_invite() {
    let mut world = World::new();
    let mut invite = whatsapp::invite();
    invite.body.clear();
    world.send(WHATSAPP, &invite);
    let callee = crate::scene::pbx::Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.expect(PBX, "ACK");
    assert!(ok.sdp_line("a=crypto:").is_some(), "{ok}");
    assert_eq!(
        world.plane.news(),
        ["open", "agree b PCMU sendrecv", "start b"]
    );
    world.send(
        WHATSAPP,
        &whatsapp::ack(&invite, &ok).with_sdp(whatsapp_offer()),
    );
    world.run(Duration::from_millis(100));
    assert_eq!(world.plane.news(), ["agree a opus sendrecv", "start a"]);
    world.send(WHATSAPP, &whatsapp::bye(&invite, &ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}

/// A PBX's answer that cannot be agreed to ends the call properly on both legs.
#[test]
fn an_answer_that_does_not_fit() {
    let mut world = World::new();
    let (invite, callee) = calling(&mut world);
    let strange = PbxSdp {
        codec: (9, "G722/8000"),
        ..PbxSdp::default()
    };
    world.send(PBX, &callee.reply(200, "OK").with_sdp(strange.text()));
    world.expect(PBX, "ACK");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    let rejection = world.expect(WHATSAPP, "480");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &rejection));
    let cdr = world.finish_one();
    assert_eq!(
        cdr.ending.cause,
        wabridge::call::ending::Cause::AnswerRefused
    );
}

/// And a user's offer that cannot be answered is refused with the reason.
#[test]
fn an_offer_that_does_not_fit() {
    let mut world = World::new();
    let mut invite = whatsapp::invite();
    invite.body = whatsapp_offer().replace("a=crypto", "a=no-crypto");
    world.send(WHATSAPP, &invite);
    let refusal = world.expect(WHATSAPP, "488");
    assert!(refusal.header("Warning").contains("399"), "{refusal}");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &refusal));
    assert!(world.plane.commands.is_empty(), "no media was opened");
    let cdr = world.finish_one();
    assert_eq!(
        cdr.ending.cause,
        wabridge::call::ending::Cause::OfferRefused
    );
}
