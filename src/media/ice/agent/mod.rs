//! The agent of one component.

mod answers;
mod checks;
mod messages;
mod requests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::consent::Consent;
use super::pair::{HOST_PRIORITY, Pair, Progress, Request};
use super::stun::{Class, Message};
use super::{Counts, Event};
use crate::entropy::Entropy;
use crate::sdp::{Candidate, IceMode, IceRole, IceTerms};

use messages::Job;

/// From `start` on, until nothing is hoped for any more.
const SETUP_LIMIT: Duration = Duration::from_secs(30);
/// Between the first checks of two pairs (RFC 8445 §14.2: at least 5 ms).
const PACE: Duration = Duration::from_millis(5);
/// Pairs at most, those that authentic checks add included. WhatsApp gives two candidates, a browser about ten.
const MAX_PAIRS: usize = 24;
/// Of these, those that the description names, the best ones: a peer behind NAT has none of them, and needs room.
const MAX_DESCRIBED: usize = 16;
/// Messages that wait for `poll_transmit`; further ones are dropped, as a network might.
const MAX_JOBS: usize = 2 * MAX_PAIRS;
/// A nominated pair on which the peer was not heard for so long gives way to a worse one.
const STALE_AFTER: Duration = Duration::from_secs(6);

pub struct Agent {
    terms: IceTerms,
    /// At first that of the terms.
    role: IceRole,
    tie_breaker: u64,
    pairs: Vec<Pair>,
    state: State,
    jobs: VecDeque<Job>,
    events: VecDeque<Event>,
    counts: Counts,
    entropy: Entropy,
}

enum State {
    /// The peer's checks are answered, and none of ours leave.
    Idle {
        nominated: Option<SocketAddr>,
    },
    /// `nominated`: by the peer, and not yet proven.
    Checking {
        until: Instant,
        nominated: Option<SocketAddr>,
    },
    /// The pair is chosen, and the peer is being told.
    Nominating {
        until: Instant,
        remote: SocketAddr,
        request: Request,
    },
    /// `consent`: not of a lite agent, which asks nothing.
    Connected {
        remote: SocketAddr,
        nominated: Option<SocketAddr>,
        consent: Option<Consent>,
    },
    Failed,
}

impl Agent {
    /// Answers the peer from now on.
    pub fn new(now: Instant, terms: IceTerms, mut entropy: Entropy) -> Self {
        let mut agent = Self {
            role: terms.role,
            tie_breaker: entropy.u64(),
            pairs: Vec::with_capacity(MAX_PAIRS),
            state: State::Idle { nominated: None },
            jobs: VecDeque::with_capacity(MAX_JOBS),
            events: VecDeque::with_capacity(4),
            counts: Counts::default(),
            entropy,
            terms,
        };
        agent.pair_candidates(now);
        agent
    }

    /// From now on the peer is looked for.
    pub fn start(&mut self, now: Instant) {
        let State::Idle { nominated } = self.state else {
            return;
        };
        self.pace(now);
        self.state = State::Checking {
            until: now + SETUP_LIMIT,
            nominated,
        };
        match (self.terms.ours.mode, self.terms.theirs.mode) {
            (IceMode::Lite, IceMode::Lite) => self.select_described(now),
            (IceMode::Lite, IceMode::Full) => self.select_nominated(now),
            (IceMode::Full, IceMode::Full | IceMode::Lite) => {}
        }
        self.run(now);
    }

