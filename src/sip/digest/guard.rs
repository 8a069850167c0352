//! Challenging requests and checking their answers. Not here: whose password counts and which status answers a refusal.

use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

use crate::entropy::Entropy;
use crate::sip::digest::authorization::Authorization;
use crate::sip::digest::nonce::{Mint, Stamp};
use crate::sip::digest::replay::Replays;
use crate::sip::digest::{Algorithm, Challenge, Credentials, Gate, Proof};
use crate::sip::message::{Headers, Request};
use crate::sip::uri::Uri;

#[derive(Clone, Debug)]
pub struct GuardConfig {
    /// Without quotes and backslashes.
    pub realm: String,
    pub gate: Gate,
    /// One challenge each, in this order of preference (RFC 8760 §2.3).
    pub algorithms: Vec<Algorithm>,
    pub nonce_lifetime: Duration,
    /// Used nonces whose counts are remembered. Past that the oldest end early.
    pub remembered_nonces: usize,
}

impl GuardConfig {
    /// MD5 alone, which is what WhatsApp is known to answer (dossier 2.6).
    pub fn new(realm: impl Into<String>, gate: Gate) -> Self {
        Self {
            realm: realm.into(),
            gate,
            algorithms: vec![Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            remembered_nonces: 10_000,
        }
    }
}

/// One realm of ours.
pub struct Guard {
    config: GuardConfig,
    opaque: String,
    mint: Mint,
    replays: Replays,
    entropy: Entropy,
}

/// How the peer may write its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Username {
    Exact,
    /// With or without a leading `+` (dossier 2.3).
    PlusOptional,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The request is from who it says.
    Proven,
    /// No answer to a challenge of this realm: to be challenged.
    Unproven,
    /// The right password on a nonce that ended or was used already: to be challenged with `stale`.
    Stale,
    Refused(Refusal),
}

/// What is wrong with an answer. The peer is to be told nothing but its refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("another user name")]
    Username,
    #[error("made for another request URI")]
    Uri,
    #[error("an algorithm that was not offered")]
    Algorithm,
    #[error("wrong password")]
    Response,
}

impl Guard {
    pub fn new(config: GuardConfig, now: Instant, mut entropy: Entropy) -> Self {
        Self {
            opaque: entropy.hex(8),
            mint: Mint::new(now, &mut entropy),
            replays: Replays::new(config.remembered_nonces),
            config,
            entropy,
        }
    }

    pub fn gate(&self) -> Gate {
        self.config.gate
    }

    pub fn algorithms(&self) -> &[Algorithm] {
        &self.config.algorithms
    }

    /// The challenge lines of a response with the status of this guard's gate.
    pub fn challenge(&mut self, now: Instant, stale: bool) -> Headers {
        let nonce = self.mint.make(now, &mut self.entropy);
        let mut headers = Headers::new();
        for algorithm in &self.config.algorithms {
            let challenge = Challenge {
                realm: self.config.realm.clone(),
                nonce: nonce.clone(),
                opaque: Some(self.opaque.clone()),
                algorithm: Some(*algorithm),
                qop_auth: true,
                stale,
            };
            headers.push(self.config.gate.challenge_header(), challenge.to_string());
        }
        headers
    }

    /// Whether the request proves to come from the owner of these credentials. A good answer is used up by this.
    pub fn check(
        &mut self,
        now: Instant,
        request: &Request,
        expected: &Credentials,
        username: Username,
    ) -> Verdict {
        let Some(answer) = self.answer(request) else {
            return Verdict::Unproven;
        };
        if let Err(refusal) = self.verify(&answer, request, expected, username) {
            return Verdict::Refused(refusal);
        }
        match self.mint.recognise(&answer.nonce) {
            Some(stamp) if self.spend(now, stamp, &answer) => Verdict::Proven,
            Some(_) | None => Verdict::Stale,
        }
    }

    /// The first answer for our realm.
    fn answer(&self, request: &Request) -> Option<Authorization> {
        request
            .headers
            .all(&self.config.gate.authorization_header())
            .filter_map(Authorization::parse)
            .find(|answer| answer.realm == self.config.realm)
    }

    fn verify(
        &self,
        answer: &Authorization,
        request: &Request,
        expected: &Credentials,
        username: Username,
    ) -> Result<(), Refusal> {
        let algorithm = self
            .offered(answer.algorithm.as_deref())
            .ok_or(Refusal::Algorithm)?;
        if !username.accepts(&answer.username, &expected.username) {
            return Err(Refusal::Username);
        }
        if !names_target(&answer.uri, &request.uri) {
            return Err(Refusal::Uri);
        }
        let proof = Proof {
            algorithm,
            username: &answer.username,
            realm: &answer.realm,
            password: &expected.password,
            nonce: &answer.nonce,
            method: request.method.as_str(),
            uri: &answer.uri,
            counted: answer
                .counted
                .as_ref()
                .map(|c| (c.nc.as_str(), c.cnonce.as_str())),
        };
        let given = answer.response.to_ascii_lowercase();
        let equal = proof.response().as_bytes().ct_eq(given.as_bytes());
        bool::from(equal).then_some(()).ok_or(Refusal::Response)
    }

