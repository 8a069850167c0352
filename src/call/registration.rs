//! Registering with a PBX that wants it (RFC 3261 §10.2): once, again well before it expires, and with growing pauses
//! while it is refused.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::call::trunk::PeerId;
use crate::config::Config;
use crate::sip::endpoint::{Failure, RequestId};
use crate::sip::message::Response;

const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(300);
/// No registrar makes us come back sooner,
const SHORTEST: Duration = Duration::from_secs(10);
/// or later.
const LONGEST: Duration = Duration::from_secs(86_400);

#[derive(Default)]
pub struct Registrations(BTreeMap<PeerId, Registration>);

struct Registration {
    name: String,
    /// What we ask for; a registrar may raise it with 423.
    expires: Duration,
    /// Until the next attempt after a failure.
    pause: Duration,
    state: State,
}

enum State {
    Due { at: Instant },
    Asked { request: RequestId },
}

impl Registrations {
    pub fn new(now: Instant, config: &Config) -> Self {
        let mut registrations = Self::default();
        registrations.reconfigure(now, config);
        registrations
    }

    pub fn reconfigure(&mut self, now: Instant, config: &Config) {
        let mut known = std::mem::take(&mut self.0);
        for (id, _, peer) in PeerId::all(config) {
            let Some(register) = &peer.register else {
                continue;
            };
            let registration = match known.remove(&id) {
                Some(registration) if registration.name == peer.name => registration,
                Some(_) | None => Registration::new(now, peer.name.clone(), register.expires),
            };
            self.0.insert(id, registration);
        }
    }

    /// The peers to register with now, and for how long; `asked` tells that it was done.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<(PeerId, Duration)> {
        let mut due = Vec::new();
        for (id, registration) in &mut self.0 {
            match registration.state {
                State::Due { at } if at <= now => {
                    let at = now + registration.pause;
                    registration.state = State::Due { at };
                    due.push((id.clone(), registration.expires));
                }
                State::Due { .. } | State::Asked { .. } => {}
            }
        }
        due
    }

    pub fn asked(&mut self, id: &PeerId, request: RequestId) {
        if let Some(registration) = self.0.get_mut(id) {
            registration.state = State::Asked { request };
        }
    }

    pub fn handle_outcome(
        &mut self,
        now: Instant,
        id: &PeerId,
        request: RequestId,
        outcome: &Result<Box<Response>, Failure>,
    ) {
        if let Some(registration) = self.0.get_mut(id) {
            match registration.state {
                State::Asked { request: asked } if asked == request => {
                    registration.answered(now, outcome);
                }
                State::Asked { .. } | State::Due { .. } => {}
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.0.values().filter_map(Registration::deadline).min()
    }
}

impl Registration {
    fn new(now: Instant, name: String, expires: Duration) -> Self {
        Self {
            name,
            expires,
            pause: FIRST_RETRY,
            state: State::Due { at: now },
        }
    }

    fn answered(&mut self, now: Instant, outcome: &Result<Box<Response>, Failure>) {
        match outcome {
            Ok(response) => self.registered(now, granted(response).unwrap_or(self.expires)),
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
            State::Asked { .. } => None,
        }
    }
}

/// From our Contact's `expires`, or the Expires header (RFC 3261 §10.2.4).
fn granted(response: &Response) -> Option<Duration> {
    let contact = response.headers.contact().ok().flatten();
    let of_contact = contact.and_then(|contact| contact.params.get("expires")?.parse().ok());
    of_contact
        .or_else(|| response.headers.get_loose("expires")?.trim().parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds).min(LONGEST))
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
