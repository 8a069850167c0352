//! re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311).

use crate::sip::endpoint::{Departure, Event, Failure, InviteId, PendingId, RequestId};
use crate::sip::flow::Transport;
use crate::sip::message::{Headers, Method, Name, Request, Response};
use crate::sip::tests::world::{A, B, World, body, reply, start_line, uri};

fn reoffered(event: &Event) -> Option<(PendingId, Request)> {
    match event {
        Event::Reoffered {
            pending, request, ..
        } => Some((*pending, (**request).clone())),
        _ => None,
    }
}

fn completed(event: &Event) -> Option<Result<Response, Failure>> {
    match event {
        Event::Completed { outcome, .. } => Some(outcome.clone().map(|response| *response)),
        _ => None,
    }
}

fn modify(world: &mut World, end: usize, invite: InviteId, text: &str) -> RequestId {
    let now = world.now;
    world.end(end).modify(now, invite, body(text)).unwrap()
}

fn respond(world: &mut World, end: usize, pending: PendingId, status: u16, text: &str) {
    let now = world.now;
    world
        .end(end)
        .respond(now, pending, reply(status, text))
        .unwrap();
}

#[test]
fn is_answered_and_acknowledged() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(transport);
        let (a, b) = world.call();
        for (from, to, invite) in [(A, B, a), (B, A, b)] {
            modify(&mut world, from, invite, "hold");
            let (pending, request) = world.wait(to, reoffered);
            assert_eq!(request.body, b"hold");
            respond(&mut world, to, pending, 200, "held");
            let response = world.wait(from, completed).unwrap();
            assert_eq!(response.body, b"held");
            world.wait(to, |event| match event {
                Event::ReofferAcknowledged { pending: of, .. } if *of == pending => Some(()),
                _ => None,
            });
        }
        world.hang_up(A, a);
        world.run_out();
    }
}

#[test]
fn refused_leaves_the_session_as_it_was() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    modify(&mut world, A, a, "video");
    let (pending, _) = world.wait(B, reoffered);
    respond(&mut world, B, pending, 488, "");
    let failure = world.wait(A, completed).unwrap_err();
    assert!(matches!(failure, Failure::Rejected(response) if response.status == 488));
    modify(&mut world, B, b, "again");
    world.wait(A, reoffered);
}

#[test]
fn glare_gives_491_both_ways_and_both_come_through_later() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    let met = world.now;
    modify(&mut world, A, a, "of a");
    modify(&mut world, B, b, "of b");
    // B does not own the Call-ID and tries again first.
    let (pending, request) = world.wait(A, reoffered);
    assert_eq!(request.body, b"of b");
    assert!((world.now - met).as_millis() < 2_200);
    assert_eq!(world.count(A, B, "491 INVITE"), 1);
    assert_eq!(world.count(B, A, "491 INVITE"), 1);
    // Its turn has come: what A wanted is given back to the application.
    assert!(world.events(A).is_empty());
    respond(&mut world, A, pending, 200, "to b");
    assert!(world.wait(B, completed).is_ok());
    world.hang_up(A, a);
    world.run_out();
}

#[test]
fn after_491_the_owner_of_the_call_id_waits_longer() {
    let mut world = World::new(Transport::Udp);
    let (a, invite) = world.call_raw();
    modify(&mut world, A, a, "of a");
    let first = world.read_request();
    world.respond(A, &first, 491, "raw", |_| {});
    assert_eq!(world.read_request().method, Method::Ack);
    let refused = world.now;
    let second = world.read_request();
    let waited = (world.now - refused).as_millis();
    assert!((2_100..=4_000 + 20).contains(&waited), "{waited}");
    assert_eq!(second.body, b"of a");
    let number = |request: &Request| request.headers.cseq().unwrap().number;
    assert_eq!(
        (number(&invite), number(&first), number(&second)),
        (1, 2, 3)
    );
    world.respond(A, &second, 200, "raw", |_| {});
    assert!(world.wait(A, completed).is_ok());
    let ack = world.read_request();
    assert_eq!((ack.method.clone(), number(&ack)), (Method::Ack, 3));
}

