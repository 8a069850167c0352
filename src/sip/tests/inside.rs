//! Requests inside the dialog (RFC 3261 §12.2).

use crate::sip::endpoint::{Departure, Event, Failure, PendingId};
use crate::sip::flow::{Target, Transport};
use crate::sip::message::{Headers, Method, Name, Request};
use crate::sip::tests::world::{A, B, RAW, World, body, reply, start_line, uri};

fn info(world: &mut World, end: usize, invite: crate::sip::endpoint::InviteId) {
    let now = world.now;
    world
        .end(end)
        .request_in_dialog(now, invite, Method::Info, Headers::new(), body("digits"))
        .unwrap();
}

fn in_dialog(event: &Event) -> Option<(PendingId, Request)> {
    match event {
        Event::InDialog {
            pending, request, ..
        } => Some((*pending, (**request).clone())),
        _ => None,
    }
}

#[test]
fn info_is_passed_on_and_answered() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    for (from, to, invite) in [(A, B, a), (B, A, b)] {
        info(&mut world, from, invite);
        let (pending, request) = world.wait(to, in_dialog);
        assert_eq!(
            (request.method, request.body),
            (Method::Info, b"digits".to_vec())
        );
        let now = world.now;
        world.end(to).respond(now, pending, reply(200, "")).unwrap();
        assert!(world.end(to).respond(now, pending, reply(200, "")).is_err());
        let done = world.wait(from, |event| match event {
            Event::Completed { outcome, .. } => Some(outcome.is_ok()),
            _ => None,
        });
        assert!(done);
    }
}

#[test]
fn a_repeated_request_is_answered_once_more_but_passed_on_once() {
    let mut world = World::new(Transport::Udp);
    let (a, _) = world.call();
    world.lose = Some(|message| start_line(message) == "200 INFO");
    info(&mut world, A, a);
    let (pending, _) = world.wait(B, in_dialog);
    let now = world.now;
    world.end(B).respond(now, pending, reply(200, "")).unwrap();
    world.run(2);
    world.lose = None;
    world.wait(A, |event| {
        matches!(event, Event::Completed { .. }).then_some(())
    });
    assert!(world.count(B, A, "200 INFO") > 2);
    assert_eq!(world.events(B), Vec::<String>::new());
}

