//! From the first peer called to both sides confirmed.

use tracing::info;

use crate::call::call::{Call, Caller, State};
use crate::call::cdr::Told;
use crate::call::ending::{Cause, Ending, Party};
use crate::call::leg::LegCommand;
use crate::call::moment::Moment;
use crate::config::ClientHello;
use crate::consent::Fact;
use crate::sdp::Agreement;
use crate::side::Side;

impl Call {
    /// Calls whoever is to be called first.
    pub(super) fn begin(&mut self, now: Moment, caller: Caller) {
        let first = match caller {
            Caller::Waits | Caller::Holds => Side::B,
            Caller::Absent => Side::A,
        };
        let deadline = now.instant + self.habits.answer_timeout[first];
        self.state = match caller {
            Caller::Waits | Caller::Holds => State::Dialling { deadline, caller },
            Caller::Absent => State::Alerting { deadline },
        };
        if !self.dial_next(first) {
            let gone = Some((first, Told::Nothing));
            self.end(now, Ending::new(Cause::NoTrunkUp, Party::Bridge), gone);
        }
    }

    /// Calls the next candidate; `false` when there is none left.
    pub(super) fn dial_next(&mut self, side: Side) -> bool {
        let Some(candidate) = self.candidates[side].pop_front() else {
            return false;
        };
        info!(peer = %candidate.name, "calling");
        self.record.try_peer(candidate.name);
        self.command(side, LegCommand::Dial(candidate.target));
        true
    }

    pub(super) fn ring(&mut self, now: Moment, side: Side) {
        let (State::Dialling { caller, .. }, Side::B) = (&self.state, side) else {
            return;
        };
        let tells = self.habits.ringing && *caller == Caller::Waits;
        if self.record.rang(now.wall) {
            info!("ringing");
            if tells {
                self.command(Side::A, LegCommand::Ring);
                if self.habits.early_description {
                    self.assure(Side::A);
                }
            }
        }
    }

    /// Early media is understood and its keys are made, so that nothing is clipped at the answer, but none of it is passed
    /// on before that.
    pub(super) fn agree_early(&mut self, side: Side, agreement: Box<Agreement>) {
        if self.is_calling(side) {
            self.agree(side, agreement);
            self.assure(side);
        }
    }

    /// A side that we called answered.
    pub(super) fn answered(&mut self, now: Moment, side: Side, agreement: Box<Agreement>) {
        match (&self.state, side) {
            (State::Dialling { caller, .. }, Side::B) => {
                let caller = *caller;
                self.connect(now, caller, agreement);
            }
            (State::Alerting { .. }, Side::A) => {
                info!("first side answered");
                self.record.attempt_came_to("answered".to_owned());
                if self.user == Side::A {
                    self.picked_up(now);
                }
                self.agree(Side::A, agreement);
                self.assure(Side::A);
                self.start(Side::A);
                self.begin(now, Caller::Holds);
            }
            (
                State::Asking { .. }
                | State::Alerting { .. }
                | State::Dialling { .. }
                | State::Answered
                | State::Confirmed
                | State::Transferring { .. }
                | State::Closing { .. }
                | State::Over,
                Side::A | Side::B,
            ) => {}
        }
    }

    /// B answered: so does A's leg, and media starts both ways, toward WhatsApp at once (dossier 3.3: ours is the first
    /// packet).
    fn connect(&mut self, now: Moment, caller: Caller, agreement: Box<Agreement>) {
        info!("answered");
        self.record.attempt_came_to("answered".to_owned());
        self.picked_up(now);
        self.agree(Side::B, agreement);
        self.assure(Side::B);
        match caller {
            Caller::Waits | Caller::Absent => {
                self.state = State::Answered;
                self.command(Side::A, LegCommand::Answer);
                if self.agreements.a.is_some() {
                    if self.habits.client_hello == ClientHello::AtOnce {
                        self.assure(Side::A);
                    }
                    self.start(Side::A);
                }
            }
            Caller::Holds => self.state = State::Confirmed,
        }
        self.start(Side::B);
    }

    /// The user is there, or is told that the business is: from here on the call is talked, counted and paid. Of a user
    /// who was called first that was before.
    fn picked_up(&mut self, now: Moment) {
        if self.record.answered(now) {
            let call = self.record.call().0.clone();
            self.tell(now, Fact::CallConnected { call });
        }
    }

    pub(super) fn confirm(&mut self, side: Side, agreement: Option<Box<Agreement>>) {
        match self.state {
            State::Answered => {
                info!("established");
                self.state = State::Confirmed;
                if let Some(agreement) = agreement {
                    self.agree(side, agreement);
                    self.start(side);
                }
                self.assure(side);
            }
            // Of a leg that took another's place.
            State::Confirmed | State::Transferring { .. } => {
                if let Some(agreement) = agreement {
                    self.agree(side, agreement);
                }
                self.assure(side);
            }
            State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Closing { .. }
            | State::Over => {}
        }
    }
}
