//! The 2xx and its ACK (RFC 3261 §13.3.1.4).

use crate::sip::endpoint::{CommandError, Event, Reply, SessionTimer};
use crate::sip::flow::Transport;
use crate::sip::message::Headers;
use crate::sip::tests::world::{A, B, World, reply, start_line, uri};

#[test]
fn without_ack_it_is_repeated_and_then_followed_by_bye() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(transport);
        let (_, b) = world.ring();
        world.lose = Some(|message| start_line(message) == "200 INVITE");
        let answered = world.now;
        world.answer(b, SessionTimer::Off);
        world.wait(B, |event| {
            matches!(event, Event::NeverAcknowledged { .. }).then_some(())
        });
        assert_eq!((world.now - answered).as_millis(), 32_000);
        assert_eq!(world.count(B, A, "200 INVITE"), 11);
        world.run(1);
        assert_eq!(world.count(B, A, "BYE"), 1);
    }
}

#[test]
fn a_slow_application_meets_the_repeated_answer_once() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.ring();
    world.answer(b, SessionTimer::Off);
    world.run(10);
    assert!(world.count(B, A, "200 INVITE") > 3);
    assert_eq!(world.events(A), ["Answered"]);
    let now = world.now;
    world.end(A).acknowledge(now, a, None).unwrap();
    world.run(60);
    assert_eq!(world.count(A, B, "ACK"), 1);
    assert_eq!(world.count(A, B, "BYE"), 0);
    assert_eq!(world.events(B), ["Acknowledged"]);
}

#[test]
fn hang_up_before_the_ack_waits_for_it() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.ring();
    world.answer(b, SessionTimer::Off);
    world.hang_up(B, b);
    let now = world.now;
    let again = world
        .end(B)
        .hang_up(now, b, Reply::status(486), Headers::new());
    assert!(matches!(again, Err(CommandError::WrongState(_))));
    world.wait(A, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    });
    assert_eq!(world.count(B, A, "BYE"), 0);
    let now = world.now;
    world.end(A).acknowledge(now, a, None).unwrap();
    world.wait(A, |event| {
        matches!(event, Event::Ended { .. }).then_some(())
    });
    world.run_out();
    assert_eq!(world.events(B), Vec::<String>::new());
}

#[test]
fn a_rejection_is_acknowledged_by_the_transaction() {
    for transport in [Transport::Udp, Transport::Tls] {
        let mut world = World::new(transport);
        let (_, b) = world.ring();
        world.hang_up(B, b);
        let status = world.wait(A, |event| match event {
            Event::Failed {
                failure: crate::sip::endpoint::Failure::Rejected(response),
                ..
            } => Some(response.status),
            _ => None,
        });
        assert_eq!(status, 486);
        world.run_out();
        assert_eq!(world.count(A, B, "ACK"), 1);
    }
}

#[test]
fn commands_that_do_not_fit_the_state_do_nothing() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    let before = world.sent.len();
    let now = world.now;
    let contact = uri(B);
    let timer = SessionTimer::Off;
    let b_end = world.end(B);
    assert!(b_end.progress(now, b, &contact, reply(180, "")).is_err());
    assert!(
        b_end
            .answer(now, b, &contact, reply(200, ""), timer)
            .is_err()
    );
    assert!(b_end.acknowledge(now, b, None).is_err());
    assert!(world.end(A).acknowledge(now, a, None).is_err());
    world.hang_up(A, a);
    let again = world
        .end(A)
        .hang_up(now, a, Reply::status(486), Headers::new());
    assert_eq!(again, Err(CommandError::WrongState("BYE is out")));
    world.drain();
    assert_eq!(world.sent.len(), before + 1);
    world.run_out();
    let gone = world
        .end(A)
        .hang_up(now, a, Reply::status(486), Headers::new());
    assert_eq!(gone, Err(CommandError::Unknown));
}

#[test]
fn what_the_application_forgets_ends_by_itself() {
    let mut world = World::new(Transport::Udp);
    let (_, b) = world.ring();
    world.answer(b, SessionTimer::Off);
    world.run_out();
    let a = world.events(A);
    assert_eq!(a.last().map(String::as_str), Some("Ended"));
    assert_eq!(
        world.events(B).last().map(String::as_str),
        Some("NeverAcknowledged")
    );

    let mut world = World::new(Transport::Udp);
    world.ring();
    world.run_out();
    assert_eq!(world.events(A), ["Failed"]);
}
