//! Requests outside any dialog.

use crate::sip::endpoint::{Event, Failure, PendingId};
use crate::sip::flow::Transport;
use crate::sip::message::{Method, Name, Request};
use crate::sip::tests::world::{A, B, RAW, World, reply, uri};

fn options(world: &mut World, to: usize) {
    let mut request = Request::new(Method::Options, uri(to));
    request.headers.push(Name::From, "<sip:a@192.0.2.1>");
    request
        .headers
        .push(Name::To, format!("<{}>", uri(to).as_str()));
    let hop = world.hop(to);
    let now = world.now;
    world.end(A).request(now, hop, request, None);
}

fn requested(event: &Event) -> Option<PendingId> {
    match event {
        Event::Requested { pending, .. } => Some(*pending),
        _ => None,
    }
}

#[test]
fn options_is_asked_and_answered() {
    for transport in [Transport::Udp, Transport::Tls] {
        let mut world = World::new(transport);
        options(&mut world, B);
        let pending = world.wait(B, requested);
        let now = world.now;
        world.end(B).respond(now, pending, reply(200, "")).unwrap();
        let response = world.wait(A, |event| match event {
            Event::Completed { outcome, .. } => outcome.clone().ok(),
            _ => None,
        });
        assert_eq!(response.headers.allows(&Method::Update), Some(true));
        assert!(response.headers.to().unwrap().tag().is_some());
        world.run_out();
        let now = world.now;
        assert!(world.end(B).respond(now, pending, reply(200, "")).is_err());
    }
}

#[test]
fn unanswered_it_times_out_and_is_forgotten() {
    let mut world = World::new(Transport::Udp);
    options(&mut world, B);
    world.wait(B, requested);
    let outcome = world.wait(A, |event| match event {
        Event::Completed { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    assert_eq!(outcome, Err(Failure::Timeout));
    world.run_out();
}

#[test]
fn strays_are_counted_and_dropped() {
    let mut world = World::new(Transport::Udp);
    let (_, invite) = world.call_raw();
    let sent = world.sent.len();
    world.respond(
        A,
        &Request {
            method: Method::Invite,
            ..invite.clone()
        },
        180,
        "raw",
        |response| {
            response
                .headers
                .set(Name::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnone");
        },
    );
    let mut ack = invite;
    ack.method = Method::Ack;
    ack.headers.set(Name::CSeq, "1 ACK");
    world.write(A, &ack.write());
    world.write(A, b"hello\r\n\r\n");
    assert_eq!(world.sent.len(), sent);
    let counters = world.end(A).counters();
    assert_eq!(
        (
            counters.stray_responses,
            counters.stray_acks,
            counters.malformed
        ),
        (1, 1, 1)
    );
    assert_eq!(world.count(A, RAW, "481 ACK"), 0);
}
