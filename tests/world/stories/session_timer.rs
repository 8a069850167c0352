//! Session timers toward the PBX (RFC 4028), never toward WhatsApp.

use std::time::Duration;

use wabridge::call::ending::{Cause, Party};
use wabridge::config::SessionTimerHabit;
use wabridge::side::Side;

use super::{calling, confirm};
use crate::scene::pbx::Callee;
use crate::scene::sdp::{PbxSdp, pbx_answer};
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
    refreshed_with(world, callee, pbx_answer())
}

fn refreshed_with(world: &mut World, callee: &Callee, sdp: String) -> Sip {
    world.run(Duration::from_secs(250));
    let refresh = world.expect(PBX, "INVITE");
    let ok = refresh
        .reply(200, "OK")
        .with("Contact", callee.answer().header("Contact"))
        .with("Session-Expires", "600;refresher=uac")
        .with_sdp(sdp);
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

/// The PBX holds; what we answered.
fn held(world: &mut World, talk: &mut super::Talk) -> Sip {
    let hold = talk.callee.request("INVITE").with_sdp(HELD.text());
    world.send(PBX, &hold);
    let ok = world.expect(PBX, "200 INVITE");
    world.send(PBX, &talk.callee.ack(&hold));
    world.run(Duration::from_secs(1));
    world.plane.news();
    ok
}

const HELD: PbxSdp = PbxSdp {
    version: 2,
    address: "10.0.0.20",
    port: 14_000,
    codec: (0, "PCMU/8000"),
    direction: "sendonly",
};

/// On the leg where we only answered since: the refresh offers what we last said, and its answer counts.
#[test]
fn we_refresh_after_the_peers_change() {
    let mut world = asking();
    let mut talk = answered_with(&mut world, "600;refresher=uac");
    let ok = held(&mut world, &mut talk);
    let moved = PbxSdp {
        version: 3,
        port: 15_000,
        ..HELD
    };
    let refresh = refreshed_with(&mut world, &talk.callee, moved.text());
    assert_eq!(
        refresh.body, ok.body,
        "the same description with the same version"
    );
    world.run(Duration::from_secs(1));
    assert_eq!(world.plane.news(), ["agree b PCMU recvonly"]);
    let agreed = world.plane.last_agreement(Side::B);
    assert_eq!(agreed.remote_rtp, Some("10.0.0.20:15000".parse().unwrap()));

    let refresh = refreshed_with(&mut world, &talk.callee, moved.text());
    assert_eq!(refresh.body, ok.body);
    world.run(Duration::from_secs(1));
    assert!(world.plane.news().is_empty(), "nothing changed");
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// An offer of ours that the PBX's ACK does not answer (its mistake, RFC 3261 §13.2.1) is forgotten: what was agreed before
/// is what is refreshed, under a version that the PBX has not seen.
#[test]
fn we_refresh_what_was_agreed() {
    let mut world = asking();
    let mut talk = answered_with(&mut world, "600;refresher=uac");
    let agreed = held(&mut world, &mut talk);
    let reinvite = talk.callee.request("INVITE");
    world.send(PBX, &reinvite);
    let offer = world.expect(PBX, "200 INVITE");
    assert_eq!(offer.sdp_line("a=sendrecv"), Some("a=sendrecv"));
    world.send(PBX, &talk.callee.ack(&reinvite));
    world.run(Duration::from_secs(1));
    assert!(world.plane.news().is_empty());

    let refresh = refreshed_with(&mut world, &talk.callee, HELD.text());
    let but_the_version = |body: &str| {
        let lines = body.lines().filter(|line| !line.starts_with("o="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        but_the_version(&refresh.body),
        but_the_version(&agreed.body)
    );
    let seen = [agreed.sdp_line("o="), offer.sdp_line("o=")];
    assert!(!seen.contains(&refresh.sdp_line("o=")), "{refresh}");
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// The profile's least interval is ours inside the call too (RFC 4028 §9).
#[test]
fn the_pbx_wants_to_refresh_too_often() {
    let mut world = World::with(|config| {
        let pbx = config.profiles.get_mut("pbx").unwrap();
        pbx.sip.session_timer = Some(SessionTimerHabit {
            ask: false,
            expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(300),
        });
    });
    let mut talk = super::talking(&mut world);
    for (method, interval, status) in [
        ("UPDATE", "120", "422"),
        ("INVITE", "299", "422"),
        ("UPDATE", "300", "200"),
    ] {
        let request = talk
            .callee
            .request(method)
            .with("Supported", "timer")
            .with("Session-Expires", interval);
        world.send(PBX, &request);
        let answer = world.expect(PBX, status);
        match status {
            "422" => assert_eq!(answer.header("Min-SE"), "300"),
            _ => assert_eq!(answer.header("Session-Expires"), "300;refresher=uac"),
        }
        if method == "INVITE" {
            let ack = talk.callee.ack(&request).set("Via", request.header("Via"));
            world.send(PBX, &ack);
        }
    }
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// And before the call, toward a caller whose profile has timers. Toward WhatsApp, which has none, whatever it asks is let
/// pass.
#[test]
fn a_caller_asks_for_too_little() {
    for (timers, status) in [(true, "422"), (false, "180")] {
        let mut world = World::with(|config| {
            let meta = config.profiles.get_mut("meta").unwrap();
            meta.sip.frozen = !timers;
            meta.sip.session_timer = Some(SessionTimerHabit {
                ask: false,
                expires: Duration::from_secs(1800),
                min_se: Duration::from_secs(300),
            });
        });
        let invite = crate::scene::whatsapp::invite()
            .with("Supported", "timer")
            .with("Session-Expires", "120");
        world.send(WHATSAPP, &invite);
        if timers {
            let refusal = world.expect(WHATSAPP, status);
            assert_eq!(refusal.header("Min-SE"), "300");
            let ack = crate::scene::whatsapp::ack_rejection(&invite, &refusal);
            world.send(WHATSAPP, &ack);
            assert!(world.finish().is_empty());
        } else {
            let callee = Callee::new(world.expect(PBX, "INVITE"));
            world.send(PBX, &callee.ringing());
            world.expect(WHATSAPP, status);
            world.send(PBX, &callee.answer());
            let talk = confirm(&mut world, invite, callee);
            talk.user_hangs_up(&mut world);
            world.finish_one();
        }
    }
}

/// A refresh that fails is tried again, well before the session would expire (RFC 4028 §10).
#[test]
fn a_refresh_fails() {
    let mut world = asking();
    let talk = answered_with(&mut world, "600;refresher=uac");
    world.run(Duration::from_secs(250));
    let refresh = world.expect(PBX, "INVITE");
    world.send(PBX, &refresh.reply(503, "Service Unavailable"));
    world.expect(PBX, "ACK");
    world.run(Duration::from_secs(100));
    let again = world.expect(PBX, "INVITE");
    assert_eq!(again.body, refresh.body);
    let ok = again
        .reply(200, "OK")
        .with("Contact", talk.callee.answer().header("Contact"))
        .with("Session-Expires", "600;refresher=uac")
        .with_sdp(pbx_answer());
    world.send(PBX, &ok);
    world.expect(PBX, "ACK");
    world.run(Duration::from_secs(250));
    assert_eq!(world.station(PBX).count("BYE"), 0);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
