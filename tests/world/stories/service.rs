//! Draining, ending, limits, and OPTIONS that tell the truth.

use std::time::Duration;

use wabridge::call::cdr::Told;
use wabridge::call::ending::{Cause, Party};
use wabridge::call::switchboard::Condition;
use wabridge::config::Probe;

use super::{calling, ringing, talking};
use crate::scene::whatsapp;
use crate::scene::wire::Sip;
use crate::scene::world::{BACKUP, PBX, Reach, STRANGER, WHATSAPP, World};

fn options(call: u32) -> Sip {
    Sip::request("OPTIONS", "sip:10.0.0.1")
        .with(
            "Via",
            format!("SIP/2.0/UDP 10.0.0.20:5060;rport;branch=z9hG4bKo{call}"),
        )
        .with("Max-Forwards", "70")
        .with("From", "<sip:monitor@10.0.0.20>;tag=m")
        .with("To", "<sip:10.0.0.1>")
        .with("Call-ID", format!("options-{call}"))
        .with("CSeq", "1 OPTIONS")
}

fn health(world: &mut World, call: u32, status: &str) -> Sip {
    world.send(PBX, &options(call));
    world.expect(PBX, status)
}

fn refused(world: &mut World, call: u32, status: &str) -> Sip {
    let invite = whatsapp::invite_number(call);
    world.send(WHATSAPP, &invite);
    let rejection = world.expect(WHATSAPP, status);
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &rejection));
    rejection
}

/// SIGTERM: running calls go on, new ones are refused, OPTIONS says why.
#[test]
fn drain() {
    let mut world = World::new();
    assert!(health(&mut world, 1, "200").get("Allow").is_some());
    let talk = talking(&mut world);
    world.input(|board, now| board.drain(now));
    assert!(!world.board.is_idle());
    let unavailable = health(&mut world, 2, "503");
    assert!(unavailable.header("Warning").contains("shutting down"));
    assert!(unavailable.get("Retry-After").is_some());
    assert!(refused(&mut world, 2, "503").get("Retry-After").is_some());
    world.run(Duration::from_secs(30));
    talk.user_hangs_up(&mut world);
    world.run(Duration::from_secs(1));
    assert!(world.board.is_idle());
    let causes: Vec<Cause> = world.finish().iter().map(|cdr| cdr.ending.cause).collect();
    assert_eq!(causes, [Cause::Draining, Cause::HungUp]);
}

/// The second SIGTERM.
#[test]
fn end_all() {
    let mut world = World::new();
    let _talk = talking(&mut world);
    let other = whatsapp::invite_number(2);
    world.send(WHATSAPP, &other);
    let ringing = crate::scene::pbx::Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &ringing.ringing());
    world.expect(WHATSAPP, "180");
    world.input(|board, now| board.end_all(now));
    let bye = world.expect(WHATSAPP, "BYE");
    world.send(WHATSAPP, &bye.reply(200, "OK"));
    let rejection = world.expect(WHATSAPP, "503");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&other, &rejection));
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    let cancel = world.expect(PBX, "CANCEL");
    world.send(PBX, &cancel.reply(200, "OK"));
    world.send(PBX, &ringing.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    let cdrs = world.finish();
    assert_eq!(cdrs.len(), 2);
    for cdr in &cdrs {
        assert_eq!(
            (cdr.ending.cause, cdr.ending.by),
            (Cause::Shutdown, Party::Operator)
        );
    }
    assert_eq!((cdrs[0].told_a, cdrs[0].told_b), (Told::Bye, Told::Bye));
    assert_eq!(
        (cdrs[1].told_a, cdrs[1].told_b),
        (Told::Status(503), Told::Cancel)
    );
}

#[test]
fn an_unfit_bridge_says_so() {
    let mut world = World::new();
    let unfit = Condition::Unfit {
        reason: "certificate expired".to_owned(),
    };
    world.input(|board, now| board.handle_condition(now, unfit));
    let unavailable = health(&mut world, 1, "503");
    assert!(
        unavailable
            .header("Warning")
            .contains("certificate expired")
    );
    refused(&mut world, 1, "503");
    world.input(|board, now| board.handle_condition(now, Condition::Fit));
    health(&mut world, 2, "200");
    assert_eq!(world.finish_one().ending.cause, Cause::Unfit);
}

#[test]
fn without_a_trunk_up_options_say_so() {
    let mut world = World::with(|config| {
        config.trunks.get_mut("office").unwrap().probe = Probe {
            interval: Duration::from_secs(10),
            down_after: 1,
            up_after: 1,
        };
    });
    world.station(PBX).options = None;
    world.station(BACKUP).reach = Reach::Refused;
    world.run(Duration::from_secs(30));
    let unavailable = health(&mut world, 1, "503");
    assert!(unavailable.header("Warning").contains("no trunk is up"));
    world.station(PBX).options = Some(200);
    world.run(Duration::from_secs(30));
    health(&mut world, 2, "200");
}

