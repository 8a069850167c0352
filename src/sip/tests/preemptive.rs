//! Calls that answer a challenge before it is made (RFC 7616 §3.6).

use secrecy::SecretString;

use crate::sip::endpoint::{Credentials, Event, Failure, InviteId, Login, OutgoingInvite};
use crate::sip::flow::Transport;
use crate::sip::message::{Method, Name, Request};
use crate::sip::tests::digest::{authorization, challenge};
use crate::sip::tests::world::{A, RAW, World};

fn knowing(world: &World, username: &str) -> OutgoingInvite {
    OutgoingInvite {
        credentials: Some(Credentials {
            username: username.to_owned(),
            password: SecretString::from("secret"),
        }),
        login: Login::Preemptive,
        ..world.outgoing(A, RAW)
    }
}

fn place(world: &mut World, username: &str) -> (InviteId, Request) {
    let outgoing = knowing(world, username);
    let a = world.invite(A, outgoing);
    (a, world.read_request())
}

/// The INVITE that comes after a challenge.
fn challenged(world: &mut World, invite: &Request, nonce: &'static str, stale: bool) -> Request {
    world.respond(A, invite, 401, "c", challenge(nonce, stale));
    assert_eq!(world.read_request().method, Method::Ack);
    world.read_request()
}

fn answered(world: &mut World, a: InviteId, invite: &Request) {
    world.respond(A, invite, 200, "raw", |_| {});
    world.wait(A, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    });
    let now = world.now;
    world.end(A).acknowledge(now, a, None).unwrap();
    assert_eq!(world.read_request().method, Method::Ack);
}

fn failed(world: &mut World) -> u16 {
    world.wait(A, |event| match event {
        Event::Failed {
            failure: Failure::Rejected(response),
            ..
        } => Some(response.status),
        _ => None,
    })
}

/// After one call that was challenged with n1.
fn known() -> (World, InviteId) {
    let mut world = World::new(Transport::Udp);
    let (a, first) = place(&mut world, "wabridge");
    assert_eq!(authorization(&first), None);
    let second = challenged(&mut world, &first, "n1", false);
    answered(&mut world, a, &second);
    (world, a)
}

fn uses(request: &Request) -> (String, u32) {
    let (nonce, count) = authorization(request).expect("no answer");
    (nonce, u32::from_str_radix(&count, 16).unwrap())
}

#[test]
fn the_second_call_needs_no_challenge() {
    let (mut world, _) = known();
    let (a, invite) = place(&mut world, "wabridge");
    assert_eq!(uses(&invite), ("n1".into(), 2));
    let uri = format!("uri=\"{}\"", invite.uri.as_str());
    let answer = invite.headers.get(&Name::Authorization).unwrap();
    assert!(answer.contains(&uri), "{uri} is not in {answer}");
    answered(&mut world, a, &invite);
    assert_eq!(world.count(A, RAW, "INVITE"), 3);
}

#[test]
fn requests_of_all_calls_count_the_same_nonce_and_never_twice() {
    let (mut world, first) = known();
    let (second, invite) = place(&mut world, "wabridge");
    let (third, other) = place(&mut world, "wabridge");
    answered(&mut world, second, &invite);
    answered(&mut world, third, &other);
    let mut counts = vec![uses(&invite), uses(&other)];
    for call in [first, third, second] {
        world.hang_up(A, call);
        let bye = world.read_request();
        assert_eq!(bye.method, Method::Bye);
        counts.push(uses(&bye));
        world.respond(A, &bye, 200, "raw", |_| {});
    }
    let expected: Vec<_> = (2..=6).map(|count| ("n1".to_owned(), count)).collect();
    assert_eq!(counts, expected);
    world.run_out();
}

#[test]
fn a_nonce_that_has_ended_costs_one_more_round() {
    for stale in [true, false] {
        let (mut world, _) = known();
        let (a, invite) = place(&mut world, "wabridge");
        let again = challenged(&mut world, &invite, "n2", stale);
        assert_eq!(uses(&again), ("n2".into(), 1), "stale {stale}");
        answered(&mut world, a, &again);
        let (_, next) = place(&mut world, "wabridge");
        assert_eq!(uses(&next), ("n2".into(), 2), "stale {stale}");
    }
}

