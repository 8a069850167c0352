//! What a transfer is made of (RFC 3515, RFC 3891, RFC 5589): REFER, the NOTIFYs that follow, the dialog that is replaced.

use crate::sip::endpoint::{Event, PendingId};
use crate::sip::flow::Transport;
use crate::sip::message::{Headers, Method, Name, Request};
use crate::sip::refer::{Outcome, Refer};
use crate::sip::replaces::Replaces;
use crate::sip::tests::world::{A, B, World, reply};

fn asked(event: &Event) -> Option<(PendingId, Request)> {
    match event {
        Event::InDialog {
            pending, request, ..
        } => Some((*pending, (**request).clone())),
        _ => None,
    }
}

fn refer(world: &mut World, end: usize, invite: crate::sip::endpoint::InviteId) {
    let mut headers = Headers::new();
    headers.push(Name::ReferTo, "<sip:200@192.0.2.9>");
    let now = world.now;
    world
        .end(end)
        .request_in_dialog(now, invite, Method::Refer, headers, None)
        .unwrap();
}

fn notify(
    world: &mut World,
    end: usize,
    invite: crate::sip::endpoint::InviteId,
    refer: &Refer,
    outcome: Outcome,
) {
    let (headers, body) = refer.notify(&outcome);
    let now = world.now;
    world
        .end(end)
        .request_in_dialog(now, invite, Method::Notify, headers, Some(body))
        .unwrap();
}

/// Whoever called, either side may refer the other, twice if it likes; the NOTIFYs say which REFER they are about.
#[test]
fn refer_and_its_notifies() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    for (from, to, own, other) in [(A, B, a, b), (B, A, b, a)] {
        let mut ids = Vec::new();
        for _ in 0..2 {
            refer(&mut world, from, own);
            let (pending, request) = world.wait(to, asked);
            let now = world.now;
            world.end(to).respond(now, pending, reply(202, "")).unwrap();
            let refer = Refer::read(&request).unwrap();
            notify(&mut world, to, other, &refer, Outcome::Underway(100));
            notify(&mut world, to, other, &refer, Outcome::Final(200));
            let told: Vec<Request> = (0..2)
                .map(|_| {
                    let (pending, request) = world.wait(from, asked);
                    let now = world.now;
                    world
                        .end(from)
                        .respond(now, pending, reply(200, ""))
                        .unwrap();
                    request
                })
                .collect();
            let numbers = told.iter().map(|told| told.headers.cseq().unwrap().number);
            let numbers: Vec<u32> = numbers.collect();
            assert!(numbers[0] < numbers[1], "{numbers:?}");
            let event = format!("refer;id={}", request.headers.cseq().unwrap().number);
            for told in &told {
                assert_eq!(told.headers.get(&Name::Event), Some(&*event));
            }
            ids.push(refer.id);
        }
        assert!(ids[0] < ids[1]);
    }
}

/// The peer forgot the subscription, or says so: the call goes on (RFC 5057 §5.1).
#[test]
fn a_subscription_that_is_gone_ends_no_call() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    refer(&mut world, A, a);
    let (_, request) = world.wait(B, asked);
    let refer = Refer::read(&request).unwrap();
    notify(&mut world, B, b, &refer, Outcome::Underway(100));
    let (pending, _) = world.wait(A, asked);
    let now = world.now;
    world.end(A).respond(now, pending, reply(481, "")).unwrap();
    world.run(1);
    assert_eq!(world.events(B), ["Completed"]);
    assert_eq!(world.count(B, A, "BYE"), 0);
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
