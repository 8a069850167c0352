//! Answers to our checks (RFC 8445 §7.2.5), and what they prove.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Agent, State};
use crate::media::ice::consent::Consent;
use crate::media::ice::pair::{Pair, Progress, Request};
use crate::media::ice::stun::{Message, TransactionId};
use crate::media::ice::{Event, Failure};
use crate::sdp::{IceMode, IceRole};

/// What an answer may be to.
enum Asked {
    Pair(usize),
    Nomination,
    Consent,
}

impl Agent {
    pub(super) fn handle_success(
        &mut self,
        now: Instant,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> Option<()> {
        if !message.is_authentic(&self.terms.theirs.credentials.pwd) {
            return None;
        }
        // Of a request that was repeated, the second answer comes to nothing.
        let Some(asked) = self.find_asked(message.transaction) else {
            return Some(());
        };
        if !self.asked_at(&asked, from) {
            return None;
        }
        self.counts.checks_answered += 1;
        match asked {
            Asked::Pair(at) => {
                self.pairs.get_mut(at)?.progress = Progress::Valid;
                self.handle_valid(now, from);
            }
            Asked::Nomination => self.connect(now, from),
            Asked::Consent => {
                if let State::Connected {
                    consent: Some(consent),
                    ..
                } = &mut self.state
                {
                    consent.renew(now, message.transaction);
                }
            }
        }
        Some(())
    }

    /// Only a role conflict says something (RFC 8445 §7.2.5.1). Whatever else a peer refuses, it may not refuse once it knows us.
    pub(super) fn handle_error(
        &mut self,
        now: Instant,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> Option<()> {
        if !message.is_authentic(&self.terms.theirs.credentials.pwd) {
            return None;
        }
        let Some(asked) = self.find_asked(message.transaction) else {
            return Some(());
        };
        if !self.asked_at(&asked, from) {
            return None;
        }
        let asked_as = match (asked, &self.state) {
            (Asked::Pair(at), _) => match &self.pairs.get(at)?.progress {
                Progress::Checking(request) => Some(request.role),
                Progress::Waiting { .. } | Progress::Valid => None,
            },
            (Asked::Nomination, State::Nominating { request, .. }) => Some(request.role),
            (Asked::Nomination | Asked::Consent, _) => None,
        };
        let both_full =
            (self.terms.ours.mode, self.terms.theirs.mode) == (IceMode::Full, IceMode::Full);
        if message.error == Some(487) && both_full && asked_as == Some(self.role) {
            // Had both the same number, they would be of one mind for ever.
            self.tie_breaker = self.entropy.u64();
            self.switch_role(now);
        }
        Some(())
    }

    fn find_asked(&self, transaction: TransactionId) -> Option<Asked> {
        let of_pair = |pair: &Pair| match &pair.progress {
            Progress::Checking(request) => request.transaction == transaction,
            Progress::Waiting { .. } | Progress::Valid => false,
        };
        if let Some(at) = self.pairs.iter().position(of_pair) {
            return Some(Asked::Pair(at));
        }
        match &self.state {
            State::Nominating { request, .. } if request.transaction == transaction => {
                Some(Asked::Nomination)
            }
            State::Connected {
                consent: Some(consent),
                ..
            } if consent.asked(transaction) => Some(Asked::Consent),
            State::Idle { .. }
            | State::Checking { .. }
            | State::Nominating { .. }
            | State::Connected { .. }
            | State::Failed => None,
        }
    }

    /// An answer has to come from where the question went (RFC 8445 §7.2.5.2.1).
    fn asked_at(&self, asked: &Asked, from: SocketAddr) -> bool {
        match asked {
            Asked::Pair(at) => self.pairs.get(*at).is_some_and(|pair| pair.remote == from),
            Asked::Nomination | Asked::Consent => self.selected() == Some(from),
        }
    }

    pub(super) fn handle_valid(&mut self, now: Instant, remote: SocketAddr) {
        match (&self.state, self.role) {
            (State::Checking { until, .. }, IceRole::Controlling) => {
                let transaction = TransactionId(self.entropy.bytes());
                self.state = State::Nominating {
                    until: *until,
                    remote,
                    request: Request::new(now, self.role, transaction),
                };
                self.events.push_back(Event::Selected { remote });
            }
            (State::Checking { .. } | State::Connected { .. }, IceRole::Controlled) => {
                self.select_nominated(now);
            }
            (
                State::Idle { .. }
                | State::Nominating { .. }
                | State::Connected { .. }
                | State::Failed,
                _,
            ) => {}
        }
    }

    pub(super) fn best_valid(&self) -> Option<SocketAddr> {
        let valid = self.pairs.iter().filter(|pair| pair.is_valid());
        let best = valid.max_by_key(|pair| pair.priority(self.role))?;
        Some(best.remote)
    }

    /// Neither side checks (RFC 8445 §6.1.1): the peer's best candidate is believed.
    pub(super) fn select_described(&mut self, now: Instant) {
        let role = self.role;
        let best = self.pairs.iter().max_by_key(|pair| pair.priority(role));
        if let Some(remote) = best.map(|pair| pair.remote) {
            self.select(now, remote);
        }
    }

    pub(super) fn select(&mut self, now: Instant, remote: SocketAddr) {
        self.connect(now, remote);
        self.events.push_back(Event::Selected { remote });
    }

    pub(super) fn connect(&mut self, now: Instant, remote: SocketAddr) {
        let consent = match self.terms.ours.mode {
            IceMode::Full => Some(Consent::given(now, &mut self.entropy)),
            IceMode::Lite => None,
        };
        self.state = State::Connected {
            remote,
            nominated: None,
            consent,
        };
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.state = State::Failed;
        self.jobs.clear();
        self.events.push_back(Event::Failed(failure));
    }
}
