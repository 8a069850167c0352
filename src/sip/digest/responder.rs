//! Answering challenges. Nonces are used again for later requests with a rising count, until the peer wants a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::entropy::Entropy;
use crate::sip::digest::authorization::{Authorization, Counted};
use crate::sip::digest::{Algorithm, Challenge, Credentials, Gate, Proof};
use crate::sip::message::{Name, Request, Response};

/// More realms than this on the way to one peer are not answered.
const MAX_REALMS: usize = 4;

/// Name and password toward one peer, and the challenges it has made.
pub struct Responder {
    credentials: Credentials,
    sessions: Vec<Session>,
}

/// One realm's current challenge.
#[derive(Clone)]
pub(super) struct Session {
    gate: Gate,
    challenge: Challenge,
    cnonce: String,
    /// How often its nonce was used, by all who answer with it: a count never comes twice.
    uses: Arc<AtomicU32>,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unanswerable {
    #[error("no challenge in the response that can be answered")]
    Unsupported,
    #[error("the peer refused the name or password")]
    WrongPassword,
    #[error("challenges from too many realms")]
    TooManyRealms,
}

impl Responder {
    pub fn new(credentials: Credentials) -> Self {
        Self::with_sessions(credentials, vec![])
    }

    /// Answers before it is asked.
    pub(super) fn with_sessions(credentials: Credentials, sessions: Vec<Session>) -> Self {
        Self {
            credentials,
            sessions,
        }
    }

    /// Those whose answers can be told apart.
    pub(super) fn countable_sessions(&self) -> Vec<Session> {
        let counted = |session: &&Session| session.challenge.qop_auth;
        self.sessions.iter().filter(counted).cloned().collect()
    }

    /// Takes in a 401 or 407 to `request`, which then is to be sent again through `authorize`, with a new CSeq and branch.
    /// Of several challenges of a realm the first that is supported counts (RFC 8760 §2.3).
    pub fn handle_challenge(
        &mut self,
        request: &Request,
        response: &Response,
        entropy: &mut Entropy,
    ) -> Result<(), Unanswerable> {
        let gate = Gate::of_status(response.status).ok_or(Unanswerable::Unsupported)?;
        let challenges = first_of_each_realm(gate, response);
        if challenges.is_empty() {
            return Err(Unanswerable::Unsupported);
        }
        if challenges
            .iter()
            .any(|challenge| self.was_refused(gate, challenge, request))
        {
            return Err(Unanswerable::WrongPassword);
        }
        for challenge in challenges {
            self.start(gate, challenge, entropy)?;
        }
        Ok(())
    }

    /// Puts an answer to every known challenge on a request, in place of those it carries. Nothing without a challenge.
    /// An ACK to a 2xx repeats what its INVITE carried instead (RFC 3261 §22.1); CANCEL carries none.
    pub fn authorize(&mut self, request: &mut Request) {
        for gate in [Gate::UserAgent, Gate::Proxy] {
            request.headers.remove(&gate.authorization_header());
        }
        for session in &mut self.sessions {
            let answer = session.answer(&self.credentials, request);
            request
                .headers
                .push(session.gate.authorization_header(), answer.to_string());
        }
    }

    /// A fresh answer was refused, without the nonce being the reason. A nonce in its second use may simply have ended.
    fn was_refused(&self, gate: Gate, challenge: &Challenge, request: &Request) -> bool {
        let Some(session) = self.session(gate, &challenge.realm) else {
            return false;
        };
        let name = session.gate.authorization_header();
        let used = |answer: Authorization| {
            answer.nonce == session.challenge.nonce && answer.is_first_use()
        };
        !challenge.stale && answers(request, &name).any(used)
    }

