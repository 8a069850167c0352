//! The dialog that is replaced (RFC 3891), seen from both ends of the new INVITE.

use crate::sip::endpoint::{Event, InviteId, SessionTimer};
use crate::sip::flow::Transport;
use crate::sip::message::{Method, Name, Request};
use crate::sip::replaces::Replaces;
use crate::sip::tests::digest::{challenge, credentials};
use crate::sip::tests::world::{A, B, RAW, World, reply, timer, uri};

/// A call of the scripted peer that A answered and RAW acknowledged; RAW's tag is `raw`.
pub fn called_by_raw(world: &mut World) -> (InviteId, Replaces) {
    let (a, invite) = invited_by_raw(world);
    let (now, contact) = (world.now, uri(A));
    world
        .end(A)
        .answer(now, a, &contact, reply(200, "answer"), SessionTimer::Off)
        .unwrap();
    let answer = world.read_response();
    let mut ack = invite;
    ack.method = Method::Ack;
    ack.headers.set(Name::CSeq, "1 ACK");
    ack.headers
        .set(Name::To, answer.headers.get(&Name::To).unwrap());
    ack.headers
        .set(Name::Via, "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKack");
    world.write(A, &ack.write());
    assert_eq!(world.events(A), ["Acknowledged"]);
    let replaces = Replaces {
        call_id: "raw-call".to_owned(),
        to_tag: answer.headers.to().unwrap().tag().unwrap().to_owned(),
        from_tag: "raw".to_owned(),
        early_only: false,
    };
    (a, replaces)
}

fn invited_by_raw(world: &mut World) -> (InviteId, Request) {
    let mut invite = Request::new(Method::Invite, uri(A));
    for (name, value) in [
        (
            Name::Via,
            "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKinvite",
        ),
        (Name::From, "<sip:raw@192.0.2.10>;tag=raw"),
        (Name::To, "<sip:user@192.0.2.1>"),
        (Name::CallId, "raw-call"),
        (Name::CSeq, "1 INVITE"),
        (Name::Contact, "<sip:user@192.0.2.10:5060>"),
    ] {
        invite.headers.push(name, value);
    }
    world.write(A, &invite.write());
    let a = world.wait(A, |event| match event {
        Event::Invited { invite, .. } => Some(*invite),
        _ => None,
    });
    assert_eq!(world.read_response().status, 100);
    (a, invite)
}

/// It comes like any other, with its header to be looked at.
#[test]
fn an_invite_that_replaces_finds_its_dialog() {
    let mut world = World::new(Transport::Udp);
    let (a, replaces) = called_by_raw(&mut world);
    let mut outgoing = world.outgoing(B, A);
    outgoing.headers.push(Name::Replaces, replaces.to_string());
    outgoing.headers.push(Name::Require, "replaces");
    outgoing.headers.push(Name::ReferredBy, "<sip:200@pbx>");
    let b = world.invite(B, outgoing);
    let (new, request) = world.wait(A, |event| match event {
        Event::Invited {
            invite, request, ..
        } => Some((*invite, request.clone())),
        _ => None,
    });
    let headers = &request.headers;
    assert_eq!(headers.get(&Name::ReferredBy), Some("<sip:200@pbx>"));
    let meant = headers.replaces().unwrap().unwrap();
    assert_eq!(world.end(A).find_replaced(&meant), Ok(a));
    world.hang_up(B, b);
    world.wait(A, |event| match event {
        Event::Cancelled { invite, .. } => (*invite == new).then_some(()),
        _ => None,
    });
    assert!(world.end(A).find_replaced(&meant).is_ok());
}

