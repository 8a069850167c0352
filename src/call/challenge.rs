//! Proof of who sent a request: our challenge, the check of its answer, and when patience ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::info;

use crate::config::{
    Challenge, Config, DigestAlgorithm, DigestUsername, Number, SipHabits, TrunkPeer,
};
use crate::entropy::Entropy;
use crate::sip::digest::{Algorithm, Credentials, Gate, Guard, GuardConfig, Username, Verdict};
use crate::sip::endpoint::Reply;
use crate::sip::message::Request;

/// Wrong answers in one dialog attempt (the Call-ID stays the same) before 403.
const MAX_WRONG: u32 = 3;
/// Attempts that are remembered, and for how long.
const MAX_ATTEMPTS: usize = 4096;
const ATTEMPT_LIFETIME: Duration = Duration::from_secs(60);

/// A guard for each way to ask that profiles want: 401 or 407, MD5 or SHA-256.
pub struct Challenger {
    realm: String,
    guards: Vec<Guard>,
    wrong: BTreeMap<String, Wrong>,
    entropy: Entropy,
}

#[derive(Clone, Copy)]
struct Wrong {
    answers: u32,
    since: Instant,
}

pub enum Proof {
    Given,
    /// Challenge, with this reply.
    Wanted(Reply),
    /// Too many wrong answers.
    Denied,
}

impl Challenger {
    pub fn new(config: &Config, entropy: Entropy) -> Self {
        Self {
            realm: config.whatsapp.realm.clone(),
            guards: Vec::new(),
            wrong: BTreeMap::new(),
            entropy,
        }
    }

    /// Nonces live on unless the realm is another one.
    pub fn reconfigure(&mut self, config: &Config) {
        if self.realm != config.whatsapp.realm {
            *self = Self::new(config, self.entropy.fork());
        }
    }

    /// Whether an INVITE to this number proves that WhatsApp sent it.
    pub fn prove(
        &mut self,
        now: Instant,
        habits: &SipHabits,
        number: &Number,
        invite: &Request,
    ) -> Proof {
        let gate = match habits.challenge {
            Challenge::No => return Proof::Given,
            Challenge::Unauthorized => Gate::UserAgent,
            Challenge::ProxyAuthentication => Gate::Proxy,
        };
        let (credentials, username) = expected(habits.digest_username, number);
        let algorithm = algorithm(habits.challenge_algorithm);
        self.check(now, (gate, algorithm), invite, &credentials, username)
    }

    /// Whether a request proves that a PBX sent it whose credentials are configured; others need not prove anything. How it
    /// is asked is up to its profile; 401 when that asks nobody.
    pub fn prove_peer(
        &mut self,
        now: Instant,
        habits: &SipHabits,
        peer: &TrunkPeer,
        request: &Request,
    ) -> Proof {
        let Some(expected) = &peer.authenticate else {
            return Proof::Given;
        };
        let gate = match habits.challenge {
            Challenge::No | Challenge::Unauthorized => Gate::UserAgent,
            Challenge::ProxyAuthentication => Gate::Proxy,
        };
        let credentials = Credentials {
            username: expected.username.clone(),
            password: expected.password.clone(),
        };
        let algorithm = algorithm(habits.challenge_algorithm);
        self.check(
            now,
            (gate, algorithm),
            request,
            &credentials,
            Username::Exact,
        )
    }

    fn check(
        &mut self,
        now: Instant,
        (gate, algorithm): (Gate, Algorithm),
        request: &Request,
        credentials: &Credentials,
        username: Username,
    ) -> Proof {
        let guard = self.guard(now, gate, algorithm);
        match guard.check(now, request, credentials, username) {
            Verdict::Proven => Proof::Given,
            Verdict::Unproven => Proof::Wanted(asking(guard, now, false)),
            Verdict::Stale => Proof::Wanted(asking(guard, now, true)),
            Verdict::Refused(why) => {
                info!(%why, "wrong credentials");
                let again = asking(guard, now, false);
                match self.count_wrong(now, request) {
                    0..=MAX_WRONG => Proof::Wanted(again),
                    _ => Proof::Denied,
                }
            }
        }
    }

    fn guard(&mut self, now: Instant, gate: Gate, algorithm: Algorithm) -> &mut Guard {
        let fits = |guard: &Guard| guard.gate() == gate && guard.algorithms() == [algorithm];
        let place = self.guards.iter().position(fits).unwrap_or_else(|| {
            let mut config = GuardConfig::new(self.realm.clone(), gate);
            config.algorithms = vec![algorithm];
            let guard = Guard::new(config, now, self.entropy.fork());
            self.guards.push(guard);
            self.guards.len() - 1
        });
        &mut self.guards[place]
    }

    /// How many wrong answers this attempt has had.
    fn count_wrong(&mut self, now: Instant, request: &Request) -> u32 {
        self.wrong
            .retain(|_, wrong| now.saturating_duration_since(wrong.since) < ATTEMPT_LIFETIME);
        if self.wrong.len() >= MAX_ATTEMPTS {
            self.wrong.pop_first();
        }
        let call_id = request.headers.call_id().unwrap_or_default().to_owned();
        let wrong = self.wrong.entry(call_id).or_insert(Wrong {
            answers: 0,
            since: now,
        });
        wrong.answers += 1;
        wrong.answers
    }
}

fn asking(guard: &mut Guard, now: Instant, stale: bool) -> Reply {
    Reply {
        status: guard.gate().status(),
        headers: guard.challenge(now, stale),
        ..Reply::default()
    }
}

fn algorithm(habit: DigestAlgorithm) -> Algorithm {
    match habit {
        DigestAlgorithm::Md5 => Algorithm::Md5,
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
    }
}

/// WhatsApp's user name is the number, in all its samples without `+` (dossier 2.3).
fn expected(habit: DigestUsername, number: &Number) -> (Credentials, Username) {
    let (name, username) = match habit {
        DigestUsername::Digits => (number.number.expose_digits(), Username::Exact),
        DigestUsername::Plus => (number.number.expose(), Username::Exact),
        DigestUsername::Either => (number.number.expose(), Username::PlusOptional),
    };
    let credentials = Credentials {
        username: name.to_owned(),
        password: number.password.clone(),
    };
    (credentials, username)
}
