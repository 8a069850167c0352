//! What time brings: checks, their repetitions, and the end of hope.

use std::time::Instant;

use super::messages::{Job, Purpose};
use super::{Agent, MAX_JOBS, State};
use crate::media::ice::Failure;
use crate::media::ice::pair::{Pair, Progress, Request};
use crate::media::ice::stun::TransactionId;
use crate::sdp::IceMode;

impl Agent {
    pub(super) fn run(&mut self, now: Instant) {
        match &mut self.state {
            State::Idle { .. } | State::Failed => {}
            State::Checking { until, .. } => {
                if *until <= now {
                    let reached = self.pairs.iter().any(Pair::is_valid);
                    self.fail(match reached {
                        true => Failure::NothingNominated,
                        false => Failure::NothingReached,
                    });
                } else if self.terms.ours.mode == IceMode::Full {
                    self.run_checks(now, |_| true);
                }
            }
            State::Nominating { .. } => self.run_nomination(now),
            State::Connected { .. } => {
                self.forget_left(now);
                let moving = self.nominated();
                self.run_checks(now, |pair| Some(pair.remote) == moving);
                self.run_consent(now);
            }
        }
    }

    pub(super) fn run_checks(&mut self, now: Instant, wanted: impl Fn(&Pair) -> bool) {
        for pair in self.pairs.iter_mut().filter(|pair| wanted(pair)) {
            if let Progress::Waiting { due } = pair.progress
                && due <= now
            {
                let transaction = TransactionId(self.entropy.bytes());
                pair.progress = Progress::Checking(Request::new(now, self.role, transaction));
            }
            let Progress::Checking(request) = &mut pair.progress else {
                continue;
            };
            if request.take_due(now) && self.jobs.len() < MAX_JOBS {
                self.counts.checks_sent += 1;
                self.jobs
                    .push_back(Job::ask(pair.remote, request, Purpose::Check));
            }
        }
    }

    pub(super) fn run_nomination(&mut self, now: Instant) {
        let State::Nominating {
            until,
            remote,
            request,
        } = &mut self.state
        else {
            return;
        };
        if *until <= now {
            self.fail(Failure::NothingNominated);
        } else if request.take_due(now) {
            let job = Job::ask(*remote, request, Purpose::Nominate);
            self.counts.checks_sent += 1;
            self.push(job);
        }
    }

    pub(super) fn run_consent(&mut self, now: Instant) {
        let State::Connected {
            remote,
            consent: Some(consent),
            ..
        } = &mut self.state
        else {
            return;
        };
        let to = *remote;
        if consent.is_lost(now) {
            self.fail(Failure::ConsentLost);
        } else if let Some(transaction) = consent.take_check(now, &mut self.entropy) {
            let (role, purpose) = (self.role, Purpose::Check);
            self.counts.checks_sent += 1;
            self.push(Job::Ask {
                to,
                transaction,
                role,
                purpose,
            });
        }
    }
}