/// A monitor on the public side gets the same truth; anything else than a call is turned away.
#[test]
fn other_requests() {
    let mut world = World::new();
    let tls = "SIP/2.0/TLS 203.0.113.66:1234;branch=z9hG4bKs";
    world.send(STRANGER, &options(1).set("Via", format!("{tls}1")));
    world.expect(STRANGER, "200");
    for (call, method, status) in [
        (2, "REGISTER", "405"),
        (3, "MESSAGE", "405"),
        (4, "FOO", "501"),
    ] {
        let mut request = options(call)
            .set("Via", format!("{tls}{call}"))
            .set("CSeq", format!("1 {method}"));
        request.start = request.start.replace("OPTIONS", method);
        world.send(STRANGER, &request);
        world.expect(STRANGER, status);
    }
    assert!(world.finish().is_empty());
}

#[test]
fn a_number_has_so_many_calls() {
    let mut world = World::with(|config| {
        config.numbers.values_mut().next().unwrap().concurrent_calls = 1;
    });
    let talk = talking(&mut world);
    refused(&mut world, 2, "486");
    talk.user_hangs_up(&mut world);
    let invite = whatsapp::invite_number(3);
    world.send(WHATSAPP, &invite);
    let callee = crate::scene::pbx::Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer());
    super::confirm(&mut world, invite, callee).user_hangs_up(&mut world);
    let causes: Vec<Cause> = world.finish().iter().map(|cdr| cdr.ending.cause).collect();
    assert_eq!(causes, [Cause::NumberFull, Cause::HungUp, Cause::HungUp]);
}

#[test]
fn the_bridge_has_so_many_calls() {
    let mut world = World::with(|config| config.limits.calls = 1);
    let talk = talking(&mut world);
    refused(&mut world, 2, "503");
    let full = health(&mut world, 1, "503");
    assert!(full.header("Warning").contains("busy"));
    talk.user_hangs_up(&mut world);
    let causes: Vec<Cause> = world.finish().iter().map(|cdr| cdr.ending.cause).collect();
    assert_eq!(causes, [Cause::BridgeFull, Cause::HungUp]);
}

#[test]
fn no_ports_are_left() {
    let mut world = World::new();
    world.ports_left = 0;
    // The stock that was laid in at the start serves four calls.
    let mut talks = Vec::new();
    for call in 1..=4 {
        let invite = whatsapp::invite_number(call);
        world.send(WHATSAPP, &invite);
        let callee = crate::scene::pbx::Callee::new(world.expect(PBX, "INVITE"));
        world.send(PBX, &callee.answer());
        talks.push(super::confirm(&mut world, invite, callee));
    }
    refused(&mut world, 5, "503");
    for talk in &talks {
        talk.user_hangs_up(&mut world);
    }
    let cdrs = world.finish();
    assert_eq!(cdrs[0].ending.cause, Cause::NoPorts);
    assert_eq!(cdrs.len(), 5);
}

/// SIGHUP: a running call is not touched, the next one follows the new configuration.
#[test]
fn reload() {
    let mut world = World::new();
    let (invite, callee) = ringing(&mut world);
    let mut config = crate::scene::config::config();
    config.numbers.values_mut().next().unwrap().extension = Some("night".to_owned());
    config.trunks.get_mut("office").unwrap().peers.remove(0);
    world.reconfigure(config);
    world.send(PBX, &callee.answer());
    let talk = super::confirm(&mut world, invite, callee);

    let next = whatsapp::invite_number(2);
    world.send(WHATSAPP, &next);
    let callee = crate::scene::pbx::Callee::new(world.expect(BACKUP, "INVITE"));
    assert!(callee.invite.uri().starts_with("sip:night@"));
    world.send(BACKUP, &callee.reply(486, "Busy Here"));
    world.expect(BACKUP, "ACK");
    let busy = world.expect(WHATSAPP, "486");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&next, &busy));
    world.run(Duration::from_secs(10));
    talk.user_hangs_up(&mut world);
    assert_eq!(world.finish().len(), 2);
}

/// A call that fails over after a reload still follows the configuration it began with.
#[test]
fn reload_during_failover() {
    let mut world = World::new();
    let (invite, callee) = calling(&mut world);
    let mut config = crate::scene::config::config();
    config.trunks.get_mut("office").unwrap().peers.truncate(1);
    world.reconfigure(config);
    world.send(PBX, &callee.reply(503, "Down"));
    world.expect(PBX, "ACK");
    let callee = crate::scene::pbx::Callee::new(world.expect(BACKUP, "INVITE"));
    world.send(BACKUP, &callee.reply(486, "Busy Here"));
    world.expect(BACKUP, "ACK");
    let busy = world.expect(WHATSAPP, "486");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &busy));
    assert_eq!(world.finish_one().attempts.len(), 2);
}