#[test]
fn an_old_cseq_gets_500() {
    let mut world = World::new(Transport::Udp);
    let (a, _) = world.call();
    info(&mut world, A, a);
    world.wait(B, in_dialog);
    let mut old = world.last_request(A, "INFO").clone();
    old.headers
        .set(Name::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKold");
    old.headers.set(Name::CSeq, "1 INFO");
    let source = world.source(A, B);
    let now = world.now;
    world.end(B).handle_received(now, source, &old.write());
    world.drain();
    assert_eq!(world.last_response(B).status, 500);
}

#[test]
fn a_dialog_that_is_gone_ends_the_call() {
    for status in [481, 408] {
        let mut world = World::new(Transport::Udp);
        let (a, _) = world.call_raw();
        info(&mut world, A, a);
        let request = world.read_request();
        world.respond(A, &request, status, "raw", |_| {});
        let outcome = world.wait(A, |event| match event {
            Event::Completed { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
        assert!(matches!(outcome, Err(Failure::Rejected(response)) if response.status == status));
        world.wait(A, |event| {
            matches!(
                event,
                Event::Ended {
                    why: Departure::DialogGone,
                    ..
                }
            )
            .then_some(())
        });
        let bye = world.read_request();
        assert_eq!(bye.method, Method::Bye);
    }
}

#[test]
fn other_refusals_leave_the_call_alone() {
    let mut world = World::new(Transport::Udp);
    let (a, _) = world.call_raw();
    info(&mut world, A, a);
    let request = world.read_request();
    world.respond(A, &request, 415, "raw", |_| {});
    assert_eq!(world.events(A), ["Completed"]);
}

#[test]
fn identity_is_the_dialog_and_not_the_address() {
    let mut world = World::new(Transport::Tls);
    world.call();
    let mut bye = world.last_request(A, "ACK").clone();
    bye.method = Method::Bye;
    bye.headers.set(Name::CSeq, "2 BYE");
    bye.headers.set(
        Name::Via,
        "SIP/2.0/TLS 203.0.113.9:5061;branch=z9hG4bKelsewhere",
    );
    world.write(B, &bye.write());
    assert_eq!(world.events(B), ["Ended"]);
    assert_eq!(world.count(B, RAW, "200 BYE"), 1);
}

#[test]
fn a_foreign_tag_gets_481() {
    let mut world = World::new(Transport::Udp);
    world.call();
    for (name, value) in [
        (Name::From, "<sip:user@192.0.2.1>;tag=foreign"),
        (Name::To, "<sip:user@192.0.2.2>;tag=foreign"),
        (Name::CallId, "foreign"),
    ] {
        let mut bye = world.last_request(A, "ACK").clone();
        bye.method = Method::Bye;
        bye.headers.set(Name::CSeq, "2 BYE");
        let branch = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{name}");
        bye.headers.set(Name::Via, branch);
        bye.headers.set(name, value);
        let source = world.source(A, B);
        let now = world.now;
        world.end(B).handle_received(now, source, &bye.write());
        world.drain();
        assert_eq!(world.last_response(B).status, 481);
    }
    assert_eq!(world.events(B), Vec::<String>::new());
}

#[test]
fn the_route_set_is_kept_in_the_callers_reverse_order() {
    let mut world = World::new(Transport::Udp);
    let outgoing = world.outgoing(A, RAW);
    let (a, _) = world.call_raw_with(outgoing, |response| {
        let headers = &mut response.headers;
        headers.push(
            Name::RecordRoute,
            "<sip:192.0.2.8;lr>, \"x,y\" <sip:192.0.2.7;lr;a=b>",
        );
        headers.push(Name::RecordRoute, "<sip:192.0.2.10:5060;lr>");
    });
    world.hang_up(A, a);
    let bye = world.read_request();
    let routes: Vec<_> = bye.headers.all(&Name::Route).collect();
    assert_eq!(
        routes,
        [
            "<sip:192.0.2.10:5060;lr>",
            "\"x,y\" <sip:192.0.2.7;lr;a=b>",
            "<sip:192.0.2.8;lr>"
        ]
    );
    assert_eq!(bye.uri, uri(RAW));
}

#[test]
fn a_strict_router_becomes_the_request_uri() {
    let mut world = World::new(Transport::Udp);
    let outgoing = world.outgoing(A, RAW);
    let (a, _) = world.call_raw_with(outgoing, |response| {
        let headers = &mut response.headers;
        headers.push(Name::RecordRoute, "<sip:192.0.2.7;lr>");
        headers.push(Name::RecordRoute, "<sip:192.0.2.10:5060>");
    });
    world.hang_up(A, a);
    let bye = world.read_request();
    assert_eq!(bye.uri.as_str(), "sip:192.0.2.10:5060");
    let routes: Vec<_> = bye.headers.all(&Name::Route).collect();
    let target = format!("<{}>", uri(RAW).as_str());
    assert_eq!(routes, ["<sip:192.0.2.7;lr>", target.as_str()]);
}

#[test]
fn over_a_stream_requests_take_its_flow_and_fall_back_to_the_route() {
    let mut world = World::new(Transport::Tls);
    let outgoing = world.outgoing(A, RAW);
    let (a, _) = world.call_raw_with(outgoing, |response| {
        let route = "<sip:wa.meta.vc;transport=tls;lr>";
        response.headers.push(Name::RecordRoute, route);
    });
    let flow = world.source(RAW, A).flow;
    world.hang_up(A, a);
    let bye = world.end(A).poll_transmit().unwrap();
    let Target::Flow {
        flow: on,
        fallback: Some(hop),
        ..
    } = bye.target
    else {
        panic!("not on a flow with a fallback: {:?}", bye.target);
    };
    assert_eq!((on, hop.host.to_string().as_str()), (flow, "wa.meta.vc"));
    assert_eq!((hop.transport, hop.port), (Transport::Tls, None));

    // The connection goes before anything was heard: the same bytes go to the fallback.
    let now = world.now;
    world.end(A).handle_flow_closed(now, flow);
    let again = world.end(A).poll_transmit().unwrap();
    assert_eq!(again.target, Target::Hop(hop));
    assert_eq!((again.bytes, again.tag), (bye.bytes, bye.tag));
}
