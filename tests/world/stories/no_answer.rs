//! It rings for as long as the profile allows.

use wabridge::call::cdr::Told;
use wabridge::call::ending::{Cause, Party};

use super::ringing;
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

#[test]
fn the_pbx_is_cancelled_and_the_user_told() {
    let mut world = World::new();
    let (invite, callee) = ringing(&mut world);
    let rejection = world.expect(WHATSAPP, "480");
    assert_eq!(world.elapsed().as_secs(), 45);
    assert!(rejection.header("Reason").starts_with("Q.850;cause=19"));
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &rejection));
    let cancel = world.expect(PBX, "CANCEL");
    world.send(PBX, &cancel.reply(200, "OK"));
    world.send(PBX, &callee.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::NoAnswer, Party::Callee)
    );
    assert_eq!((cdr.told_a, cdr.told_b), (Told::Status(480), Told::Cancel));
}
