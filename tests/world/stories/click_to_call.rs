//! Somebody orders a call between an agent and a user: one is rung first, then the other.

use std::time::Duration;

use wabridge::call::cdr::{CallDirection, CallRef, Told};
use wabridge::call::ending::{Cause, Party as By};
use wabridge::call::operator::{ClickToCall, First, OperatorAnswer, OperatorCommand};
use wabridge::media::bridge::Dtx;
use wabridge::party::Party;
use wabridge::side::Side;

use crate::scene::pbx::Callee;
use crate::scene::whatsapp::{self, USER};
use crate::scene::wire::Sip;
use crate::scene::world::{PBX, WHATSAPP, World};

fn order(first: First) -> ClickToCall {
    ClickToCall {
        number: None,
        user: Party::from_user_part(USER).unwrap(),
        trunk: None,
        extension: "200".to_owned(),
        first,
    }
}

fn operate(world: &mut World, command: OperatorCommand) -> OperatorAnswer {
    let mut answer = None;
    world.input(|board, now| answer = Some(board.handle_operator(now, command)));
    answer.unwrap()
}

fn begin(world: &mut World, first: First) -> CallRef {
    match operate(world, OperatorCommand::Connect(order(first))) {
        OperatorAnswer::Begun(call) => call,
        other => panic!("{other:?}"),
    }
}

fn state(world: &mut World) -> &'static str {
    match operate(world, OperatorCommand::Calls) {
        OperatorAnswer::Calls(calls) => calls[0].state,
        other => panic!("{other:?}"),
    }
}

fn agent_answers(world: &mut World) -> Callee {
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    assert_eq!(callee.invite.uri(), "sip:200@10.0.0.20:5060");
    assert_eq!(
        callee.invite.address("From"),
        format!("sip:{USER}@10.0.0.1")
    );
    world.send(PBX, &callee.ringing());
    world.send(PBX, &callee.answer());
    world.expect(PBX, "ACK");
    callee
}

fn user_answers(world: &mut World) -> (Sip, Sip) {
    let invite = world.expect(WHATSAPP, "INVITE");
    let answer = whatsapp::answer(&invite);
    world.send(WHATSAPP, &answer);
    world.expect(WHATSAPP, "ACK");
    (invite, answer)
}

fn user_hangs_up(world: &mut World, (invite, answer): &(Sip, Sip)) {
    world.send(WHATSAPP, &whatsapp::callee_bye(invite, answer));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
}

#[test]
fn the_agent_first() {
    let mut world = World::new();
    begin(&mut world, First::Agent);
    world.run(Duration::from_millis(5));
    assert_eq!(state(&mut world), "alerting");
    agent_answers(&mut world);
    world.run(Duration::from_millis(50));
    assert_eq!(state(&mut world), "dialling");
    let user = user_answers(&mut world);
    world.run(Duration::from_secs(60));
    assert_eq!(state(&mut world), "talking");
    assert_eq!(
        world.plane.news(),
        [
            "open",
            "agree a PCMU sendrecv",
            "start a",
            "agree b opus sendrecv",
            "start b"
        ]
    );
    user_hangs_up(&mut world, &user);
    assert_eq!(world.ledger.log, ["placed", "connected", "ended"]);
    let cdr = world.finish_one();
    assert_eq!(cdr.direction, CallDirection::BusinessInitiated);
    assert_eq!(cdr.extension.as_deref(), Some("200"));
    assert_eq!(cdr.talk.as_secs(), 60, "from the user's answer");
    let outcomes: Vec<&str> = cdr
        .attempts
        .iter()
        .map(|attempt| attempt.outcome.as_str())
        .collect();
    assert_eq!(outcomes, ["answered", "answered"]);
}

#[test]
fn the_user_first() {
    let mut world = World::new();
    begin(&mut world, First::User);
    let user = user_answers(&mut world);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.ringing());
    world.run(Duration::from_secs(10));
    assert_eq!(world.plane.last_agreement(Side::A).codec.name(), "opus");
    world.send(PBX, &callee.answer());
    world.expect(PBX, "ACK");
    world.run(Duration::from_secs(50));
    user_hangs_up(&mut world, &user);
    let cdr = world.finish_one();
    assert_eq!(
        cdr.talk.as_secs(),
        60,
        "the user is there, and paid for, from the first second"
    );
}

