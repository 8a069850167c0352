//! A peer that is at fault is not the end: the next one of the trunk is tried.

use std::time::Duration;

use wabridge::call::ending::Cause;

use super::{calling, confirm};
use crate::scene::config::{BACKUP_PBX, MAIN_PBX};
use crate::scene::pbx::Callee;
use crate::scene::whatsapp;
use crate::scene::world::{BACKUP, PBX, Reach, WHATSAPP, World};

/// The backup answers; the user hangs up.
fn backup_answers(world: &mut World, invite: crate::scene::wire::Sip) {
    let callee = Callee::new(world.expect(BACKUP, "INVITE"));
    assert_eq!(callee.invite.uri(), format!("sip:agents@{BACKUP_PBX}:5060"));
    world.send(BACKUP, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.expect(BACKUP, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    world.send(WHATSAPP, &whatsapp::bye(&invite, &ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(BACKUP, "BYE");
    world.send(BACKUP, &bye.reply(200, "OK"));
}

#[test]
fn after_a_server_error() {
    for status in [500, 503, 408] {
        let mut world = World::new();
        let (invite, callee) = calling(&mut world);
        world.send(PBX, &callee.reply(status, "Down"));
        world.expect(PBX, "ACK");
        backup_answers(&mut world, invite);
        let cdr = world.finish_one();
        assert_eq!(cdr.ending.cause, Cause::HungUp);
        let tried: Vec<_> = cdr
            .attempts
            .iter()
            .map(|attempt| (attempt.peer.clone(), attempt.outcome.clone()))
            .collect();
        assert_eq!(
            tried,
            [
                (format!("office/{MAIN_PBX}"), status.to_string()),
                (format!("office/{BACKUP_PBX}"), "answered".to_owned())
            ]
        );
    }
}

/// No answer at all: the profile's first_response_timeout, not the 32 s of timer B.
#[test]
fn after_silence() {
    let mut world = World::new();
    world.station(PBX).reach = Reach::Silent;
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    backup_answers(&mut world, invite);
    assert!(
        world.elapsed() < Duration::from_secs(5),
        "{:?}",
        world.elapsed()
    );
    assert_eq!(world.finish_one().attempts[0].outcome, "timeout");
}

#[test]
fn after_a_transport_error() {
    let mut world = World::new();
    world.station(PBX).reach = Reach::Refused;
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    backup_answers(&mut world, invite);
    assert!(world.elapsed() < Duration::from_secs(1));
    world.finish_one();
}

#[test]
fn everyone_fails() {
    let mut world = World::new();
    let (invite, callee) = calling(&mut world);
    world.send(PBX, &callee.reply(503, "Down"));
    world.expect(PBX, "ACK");
    let callee = Callee::new(world.expect(BACKUP, "INVITE"));
    world.send(BACKUP, &callee.reply(500, "Down"));
    world.expect(BACKUP, "ACK");
    let rejection = world.expect(WHATSAPP, "503");
    assert!(rejection.get("Retry-After").is_some());
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &rejection));
    let cdr = world.finish_one();
    assert_eq!(cdr.ending.cause, Cause::PeerFailed);
    assert_eq!(cdr.attempts.len(), 2);
}

#[test]
fn everyone_is_silent() {
    let mut world = World::new();
    world.station(PBX).reach = Reach::Silent;
    world.station(BACKUP).reach = Reach::Silent;
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    let rejection = world.expect(WHATSAPP, "503");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &rejection));
    assert_eq!(world.finish_one().ending.cause, Cause::PeerUnreachable);
}

/// A peer that just failed is tried last by the next call, and first again after a while.
#[test]
fn a_failed_peer_cools_down() {
    let mut world = World::new();
    let (invite, callee) = calling(&mut world);
    world.send(PBX, &callee.reply(503, "Down"));
    world.expect(PBX, "ACK");
    backup_answers(&mut world, invite);

    let invite = whatsapp::invite_number(2);
    world.send(WHATSAPP, &invite);
    backup_answers(&mut world, invite);

    world.run(Duration::from_secs(40));
    let invite = whatsapp::invite_number(3);
    world.send(WHATSAPP, &invite);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    talk.user_hangs_up(&mut world);
    assert_eq!(world.finish().len(), 3);
}