    /// The peer's description was changed within the session: its candidates may be more (RFC 8839 §4.4.1.2). Those that are
    /// gone stay, since what was proven is proven.
    pub fn learn(&mut self, now: Instant, candidates: Vec<Candidate>) {
        self.terms.theirs.candidates = candidates;
        self.pair_candidates(now);
        let modes = (self.terms.ours.mode, self.terms.theirs.mode);
        if matches!(self.state, State::Checking { .. }) && modes == (IceMode::Lite, IceMode::Lite) {
            self.select_described(now);
        }
        self.run(now);
    }

    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Ok(message) = Message::parse(datagram) else {
            self.counts.rejected += 1;
            return;
        };
        let accepted = match message.class {
            Class::Request => self.handle_request(now, from, &message),
            Class::Success => self.handle_success(now, from, &message),
            Class::Error => self.handle_error(now, from, &message),
            Class::Indication => self.is_peer(from).then_some(()),
        };
        if accepted.is_none() {
            self.counts.rejected += 1;
        }
        self.run(now);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.run(now);
    }

    /// Writes the next message into `buffer`, which has room for `stun::MAX_LEN` bytes, and says where it goes and how
    /// long it is.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let job = self.jobs.pop_front()?;
        self.write(job, buffer)
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { .. } | State::Failed => None,
            State::Checking { until, .. } => {
                let checks = self.pairs.iter().filter_map(Pair::deadline);
                let checks = checks.filter(|_| self.terms.ours.mode == IceMode::Full);
                checks.chain([*until]).min()
            }
            State::Nominating { until, request, .. } => Some(request.due().min(*until)),
            State::Connected {
                nominated, consent, ..
            } => {
                let moving = nominated.and_then(|remote| self.find(remote)?.deadline());
                let renewal = consent.as_ref().map(Consent::deadline);
                [moving, renewal].into_iter().flatten().min()
            }
        }
    }

    /// Where to send.
    pub fn selected(&self) -> Option<SocketAddr> {
        match self.state {
            State::Nominating { remote, .. } | State::Connected { remote, .. } => Some(remote),
            State::Idle { .. } | State::Checking { .. } | State::Failed => None,
        }
    }

    /// Whether the peer is known to be at this address: a check proved it, and consent is not lost.
    pub fn is_peer(&self, from: SocketAddr) -> bool {
        match self.state {
            State::Failed => false,
            State::Idle { .. }
            | State::Checking { .. }
            | State::Nominating { .. }
            | State::Connected { .. } => {
                self.selected() == Some(from) || self.find(from).is_some_and(Pair::is_valid)
            }
        }
    }

    /// Whether an authentic check came from there.
    pub fn has_heard(&self, from: SocketAddr) -> bool {
        self.find(from).is_some_and(|pair| pair.heard.is_some())
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    #[cfg(test)]
    pub fn role(&self) -> IceRole {
        self.role
    }

    #[cfg(test)]
    pub fn set_tie_breaker(&mut self, number: u64) {
        self.tie_breaker = number;
    }

    /// Where the peer was heard it is asked at once (RFC 8445 §6.1.4.2), elsewhere one after the other.
    fn pace(&mut self, now: Instant) {
        let mut turn = now;
        for pair in &mut self.pairs {
            match (&mut pair.progress, pair.heard) {
                (Progress::Waiting { due }, Some(_)) => *due = now,
                (Progress::Waiting { due }, None) => {
                    *due = turn;
                    turn += PACE;
                }
                (Progress::Checking(_) | Progress::Valid, _) => {}
            }
        }
    }

    fn pair_candidates(&mut self, now: Instant) {
        let mut candidates = std::mem::take(&mut self.terms.theirs.candidates);
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.priority));
        for candidate in candidates {
            let address = candidate.address;
            let has_room = self.pairs.len() < MAX_DESCRIBED;
            if has_room && self.reaches(address) && self.find(address).is_none() {
                self.add_pair(now, address, candidate.priority);
            }
        }
        let role = self.role;
        self.pairs
            .sort_by_key(|pair| std::cmp::Reverse(pair.priority(role)));
        self.pace(now);
    }

    fn add_pair(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        remote_priority: u32,
    ) -> Option<&mut Pair> {
        if self.pairs.len() == MAX_PAIRS {
            self.make_room(now);
        }
        if self.pairs.len() == MAX_PAIRS {
            return None;
        }
        let local_priority = self.local_priority(remote);
        self.pairs.push(Pair {
            remote,
            local_priority,
            remote_priority,
            progress: Progress::Waiting { due: now },
            heard: None,
        });
        self.pairs.last_mut()
    }

    /// Addresses of one family make a pair (RFC 8445 §6.1.2.2).
    fn reaches(&self, remote: SocketAddr) -> bool {
        self.terms.ours.candidates.is_empty() || self.local(remote).is_some()
    }

    /// Our candidate in a pair with that address.
    fn local(&self, remote: SocketAddr) -> Option<&Candidate> {
        let mut ours = self.terms.ours.candidates.iter();
        ours.find(|ours| ours.address.is_ipv4() == remote.is_ipv4())
    }

    fn local_priority(&self, remote: SocketAddr) -> u32 {
        let local = self.local(remote);
        local.map_or(HOST_PRIORITY, |ours| ours.priority)
    }

    fn find(&self, remote: SocketAddr) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.remote == remote)
    }
}
