//! A PBX peer may be made louder or softer in a way of its own, whichever peer it is in the end.

use wabridge::call::switchboard::MediaCommand;
use wabridge::config::{Config, OwnLevels};
use wabridge::media::gain::Decibels;
use wabridge::side::Side;

use super::outbound::out_talking;
use super::{calling, talking};
use crate::scene::pbx::Callee;
use crate::scene::whatsapp;
use crate::scene::wire::Sip;
use crate::scene::world::{BACKUP, PBX, WHATSAPP, World};

/// The trunk's profile makes all of it 2 dB louder; the first peer says 5 dB for itself, of what it hears.
fn levels(config: &mut Config) {
    let profile = config.profiles.get_mut("pbx").unwrap();
    (profile.media.gain_from, profile.media.gain_to) = (Decibels(2), Decibels(2));
    let trunk = config.trunks.get_mut("office").unwrap();
    trunk.peers[0].levels = OwnLevels {
        from: None,
        to: Some(Decibels(5)),
    };
}

/// What the media plane was told of levels.
fn told(world: &mut World) -> Vec<String> {
    let mut news = world.plane.news();
    news.retain(|words| words.starts_with("level"));
    news
}

#[test]
fn of_the_peer_that_is_called() {
    let mut world = World::with(levels);
    let talk = talking(&mut world);
    assert_eq!(told(&mut world), ["level b from 2 to 5"]);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

#[test]
fn of_the_next_peer_when_the_first_fails() {
    let mut world = World::with(levels);
    let (invite, callee) = calling(&mut world);
    world.send(PBX, &callee.reply(503, "Down"));
    world.expect(PBX, "ACK");
    let callee = Callee::new(world.expect(BACKUP, "INVITE"));
    let both = ["level b from 2 to 5", "level b from 2 to 2"];
    assert_eq!(told(&mut world), both);
    world.send(BACKUP, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.expect(BACKUP, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    world.send(WHATSAPP, &whatsapp::bye(&invite, &ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(BACKUP, "BYE");
    world.send(BACKUP, &bye.reply(200, "OK"));
    world.finish_one();
}

/// Who calls is known when the media is opened.
#[test]
fn of_the_peer_that_calls() {
    let mut world = World::with(levels);
    let mut talk = out_talking(&mut world);
    assert_eq!(told(&mut world), [""; 0]);
    let opened = world
        .plane
        .commands
        .iter()
        .find_map(|command| match command {
            MediaCommand::Open { spec, .. } => Some(spec.levels()),
            MediaCommand::Bridge { .. } | MediaCommand::Close { .. } => None,
        });
    let opened = opened.expect("media");
    let of = |side: Side| (opened[side].from.0, opened[side].to.0);
    assert_eq!((of(Side::A), of(Side::B)), ((2, 5), (0, 0)));
    talk.agent_hangs_up(&mut world);
    world.finish_one();
}

fn notified(world: &mut World, body: &str) {
    let notify: Sip = world.expect(PBX, "NOTIFY");
    assert!(notify.body.contains(body), "{notify}");
    world.send(PBX, &notify.reply(200, "OK"));
}

#[test]
fn of_the_peer_that_it_is_transferred_to() {
    let mut world = World::with(levels);
    let mut talk = talking(&mut world);
    world.plane.news();
    let request = talk.callee.request("REFER");
    world.send(PBX, &request.with("Refer-To", "<sip:201@10.0.0.21:5060>"));
    world.expect(PBX, "202 REFER");
    notified(&mut world, "100 Trying");
    let target = Callee::fork(world.expect(BACKUP, "INVITE"), "target");
    assert_eq!(told(&mut world), [""; 0], "who refers is still heard");
    world.send(BACKUP, &target.answer());
    world.expect(BACKUP, "ACK");
    notified(&mut world, "200 OK");
    assert_eq!(told(&mut world), ["level b from 2 to 2"]);
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.send(WHATSAPP, &whatsapp::bye(&talk.invite, &talk.ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(BACKUP, "BYE");
    world.send(BACKUP, &bye.reply(200, "OK"));
    world.finish_one();
}
