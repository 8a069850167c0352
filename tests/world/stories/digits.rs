//! Digits by INFO, from and to a PBX that wants them so; by RTP the bridge itself passes them on.

use std::time::Duration;

use wabridge::config::DtmfHabit;
use wabridge::media::bridge::Event;
use wabridge::side::Side;

use super::talking;
use crate::scene::world::{PBX, WHATSAPP, World};

const PRESSED: Event = Event::Dtmf {
    side: Side::A,
    digit: b'5',
    duration: Duration::from_millis(200),
};

#[test]
fn from_the_pbx_by_info() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.plane.news();
    for (content_type, body, digit) in [
        (
            "application/dtmf-relay",
            "Signal=7\r\nDuration=160\r\n",
            "digit a 7",
        ),
        ("application/dtmf", "*", "digit a *"),
    ] {
        let info = talk.callee.request("INFO").with_body(content_type, body);
        world.send(PBX, &info);
        world.expect(PBX, "200 INFO");
        assert_eq!(world.plane.news(), [digit]);
    }
    world.expect_nothing(WHATSAPP, Duration::from_secs(1));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

#[test]
fn other_info_is_refused_by_what_it_is() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.plane.news();
    let info = talk
        .callee
        .request("INFO")
        .with_body("application/json", "{}");
    world.send(PBX, &info);
    assert!(
        world
            .expect(PBX, "415")
            .header("Accept")
            .contains("dtmf-relay")
    );
    let info = talk
        .callee
        .request("INFO")
        .with_body("application/dtmf-relay", "Signal=99");
    world.send(PBX, &info);
    world.expect(PBX, "400");
    world.send(PBX, &talk.callee.request("INFO"));
    world.expect(PBX, "200 INFO");
    assert!(world.plane.news().is_empty());
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

#[test]
fn to_a_pbx_that_wants_info() {
    let mut world = World::with(|config| {
        config.profiles.get_mut("pbx").unwrap().sip.dtmf = DtmfHabit::Info;
    });
    let talk = talking(&mut world);
    assert!(
        !talk.callee.invite.body.contains("telephone-event"),
        "heard twice otherwise"
    );
    world.media_event(PRESSED);
    let info = world.expect(PBX, "INFO");
    assert_eq!(info.header("Content-Type"), "application/dtmf-relay");
    assert_eq!(info.body, "Signal=5\r\nDuration=200\r\n");
    world.send(PBX, &info.reply(200, "OK"));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

#[test]
fn by_rtp_there_is_no_info() {
    let mut world = World::new();
    let talk = talking(&mut world);
    world.media_event(PRESSED);
    world.expect_nothing(PBX, Duration::from_secs(1));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// Digits of the agent's side never leave toward WhatsApp as INFO.
#[test]
fn whatsapp_gets_no_info() {
    let mut world = World::with(|config| {
        config.profiles.get_mut("meta").unwrap().sip.dtmf = DtmfHabit::Info;
    });
    let talk = talking(&mut world);
    world.media_event(Event::Dtmf {
        side: Side::B,
        digit: b'1',
        duration: Duration::from_millis(100),
    });
    world.expect_nothing(WHATSAPP, Duration::from_secs(1));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