#[test]
fn a_password_that_is_wrong_now_ends_with_one_failure_and_is_forgotten() {
    let (mut world, _) = known();
    let (_, invite) = place(&mut world, "wabridge");
    let again = challenged(&mut world, &invite, "n2", false);
    world.respond(A, &again, 401, "c", challenge("n3", false));
    assert_eq!(world.read_request().method, Method::Ack);
    assert_eq!(failed(&mut world), 401);
    let (_, next) = place(&mut world, "wabridge");
    assert_eq!(authorization(&next), None);
}

/// WhatsApp's word for an answer that it does not take (dossier 2.9).
#[test]
fn after_a_403_the_next_call_waits_for_its_challenge() {
    let (mut world, _) = known();
    let (_, invite) = place(&mut world, "wabridge");
    world.respond(A, &invite, 403, "c", |_| {});
    assert_eq!(world.read_request().method, Method::Ack);
    assert_eq!(failed(&mut world), 403);
    let (_, next) = place(&mut world, "wabridge");
    assert_eq!(authorization(&next), None);
}

#[test]
fn a_refusal_of_the_callee_leaves_the_login_as_good_as_it_was() {
    let (mut world, _) = known();
    let (_, invite) = place(&mut world, "wabridge");
    world.respond(A, &invite, 486, "c", |_| {});
    assert_eq!(world.read_request().method, Method::Ack);
    assert_eq!(failed(&mut world), 486);
    let (_, next) = place(&mut world, "wabridge");
    assert_eq!(uses(&next), ("n1".into(), 3));
}

#[test]
fn another_user_and_a_call_that_waits_to_be_asked_are_not_known() {
    let (mut world, _) = known();
    let (_, of_another) = place(&mut world, "somebody");
    assert_eq!(authorization(&of_another), None);
    let waiting = OutgoingInvite {
        login: Login::WhenChallenged,
        ..knowing(&world, "wabridge")
    };
    world.invite(A, waiting);
    assert_eq!(authorization(&world.read_request()), None);
}

#[test]
fn the_first_supported_of_several_challenges_is_remembered() {
    let mut world = World::new(Transport::Udp);
    let (a, first) = place(&mut world, "wabridge");
    world.respond(A, &first, 401, "c", |response| {
        let headers = &mut response.headers;
        let sha = "Digest realm=\"pbx\",nonce=\"s1\",algorithm=SHA-256,qop=\"auth\"";
        headers.push(Name::WwwAuthenticate, sha);
        challenge("n1", false)(response);
    });
    assert_eq!(world.read_request().method, Method::Ack);
    let second = world.read_request();
    answered(&mut world, a, &second);
    let (_, next) = place(&mut world, "wabridge");
    assert_eq!(uses(&next), ("s1".into(), 2));
    let answer = next.headers.get(&Name::Authorization).unwrap();
    assert!(answer.contains("algorithm=SHA-256"), "{answer}");
}

/// The next try is a request of its own: a count that was sent is used up.
#[test]
fn an_invite_that_comes_again_for_its_session_interval_counts_on() {
    let (mut world, _) = known();
    let (second, minimum) = (std::time::Duration::from_secs, "1800");
    let outgoing = OutgoingInvite {
        session_timer: crate::sip::endpoint::SessionTimer::On {
            ask: true,
            expires: second(600),
            min_se: second(90),
        },
        ..knowing(&world, "wabridge")
    };
    world.invite(A, outgoing);
    let invite = world.read_request();
    assert_eq!(uses(&invite), ("n1".into(), 2));
    world.respond(A, &invite, 422, "c", |response| {
        response.headers.push(Name::MinSe, minimum);
    });
    assert_eq!(world.read_request().method, Method::Ack);
    assert_eq!(uses(&world.read_request()), ("n1".into(), 3));
}