    /// Without a name it is MD5 (RFC 7616 §3.4).
    fn offered(&self, token: Option<&str>) -> Option<Algorithm> {
        let algorithm = Algorithm::parse(token.unwrap_or("MD5"))?;
        self.config
            .algorithms
            .contains(&algorithm)
            .then_some(algorithm)
    }

    /// Uses the nonce up by one count. Without counts (RFC 2069) it serves once.
    fn spend(&mut self, now: Instant, stamp: Stamp, answer: &Authorization) -> bool {
        let living_since = self
            .mint
            .elapsed(now)
            .saturating_sub(self.config.nonce_lifetime);
        if stamp.made < living_since {
            return false;
        }
        self.replays.expire(living_since);
        let count = answer
            .counted
            .as_ref()
            .map_or(Some(1), |counted| counted.count());
        count.is_some_and(|count| self.replays.take(stamp, count))
    }
}

impl Username {
    fn accepts(self, given: &str, expected: &str) -> bool {
        match self {
            Self::Exact => given == expected,
            Self::PlusOptional => without_plus(given) == without_plus(expected),
        }
    }
}

fn without_plus(name: &str) -> &str {
    name.strip_prefix('+').unwrap_or(name)
}

/// WhatsApp's digest `uri` lacks the transport parameter of its request URI, and may lack user parameters: only user
/// and host are compared (dossier 2.6).
fn names_target(digest_uri: &str, target: &Uri) -> bool {
    Uri::parse(digest_uri).is_ok_and(|uri| uri.is_same_user_and_host(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::digest::Responder;
    use crate::sip::message::{Method, Name, Response};

    const NUMBER: &str = "17015550100";

    struct Scene {
        guard: Guard,
        responder: Responder,
        entropy: Entropy,
        now: Instant,
    }

    fn credentials(password: &str) -> Credentials {
        Credentials {
            username: NUMBER.into(),
            password: password.into(),
        }
    }

    fn scene(configure: impl FnOnce(&mut GuardConfig)) -> Scene {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut config = GuardConfig::new("sip.example.com", Gate::Proxy);
        configure(&mut config);
        let now = Instant::now();
        Scene {
            guard: Guard::new(config, now, entropy.fork()),
            responder: Responder::new(credentials("right")),
            entropy,
            now,
        }
    }

    fn invite(uri: &str) -> Request {
        Request::new(Method::Invite, Uri::parse(uri).unwrap())
    }

    impl Scene {
        fn check(&mut self, request: &Request) -> Verdict {
            self.guard.check(
                self.now,
                request,
                &credentials("right"),
                Username::PlusOptional,
            )
        }

        fn challenge(&mut self, request: &Request, stale: bool) {
            let mut response = Response::reply_to(request, 407, None);
            response
                .headers
                .extend(self.guard.challenge(self.now, stale));
            self.responder
                .handle_challenge(request, &response, &mut self.entropy)
                .unwrap();
        }

        /// A challenged INVITE with its answer.
        fn answered(&mut self) -> Request {
            let mut request = invite("sip:+17015550100@sip.example.com");
            self.challenge(&request, false);
            self.responder.authorize(&mut request);
            request
        }
    }

    #[test]
    fn unproven_then_proven_with_every_algorithm() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
            let mut scene = scene(|config| config.algorithms = vec![algorithm]);
            let mut request = invite("sip:+17015550100@sip.example.com;transport=tls");
            assert_eq!(scene.check(&request), Verdict::Unproven);
            scene.challenge(&request, false);
            scene.responder.authorize(&mut request);
            assert_eq!(scene.check(&request), Verdict::Proven);
        }
    }

    #[test]
    fn a_count_serves_once_and_the_next_one_again() {
        let mut scene = scene(|_| {});
        let mut request = scene.answered();
        assert_eq!(scene.check(&request), Verdict::Proven);
        assert_eq!(scene.check(&request), Verdict::Stale);
        scene.responder.authorize(&mut request);
        assert_eq!(scene.check(&request), Verdict::Proven);
    }

    #[test]
    fn nonces_end() {
        let mut scene = scene(|_| {});
        let mut request = scene.answered();
        scene.now += Duration::from_secs(301);
        assert_eq!(scene.check(&request), Verdict::Stale);
        scene.challenge(&request, true);
        scene.responder.authorize(&mut request);
        assert_eq!(scene.check(&request), Verdict::Proven);
    }

    #[test]
    fn a_nonce_of_before_a_restart_is_stale_not_refused() {
        let mut before = scene(|_| {});
        let request = before.answered();
        let guard = GuardConfig::new("sip.example.com", Gate::Proxy);
        before.guard = Guard::new(guard, before.now, Entropy::from_seed([8; 32]));
        assert_eq!(before.check(&request), Verdict::Stale);
    }

    #[test]
    fn forgotten_nonces_are_not_taken_again() {
        let mut scene = scene(|config| config.remembered_nonces = 2);
        let mut requests = vec![];
        for _ in 0..4 {
            let request = scene.answered();
            assert_eq!(scene.check(&request), Verdict::Proven);
            requests.push(request);
            scene.now += Duration::from_secs(1);
        }
        for request in &requests {
            assert_eq!(scene.check(request), Verdict::Stale);
        }
        scene.now += Duration::from_secs(400);
        let request = scene.answered();
        assert_eq!(scene.check(&request), Verdict::Proven);
        assert_eq!(scene.guard.replays.len(), 1);
    }

    #[test]
    fn the_digest_uri_is_compared_by_user_and_host() {
        for (target, verdict) in [
            (
                "sip:+17015550100@sip.example.com;transport=tls",
                Verdict::Proven,
            ),
            (
                "sip:+17015550100;tgrp=wacall@SIP.example.com:5061",
                Verdict::Proven,
            ),
            (
                "sip:+17015550101@sip.example.com",
                Verdict::Refused(Refusal::Uri),
            ),
            (
                "sip:+17015550100@sip.example.org",
                Verdict::Refused(Refusal::Uri),
            ),
        ] {
            let mut scene = scene(|_| {});
            let mut request = scene.answered();
            request.uri = Uri::parse(target).unwrap();
            assert_eq!(scene.check(&request), verdict, "{target}");
        }
    }

    #[test]
    fn refusals() {
        let mut scene = scene(|_| {});
        scene.responder = Responder::new(credentials("wrong"));
        let wrong = scene.answered();
        assert_eq!(scene.check(&wrong), Verdict::Refused(Refusal::Response));
        let edited = |from: &str, to: &str| {
            let mut request = wrong.clone();
            let value = wrong
                .headers
                .get(&Name::ProxyAuthorization)
                .unwrap()
                .replace(from, to);
            request.headers.set(Name::ProxyAuthorization, value);
            request
        };
        assert_eq!(
            scene.check(&edited("MD5", "SHA-256")),
            Verdict::Refused(Refusal::Algorithm)
        );
        assert_eq!(
            scene.check(&edited(NUMBER, "1")),
            Verdict::Refused(Refusal::Username)
        );
        assert_eq!(
            scene.check(&edited("realm=\"sip.", "realm=\"")),
            Verdict::Unproven
        );
        assert_eq!(
            scene.check(&edited("nc=00000001", "nc=1")),
            Verdict::Unproven
        );
    }

    #[test]
    fn the_method_is_part_of_the_proof() {
        let mut scene = scene(|_| {});
        let mut request = scene.answered();
        request.method = Method::Bye;
        assert_eq!(scene.check(&request), Verdict::Refused(Refusal::Response));
    }

    #[test]
    fn a_plus_before_the_name_is_a_matter_of_the_caller() {
        let mut scene = scene(|_| {});
        scene.responder = Responder::new(Credentials {
            username: format!("+{NUMBER}"),
            password: "right".into(),
        });
        let request = scene.answered();
        let exact = scene
            .guard
            .check(scene.now, &request, &credentials("right"), Username::Exact);
        assert_eq!(exact, Verdict::Refused(Refusal::Username));
        assert_eq!(scene.check(&request), Verdict::Proven);
    }

    #[test]
    fn one_challenge_an_algorithm_in_order() {
        let mut scene = scene(|config| config.algorithms = vec![Algorithm::Sha256, Algorithm::Md5]);
        let headers = scene.guard.challenge(scene.now, true);
        let lines: Vec<Challenge> = headers
            .all(&Name::ProxyAuthenticate)
            .filter_map(Challenge::parse)
            .collect();
        let algorithms: Vec<_> = lines.iter().map(|line| line.algorithm).collect();
        assert_eq!(algorithms, [Some(Algorithm::Sha256), Some(Algorithm::Md5)]);
        assert!(
            lines
                .iter()
                .all(|line| line.stale && line.nonce == lines[0].nonce)
        );
    }
}
