//! A plain call, over datagrams and over a stream.

use crate::sip::endpoint::{Departure, Event, SessionTimer};
use crate::sip::flow::Transport;
use crate::sip::message::Name;
use crate::sip::tests::world::{A, B, World, body, reply};

#[test]
fn is_placed_rung_answered_and_ended_by_the_caller() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut world = World::new(transport);
        let (a, b) = world.ring();
        assert_eq!(world.count(B, A, "100 INVITE"), 1);
        world.progress(b, reply(180, ""));
        let tag = world.wait(A, |event| match event {
            Event::Progress { invite, to_tag, .. } if *invite == a => Some(to_tag.clone()),
            _ => None,
        });
        world.answer(b, SessionTimer::Off);
        let answer = world.wait(A, |event| match event {
            Event::Answered { response, .. } => Some(response.clone()),
            _ => None,
        });
        assert_eq!(answer.body, b"answer");
        assert_eq!(answer.headers.to().unwrap().tag(), tag.as_deref());
        let now = world.now;
        world.end(A).acknowledge(now, a, None).unwrap();
        world.wait(B, |event| {
            matches!(event, Event::Acknowledged { body: None, .. }).then_some(())
        });
        world.hang_up(A, a);
        let bye = world.wait(B, |event| match event {
            Event::Ended {
                why: Departure::Bye(bye),
                ..
            } => Some(bye.clone()),
            _ => None,
        });
        assert_eq!(bye.headers.cseq().unwrap().number, 2);
        world.run_out();
        assert_eq!(world.events(A), Vec::<String>::new());
        assert_eq!(world.count(A, B, "INVITE"), 1);
        assert_eq!(world.count(A, B, "ACK"), 1);
        assert_eq!(world.count(B, A, "200 INVITE"), 1);
        assert_eq!(world.count(B, A, "200 BYE"), 1);
    }
}

#[test]
fn is_ended_by_the_callee() {
    for transport in [Transport::Udp, Transport::Tls] {
        let mut world = World::new(transport);
        let (_, b) = world.call();
        world.hang_up(B, b);
        world.wait(A, |event| {
            matches!(
                event,
                Event::Ended {
                    why: Departure::Bye(_),
                    ..
                }
            )
            .then_some(())
        });
        world.run_out();
        assert_eq!(world.events(B), Vec::<String>::new());
    }
}

#[test]
fn is_ended_by_both_at_once() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    world.hang_up(A, a);
    world.hang_up(B, b);
    world.run_out();
    assert_eq!(world.count(A, B, "200 BYE"), 1);
    assert_eq!(world.count(B, A, "200 BYE"), 1);
    assert_eq!(world.events(A), Vec::<String>::new());
}

#[test]
fn late_offer_goes_both_ways() {
    let mut world = World::new(Transport::Udp);
    let mut outgoing = world.outgoing(A, B);
    outgoing.body = None;
    let (a, b) = world.ring_with(outgoing);
    world.answer(b, SessionTimer::Off);
    world.wait(A, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    });
    let now = world.now;
    world
        .end(A)
        .acknowledge(now, a, body("late answer"))
        .unwrap();
    let answer = world.wait(B, |event| match event {
        Event::Acknowledged { body, .. } => body.clone(),
        _ => None,
    });
    assert_eq!(answer.bytes, b"late answer");
    assert_eq!(answer.content_type, "application/sdp");
}

#[test]
fn a_lost_ack_is_sent_again_for_the_repeated_answer() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.ring();
    world.answer(b, SessionTimer::Off);
    world.wait(A, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    });
    world.lose = Some(|message| super::world::start_line(message) == "ACK");
    let now = world.now;
    world.end(A).acknowledge(now, a, None).unwrap();
    world.drain();
    world.lose = None;
    world.wait(B, |event| {
        matches!(event, Event::Acknowledged { .. }).then_some(())
    });
    assert_eq!(world.count(A, B, "ACK"), 2);
    assert_eq!(world.count(B, A, "200 INVITE"), 2);
    world.run(40);
    assert_eq!(world.count(B, A, "200 INVITE"), 2);
    assert_eq!(world.events(A), Vec::<String>::new());
}

#[test]
fn headers_of_the_application_are_sent() {
    let mut world = World::new(Transport::Udp);
    let mut outgoing = world.outgoing(A, B);
    outgoing.headers.push("X-WA-Country".into(), "IN");
    outgoing.route = vec!["<sip:192.0.2.2:5060;lr>".to_owned()];
    world.invite(A, outgoing);
    let request = world.wait(B, |event| match event {
        Event::Invited { request, .. } => Some(request.clone()),
        _ => None,
    });
    assert_eq!(request.headers.get_loose("x-wa-country"), Some("IN"));
    assert_eq!(
        request.headers.get(&Name::Route),
        Some("<sip:192.0.2.2:5060;lr>")
    );
    assert_eq!(request.headers.get(&Name::UserAgent), Some("world"));
    assert_eq!(
        request.headers.get(&Name::Supported),
        Some("replaces, norefersub")
    );
    let via = request.headers.top_via().unwrap();
    assert_eq!((via.rport(), via.received().is_some()), (Some(5060), true));
}
