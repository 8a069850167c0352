//! Requests that cannot be served (RFC 3261 §8.2), and too many of them.

use crate::sip::endpoint::Event;
use crate::sip::flow::{ListenerId, Transport};
use crate::sip::message::{Method, Name, Response};
use crate::sip::tests::world::{A, RAW, World, reply};

fn request(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:user@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{branch}\r\n\
         From: <sip:raw@192.0.2.10>;tag=raw\r\nTo: <sip:user@192.0.2.1>\r\nCall-ID: call\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:raw@192.0.2.10:5060>\r\n{more}\r\n"
    )
}

fn answer_to(text: &str) -> (World, Response) {
    let mut world = World::new(Transport::Udp);
    world.write(A, text.as_bytes());
    let response = world.read_response();
    (world, response)
}

#[test]
fn each_flaw_has_its_status() {
    let rows = [
        ("INVITE", "Max-Forwards: 0\r\n", 483),
        (
            "INVITE",
            "Require: 100rel, telepathy\r\nRequire: mind\r\n",
            420,
        ),
        ("INVITE", "Session-Expires: 60\r\nSupported: timer\r\n", 422),
        ("SUBSCRIBE", "", 405),
        ("FROBNICATE", "", 501),
        ("BYE", "", 481),
        ("INFO", "", 481),
        ("PRACK", "", 481),
        ("INVITE", "Replaces: a;to-tag=1\r\n", 400),
        (
            "INVITE",
            "Replaces: a;to-tag=1;from-tag=2\r\nReplaces: a;to-tag=1;from-tag=2\r\n",
            400,
        ),
        (
            "INVITE",
            "Replaces: a;to-tag=1;from-tag=2\r\nJoin: b;to-tag=1;from-tag=2\r\n",
            400,
        ),
        ("OPTIONS", "Replaces: a;to-tag=1;from-tag=2\r\n", 400),
        ("CANCEL", "", 481),
    ];
    for (method, more, status) in rows {
        let (mut world, response) = answer_to(&request(method, "1", more));
        assert_eq!(response.status, status, "{method} {more}");
        assert!(response.headers.to().unwrap().tag().is_some());
        assert_eq!(world.events(A), Vec::<String>::new());
        match status {
            420 => assert_eq!(
                response.headers.get(&Name::Unsupported),
                Some("telepathy, mind")
            ),
            422 => assert_eq!(response.headers.get(&Name::MinSe), Some("90")),
            405 | 501 => assert!(response.headers.get(&Name::Allow).is_some()),
            _ => {}
        }
        world.run_out();
    }
}

/// What WhatsApp is told (dossier 2.7, 2.8), as against a PBX.
#[test]
fn a_peer_on_a_terse_listener_hears_of_calls_alone() {
    for terse in [true, false] {
        let answered = |method: &str, more: &str| {
            let mut world = World::new(Transport::Udp);
            if terse {
                world.terse.insert(ListenerId(0));
            }
            world.add(A, 1000);
            world.write(A, request(method, "1", more).as_bytes());
            let requested = world.wait_if_any(A, |event| match event {
                Event::Requested { pending, .. } => Some(*pending),
                _ => None,
            });
            if let Some(pending) = requested {
                let now = world.now;
                world.end(A).respond(now, pending, reply(200, "")).unwrap();
            }
            world.read_response()
        };
        for (method, status) in [("OPTIONS", 200), ("SUBSCRIBE", 405), ("FROB", 501)] {
            let response = answered(method, "");
            assert_eq!(response.status, status);
            for method in [Method::Refer, Method::Notify, Method::Update, Method::Info] {
                assert_eq!(response.headers.allows(&method), Some(!terse));
            }
            assert_eq!(response.headers.allows(&Method::Cancel), Some(true));
        }
        let required = answered("INVITE", "Require: replaces\r\n");
        assert_eq!(required.status, if terse { 420 } else { 100 });
        let unread = answered("INVITE", "Replaces: nonsense\r\n");
        assert_eq!(unread.status, if terse { 100 } else { 400 });
    }
}

#[test]
fn an_invite_without_contact_makes_no_dialog() {
    let text = request("INVITE", "1", "").replace("Contact: <sip:raw@192.0.2.10:5060>\r\n", "");
    let (_, response) = answer_to(&text);
    assert_eq!(response.status, 400);
}

#[test]
fn a_broken_request_is_answered_when_it_can_be() {
    let text = request("OPTIONS", "1", "Content-Length: x\r\n");
    let (mut world, response) = answer_to(&text);
    assert_eq!(response.status, 400);
    assert_eq!(world.end(A).counters().malformed, 1);
}

#[test]
fn the_same_request_on_two_paths_is_merged() {
    let mut world = World::new(Transport::Udp);
    world.write(A, request("INVITE", "1", "").as_bytes());
    world.write(A, request("INVITE", "2", "").as_bytes());
    assert_eq!(world.events(A), ["Invited"]);
    assert_eq!(world.count(A, RAW, "482 INVITE"), 1);
    assert_eq!(world.end(A).counters().merged, 1);
}

#[test]
fn a_repetition_makes_no_second_call() {
    let mut world = World::new(Transport::Udp);
    for _ in 0..3 {
        world.write(A, request("INVITE", "1", "").as_bytes());
    }
    assert_eq!(world.events(A), ["Invited"]);
    assert_eq!(world.count(A, RAW, "100 INVITE"), 3);
}

#[test]
fn too_many_are_refused_and_told_when_to_come_again() {
    let mut world = World::new(Transport::Udp);
    world.add(A, 3);
    for n in 0..5 {
        let text = request("OPTIONS", &n.to_string(), "")
            .replace("Call-ID: call", &format!("Call-ID: {n}"));
        world.write(A, text.as_bytes());
    }
    assert_eq!(world.events(A).len(), 3);
    assert_eq!(world.count(A, RAW, "503 OPTIONS"), 2);
    assert_eq!(world.end(A).counters().refused_full, 2);
    let last = world.last_response(A);
    assert_eq!(last.headers.get(&Name::RetryAfter), Some("10"));
    world.run_out();
}

#[test]
fn responses_go_back_where_the_request_came_from() {
    // The Via lies; the datagram's source does not. Without rport the port is that of Via (RFC 3581 §4).
    for (via, marked) in [
        ("10.0.0.1:9;rport", "10.0.0.1:9;rport=5060"),
        ("10.0.0.1:5060", "10.0.0.1:5060"),
    ] {
        let text =
            request("BYE", "1", "").replace("192.0.2.10:5060;branch", &format!("{via};branch"));
        let (_, response) = answer_to(&text);
        let top = response.headers.get(&Name::Via).unwrap();
        let expected = format!("SIP/2.0/UDP {marked};branch=z9hG4bK1;received=192.0.2.10");
        assert_eq!(top, expected);
    }
}
