//! Either side hangs up, or both at once.

use std::time::Duration;

use wabridge::call::cdr::Told;
use wabridge::call::ending::{Cause, Party};

use super::{ringing, talking};
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

#[test]
fn the_pbx() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let bye = talk
        .callee
        .request("BYE")
        .with("Reason", "Q.850;cause=16;text=\"Normal Clearing\"");
    world.send(PBX, &bye);
    world.expect(PBX, "200 BYE");
    let bye = world.expect(WHATSAPP, "BYE");
    assert_eq!(bye.uri(), "sip:+12195550714@wa.meta.vc;transport=tls;ob");
    assert_eq!(bye.all("Route"), whatsapp::RECORD_ROUTES);
    assert!(bye.header("Reason").starts_with("Q.850;cause=16"));
    world.send(WHATSAPP, &bye.reply(200, "OK"));
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::HungUp, Party::Callee)
    );
    assert_eq!((cdr.told_a, cdr.told_b), (Told::Bye, Told::Nothing));
    assert_eq!(cdr.ending.detail.as_deref(), Some("Normal Clearing"));
}

#[test]
fn both_at_once() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.send(PBX, &talk.callee.request("BYE"));
    world.send(WHATSAPP, &whatsapp::bye(&talk.invite, &talk.ok));
    world.expect(PBX, "200 BYE");
    // Our BYE was on its way when the user's came.
    let crossed = world.expect(WHATSAPP, "BYE");
    world.send(WHATSAPP, &crossed.reply(200, "OK"));
    world.expect(WHATSAPP, "200 BYE");
    let cdr = world.finish_one();
    assert_eq!(cdr.ending.cause, Cause::HungUp);
}

/// Allowed before the ACK too: the caller may end a dialog that its 200 made.
#[test]
fn the_user_before_the_ack() {
    let mut world = World::new();
    let (invite, callee) = ringing(&mut world);
    world.send(PBX, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.expect(PBX, "ACK");
    world.send(WHATSAPP, &whatsapp::bye(&invite, &ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::HungUp, Party::Caller)
    );
}

/// The agent hangs up before WhatsApp's ACK is there: BYE waits for it (RFC 3261 §15).
#[test]
fn the_pbx_before_the_ack() {
    let mut world = World::new();
    let (invite, mut callee) = ringing(&mut world);
    world.send(PBX, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.expect(PBX, "ACK");
    world.send(PBX, &callee.request("BYE"));
    world.expect(PBX, "200 BYE");
    world.expect_nothing(WHATSAPP, Duration::from_millis(200));
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    let bye = world.expect(WHATSAPP, "BYE");
    world.send(WHATSAPP, &bye.reply(200, "OK"));
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::HungUp, Party::Callee)
    );
    assert_eq!(cdr.told_a, Told::Bye);
}

/// WhatsApp's connection is gone when we hang up: BYE finds its way over a new one.
#[test]
fn over_a_new_connection() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.reconnect(WHATSAPP);
    world.send(PBX, &talk.callee.request("BYE"));
    world.expect(PBX, "200 BYE");
    let bye = world.expect(WHATSAPP, "BYE");
    world.send(WHATSAPP, &bye.reply(200, "OK"));
    world.finish_one();
}

/// And the user's BYE comes over one (a flow is a way, never an identity).
#[test]
fn the_user_over_a_new_connection() {
    let mut world = World::new();
    let talk = talking(&mut world);
    world.reconnect(WHATSAPP);
    talk.user_hangs_up(&mut world);
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::HungUp, Party::Caller)
    );
}
