//! Session timers toward the PBX (RFC 4028), never toward WhatsApp.

use std::time::Duration;

use wabridge::call::ending::{Cause, Party};
use wabridge::config::SessionTimerHabit;

use super::{calling, confirm};
use crate::scene::pbx::Callee;
use crate::scene::sdp::pbx_answer;
use crate::scene::wire::Sip;
use crate::scene::world::{PBX, WHATSAPP, World};

fn asking() -> World {
    World::with(|config| {
        let pbx = config.profiles.get_mut("pbx").unwrap();
        pbx.sip.session_timer = Some(SessionTimerHabit {
            ask: true,
            expires: Duration::from_secs(600),
            min_se: Duration::from_secs(90),
        });
        // The PBX of this story sends no media.
        pbx.media.media_timeout = Duration::ZERO;
    })
}

fn answered_with(world: &mut World, session_expires: &str) -> super::Talk {
    let (invite, callee) = calling(world);
    let answer = callee
        .answer()
        .with("Session-Expires", session_expires)
        .with("Require", "timer");
    world.send(PBX, &answer);
    confirm(world, invite, callee)
}

/// Answers the next refresh.
fn refreshed(world: &mut World, callee: &Callee) -> Sip {
    world.run(Duration::from_secs(250));
    let refresh = world.expect(PBX, "INVITE");
    let ok = refresh
        .reply(200, "OK")
        .with("Contact", callee.answer().header("Contact"))
        .with("Session-Expires", "600;refresher=uac")
        .with_sdp(pbx_answer());
    world.send(PBX, &ok);
    world.expect(PBX, "ACK");
    refresh
}

#[test]
fn we_refresh() {
    let mut world = asking();
    let talk = answered_with(&mut world, "600;refresher=uac");
    let asked = talk.callee.invite.header("Session-Expires");
    assert!(asked.starts_with("600"), "{asked}");
    let first = talk.callee.invite.body.clone();
    for round in 1..4 {
        let refresh = refreshed(&mut world, &talk.callee);
        assert_eq!(
            refresh.body, first,
            "the same description with the same version"
        );
        let elapsed = world.elapsed().as_secs();
        assert!(
            (round * 300 - 5..round * 300 + 5).contains(&elapsed),
            "{elapsed}"
        );
    }
    talk.user_hangs_up(&mut world);
    assert!(world.finish_one().talk > Duration::from_secs(890));
}

#[test]
fn the_pbx_stops_refreshing() {
    let mut world = asking();
    let talk = answered_with(&mut world, "600;refresher=uas");
    for station in [PBX, WHATSAPP] {
        while world.station(station).count("BYE") == 0 {
            world.run(Duration::from_secs(10));
            assert!(world.elapsed() < Duration::from_secs(700));
        }
        let bye = world.expect(station, "BYE");
        world.send(station, &bye.reply(200, "OK"));
    }
    drop(talk);
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::SessionExpired, Party::Callee)
    );
}

/// Ten minutes later WhatsApp has seen no refresh, UPDATE or OPTIONS.
#[test]
fn whatsapp_hears_nothing_of_timers() {
    let mut world = asking();
    let (mut invite, callee) = calling(&mut world);
    invite = invite.with("Supported", "timer");
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    assert!(talk.ok.get("Session-Expires").is_none());
    assert!(talk.ok.get("Require").is_none());
    world.expect_nothing(WHATSAPP, Duration::from_secs(3600));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
