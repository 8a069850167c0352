//! Challenges (RFC 3261 §22).

use secrecy::SecretString;

use crate::sip::endpoint::{Credentials, Event, Failure, OutgoingInvite};
use crate::sip::flow::Transport;
use crate::sip::message::{Headers, Method, Name, Request, Response};
use crate::sip::tests::world::{A, RAW, World, uri};

pub fn credentials() -> Option<Credentials> {
    Some(Credentials {
        username: "wabridge".to_owned(),
        password: SecretString::from("secret"),
    })
}

fn challenged(world: &World) -> OutgoingInvite {
    let mut outgoing = world.outgoing(A, RAW);
    outgoing.credentials = credentials();
    outgoing
}

pub fn challenge(nonce: &'static str, stale: bool) -> impl Fn(&mut Response) {
    move |response| {
        let stale = if stale { ",stale=true" } else { "" };
        let value =
            format!("Digest realm=\"pbx\",nonce=\"{nonce}\",algorithm=MD5,qop=\"auth\"{stale}");
        response.headers.push(Name::WwwAuthenticate, value);
    }
}

/// The nonce and its count that a request is authorized with.
pub fn authorization(request: &Request) -> Option<(String, String)> {
    let value = request.headers.get(&Name::Authorization)?;
    let part = |name: &str| {
        let (_, rest) = value.split_once(&format!("{name}="))?;
        let rest = rest.trim_start_matches('"');
        Some(rest[..rest.find(['"', ',', ' ']).unwrap_or(rest.len())].to_owned())
    };
    Some((part("nonce")?, part("nc")?))
}

#[test]
fn the_invite_comes_again_with_an_answer_and_the_dialog_goes_on_with_it() {
    let mut world = World::new(Transport::Udp);
    let outgoing = challenged(&world);
    let a = world.invite(A, outgoing);
    let first = world.read_request();
    assert_eq!(authorization(&first), None);
    world.respond(A, &first, 401, "c", challenge("n1", false));
    assert_eq!(world.read_request().method, Method::Ack);

    let second = world.read_request();
    assert_eq!(
        authorization(&second),
        Some(("n1".into(), "00000001".into()))
    );
    let same = |name: &Name| first.headers.get(name) == second.headers.get(name);
    assert!([Name::From, Name::To, Name::CallId].iter().all(same));
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    let branch = |request: &Request| {
        let via = request.headers.top_via().unwrap();
        via.branch().map(str::to_owned)
    };
    assert_ne!(branch(&first), branch(&second));
    assert_eq!(second.body, first.body);

    world.respond(A, &second, 200, "raw", |_| {});
    world.wait(A, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    });
    let now = world.now;
    world.end(A).acknowledge(now, a, None).unwrap();
    let ack = world.read_request();
    assert_eq!(authorization(&ack), authorization(&second));
    assert_eq!(ack.headers.cseq().unwrap().number, 2);

    world.hang_up(A, a);
    let bye = world.read_request();
    assert_eq!(authorization(&bye), Some(("n1".into(), "00000002".into())));
    world.respond(A, &bye, 401, "raw", challenge("n2", true));
    let again = world.read_request();
    assert_eq!(
        authorization(&again),
        Some(("n2".into(), "00000001".into()))
    );
    assert_eq!(again.headers.cseq().unwrap().number, 4);
    world.respond(A, &again, 200, "raw", |_| {});
    world.run_out();
}

#[test]
fn a_refused_answer_is_not_given_twice() {
    let mut world = World::new(Transport::Udp);
    let outgoing = challenged(&world);
    world.invite(A, outgoing);
    let first = world.read_request();
    world.respond(A, &first, 401, "c", challenge("n1", false));
    world.read_request();
    let second = world.read_request();
    world.respond(A, &second, 401, "c", challenge("n2", false));
    let failure = world.wait(A, |event| match event {
        Event::Failed { failure, .. } => Some(failure.clone()),
        _ => None,
    });
    assert!(matches!(failure, Failure::Rejected(response) if response.status == 401));
    world.run_out();
}

#[test]
fn endless_stale_nonces_come_to_an_end() {
    let mut world = World::new(Transport::Udp);
    let outgoing = challenged(&world);
    world.invite(A, outgoing);
    let mut invites = 0;
    while world.count(A, RAW, "INVITE") > invites || invites == 0 {
        let invite = world.read_request();
        invites += 1;
        world.respond(A, &invite, 401, "c", challenge("n", true));
        assert_eq!(world.read_request().method, Method::Ack);
        world.run(0);
    }
    assert_eq!(invites, 6);
    assert_eq!(world.events(A), ["Failed"]);
}

#[test]
fn without_credentials_the_challenge_is_the_answer() {
    let mut world = World::new(Transport::Udp);
    let outgoing = world.outgoing(A, RAW);
    world.invite(A, outgoing);
    let invite = world.read_request();
    world.respond(A, &invite, 407, "c", |_| {});
    assert_eq!(world.events(A), ["Failed"]);
}

#[test]
fn requests_outside_dialogs_are_answered_too() {
    let mut world = World::new(Transport::Udp);
    let mut register = Request::new(Method::Register, uri(RAW));
    let mut headers = Headers::new();
    headers.push(Name::From, "<sip:me@pbx>");
    headers.push(Name::To, "<sip:me@pbx>");
    register.headers = headers;
    let hop = world.hop(RAW);
    let now = world.now;
    world.end(A).request(now, hop, register, credentials());
    let first = world.read_request();
    world.respond(A, &first, 401, "c", challenge("n1", false));
    let second = world.read_request();
    assert_eq!(
        authorization(&second),
        Some(("n1".into(), "00000001".into()))
    );
    assert_eq!(second.headers.call_id(), first.headers.call_id());
    world.respond(A, &second, 200, "c", |_| {});
    let outcome = world.wait(A, |event| match event {
        Event::Completed { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    assert!(outcome.is_ok());
    world.run_out();
}
