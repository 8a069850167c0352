//! The PBX says no: its answer reaches the user in WhatsApp's terms, without a second try elsewhere.

use wabridge::call::cdr::Told;
use wabridge::call::ending::{Cause, Party};

use super::calling;
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

fn refused(status: u16, reason: Option<&str>, told: u16, cause: Cause, q850: &str) {
    let mut world = World::new();
    let (invite, callee) = calling(&mut world);
    let mut rejection = callee.reply(status, "No");
    if let Some(reason) = reason {
        rejection = rejection.with("Reason", reason);
    }
    world.send(PBX, &rejection);
    world.expect(PBX, "ACK");
    let to_user = world.expect(WHATSAPP, &told.to_string());
    assert!(to_user.header("Reason").starts_with(q850), "{to_user}");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &to_user));
    let cdr = world.finish_one();
    assert_eq!((cdr.ending.cause, cdr.ending.by), (cause, Party::Callee));
    assert_eq!(cdr.ending.status, Some(status));
    assert_eq!(
        (cdr.told_a, cdr.told_b),
        (Told::Status(told), Told::Nothing)
    );
    assert_eq!(cdr.attempts.len(), 1, "no second try");
    assert_eq!(cdr.attempts[0].outcome, status.to_string());
    assert!(cdr.answered.is_none() && cdr.talk.is_zero());
}

#[test]
fn busy() {
    refused(486, None, 486, Cause::Busy, "Q.850;cause=17");
    refused(600, None, 486, Cause::Busy, "Q.850;cause=17");
}

#[test]
fn declined() {
    refused(603, None, 603, Cause::Declined, "Q.850;cause=21");
}

#[test]
fn unavailable() {
    refused(480, None, 480, Cause::Unavailable, "Q.850;cause=20");
}

#[test]
fn a_q850_cause_crosses() {
    let reason = Some("Q.850;cause=18;text=\"No user responding\"");
    refused(480, reason, 480, Cause::Unavailable, "Q.850;cause=18");
}

#[test]
fn unknown_extension() {
    refused(404, None, 404, Cause::UnknownExtension, "Q.850;cause=1");
}

#[test]
fn the_pbx_does_not_know_us() {
    refused(403, None, 503, Cause::PeerRefusedUs, "Q.850;cause=57");
}

#[test]
fn no_common_codec() {
    refused(488, None, 480, Cause::PeerRefusedMedia, "Q.850;cause=88");
}

#[test]
fn a_redirection_is_not_followed() {
    refused(302, None, 480, Cause::Unavailable, "Q.850;cause=20");
}