#[test]
fn a_second_one_meets_500_with_retry_after() {
    let mut world = World::new(Transport::Udp);
    let (a, _) = world.call();
    modify(&mut world, A, a, "first");
    world.wait(B, reoffered);
    let mut second = world.last_request(A, "INVITE").clone();
    second.headers.set(Name::CSeq, "9 INVITE");
    second
        .headers
        .set(Name::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKsecond");
    let source = world.source(A, B);
    let now = world.now;
    world.end(B).handle_received(now, source, &second.write());
    world.drain();
    let refusal = world.last_response(B);
    assert_eq!(refusal.status, 500);
    assert!(refusal.headers.retry_after().unwrap().is_some());
}

#[test]
fn bye_during_a_reinvite_ends_both() {
    let mut world = World::new(Transport::Udp);
    let (a, _) = world.call();
    let request = modify(&mut world, A, a, "hold");
    let (pending, _) = world.wait(B, reoffered);
    world.hang_up(A, a);
    let outcome = world.wait(A, |event| match event {
        Event::Completed {
            request: of,
            outcome,
        } if *of == request => Some(outcome.clone()),
        _ => None,
    });
    assert_eq!(outcome, Err(Failure::Cancelled));
    world.wait(B, |event| {
        matches!(
            event,
            Event::Ended {
                why: Departure::Bye(_),
                ..
            }
        )
        .then_some(())
    });
    world.run(1);
    assert_eq!(world.count(B, A, "487 INVITE"), 1);
    let now = world.now;
    assert!(world.end(B).respond(now, pending, reply(200, "")).is_err());
    world.run_out();
}

#[test]
fn its_answer_without_ack_ends_the_call() {
    let mut world = World::new(Transport::Udp);
    let (a, _) = world.call();
    world.lose = Some(|message| start_line(message) == "ACK");
    modify(&mut world, A, a, "hold");
    let (pending, _) = world.wait(B, reoffered);
    respond(&mut world, B, pending, 200, "held");
    world.wait(B, |event| {
        matches!(event, Event::NeverAcknowledged { .. }).then_some(())
    });
    world.wait(A, |event| {
        matches!(event, Event::Ended { .. }).then_some(())
    });
    world.run_out();
}

#[test]
fn cancelled_it_changes_nothing() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    modify(&mut world, A, a, "hold");
    world.wait(B, reoffered);
    let cancel = crate::sip::compose::cancel(world.last_request(A, "INVITE")).write();
    let source = world.source(A, B);
    let now = world.now;
    world.end(B).handle_received(now, source, &cancel);
    let failure = world.wait(A, completed).unwrap_err();
    assert!(matches!(failure, Failure::Rejected(response) if response.status == 487));
    modify(&mut world, B, b, "still here");
    world.wait(A, reoffered);
}

#[test]
fn update_is_offered_and_collides() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    let update = |world: &mut World, end, invite, body| {
        let now = world.now;
        let headers = Headers::new();
        let end = world.end(end);
        end.request_in_dialog(now, invite, Method::Update, headers, body)
            .unwrap()
    };
    update(&mut world, A, a, body("offer"));
    let (pending, request) = world.wait(B, reoffered);
    assert_eq!(request.method, Method::Update);
    assert!(request.headers.contact().unwrap().is_some());
    update(&mut world, A, a, body("another"));
    let busy = world.wait(A, completed).unwrap_err();
    assert!(matches!(busy, Failure::Rejected(response) if response.status == 500));
    respond(&mut world, B, pending, 200, "answer");
    let response = world.wait(A, completed).unwrap();
    assert_eq!(response.headers.contact().unwrap().unwrap().uri, uri(B));

    modify(&mut world, B, b, "offer");
    update(&mut world, A, a, body("crossing"));
    let glare = world.wait(A, completed).unwrap_err();
    assert!(matches!(glare, Failure::Rejected(response) if response.status == 491));
}

#[test]
fn nobody_answers_it() {
    let mut world = World::new(Transport::Udp);
    let (a, _) = world.call();
    modify(&mut world, A, a, "hold");
    world.wait(B, reoffered);
    let failure = world.wait(A, completed).unwrap_err();
    assert!(matches!(failure, Failure::Rejected(response) if response.status == 500));
    world.hang_up(A, a);
    world.run_out();
}
