//! One INVITE, several answers (RFC 3261 §13.2.2.4).

use crate::sip::endpoint::Event;
use crate::sip::flow::Transport;
use crate::sip::message::{Method, Name};
use crate::sip::tests::world::{A, RAW, World, uri};

#[test]
fn early_dialogs_are_told_apart_and_the_second_answer_is_ended() {
    let mut world = World::new(Transport::Udp);
    let outgoing = world.outgoing(A, RAW);
    let a = world.invite(A, outgoing);
    let invite = world.read_request();
    for tag in ["one", "two"] {
        world.respond(A, &invite, 180, tag, |_| {});
        let to_tag = world.wait(A, |event| match event {
            Event::Progress { to_tag, .. } => to_tag.clone(),
            _ => None,
        });
        assert_eq!(to_tag, tag);
    }
    world.respond(A, &invite, 200, "two", |_| {});
    world.wait(A, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    });
    let now = world.now;
    world.end(A).acknowledge(now, a, None).unwrap();
    assert_eq!(to_tag(&world.read_request()), "two");

    world.respond(A, &invite, 200, "one", |response| {
        response
            .headers
            .push(Name::RecordRoute, "<sip:192.0.2.10:5060;lr>");
    });
    let ack = world.read_request();
    let bye = world.read_request();
    assert_eq!(
        (ack.method.clone(), to_tag(&ack)),
        (Method::Ack, "one".to_owned())
    );
    assert_eq!(
        (bye.method.clone(), to_tag(&bye)),
        (Method::Bye, "one".to_owned())
    );
    assert_eq!(
        bye.headers.get(&Name::Route),
        Some("<sip:192.0.2.10:5060;lr>")
    );
    assert_eq!(bye.uri.as_str(), uri(RAW).as_str());
    world.respond(A, &bye, 200, "one", |_| {});

    // Each fork's answer comes again: each is acknowledged again, and that is all.
    for tag in ["one", "two"] {
        world.respond(A, &invite, 200, tag, |_| {});
        let again = world.read_request();
        assert_eq!(
            (again.method.clone(), to_tag(&again)),
            (Method::Ack, tag.to_owned())
        );
    }
    assert_eq!(world.events(A), Vec::<String>::new());
    assert_eq!(world.count(A, RAW, "BYE"), 1);
}

#[test]
fn an_answer_that_comes_after_the_end_is_ended_too() {
    let mut world = World::new(Transport::Udp);
    let outgoing = world.outgoing(A, RAW);
    let a = world.invite(A, outgoing);
    let invite = world.read_request();
    world.respond(A, &invite, 200, "one", |_| {});
    world.hang_up(A, a);
    assert_eq!(world.read_request().method, Method::Ack);
    let bye = world.read_request();
    world.respond(A, &bye, 200, "one", |_| {});
    world.respond(A, &invite, 200, "two", |_| {});
    assert_eq!(world.read_request().method, Method::Ack);
    let bye = world.read_request();
    assert_eq!(to_tag(&bye), "two");
    world.respond(A, &bye, 481, "two", |_| {});
    world.run_out();
}

fn to_tag(request: &crate::sip::message::Request) -> String {
    let to = request.headers.to().unwrap();
    to.tag().unwrap_or_default().to_owned()
}
