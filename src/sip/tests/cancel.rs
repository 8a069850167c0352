//! CANCEL (RFC 3261 §9) and what it crosses.

use std::time::Duration;

use crate::sip::endpoint::{Event, Failure, Reply, SessionTimer};
use crate::sip::flow::{Transport, TransportError};
use crate::sip::message::{Headers, Message, Name};
use crate::sip::tests::world::{A, B, World, reply, start_line};

fn failure(event: &Event) -> Option<Failure> {
    match event {
        Event::Failed { failure, .. } => Some(failure.clone()),
        _ => None,
    }
}

#[test]
fn ends_an_unanswered_call() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(transport);
        let (a, b) = world.ring();
        world.progress(b, reply(180, ""));
        world.wait(A, |event| {
            matches!(event, Event::Progress { .. }).then_some(())
        });
        let mut headers = Headers::new();
        headers.push(Name::Reason, "SIP;cause=200");
        let now = world.now;
        world
            .end(A)
            .hang_up(now, a, Reply::status(486), headers)
            .unwrap();
        let cancel = world.wait(B, |event| match event {
            Event::Cancelled { invite, cancel } if *invite == b => Some(cancel.clone()),
            _ => None,
        });
        assert_eq!(cancel.headers.get(&Name::Reason), Some("SIP;cause=200"));
        assert_eq!(world.wait(A, failure), Failure::Cancelled);
        world.run_out();
        assert_eq!(world.count(B, A, "200 CANCEL"), 1);
        assert_eq!(world.count(B, A, "487 INVITE"), 1);
        assert_eq!(world.count(A, B, "ACK"), 1);
        let tag = |message: &Message| message.headers().to().unwrap().tag().map(str::to_owned);
        let tags: Vec<_> = world
            .sent
            .iter()
            .filter(|(from, _, _)| *from == B)
            .collect();
        let tags: Vec<_> = tags
            .iter()
            .filter_map(|(_, _, message)| tag(message))
            .collect();
        assert!(tags.windows(2).all(|pair| pair[0] == pair[1]), "{tags:?}");
    }
}

#[test]
fn waits_for_the_first_provisional_response() {
    let mut world = World::new(Transport::Udp);
    world.lose = Some(|message| start_line(message) == "100 INVITE");
    let (a, b) = world.ring();
    world.hang_up(A, a);
    world.drain();
    assert_eq!(world.count(A, B, "CANCEL"), 0);
    world.lose = None;
    world.progress(b, reply(180, ""));
    assert_eq!(world.wait(A, failure), Failure::Cancelled);
    assert_eq!(world.count(A, B, "CANCEL"), 1);
    world.run_out();
}

#[test]
fn crosses_the_answer() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.ring();
    world.run(1);
    world.answer(b, SessionTimer::Off);
    world.hang_up(A, a);
    world.drain();
    assert_eq!(world.count(A, B, "CANCEL"), 1);
    assert_eq!(world.wait(A, failure), Failure::Cancelled);
    world.run_out();
    assert_eq!(world.count(B, A, "200 CANCEL"), 1);
    assert_eq!(world.count(A, B, "ACK"), 1);
    assert_eq!(world.count(A, B, "BYE"), 1);
    assert_eq!(world.events(B), ["Acknowledged", "Ended"]);
}

#[test]
fn after_the_answer_changes_nothing() {
    let mut world = World::new(Transport::Udp);
    let (_, _) = world.call();
    let invite = world.last_request(A, "INVITE").clone();
    let cancel = crate::sip::compose::cancel(&invite).write();
    let source = world.source(A, B);
    let now = world.now;
    world.end(B).handle_received(now, source, &cancel);
    world.run(40);
    assert_eq!(world.count(B, A, "200 CANCEL"), 1);
    assert_eq!(world.count(B, A, "487 INVITE"), 0);
    assert_eq!(world.events(B), Vec::<String>::new());
}

#[test]
fn of_nothing_gets_481() {
    let mut world = World::new(Transport::Udp);
    world.call();
    world.run(40);
    let invite = world.last_request(A, "INVITE").clone();
    let cancel = crate::sip::compose::cancel(&invite).write();
    let source = world.source(A, B);
    let now = world.now;
    world.end(B).handle_received(now, source, &cancel);
    world.run(1);
    assert_eq!(world.count(B, A, "481 CANCEL"), 1);
}

#[test]
fn nobody_answers() {
    for (within, transport) in [
        (None, Transport::Udp),
        (Some(Duration::from_secs(4)), Transport::Udp),
        (Some(Duration::from_secs(4)), Transport::Tcp),
    ] {
        let mut world = World::new(transport);
        world.lose = Some(|_| true);
        let mut outgoing = world.outgoing(A, B);
        outgoing.answer_within = within;
        let start = world.now;
        world.invite(A, outgoing);
        assert_eq!(world.wait(A, failure), Failure::Timeout);
        assert_eq!(world.now - start, within.unwrap_or(Duration::from_secs(32)));
        world.run_out();
    }
}

#[test]
fn a_provisional_response_ends_the_wait_for_the_first() {
    let mut world = World::new(Transport::Udp);
    let mut outgoing = world.outgoing(A, B);
    outgoing.answer_within = Some(Duration::from_secs(4));
    world.ring_with(outgoing);
    world.run(60);
    assert_eq!(world.events(A), Vec::<String>::new());
}

#[test]
fn a_failed_transmit_fails_the_call_at_once() {
    let mut world = World::new(Transport::Tcp);
    let outgoing = world.outgoing(A, B);
    world.invite(A, outgoing);
    let transmit = world.end(A).poll_transmit().unwrap();
    let now = world.now;
    let error = TransportError::NotConnected("refused".to_owned());
    world
        .end(A)
        .handle_transmit_failed(now, transmit.tag, error.clone());
    assert_eq!(world.wait(A, failure), Failure::Transport(error));
    world.run_out();
}
