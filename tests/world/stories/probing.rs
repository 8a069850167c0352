//! OPTIONS probing with hysteresis, and what it means for calls.

use std::time::Duration;

use wabridge::call::ending::Cause;
use wabridge::config::Probe;

use super::{calling, confirm};
use crate::scene::pbx::Callee;
use crate::scene::whatsapp;
use crate::scene::world::{BACKUP, PBX, Reach, WHATSAPP, World};

fn probing() -> World {
    World::with(|config| {
        config.trunks.get_mut("office").unwrap().probe = Probe {
            interval: Duration::from_secs(10),
            down_after: 2,
            up_after: 2,
        };
    })
}

/// One call, and where it was sent.
fn lands_at(world: &mut World, call: u32) -> &'static str {
    let invite = whatsapp::invite_number(call);
    world.send(WHATSAPP, &invite);
    world.run(Duration::from_millis(100));
    let at = match world.station(PBX).count("INVITE") {
        0 => BACKUP,
        _ => PBX,
    };
    let callee = Callee::new(world.expect(at, "INVITE"));
    world.send(at, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.expect(at, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    world.send(WHATSAPP, &whatsapp::bye(&invite, &ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(at, "BYE");
    world.send(at, &bye.reply(200, "OK"));
    world.station(PBX).received.clear();
    at
}

#[test]
fn a_peer_goes_down_and_comes_back() {
    let mut world = probing();
    world.run(Duration::from_secs(25));
    assert!(world.station(PBX).count("OPTIONS") >= 3);
    world.station(PBX).received.clear();
    assert_eq!(lands_at(&mut world, 1), PBX);

    // One failed probe is not enough, two are.
    world.station(PBX).options = None;
    world.run(Duration::from_secs(12));
    world.station(PBX).received.clear();
    assert_eq!(lands_at(&mut world, 2), PBX);
    world.run(Duration::from_secs(30));
    world.station(PBX).received.clear();
    assert_eq!(lands_at(&mut world, 3), BACKUP);

    world.station(PBX).options = Some(200);
    world.run(Duration::from_secs(40));
    world.station(PBX).received.clear();
    assert_eq!(lands_at(&mut world, 4), PBX);
}

/// A peer that says 503 is down, one that says 404 is there.
#[test]
fn statuses() {
    let mut world = probing();
    world.station(PBX).options = Some(503);
    world.station(BACKUP).options = Some(404);
    world.run(Duration::from_secs(30));
    world.station(PBX).received.clear();
    assert_eq!(lands_at(&mut world, 1), BACKUP);
}

#[test]
fn no_peer_is_up() {
    let mut world = probing();
    world.station(PBX).reach = Reach::Silent;
    world.station(BACKUP).reach = Reach::Refused;
    world.run(Duration::from_secs(60));
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    let rejection = world.expect(WHATSAPP, "503");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &rejection));
    assert_eq!(world.finish_one().ending.cause, Cause::NoTrunkUp);
}

/// Without probing every peer counts as up, whatever it answers to OPTIONS.
#[test]
fn switched_off() {
    let mut world = World::new();
    world.run(Duration::from_secs(600));
    assert_eq!(world.station(PBX).count("OPTIONS"), 0);
    let (invite, callee) = calling(&mut world);
    world.send(PBX, &callee.answer());
    confirm(&mut world, invite, callee).user_hangs_up(&mut world);
    world.finish_one();
}
