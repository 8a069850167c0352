//! Reliable provisional responses (RFC 3262), both roles.

use crate::sip::endpoint::{Event, SessionTimer};
use crate::sip::flow::Transport;
use crate::sip::message::{Message, Method, Name};
use crate::sip::tests::world::{A, B, RAW, World, reply, start_line};

/// Makes B's INVITE require what A only offers.
fn requiring(world: &World) -> crate::sip::endpoint::OutgoingInvite {
    let mut outgoing = world.outgoing(A, B);
    outgoing.reliable_provisionals = true;
    outgoing.headers.push(Name::Require, "100rel");
    outgoing
}

#[test]
fn each_is_acknowledged_before_the_next_and_the_answer_waits() {
    for loss in [0, 30] {
        let mut world = World::new(Transport::Udp);
        world.loss = loss;
        let outgoing = requiring(&world);
        let (a, b) = world.ring_with(outgoing);
        world.progress(b, reply(180, ""));
        world.progress(b, reply(183, "early"));
        world.answer(b, SessionTimer::Off);
        world.drain();
        assert_eq!(world.count(B, A, "200 INVITE"), 0);
        let mut seen = Vec::new();
        world.wait(A, |event| match event {
            Event::Answered { .. } => Some(()),
            Event::Progress { .. } => None,
            other => panic!("{other:?}"),
        });
        for (_, _, message) in &world.sent {
            if let Message::Response(response) = message
                && (101..200).contains(&response.status)
            {
                seen.push(response.headers.rseq().unwrap().unwrap());
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0] + 1, seen[1]);
        let now = world.now;
        world.end(A).acknowledge(now, a, None).unwrap();
        world.wait(B, |event| {
            matches!(event, Event::Acknowledged { .. }).then_some(())
        });
        world.hang_up(A, a);
        world.run_out();
        assert_eq!(
            world.last_request(A, "BYE").headers.cseq().unwrap().number,
            4
        );
    }
}

#[test]
fn without_prack_the_invite_is_rejected() {
    let mut world = World::new(Transport::Udp);
    let outgoing = requiring(&world);
    let (_, b) = world.ring_with(outgoing);
    world.lose = Some(|message| start_line(message) == "PRACK");
    world.progress(b, reply(180, ""));
    world.wait(B, |event| {
        matches!(event, Event::NeverAcknowledged { .. }).then_some(())
    });
    assert_eq!(world.count(B, A, "504 INVITE"), 1);
    world.run_out();
}

#[test]
fn a_repetition_is_neither_acknowledged_nor_reported_again() {
    let mut world = World::new(Transport::Udp);
    let mut outgoing = world.outgoing(A, RAW);
    outgoing.reliable_provisionals = true;
    world.invite(A, outgoing);
    let invite = world.read_request();
    assert!(invite.headers.has_tag(&Name::Supported, "100rel"));
    for (rseq, events) in [(7, 1), (7, 0), (9, 0), (8, 1)] {
        world.respond(A, &invite, 183, "raw", |response| {
            response.headers.push(Name::Require, "100rel");
            response.headers.push(Name::RSeq, rseq.to_string());
        });
        assert_eq!(world.events(A).len(), events, "{rseq}");
        if events == 1 {
            let prack = world.read_request();
            let rack = format!("{rseq} 1 INVITE");
            assert_eq!(prack.method, Method::Prack);
            assert_eq!(prack.headers.get(&Name::RAck), Some(rack.as_str()));
            world.respond(A, &prack, 200, "raw", |_| {});
        }
    }
}

#[test]
fn it_is_not_offered_without_an_offer() {
    let mut world = World::new(Transport::Udp);
    let mut outgoing = world.outgoing(A, B);
    outgoing.reliable_provisionals = true;
    outgoing.body = None;
    world.ring_with(outgoing);
    let headers = &world.last_request(A, "INVITE").headers;
    assert!(!headers.has_tag(&Name::Supported, "100rel"));
}
