//! What a transfer is made of (RFC 3515, RFC 5589): REFER and the NOTIFYs that follow.

use crate::sip::endpoint::{CommandError, Event, InviteId, PendingId};
use crate::sip::flow::Transport;
use crate::sip::message::{Headers, Method, Name, Request};
use crate::sip::refer::{Outcome, Refer};
use crate::sip::tests::digest::{authorization, challenge, credentials};
use crate::sip::tests::replaces::called_by_raw;
use crate::sip::tests::world::{A, B, RAW, World, body, reply, uri};

fn asked(event: &Event) -> Option<(PendingId, Request)> {
    match event {
        Event::InDialog {
            pending, request, ..
        } => Some((*pending, (**request).clone())),
        _ => None,
    }
}

fn refer(world: &mut World, end: usize, invite: InviteId) {
    let mut headers = Headers::new();
    headers.push(Name::ReferTo, "<sip:200@192.0.2.9>");
    let now = world.now;
    world
        .end(end)
        .request_in_dialog(now, invite, Method::Refer, headers, None)
        .unwrap();
}

fn notify(world: &mut World, end: usize, invite: InviteId, refer: &Refer, outcome: Outcome) {
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

/// Answered never, or with a refusal of whatever kind: the call goes on.
#[test]
fn a_notify_that_fails_ends_no_call() {
    for status in [None, Some(408), Some(489), Some(481)] {
        let mut world = World::new(Transport::Udp);
        let (a, invite) = world.call_raw();
        let referral = refer_from_raw(&mut world, a, &invite, 1);
        notify(&mut world, A, a, &referral, Outcome::Underway(100));
        let told = world.read_request();
        if let Some(status) = status {
            world.respond(A, &told, status, "raw", |_| {});
        }
        world.run(60);
        assert_eq!(world.events(A), ["Completed"], "{status:?}");
        assert_eq!(world.count(A, RAW, "BYE"), 0);
    }
}

/// Both in one dialog: each NOTIFY says which REFER it is of, and all are numbered in one row.
#[test]
fn two_referrals_at_once() {
    let mut world = World::new(Transport::Udp);
    let (a, invite) = world.call_raw();
    let first = refer_from_raw(&mut world, a, &invite, 7);
    let second = refer_from_raw(&mut world, a, &invite, 8);
    let mut last = 0;
    for (referral, outcome, event) in [
        (&first, Outcome::Underway(100), "refer;id=7"),
        (&second, Outcome::Underway(180), "refer;id=8"),
        (&second, Outcome::Final(486), "refer;id=8"),
        (&first, Outcome::Final(200), "refer;id=7"),
    ] {
        notify(&mut world, A, a, referral, outcome);
        let told = world.read_request();
        assert_eq!(told.headers.get(&Name::Event), Some(event));
        assert!(told.headers.contact().unwrap().is_some());
        let number = told.headers.cseq().unwrap().number;
        assert!(number > last);
        last = number;
        world.respond(A, &told, 200, "raw", |_| {});
    }
    world.hang_up(A, a);
    assert!(world.read_request().headers.cseq().unwrap().number > last);
}

/// In a dialog that we began the credentials are those of its INVITE, in one that the peer began those given for it.
#[test]
fn a_challenged_notify_is_sent_again() {
    for began in [A, RAW] {
        let mut world = World::new(Transport::Udp);
        let a = match began {
            A => {
                let mut outgoing = world.outgoing(A, RAW);
                outgoing.credentials = credentials();
                world.call_raw_with(outgoing, |_| {}).0
            }
            _ => {
                let (a, _) = called_by_raw(&mut world);
                let credentials = credentials().unwrap();
                world.end(A).set_credentials(a, credentials).unwrap();
                a
            }
        };
        let mut headers = Headers::new();
        headers.push(Name::Event, "refer;id=1");
        let now = world.now;
        let sent = world
            .end(A)
            .request_in_dialog(now, a, Method::Notify, headers, body("SIP/2.0 200 OK"))
            .unwrap();
        let first = world.read_request();
        assert_eq!(authorization(&first), None);
        world.respond(A, &first, 401, "raw", challenge("n1", false));
        let second = world.read_request();
        let answer = authorization(&second);
        assert_eq!(answer, Some(("n1".into(), "00000001".into())));
        assert_eq!(
            (&second.method, &second.body),
            (&Method::Notify, &first.body)
        );
        let number = |request: &Request| request.headers.cseq().unwrap().number;
        assert_eq!(number(&second), number(&first) + 1);
        world.respond(A, &second, 200, "raw", |_| {});
        let done = world.wait(A, |event| match event {
            Event::Completed { request, outcome } => Some((*request, outcome.is_ok())),
            _ => None,
        });
        assert_eq!(done, (sent, true));
    }
}

/// REFER is no part of the exchange of offer and answer.
#[test]
fn a_referral_crosses_our_reinvite() {
    let mut world = World::new(Transport::Udp);
    let (a, invite) = world.call_raw();
    let now = world.now;
    world.end(A).modify(now, a, body("offer")).unwrap();
    let reinvite = world.read_request();
    let referral = refer_from_raw(&mut world, a, &invite, 1);
    notify(&mut world, A, a, &referral, Outcome::Underway(100));
    let told = world.read_request();
    assert_eq!(told.method, Method::Notify);
    world.respond(A, &told, 200, "raw", |_| {});
    world.respond(A, &reinvite, 200, "raw", |_| {});
    let ack = world.read_request();
    let number = |request: &Request| request.headers.cseq().unwrap().number;
    assert_eq!(
        (ack.method.clone(), number(&ack)),
        (Method::Ack, number(&reinvite))
    );
    assert_eq!(world.events(A), ["Completed", "Completed"]);
}

/// The referrer hung up, which is how a blind transfer goes on most phones: nobody is left to be told.
#[test]
fn there_is_nobody_to_notify_after_bye() {
    let mut world = World::new(Transport::Udp);
    let (a, b) = world.call();
    refer(&mut world, A, a);
    let (pending, request) = world.wait(B, asked);
    let referral = Refer::read(&request).unwrap();
    let now = world.now;
    let accepted = referral.accepted();
    world.end(B).respond(now, pending, accepted).unwrap();
    world.hang_up(A, a);
    world.run(1);
    let (headers, body) = referral.notify(&Outcome::Final(200));
    let sent = world
        .end(B)
        .request_in_dialog(now, b, Method::Notify, headers, Some(body));
    assert_eq!(sent, Err(CommandError::Unknown));
    world.run_out();
}

#[test]
fn a_referral_outside_any_dialog_is_the_applications_to_refuse() {
    let mut world = World::new(Transport::Udp);
    let mut request = Request::new(Method::Refer, uri(B));
    request.headers.push(Name::From, "<sip:a@192.0.2.1>");
    request.headers.push(Name::To, "<sip:b@192.0.2.2>");
    request.headers.push(Name::ReferTo, "<sip:c@192.0.2.3>");
    let (hop, now) = (world.hop(B), world.now);
    world.end(A).request(now, hop, request, None);
    let pending = world.wait(B, |event| match event {
        Event::Requested { pending, .. } => Some(*pending),
        _ => None,
    });
    let now = world.now;
    world.end(B).respond(now, pending, reply(403, "")).unwrap();
    world.run(1);
    assert_eq!(world.count(B, A, "403 REFER"), 1);
    world.run_out();
}

/// A REFER of the scripted peer, answered 202.
fn refer_from_raw(world: &mut World, a: InviteId, invite: &Request, cseq: u32) -> Refer {
    let mut request = Request::new(Method::Refer, uri(A));
    let headers = &mut request.headers;
    let via = format!("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKrefer{cseq}");
    headers.push(Name::Via, via);
    let to = invite.headers.get(&Name::To).unwrap();
    headers.push(Name::From, format!("{to};tag=raw"));
    headers.push(Name::To, invite.headers.get(&Name::From).unwrap());
    headers.copy(&Name::CallId, &invite.headers);
    headers.push(Name::CSeq, format!("{cseq} REFER"));
    headers.push(Name::Contact, format!("<{}>", uri(RAW).as_str()));
    headers.push(Name::ReferTo, "<sip:200@192.0.2.9>");
    world.write(A, &request.write());
    let (invite, pending, request) = world.wait(A, |event| match event {
        Event::InDialog {
            invite,
            pending,
            request,
        } => Some((*invite, *pending, request.clone())),
        _ => None,
    });
    assert_eq!(invite, a);
    let referral = Refer::read(&request).unwrap();
    let now = world.now;
    world
        .end(A)
        .respond(now, pending, referral.accepted())
        .unwrap();
    let accepted = world.read_response();
    assert_eq!(accepted.status, 202);
    let contact = accepted.headers.contact().unwrap().unwrap();
    assert_eq!(contact.uri, uri(A));
    referral
}