    fn start(
        &mut self,
        gate: Gate,
        challenge: Challenge,
        entropy: &mut Entropy,
    ) -> Result<(), Unanswerable> {
        self.sessions
            .retain(|session| !session.is_of(gate, &challenge.realm));
        if self.sessions.len() == MAX_REALMS {
            return Err(Unanswerable::TooManyRealms);
        }
        self.sessions.push(Session {
            gate,
            challenge,
            cnonce: entropy.hex(16),
            uses: Arc::default(),
        });
        Ok(())
    }

    fn session(&self, gate: Gate, realm: &str) -> Option<&Session> {
        self.sessions
            .iter()
            .find(|session| session.is_of(gate, realm))
    }
}

impl Session {
    fn is_of(&self, gate: Gate, realm: &str) -> bool {
        self.gate == gate && self.challenge.realm == realm
    }

    fn answer(&mut self, credentials: &Credentials, request: &Request) -> Authorization {
        let uses = self.uses.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let challenge = &self.challenge;
        let counted = challenge.qop_auth.then(|| Counted {
            nc: format!("{uses:08x}"),
            cnonce: self.cnonce.clone(),
        });
        let proof = Proof {
            algorithm: challenge.algorithm.unwrap_or(Algorithm::Md5),
            username: &credentials.username,
            realm: &challenge.realm,
            password: &credentials.password,
            nonce: &challenge.nonce,
            method: request.method.as_str(),
            uri: request.uri.as_str(),
            counted: counted.as_ref().map(|c| (c.nc.as_str(), c.cnonce.as_str())),
        };
        Authorization {
            response: proof.response().to_string(),
            username: credentials.username.clone(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: request.uri.as_str().to_owned(),
            algorithm: challenge
                .algorithm
                .map(|algorithm| algorithm.token().to_owned()),
            opaque: challenge.opaque.clone(),
            counted,
        }
    }
}

impl Authorization {
    fn is_first_use(&self) -> bool {
        self.counted
            .as_ref()
            .is_none_or(|counted| counted.count() == Some(1))
    }
}

fn first_of_each_realm(gate: Gate, response: &Response) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = vec![];
    for value in response.headers.all(&gate.challenge_header()) {
        if let Some(new) = Challenge::parse(value)
            && !challenges.iter().any(|known| known.realm == new.realm)
        {
            challenges.push(new);
        }
    }
    challenges
}

fn answers<'a>(request: &'a Request, name: &'a Name) -> impl Iterator<Item = Authorization> + 'a {
    request.headers.all(name).filter_map(Authorization::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Method;
    use crate::sip::uri::Uri;

    fn responder() -> Responder {
        Responder::new(Credentials {
            username: "17125550259".into(),
            password: "secret".into(),
        })
    }

    fn invite() -> Request {
        Request::new(
            Method::Invite,
            Uri::parse("sip:+12195550714@wa.meta.vc;transport=tls").unwrap(),
        )
    }

    fn challenged(status: u16, challenges: &[&str]) -> Response {
        let mut response = Response::reply_to(&invite(), status, None);
        for challenge in challenges {
            response.headers.push(
                Gate::of_status(status).unwrap().challenge_header(),
                *challenge,
            );
        }
        response
    }

    fn answer(request: &Request) -> Authorization {
        answers(request, &Name::ProxyAuthorization).next().unwrap()
    }

    const FIRST: &str =
        "Digest realm=\"wa.meta.vc\",nonce=\"n1\",opaque=\"o1\",algorithm=MD5,qop=\"auth\"";
    const SECOND: &str = "Digest realm=\"wa.meta.vc\",nonce=\"n2\",qop=\"auth\"";

    fn take(
        responder: &mut Responder,
        request: &Request,
        challenges: &[&str],
    ) -> Result<(), Unanswerable> {
        let mut entropy = Entropy::from_seed([1; 32]);
        responder.handle_challenge(request, &challenged(407, challenges), &mut entropy)
    }

    #[test]
    fn the_answer_names_the_request_uri_and_echoes_opaque() {
        let (mut responder, mut request) = (responder(), invite());
        responder.authorize(&mut request);
        assert!(request.headers.is_empty());
        take(&mut responder, &request, &[FIRST]).unwrap();
        responder.authorize(&mut request);
        let answer = answer(&request);
        assert_eq!(answer.uri, "sip:+12195550714@wa.meta.vc;transport=tls");
        assert_eq!(answer.opaque.as_deref(), Some("o1"));
        assert_eq!(answer.algorithm.as_deref(), Some("MD5"));
        assert_eq!(answer.counted.unwrap().nc, "00000001");
    }

    #[test]
    fn a_nonce_is_used_again_with_a_rising_count() {
        let (mut responder, mut request) = (responder(), invite());
        take(&mut responder, &request, &[FIRST]).unwrap();
        for nc in ["00000001", "00000002", "00000003"] {
            responder.authorize(&mut request);
            assert_eq!(request.headers.len(), 1);
            assert_eq!(answer(&request).counted.unwrap().nc, nc);
        }
        take(&mut responder, &request, &[SECOND]).unwrap();
        responder.authorize(&mut request);
        let answer = answer(&request);
        assert_eq!((answer.nonce.as_str(), answer.algorithm), ("n2", None));
    }

    #[test]
    fn a_refused_answer_is_not_tried_again_but_a_stale_nonce_is() {
        let (mut responder, mut request) = (responder(), invite());
        take(&mut responder, &request, &[FIRST]).unwrap();
        responder.authorize(&mut request);
        assert_eq!(
            take(&mut responder, &request, &[SECOND]),
            Err(Unanswerable::WrongPassword)
        );
        let stale = format!("{SECOND},stale=true");
        assert_eq!(take(&mut responder, &request, &[&stale]), Ok(()));
        let earlier = invite();
        assert_eq!(take(&mut responder, &earlier, &[FIRST]), Ok(()));
    }

    #[test]
    fn the_first_supported_challenge_counts() {
        let (mut responder, mut request) = (responder(), invite());
        let sha = "Digest realm=\"wa.meta.vc\",nonce=\"s\",algorithm=SHA-256,qop=\"auth\"";
        let unknown = "Digest realm=\"wa.meta.vc\",nonce=\"u\",algorithm=SHA-1,qop=\"auth\"";
        let other = "Digest realm=\"proxy\",nonce=\"p\"";
        take(&mut responder, &request, &[unknown, sha, FIRST, other]).unwrap();
        responder.authorize(&mut request);
        let sent: Vec<Authorization> = answers(&request, &Name::ProxyAuthorization).collect();
        assert_eq!((sent[0].nonce.as_str(), sent[0].response.len()), ("s", 64));
        assert_eq!(
            (sent[1].realm.as_str(), sent[1].counted.is_none()),
            ("proxy", true)
        );
    }

    #[test]
    fn what_cannot_be_answered() {
        let (mut responder, request) = (responder(), invite());
        assert_eq!(
            take(&mut responder, &request, &["Basic realm=\"x\""]),
            Err(Unanswerable::Unsupported)
        );
        let realms: Vec<String> = (0..5)
            .map(|n| format!("Digest realm=\"{n}\",nonce=\"x\""))
            .collect();
        let realms: Vec<&str> = realms.iter().map(String::as_str).collect();
        assert_eq!(
            take(&mut responder, &request, &realms),
            Err(Unanswerable::TooManyRealms)
        );
    }

    #[test]
    fn a_user_agent_is_answered_in_authorization() {
        let (mut responder, mut request) = (responder(), invite());
        let response = challenged(401, &[FIRST]);
        let mut entropy = Entropy::from_seed([1; 32]);
        responder
            .handle_challenge(&request, &response, &mut entropy)
            .unwrap();
        responder.authorize(&mut request);
        assert_eq!(request.headers.count(&Name::Authorization), 1);
        assert_eq!(request.headers.count(&Name::ProxyAuthorization), 0);
    }
}
