//! The peer's checks (RFC 8445 §7.3), and whom they make us choose.

use std::net::SocketAddr;
use std::time::Instant;

use super::messages::Job;
use super::{Agent, STALE_AFTER, State};
use crate::media::ice::pair::{HOST_PRIORITY, Pair, Progress, reflexive};
use crate::media::ice::stun::Message;
use crate::sdp::{IceMode, IceRole};

impl Agent {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> Option<()> {
        let ours = &self.terms.ours.credentials;
        let for_us = message.receiver_fragment() == Some(ours.ufrag.as_bytes());
        if !for_us || !message.is_authentic(&ours.pwd) || matches!(self.state, State::Failed) {
            return None;
        }
        self.counts.checks_received += 1;
        let (to, transaction) = (from, message.transaction);
        if let Some(kind) = message.not_understood {
            self.push(Job::RefuseAttribute {
                to,
                transaction,
                kind,
            });
            return Some(());
        }
        if self.loses_role_to(message.role) {
            self.switch_role(now);
        } else if message.role.is_some_and(|(role, _)| role == self.role) {
            self.push(Job::RefuseRole { to, transaction });
            return Some(());
        }
        self.push(Job::Confirm { to, transaction });
        let priority = message.priority.unwrap_or(reflexive(HOST_PRIORITY));
        self.hear(now, from, priority);
        if message.use_candidate && self.role == IceRole::Controlled {
            self.handle_nomination(now, from);
        }
        Some(())
    }

    /// RFC 8445 §7.3.1.1: of two in the same role, the larger number stays controlling. Beside a lite agent there is
    /// nothing to settle: the full one is controlling (§6.1.1).
    pub(super) fn loses_role_to(&self, theirs: Option<(IceRole, u64)>) -> bool {
        let Some((role, number)) = theirs.filter(|(role, _)| *role == self.role) else {
            return false;
        };
        let both_full =
            (self.terms.ours.mode, self.terms.theirs.mode) == (IceMode::Full, IceMode::Full);
        let ours_is_larger = self.tie_breaker >= number;
        both_full
            && match role {
                IceRole::Controlling => !ours_is_larger,
                IceRole::Controlled => ours_is_larger,
            }
    }

    /// What is out was asked in the old role; it is asked again.
    pub(super) fn switch_role(&mut self, now: Instant) {
        self.role = match self.role {
            IceRole::Controlling => IceRole::Controlled,
            IceRole::Controlled => IceRole::Controlling,
        };
        for pair in &mut self.pairs {
            match pair.progress {
                Progress::Checking(_) => pair.progress = Progress::Waiting { due: now },
                Progress::Waiting { .. } | Progress::Valid => {}
            }
        }
        if let State::Nominating { until, .. } = self.state {
            self.state = State::Checking {
                until,
                nominated: None,
            };
        }
        if let Some(remote) = self.best_valid() {
            self.handle_valid(now, remote);
        }
    }

    pub(super) fn hear(&mut self, now: Instant, from: SocketAddr, priority: u32) {
        let (kind, checks) = (self.terms.ours.mode, self.takes_checks());
        let known = self.pairs.iter().position(|pair| pair.remote == from);
        let pair = match known {
            Some(at) => self.pairs.get_mut(at),
            None => self.add_pair(now, from, priority),
        };
        let Some(pair) = pair else {
            return;
        };
        pair.heard = Some(now);
        match kind {
            IceMode::Lite => pair.progress = Progress::Valid,
            IceMode::Full if checks => pair.trigger(now),
            IceMode::Full => {}
        }
    }

    /// A check of ours may still change something.
    pub(super) fn takes_checks(&self) -> bool {
        match self.state {
            State::Checking { .. } => true,
            State::Connected { .. } => self.role == IceRole::Controlled,
            State::Idle { .. } | State::Nominating { .. } | State::Failed => false,
        }
    }

    pub(super) fn handle_nomination(&mut self, now: Instant, from: SocketAddr) {
        match &mut self.state {
            State::Idle { nominated } | State::Checking { nominated, .. } => {
                *nominated = Some(from);
            }
            State::Connected {
                remote, nominated, ..
            } => {
                *nominated = Some(from).filter(|from| from != remote);
            }
            State::Nominating { .. } | State::Failed => {}
        }
        self.select_nominated(now);
    }

    /// Follows the peer's nomination once its pair is proven.
    pub(super) fn select_nominated(&mut self, now: Instant) {
        let wanted = match &self.state {
            State::Checking { nominated, .. } => *nominated,
            State::Connected {
                remote, nominated, ..
            } => nominated.filter(|to| self.is_better(now, *to, *remote)),
            State::Idle { .. } | State::Nominating { .. } | State::Failed => None,
        };
        let proven = |remote: &SocketAddr| self.find(*remote).is_some_and(Pair::is_valid);
        if let Some(remote) = wanted.filter(proven) {
            self.select(now, remote);
        }
    }

    /// One nomination is the rule; of peers that nominate as they check (RFC 5245 §8.1.1.2), the best one counts.
    pub(super) fn is_better(&self, now: Instant, new: SocketAddr, old: SocketAddr) -> bool {
        let (Some(new), Some(old)) = (self.find(new), self.find(old)) else {
            return true;
        };
        new.priority(self.role) > old.priority(self.role) || is_stale(now, old)
    }

    /// The pair that we may move to.
    pub(super) fn nominated(&self) -> Option<SocketAddr> {
        match self.state {
            State::Connected { nominated, .. } => nominated,
            State::Idle { .. }
            | State::Checking { .. }
            | State::Nominating { .. }
            | State::Failed => None,
        }
    }

    /// A pair from which the peer does not check us any more, and which is not proven by then, is not asked for ever.
    pub(super) fn forget_left(&mut self, now: Instant) {
        let left = |pair: &Pair| !pair.is_valid() && is_stale(now, pair);
        let is_left = self
            .nominated()
            .and_then(|at| self.find(at))
            .is_some_and(left);
        if let State::Connected { nominated, .. } = &mut self.state
            && is_left
        {
            *nominated = None;
        }
    }

    /// In a long call a peer may move more often than there is room. Where it was not heard for long it is not.
    pub(super) fn make_room(&mut self, now: Instant) {
        let State::Connected {
            remote, nominated, ..
        } = self.state
        else {
            return;
        };
        let is_left = |pair: &Pair| {
            pair.remote != remote && Some(pair.remote) != nominated && is_stale(now, pair)
        };
        let pairs = self.pairs.iter().enumerate();
        let left = pairs.filter(|(_, pair)| is_left(pair));
        if let Some((at, _)) = left.min_by_key(|(_, pair)| pair.heard) {
            self.pairs.swap_remove(at);
        }
    }
}

fn is_stale(now: Instant, pair: &Pair) -> bool {
    let stale = |at: Instant| now.saturating_duration_since(at) >= STALE_AFTER;
    pair.heard.is_none_or(stale)
}
