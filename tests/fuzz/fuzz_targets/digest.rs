//! A challenge or an answer to one: both sides meet the same text.

#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use wabridge::entropy::Entropy;
use wabridge::sip::digest::{
    Authorization, Challenge, Credentials, Gate, Guard, GuardConfig, Responder, Username, Verdict,
};
use wabridge::sip::message::{Method, Name, Request, Response};
use wabridge::sip::uri::Uri;

fuzz_target!(|text: &str| {
    if let Some(challenge) = Challenge::parse(text) {
        assert_eq!(Challenge::parse(&challenge.to_string()), Some(challenge));
        answer(text);
    }
    if let Some(answer) = Authorization::parse(text) {
        assert_eq!(Authorization::parse(&answer.to_string()), Some(answer));
        check(text);
    }
});

fn credentials() -> Credentials {
    Credentials {
        username: "17015550100".into(),
        password: "secret".into(),
    }
}

fn options() -> Request {
    let uri = Uri::parse("sip:+17015550100@sip.example.com").expect("a URI");
    Request::new(Method::Options, uri)
}

/// Whatever is challenged with is answered in a way that can be read.
fn answer(challenge: &str) {
    let mut request = options();
    let mut response = Response::reply_to(&request, 401, None);
    response.headers.push(Name::WwwAuthenticate, challenge);
    let mut responder = Responder::new(credentials());
    let mut entropy = Entropy::from_seed([0; 32]);
    if responder
        .handle_challenge(&request, &response, &mut entropy)
        .is_ok()
    {
        responder.authorize(&mut request);
        let answer = request
            .headers
            .get(&Name::Authorization)
            .expect("an answer");
        assert!(Authorization::parse(answer).is_some());
    }
}

/// Nobody guesses an answer.
fn check(answer: &str) {
    let mut request = options();
    request.headers.push(Name::Authorization, answer);
    let config = GuardConfig::new("sip.example.com", Gate::UserAgent);
    let now = Instant::now();
    let mut guard = Guard::new(config, now, Entropy::from_seed([0; 32]));
    let verdict = guard.check(now, &request, &credentials(), Username::PlusOptional);
    assert_ne!(verdict, Verdict::Proven);
}