/// What replaces belongs to the INVITE alone: it comes again after a challenge and a 422, and is on no CANCEL, ACK or
/// re-INVITE, where nobody could meet what it requires.
#[test]
fn our_invite_may_replace() {
    let mut world = World::new(Transport::Udp);
    let mut outgoing = world.outgoing(A, RAW);
    let replaces = "x;to-tag=1;from-tag=2";
    outgoing.headers.push(Name::Replaces, replaces);
    outgoing.headers.push(Name::Require, "replaces");
    outgoing.credentials = credentials();
    outgoing.session_timer = timer(true);
    let a = world.invite(A, outgoing);
    let first = world.read_request();
    world.respond(A, &first, 401, "c", challenge("n1", false));
    world.read_request();
    let second = world.read_request();
    world.respond(A, &second, 422, "c", |response| {
        response.headers.push(Name::MinSe, "3600");
    });
    world.read_request();
    let third = world.read_request();
    for invite in [&first, &second, &third] {
        assert_eq!(invite.headers.get(&Name::Replaces), Some(replaces));
        assert!(invite.headers.has_tag(&Name::Require, "replaces"));
        assert!(invite.headers.has_tag(&Name::Supported, "timer"));
    }
    let told = third.headers.session_expires().unwrap().unwrap();
    assert_eq!(told.interval.as_secs(), 3600);
    world.respond(A, &third, 200, "raw", |_| {});
    world.wait(A, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    });
    let now = world.now;
    world.end(A).acknowledge(now, a, None).unwrap();
    let ack = world.read_request();
    world.end(A).modify(now, a, None).unwrap();
    let reinvite = world.read_request();
    for later in [&ack, &reinvite] {
        assert_eq!(later.headers.get(&Name::Replaces), None);
        assert_eq!(later.headers.get(&Name::Require), None);
    }
}

/// Our BYE waits for an ACK: the dialog is as good as over.
#[test]
fn a_dialog_that_is_about_to_end_is_declined() {
    let mut world = World::new(Transport::Udp);
    let (_, b) = world.ring();
    world.answer(b, SessionTimer::Off);
    world.drain();
    let answer = world.last_response(B).headers.clone();
    let mut replaces = Replaces {
        call_id: answer.call_id().unwrap().to_owned(),
        to_tag: answer.to().unwrap().tag().unwrap().to_owned(),
        from_tag: answer.from().unwrap().tag().unwrap().to_owned(),
        early_only: false,
    };
    assert_eq!(world.end(B).find_replaced(&replaces), Ok(b));
    world.hang_up(B, b);
    assert_eq!(world.end(B).find_replaced(&replaces), Err(603));
    replaces.from_tag = "other".to_owned();
    assert_eq!(world.end(B).find_replaced(&replaces), Err(481));
}

/// The replaced dialog is named as its other end sees it.
#[test]
fn the_dialog_that_is_meant() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    let invite = world.last_request(A, "ACK").headers.clone();
    let of_b = Replaces {
        call_id: invite.call_id().unwrap().to_owned(),
        to_tag: invite.to().unwrap().tag().unwrap().to_owned(),
        from_tag: invite.from().unwrap().tag().unwrap().to_owned(),
        early_only: false,
    };
    let of_a = Replaces {
        to_tag: of_b.from_tag.clone(),
        from_tag: of_b.to_tag.clone(),
        ..of_b.clone()
    };
    assert_eq!(world.end(B).find_replaced(&of_b), Ok(b));
    assert_eq!(world.end(A).find_replaced(&of_a), Ok(a));
    assert_eq!(
        world.end(A).find_replaced(&of_b),
        Err(481),
        "the tags the wrong way round"
    );
    for wrong in [
        Replaces {
            call_id: "x".to_owned(),
            ..of_b.clone()
        },
        Replaces {
            from_tag: "x".to_owned(),
            ..of_b.clone()
        },
        Replaces {
            to_tag: "x".to_owned(),
            ..of_b.clone()
        },
    ] {
        assert_eq!(world.end(B).find_replaced(&wrong), Err(481));
    }
    let early = Replaces {
        early_only: true,
        ..of_b.clone()
    };
    assert_eq!(
        world.end(B).find_replaced(&early),
        Err(486),
        "it is confirmed"
    );
    world.hang_up(B, b);
    assert_eq!(world.end(B).find_replaced(&of_b), Err(603), "BYE is out");
    world.run(1);
    assert_eq!(world.end(B).find_replaced(&of_b), Err(481));
}

/// A call that nobody answered yet is no dialog to be taken over.
#[test]
fn an_early_dialog() {
    let mut world = World::new(Transport::Udp);
    let (_, b) = world.ring();
    world.progress(b, reply(180, ""));
    world.run(1);
    let invite = world.last_request(A, "INVITE").headers.clone();
    let ringing = world.last_response(B).headers.clone();
    let replaces = Replaces {
        call_id: invite.call_id().unwrap().to_owned(),
        to_tag: ringing.to().unwrap().tag().unwrap().to_owned(),
        from_tag: invite.from().unwrap().tag().unwrap().to_owned(),
        early_only: false,
    };
    assert_eq!(world.end(B).find_replaced(&replaces), Err(481));
    world.hang_up(B, b);
}
