//! Bad links: every story's call works over them too, since every loss is somebody's retransmission.

use std::time::Duration;

use super::talking;
use crate::scene::world::{BACKUP, Link, PBX, World};

#[test]
fn loss_and_reordering_toward_the_pbx() {
    let mut world = World::with(|config| {
        let pbx = config.profiles.get_mut("pbx").unwrap();
        pbx.sip.first_response_timeout = Duration::from_secs(30);
    });
    for station in [PBX, BACKUP] {
        world.station(station).link = Link {
            delay: Duration::from_millis(40),
            jitter: Duration::from_millis(60),
            loss: 0,
        };
    }
    let mut talk = talking(&mut world);
    // The scripted PBX repeats nothing itself, so loss begins once it only has to answer.
    world.station(PBX).link.loss = 0;
    world.run(Duration::from_secs(10));
    let bye = talk.callee.request("BYE");
    world.send(PBX, &bye);
    world.expect(PBX, "200 BYE");
    let to_user = world.expect(crate::scene::world::WHATSAPP, "BYE");
    world.send(crate::scene::world::WHATSAPP, &to_user.reply(200, "OK"));
    world.finish_one();
}

/// Our INVITE and our BYE are lost until they are not.
#[test]
fn lost_requests_are_repeated() {
    let mut world = World::with(|config| {
        let pbx = config.profiles.get_mut("pbx").unwrap();
        pbx.sip.first_response_timeout = Duration::from_secs(30);
    });
    let invite = crate::scene::whatsapp::invite();
    world.station(PBX).link.loss = 100;
    world.send(crate::scene::world::WHATSAPP, &invite);
    world.run(Duration::from_millis(700));
    world.station(PBX).link.loss = 0;
    let callee = crate::scene::pbx::Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer());
    let talk = super::confirm(&mut world, invite, callee);

    world.station(PBX).link.loss = 100;
    let bye = crate::scene::whatsapp::bye(&talk.invite, &talk.ok);
    world.send(crate::scene::world::WHATSAPP, &bye);
    world.expect(crate::scene::world::WHATSAPP, "200 BYE");
    world.run(Duration::from_millis(700));
    world.station(PBX).link.loss = 0;
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}

/// The PBX repeats its 200 because our ACK was lost: it is acknowledged again, and only once told to the user.
#[test]
fn a_lost_ack_is_repeated() {
    let mut world = World::new();
    let (invite, callee) = super::ringing(&mut world);
    let answer = callee.answer();
    world.send(PBX, &answer);
    let talk = super::confirm(&mut world, invite, callee);
    world.send(PBX, &answer);
    world.run(Duration::from_millis(200));
    assert_eq!(world.station(PBX).count("ACK"), 2);
    assert_eq!(
        world
            .station(crate::scene::world::WHATSAPP)
            .count("200 INVITE"),
        1
    );
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
