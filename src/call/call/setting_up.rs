//! From the first peer called to both sides confirmed.

use tracing::info;

use crate::call::call::{Call, State};
use crate::call::leg::LegCommand;
use crate::call::moment::Moment;
use crate::sdp::Agreement;
use crate::side::Side;

impl Call {
    /// Calls the next candidate; `false` when there is none left.
    pub(super) fn dial_next(&mut self) -> bool {
        let Some(candidate) = self.candidates.pop_front() else {
            return false;
        };
        info!(peer = %candidate.name, "calling");
        self.record.try_peer(candidate.name);
        self.command(Side::B, LegCommand::Dial(candidate.peer));
        true
    }

    pub(super) fn ring(&mut self, now: Moment) {
        match self.state {
            State::Dialling { .. } => {
                if self.record.rang(now.wall) {
                    info!("ringing");
                    if self.habits.ringing {
                        self.command(Side::A, LegCommand::Ring);
                    }
                }
            }
            State::Answered | State::Confirmed | State::Closing { .. } | State::Over => {}
        }
    }

    /// B's early media is understood, so that nothing is clipped at the answer, but none of it goes to A before that.
    pub(super) fn agree_early(&mut self, agreement: Box<Agreement>) {
        match self.state {
            State::Dialling { .. } => self.agree(Side::B, agreement),
            State::Answered | State::Confirmed | State::Closing { .. } | State::Over => {}
        }
    }

    /// B answered: so does A's leg, and media starts both ways, toward A at once (dossier 3.3: ours is the first packet).
    pub(super) fn connect(&mut self, now: Moment, agreement: Box<Agreement>) {
        match self.state {
            State::Dialling { .. } => {
                info!("answered");
                self.state = State::Answered;
                self.record.answered(now);
                self.agree(Side::B, agreement);
                self.command(Side::A, LegCommand::Answer);
                if self.agreements.a.is_some() {
                    self.start(Side::A);
                }
                self.start(Side::B);
            }
            State::Answered | State::Confirmed | State::Closing { .. } | State::Over => {}
        }
    }

    pub(super) fn confirm(&mut self, agreement: Option<Box<Agreement>>) {
        match self.state {
            State::Answered => {
                info!("established");
                self.state = State::Confirmed;
                if let Some(agreement) = agreement {
                    self.agree(Side::A, agreement);
                    self.start(Side::A);
                }
            }
            State::Dialling { .. } | State::Confirmed | State::Closing { .. } | State::Over => {}
        }
    }
}
