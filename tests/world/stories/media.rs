//! What the media plane reports, and when it fails.

use std::time::Duration;

use wabridge::call::ending::{Cause, Party};
use wabridge::call::operator::{MissedLeg, NoAudioCount, OperatorAnswer, OperatorCommand};
use wabridge::call::switchboard::MediaEvent;
use wabridge::media::bridge::no_audio::{Missing, NoAudio, Way};
use wabridge::media::bridge::{Event, Report};
use wabridge::side::Side;

use super::{Talk, ringing, talking};
use crate::scene::sdp::PbxSdp;
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

fn starved(side: Side) -> Event {
    Event::Starved {
        side,
        silent_for: Duration::from_secs(20),
    }
}

/// We end both legs.
fn both_get_bye(world: &mut World) {
    for station in [WHATSAPP, PBX] {
        let bye = world.expect(station, "BYE");
        assert!(bye.header("Reason").starts_with("Q.850;cause="));
        world.send(station, &bye.reply(200, "OK"));
    }
}

#[test]
fn a_side_goes_silent() {
    for (side, by) in [(Side::A, Party::Caller), (Side::B, Party::Callee)] {
        let mut world = World::new();
        let _talk = talking(&mut world);
        world.media_event(Event::FirstMedia { side });
        world.media_event(starved(side));
        both_get_bye(&mut world);
        let cdr = world.finish_one();
        assert_eq!((cdr.ending.cause, cdr.ending.by), (Cause::MediaTimeout, by));
        assert_eq!(cdr.ending.detail.as_deref(), Some("no media for 20 s"));
    }
}

/// A PBX that holds owes no media.
#[test]
fn silence_on_hold_is_no_fault() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let hold = PbxSdp {
        version: 2,
        direction: "inactive",
        ..PbxSdp::default()
    };
    world.send(PBX, &talk.callee.request("UPDATE").with_sdp(hold.text()));
    world.expect(PBX, "200 UPDATE");
    world.media_event(starved(Side::B));
    world.expect_nothing(WHATSAPP, Duration::from_secs(1));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

#[test]
fn the_worker_fails() {
    let mut world = World::new();
    let _talk = talking(&mut world);
    let call = world.plane.open.first().unwrap().clone();
    let error = "out of buffers".to_owned();
    world.media(MediaEvent::Failed { call, error });
    both_get_bye(&mut world);
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::MediaFailed, Party::Bridge)
    );
}

#[test]
fn the_worker_fails_while_it_rings() {
    let mut world = World::new();
    let (invite, callee) = ringing(&mut world);
    let call = world.plane.open.first().unwrap().clone();
    let error = "out of buffers".to_owned();
    world.media(MediaEvent::Failed { call, error });
    let rejection = world.expect(WHATSAPP, "503");
    world.send(WHATSAPP, &whatsapp::ack_rejection(&invite, &rejection));
    let cancel = world.expect(PBX, "CANCEL");
    world.send(PBX, &cancel.reply(200, "OK"));
    world.send(PBX, &callee.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    world.finish_one();
}

/// A worker that hangs cannot keep the CDR.
#[test]
fn counters_never_come_back() {
    let mut world = World::new();
    world.plane.report = None;
    let talk: Talk = talking(&mut world);
    talk.user_hangs_up(&mut world);
    world.run(Duration::from_secs(3));
    assert_eq!(world.cdrs.len(), 1);
    assert!(world.finish_one().quality.is_none());
}

#[test]
fn counters_reach_the_cdr() {
    let mut report = Report::default();
    report.sides.a.packets_received = 2950;
    report.sides.a.packets_lost = 50;
    report.sides.a.jitter_mean = Duration::from_micros(1234);
    report.sides.a.first_audio_after = Some(Duration::from_millis(85));
    report.sides.b.mos_received = Some(4.25);
    report.sides.b.missing_from = Some(Missing {
        cause: NoAudio::WrongSource,
        lasted: Duration::from_millis(35_000),
    });
    let mut world = World::new();
    world.plane.report = Some(report);
    talking(&mut world).user_hangs_up(&mut world);
    let cdr = world.finish_one();
    let json = serde_json::to_value(&cdr).unwrap();
    assert_eq!(json["quality"]["a"]["packets_received"], 2950);
    assert_eq!(json["quality"]["a"]["packets_lost"], 50);
    assert_eq!(json["quality"]["a"]["jitter_mean_ms"], 1.234);
    assert_eq!(json["quality"]["b"]["mos_received"], 4.25);
    assert_eq!(json["quality"]["b"]["no_audio_from"], "wrong_source");
    assert_eq!(json["quality"]["b"]["no_audio_from_s"], 35.0);
    assert!(json["quality"]["b"]["no_audio_to"].is_null());
    assert_eq!(json["first_audio_s"], 0.085);
    assert_eq!(json["ending"]["cause"], "hung_up");
    assert_eq!(json["told_b"], "BYE");
    assert_eq!(json["started"], "2026-11-20T10:00:00.020Z");
}

/// The call goes on, and the operator's count goes up.
#[test]
fn missing_audio_is_counted_by_leg_way_and_cause() {
    let mut world = World::new();
    let talk = talking(&mut world);
    for (side, way, cause) in [
        (Side::A, Way::From, NoAudio::Authentication),
        (Side::B, Way::To, NoAudio::Hold),
    ] {
        world.media_event(Event::NoAudio {
            side,
            way,
            cause,
            lasting: Duration::from_secs(5),
        });
        let after = Duration::from_secs(9);
        world.media_event(Event::AudioAgain { side, way, after });
    }
    let mut answer = None;
    world.input(|board, now| answer = Some(board.handle_operator(now, OperatorCommand::Status)));
    let Some(OperatorAnswer::Status(status)) = answer else {
        panic!("{answer:?}");
    };
    let count = |leg, way, cause| NoAudioCount {
        leg,
        way,
        cause,
        calls: 1,
    };
    assert_eq!(
        status.no_audio,
        [
            count(MissedLeg::User, Way::From, NoAudio::Authentication),
            count(MissedLeg::Pbx, Way::To, NoAudio::Hold),
        ]
    );
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
