//! Registering with a PBX that wants it (RFC 3261 §10.2): once, again well before it expires, with growing pauses while it
//! is refused; and no longer when we leave.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::call::trunk::PeerId;
use crate::config::{Config, Register};
use crate::entropy::Entropy;
use crate::sip::endpoint::{Failure, RequestId};
use crate::sip::message::{NameAddr, Response};
use crate::sip::uri::Uri;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(300);
/// No registrar makes us come back sooner,
const SHORTEST: Duration = Duration::from_secs(10);
/// or later.
const LONGEST: Duration = Duration::from_secs(86_400);

pub struct Registrations {
    peers: BTreeMap<PeerId, Registration>,
    entropy: Entropy,
}

/// A REGISTER that is to be sent now.
pub struct Due {
    pub peer: PeerId,
    /// Zero: the binding is to be removed (RFC 3261 §10.2.2).
    pub expires: Duration,
    pub call_id: String,
    pub cseq: u32,
}

struct Registration {
    name: String,
    wanted: Register,
    /// What we ask for; a registrar may raise it with 423.
    expires: Duration,
    /// Until the next attempt after a failure.
    pause: Duration,
    dialogue: Dialogue,
    /// Until then the registrar keeps our binding.
    bound_until: Option<Instant>,
    state: State,
}

/// All of our requests to one registrar have one Call-ID and rising CSeq numbers (RFC 3261 §10.2).
struct Dialogue {
    call_id: String,
    next_cseq: u32,
}

enum State {
    Due {
        at: Instant,
    },
    Asked {
        request: RequestId,
        contact: Uri,
    },
    /// We leave; nothing is asked any more.
    Leaving,
}

impl Registrations {
    pub fn new(now: Instant, config: &Config, entropy: Entropy) -> Self {
        let mut registrations = Self {
            peers: BTreeMap::new(),
            entropy,
        };
        registrations.reconfigure(now, config);
        registrations
    }

    pub fn reconfigure(&mut self, now: Instant, config: &Config) {
        let mut known = std::mem::take(&mut self.peers);
        for (id, _, peer) in PeerId::all(config) {
            let Some(wanted) = &peer.register else {
                continue;
            };
            let registration = match known.remove(&id) {
                Some(old) if old.name == peer.name && old.wanted == *wanted => old,
                Some(_) | None => {
                    let dialogue = Dialogue::new(&mut self.entropy);
                    Registration::new(now, peer.name.clone(), wanted.clone(), dialogue)
                }
            };
            self.peers.insert(id, registration);
        }
    }

    /// The REGISTERs to be sent now; `asked` tells that it was done.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for (id, registration) in &mut self.peers {
            match registration.state {
                State::Due { at } if at <= now => {
                    let at = now + registration.pause;
                    registration.state = State::Due { at };
                    due.push(registration.due(id, registration.expires));
                }
                State::Due { .. } | State::Asked { .. } | State::Leaving => {}
            }
        }
        due
    }

    /// `contact` is what the registrar was asked to bind.
    pub fn asked(&mut self, id: &PeerId, request: RequestId, contact: Uri) {
        if let Some(registration) = self.peers.get_mut(id) {
            registration.state = State::Asked { request, contact };
        }
    }

    pub fn handle_outcome(
        &mut self,
        now: Instant,
        id: &PeerId,
        request: RequestId,
        outcome: &Result<Box<Response>, Failure>,
    ) {
        let Some(registration) = self.peers.get_mut(id) else {
            return;
        };
        match &registration.state {
            State::Asked {
                request: asked,
                contact,
            } if *asked == request => {
                let contact = contact.clone();
                registration.dialogue.follow(outcome, &mut self.entropy);
                registration.answered(now, outcome, &contact);
            }
            State::Asked { .. } | State::Due { .. } | State::Leaving => {}
        }
    }

    /// The REGISTERs that take back what registrars keep of us. From now on nothing else is asked.
    pub fn sign_off(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for (id, registration) in &mut self.peers {
            let is_bound = registration.bound_until.is_some_and(|until| now < until);
            match std::mem::replace(&mut registration.state, State::Leaving) {
                State::Due { .. } if is_bound => due.push(registration.due(id, Duration::ZERO)),
                // One request at a time (RFC 3261 §10.2): the binding runs out by itself.
                State::Asked { .. } | State::Due { .. } | State::Leaving => {}
            }
        }
        due
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.peers.values().filter_map(Registration::deadline).min()
    }
}

