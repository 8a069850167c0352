//! How the call ends: who is told what, and the CDR.

use tracing::{info, warn};

use crate::call::call::{CLOSE_PATIENCE, Call, Caller, State};
use crate::call::cdr::{Quality, Told};
use crate::call::ending::{Cause, Ending, Party};
use crate::call::leg::LegCommand;
use crate::call::leg_end::LegEnd;
use crate::call::moment::Moment;
use crate::call::plane::MediaCommand;
use crate::media::bridge::Report;
use crate::side::{Pair, Side};

impl Call {
    pub(super) fn leg_ended(&mut self, now: Moment, side: Side, end: LegEnd) {
        if !self.is_live() {
            return;
        }
        if side == self.user
            && let Some(parting) = end.parting()
        {
            self.record.told_by_whatsapp(parting);
        }
        if self.referrer_left(side) {
            return;
        }
        if self.is_calling(side) {
            self.attempt_failed(now, side, end);
        } else {
            let gone = Some((side, end.told()));
            self.end(now, end.ending(side), gone);
        }
    }

    /// Whether this is the side that we call just now.
    pub(super) fn is_calling(&self, side: Side) -> bool {
        match (&self.state, side) {
            (State::Alerting { .. }, Side::A) | (State::Dialling { .. }, Side::B) => true,
            (State::Alerting { .. }, Side::B) | (State::Dialling { .. }, Side::A) => false,
            (
                State::Asking { .. }
                | State::Answered
                | State::Confirmed
                | State::Transferring { .. }
                | State::Closing { .. }
                | State::Over,
                Side::A | Side::B,
            ) => false,
        }
    }

    /// The next peer is tried when this one is at fault.
    fn attempt_failed(&mut self, now: Moment, side: Side, end: LegEnd) {
        let outcome = end.outcome();
        info!(%outcome, "attempt failed");
        self.record.attempt_came_to(outcome);
        self.learn_from(now, &end);
        if !(end.is_peers_fault() && self.dial_next(side)) {
            let gone = Some((side, end.told()));
            self.end(now, end.ending(side), gone);
        }
    }

    pub(super) fn media_failed(&mut self, now: Moment, error: String) {
        if self.is_live() {
            warn!(%error, "media failed");
            let ending = Ending::new(Cause::MediaFailed, Party::Bridge).because(error);
            self.end(now, ending, None);
        }
    }

    pub(super) fn media_closed(&mut self, now: Moment, report: &Report) {
        match self.state {
            State::Closing { .. } => self.close(Some(report)),
            State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Answered
            | State::Confirmed
            | State::Transferring { .. } => {
                self.media_failed(now, "closed by the worker".to_owned());
                self.close(Some(report));
            }
            State::Over => {}
        }
    }

    /// Hangs up the legs that are left and closes the media. `gone` is the leg that is over already, and what it was
    /// told.
    pub(super) fn end(&mut self, now: Moment, ending: Ending, gone: Option<(Side, Told)>) {
        let gone = [gone, self.abandon_transfer(&ending)];
        let Some(mut told) = self.to_be_told(&ending) else {
            return;
        };
        for (side, word) in gone.into_iter().flatten() {
            told[side] = word;
        }
        for side in Side::BOTH {
            let is_gone = gone.iter().flatten().any(|(gone, _)| *gone == side);
            if !is_gone && told[side] != Told::Nothing {
                self.command(side, LegCommand::HangUp(ending.clone()));
            }
        }
        info!(cause = ending.cause.row().token, by = ?ending.by, detail = ending.detail, "ended");
        self.tell_ended(now, &ending);
        let cdr = self.record.close(now, ending, told);
        self.media.push_back(MediaCommand::Close {
            call: self.record.call().clone(),
        });
        self.state = State::Closing {
            deadline: now.instant + CLOSE_PATIENCE,
            cdr: Box::new(cdr),
        };
    }

    /// What ends each leg now. `None`: they are ended.
    fn to_be_told(&self, ending: &Ending) -> Option<Pair<Told>> {
        let caller_told = |caller: &Caller| match caller {
            Caller::Waits => Told::Status(ending.status()),
            Caller::Absent => Told::Nothing,
            Caller::Holds => Told::Bye,
        };
        match &self.state {
            State::Asking { caller, .. } => Some(Pair::new(caller_told(caller), Told::Nothing)),
            State::Alerting { .. } => Some(Pair::new(Told::Cancel, Told::Nothing)),
            State::Dialling { caller, .. } => Some(Pair::new(caller_told(caller), Told::Cancel)),
            State::Answered | State::Confirmed | State::Transferring { .. } => {
                Some(Pair::new(Told::Bye, Told::Bye))
            }
            State::Closing { .. } | State::Over => None,
        }
    }

    pub(super) fn close(&mut self, report: Option<&Report>) {
        let state = std::mem::replace(&mut self.state, State::Over);
        if let State::Closing { mut cdr, .. } = state {
            cdr.first_audio = report.and_then(|report| report.sides[self.user].first_audio_after);
            cdr.quality = report.map(|report| Quality::of(report, self.user));
            self.cdr = Some(cdr);
        }
    }
}