/// The user answered first and waits for the agent, then hears nothing of a muted one: packets come from the answer on, often
/// enough for WhatsApp (dossier 3.3: 20 s and 30 s), also when they may pause.
#[test]
fn a_waiting_user_gets_packets() {
    let mut world = World::with(|config| {
        let whatsapp = config.profiles.get_mut("meta").unwrap();
        whatsapp.media.media_timeout = Duration::ZERO;
        whatsapp.media.opus_dtx = Dtx::Always;
        let pbx = config.profiles.get_mut("pbx").unwrap();
        pbx.media.media_timeout = Duration::ZERO;
    });
    world.play_real_sound();
    begin(&mut world, First::User);
    let user = user_answers(&mut world);
    let answered = world.moment().instant;
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.ringing());
    world.run(Duration::from_secs(40));
    world.send(PBX, &callee.answer());
    world.expect(PBX, "ACK");
    world.run(Duration::from_secs(40));
    let sent = world.sent(Side::A);
    assert!(sent[0].at - answered < Duration::from_millis(100));
    for pair in sent.windows(2) {
        let pause = pair[1].at - pair[0].at;
        assert!(pause <= Duration::from_millis(500), "{pause:?}");
    }
    let last = sent.last().unwrap().at;
    assert!(world.moment().instant - last <= Duration::from_millis(500));
    user_hangs_up(&mut world, &user);
    world.finish_one();
}

/// The first one does not answer, or is busy: the other is not bothered.
#[test]
fn the_agent_is_busy() {
    let mut world = World::new();
    begin(&mut world, First::Agent);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.reply(486, "Busy Here"));
    world.expect(PBX, "ACK");
    assert_eq!(world.ledger.log, ["placed", "ended"]);
    assert_eq!(world.station(WHATSAPP).count("INVITE"), 0);
    let cdr = world.finish_one();
    assert_eq!((cdr.ending.cause, cdr.ending.by), (Cause::Busy, By::Callee));
    assert_eq!((cdr.told_a, cdr.told_b), (Told::Nothing, Told::Nothing));
}

#[test]
fn the_user_declines() {
    let mut world = World::new();
    begin(&mut world, First::Agent);
    agent_answers(&mut world);
    let invite = world.expect(WHATSAPP, "INVITE");
    world.send(WHATSAPP, &whatsapp::refusal(&invite, 603, "Decline"));
    world.expect(WHATSAPP, "ACK");
    let bye = world.expect(PBX, "BYE");
    assert!(bye.header("Reason").contains("cause=21"), "{bye}");
    world.send(PBX, &bye.reply(200, "OK"));
    assert_eq!(world.finish_one().ending.cause, Cause::Declined);
}

/// A user who hears nobody for a while was still picked up, and is not counted as unanswered.
#[test]
fn no_agent_for_the_user() {
    let mut world = World::new();
    begin(&mut world, First::User);
    user_answers(&mut world);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.reply(480, "Temporarily Unavailable"));
    world.expect(PBX, "ACK");
    let bye = world.expect(WHATSAPP, "BYE");
    world.send(WHATSAPP, &bye.reply(200, "OK"));
    assert_eq!(world.ledger.log, ["placed", "connected", "ended"]);
    let cdr = world.finish_one();
    assert!(cdr.answered.is_some());
    assert_eq!(cdr.ending.cause, Cause::Unavailable);
}

#[test]
fn the_operator_ends_it() {
    let mut world = World::new();
    let call = begin(&mut world, First::Agent);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.ringing());
    world.run(Duration::from_millis(50));
    assert_eq!(
        operate(&mut world, OperatorCommand::HangUp(call.clone())),
        OperatorAnswer::Done
    );
    let cancel = world.expect(PBX, "CANCEL");
    world.send(PBX, &cancel.reply(200, "OK"));
    world.send(PBX, &callee.reply(487, "Request Terminated"));
    world.expect(PBX, "ACK");
    world.run(Duration::from_secs(5));
    let again = operate(&mut world, OperatorCommand::HangUp(call));
    assert_eq!(again, OperatorAnswer::UnknownCall);
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.told_a),
        (Cause::Shutdown, Told::Cancel)
    );
}

#[test]
fn orders_that_cannot_be() {
    let mut world = World::new();
    let anyone = order(First::Agent);
    for wrong in [
        ClickToCall {
            trunk: Some("nowhere".to_owned()),
            ..anyone.clone()
        },
        ClickToCall {
            number: Some("+4930123456".parse().unwrap()),
            ..anyone.clone()
        },
        ClickToCall {
            user: Party::Other("lobby".to_owned()),
            ..anyone.clone()
        },
    ] {
        let answer = operate(&mut world, OperatorCommand::Connect(wrong));
        assert!(matches!(answer, OperatorAnswer::Refused(_)), "{answer:?}");
    }
    world.input(|board, now| board.drain(now));
    let answer = operate(&mut world, OperatorCommand::Connect(anyone));
    assert!(matches!(answer, OperatorAnswer::Refused(_)), "{answer:?}");
    assert_eq!(world.finish_one().ending.cause, Cause::Draining);
}
