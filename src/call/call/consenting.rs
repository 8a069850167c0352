//! What the consent ledger is asked and told.

use std::time::Duration;

use tracing::{info, warn};

use crate::call::call::{Call, Caller, LEDGER_PATIENCE, State};
use crate::call::cdr::CallDirection;
use crate::call::ending::{Cause, Ending, Party};
use crate::call::ledger::{Judgement, LedgerCommand};
use crate::call::leg_end::LegEnd;
use crate::call::moment::Moment;
use crate::config::Meaning;
use crate::consent::{Absence, Fact, Source, Verdict, WhenUnknown};

/// After WhatsApp's own word that a user was called too often, which does not say for how long: its window slides, and a
/// call an hour finds out.
const LIMIT_REST: Duration = Duration::from_secs(3_600);

impl Call {
    /// A user may always call; whether the business may, the ledger says first.
    pub(super) fn ask(&mut self, now: Moment, caller: Caller, other_calls: u32) {
        let call = self.record.call().clone();
        match (self.record.parties().direction, self.pair.clone()) {
            (CallDirection::UserInitiated, _) => {
                let call = call.0;
                self.tell(now, Fact::UserCalled { call });
                self.begin(now, caller);
            }
            (CallDirection::BusinessInitiated, None) => self.begin(now, caller),
            (CallDirection::BusinessInitiated, Some(pair)) => {
                self.state = State::Asking {
                    deadline: now.instant + LEDGER_PATIENCE,
                    caller,
                };
                self.ledger.push_back(LedgerCommand::Place {
                    call,
                    pair,
                    calls: other_calls,
                    at: now.wall,
                });
            }
        }
    }

    pub fn handle_judgement(&mut self, now: Moment, judgement: Judgement) {
        let _guard = self.span.clone().entered();
        let State::Asking { caller, .. } = self.state else {
            return;
        };
        match judgement {
            Judgement::Verdict(Verdict::Allowed | Verdict::Unknown) => self.begin(now, caller),
            Judgement::Verdict(Verdict::Refused(refusal)) => {
                self.end(now, Ending::refused(&refusal, now.wall), None);
            }
            Judgement::Unreadable(why) => self.judge_unreadable(now, why),
        }
    }

    /// Without the ledger nothing is known of the permission.
    pub(super) fn judge_unreadable(&mut self, now: Moment, why: String) {
        warn!(why, "the consent ledger cannot be read");
        match (&self.state, self.habits.when_unknown) {
            (State::Asking { caller, .. }, WhenUnknown::AskWhatsApp) => self.begin(now, *caller),
            (_, WhenUnknown::AskWhatsApp) => {}
            (_, WhenUnknown::Refuse) => {
                let ending = Ending::new(Cause::LedgerUnreadable, Party::Bridge).because(why);
                self.end(now, ending, None);
            }
        }
    }

    pub(super) fn tell(&mut self, now: Moment, fact: Fact) {
        if let Some(pair) = self.pair.clone() {
            let at = now.wall;
            self.ledger
                .push_back(LedgerCommand::Learn { pair, fact, at });
        }
    }

    /// WhatsApp's refusal says something about the user, not only about this call.
    pub(super) fn learn_from(&mut self, now: Moment, end: &LegEnd) {
        let LegEnd::Rejected {
            meaning: Some(meaning),
            ..
        } = end
        else {
            return;
        };
        match meaning {
            Meaning::NoPermission => self.tell(
                now,
                Fact::NotAllowed {
                    why: Absence::NotGiven,
                    source: Source::Call,
                },
            ),
            Meaning::LimitReached => {
                let until = now.wall + LIMIT_REST;
                self.tell(now, Fact::BarredUntil { until });
            }
            Meaning::NumberUnknown
            | Meaning::WrongServer
            | Meaning::NotEligible
            | Meaning::WrongCredentials
            | Meaning::CallActive
            | Meaning::NumberFull
            | Meaning::MediaRefused
            | Meaning::NotAnswered
            | Meaning::Declined => {}
        }
    }

    /// Unanswered calls in a row cost the permission; a call that the agent gave up, or that failed on its way, is none.
    pub(super) fn tell_ended(&mut self, now: Moment, ending: &Ending) {
        let call = self.record.call().0.clone();
        let by_business = self.record.parties().direction == CallDirection::BusinessInitiated;
        let declined = ending.cause == Cause::Declined && self.habits.declined_is_unanswered;
        let rang_out = ending.cause == Cause::NoAnswer || declined;
        if by_business && rang_out && self.is_calling(self.user) {
            info!("not answered by the user");
            self.tell(now, Fact::CallUnanswered { call });
        } else {
            self.tell(now, Fact::CallEnded { call });
        }
    }
}
