//! The user gives up while it rings.

use wabridge::call::cdr::Told;
use wabridge::call::ending::{Cause, Party};

use super::{calling, ringing};
use crate::scene::whatsapp;
use crate::scene::wire::Sip;
use crate::scene::world::{PBX, WHATSAPP, World};

fn cancels(world: &mut World, invite: &Sip) {
    world.send(WHATSAPP, &whatsapp::cancel(invite));
    world.expect(WHATSAPP, "200 CANCEL");
    let terminated = world.expect(WHATSAPP, "487 INVITE");
    whatsapp::assert_vias(invite, &terminated);
    world.send(WHATSAPP, &whatsapp::ack_rejection(invite, &terminated));
}

fn told(world: World) {
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::Cancelled, Party::Caller)
    );
    assert_eq!((cdr.told_a, cdr.told_b), (Told::Status(487), Told::Cancel));
    assert_eq!(cdr.attempts[0].outcome, "cancelled");
}

#[test]
fn while_it_rings() {
    let mut world = World::new();
    let (invite, callee) = ringing(&mut world);
    cancels(&mut world, &invite);
    let cancel = world.expect(PBX, "CANCEL");
    assert_eq!(cancel.header("Via"), callee.invite.header("Via"));
    assert!(
        cancel.header("Reason").starts_with("Q.850;cause=16"),
        "{cancel}"
    );
    world.send(PBX, &cancel.reply(200, "OK"));
    world.send(PBX, &callee.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    told(world);
}

/// CANCEL may only follow a provisional response (RFC 3261 §9.1).
#[test]
fn before_the_pbx_said_anything() {
    let mut world = World::new();
    let (invite, callee) = calling(&mut world);
    cancels(&mut world, &invite);
    world.expect_nothing(PBX, std::time::Duration::from_millis(300));
    world.send(PBX, &callee.ringing());
    let cancel = world.expect(PBX, "CANCEL");
    world.send(PBX, &cancel.reply(200, "OK"));
    world.send(PBX, &callee.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    told(world);
}