impl Registration {
    fn new(now: Instant, name: String, wanted: Register, dialogue: Dialogue) -> Self {
        Self {
            name,
            expires: wanted.expires,
            wanted,
            pause: FIRST_RETRY,
            dialogue,
            bound_until: None,
            state: State::Due { at: now },
        }
    }

    fn due(&self, peer: &PeerId, expires: Duration) -> Due {
        Due {
            peer: peer.clone(),
            expires,
            call_id: self.dialogue.call_id.clone(),
            cseq: self.dialogue.next_cseq,
        }
    }

    fn answered(&mut self, now: Instant, outcome: &Result<Box<Response>, Failure>, contact: &Uri) {
        match outcome {
            Ok(response) => {
                let granted = granted(response, contact);
                self.registered(now, granted.unwrap_or(self.expires));
            }
            Err(Failure::Rejected(response)) if response.status == 423 => {
                self.expires = min_expires(response).unwrap_or(self.expires * 2);
                self.retry(now, "423 Interval Too Brief");
            }
            Err(Failure::Rejected(response)) => {
                let status = response.status.to_string();
                self.retry(now, &status);
            }
            Err(Failure::Timeout) => self.retry(now, "no response"),
            Err(Failure::Transport(error)) => self.retry(now, &error.to_string()),
            Err(Failure::Cancelled) => self.retry(now, "cancelled"),
        }
    }

    /// Refreshed at nine tenths of what was granted.
    fn registered(&mut self, now: Instant, granted: Duration) {
        info!(peer = %self.name, expires_s = granted.as_secs(), "registered");
        self.pause = FIRST_RETRY;
        self.bound_until = Some(now + granted);
        self.state = State::Due {
            at: now + (granted * 9 / 10).max(SHORTEST),
        };
    }

    fn retry(&mut self, now: Instant, why: &str) {
        warn!(peer = %self.name, why, again_in_s = self.pause.as_secs(), "not registered");
        self.state = State::Due {
            at: now + self.pause,
        };
        self.pause = (self.pause * 2).min(LAST_RETRY);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Due { at } => Some(at),
            State::Asked { .. } | State::Leaving => None,
        }
    }
}

impl Dialogue {
    fn new(entropy: &mut Entropy) -> Self {
        Self {
            call_id: entropy.hex(16),
            next_cseq: 1,
        }
    }

    /// An answered challenge has used up numbers too. Where no response says how many, a new row begins: a registrar takes
    /// any number of another Call-ID.
    fn follow(&mut self, outcome: &Result<Box<Response>, Failure>, entropy: &mut Entropy) {
        let used = match outcome {
            Ok(response) | Err(Failure::Rejected(response)) => response.headers.cseq().ok(),
            Err(Failure::Timeout | Failure::Transport(_) | Failure::Cancelled) => None,
        };
        match used.and_then(|cseq| cseq.number.checked_add(1)) {
            Some(next) => self.next_cseq = next,
            None => *self = Self::new(entropy),
        }
    }
}

/// How long we are bound. A 200 lists every binding of the user (RFC 3261 §10.3), ours by user, host and port. A registrar
/// that writes down where we came from instead has none that is ours: then the first to expire counts.
fn granted(response: &Response, own: &Uri) -> Option<Duration> {
    let contacts = response.headers.contacts().unwrap_or_default();
    let expires = |contact: &NameAddr| contact.params.get("expires")?.parse::<u64>().ok();
    let is_ours = |contact: &&NameAddr| {
        contact.uri.is_same_user_and_host(own) && contact.uri.port == own.port
    };
    let of_ours = contacts.iter().find(is_ours).map(expires);
    of_ours
        .unwrap_or_else(|| contacts.iter().filter_map(expires).min())
        .or_else(|| response.headers.get_loose("expires")?.trim().parse().ok())
        .map(|seconds| Duration::from_secs(seconds).min(LONGEST))
}

fn min_expires(response: &Response) -> Option<Duration> {
    let seconds: u64 = response
        .headers
        .get_loose("min-expires")?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}
