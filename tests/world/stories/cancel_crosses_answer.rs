//! CANCEL and 200 pass each other.

use std::time::Duration;

use wabridge::call::ending::Cause;

use super::{confirm, ringing};
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

/// The PBX answers while our CANCEL is on its way: its 200 is acknowledged and ended at once.
#[test]
fn on_the_pbx_leg() {
    let mut world = World::new();
    let (invite, callee) = ringing(&mut world);
    world.send(WHATSAPP, &whatsapp::cancel(&invite));
    world.expect(WHATSAPP, "200 CANCEL");
    let terminated = world.expect(WHATSAPP, "487 INVITE");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &terminated));
    world.send(PBX, &callee.answer());
    let cancel = world.expect(PBX, "CANCEL");
    world.send(PBX, &cancel.reply(200, "OK"));
    world.expect(PBX, "ACK");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    assert_eq!(world.finish_one().ending.cause, Cause::Cancelled);
}

/// The user cancels while our 200 is on its way: the CANCEL changes nothing (RFC 3261 §9.2), the ACK and a BYE follow.
#[test]
fn on_the_whatsapp_leg() {
    let mut world = World::new();
    let (invite, callee) = ringing(&mut world);
    world.station(WHATSAPP).link.delay = Duration::from_millis(200);
    world.send(PBX, &callee.answer());
    world.run(Duration::from_millis(50));
    world.send(WHATSAPP, &whatsapp::cancel(&invite));
    let talk = confirm(&mut world, invite, callee);
    world.expect(WHATSAPP, "200 CANCEL");
    talk.user_hangs_up(&mut world);
    assert_eq!(world.finish_one().ending.cause, Cause::HungUp);
}
