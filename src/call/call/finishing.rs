//! How the call ends: who is told what, and the CDR.

use tracing::{info, warn};

use crate::call::call::{CLOSE_PATIENCE, Call, State};
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
        match (&self.state, side) {
            (State::Dialling { .. }, Side::B) => self.attempt_failed(now, end),
            (State::Dialling { .. } | State::Answered | State::Confirmed, Side::A | Side::B) => {
                self.record.counted_by_peer(end.duration_s());
                let gone = Some((side, end.told()));
                self.end(now, end.ending(side), gone);
            }
            (State::Closing { .. } | State::Over, Side::A | Side::B) => {}
        }
    }

    /// The next peer is tried when this one is at fault.
    pub(super) fn attempt_failed(&mut self, now: Moment, end: LegEnd) {
        let outcome = end.outcome();
        info!(%outcome, "attempt failed");
        self.record.attempt_came_to(outcome);
        if !(end.is_peers_fault() && self.dial_next()) {
            let gone = Some((Side::B, end.told()));
            self.end(now, end.ending(Side::B), gone);
        }
    }

    pub(super) fn media_failed(&mut self, now: Moment, error: String) {
        match self.state {
            State::Dialling { .. } | State::Answered | State::Confirmed => {
                warn!(%error, "media failed");
                let ending = Ending::new(Cause::MediaFailed, Party::Bridge).because(error);
                self.end(now, ending, None);
            }
            State::Closing { .. } | State::Over => {}
        }
    }

    pub(super) fn media_closed(&mut self, now: Moment, report: &Report) {
        match self.state {
            State::Closing { .. } => self.close(Some(report)),
            State::Dialling { .. } | State::Answered | State::Confirmed => {
                self.media_failed(now, "closed by the worker".to_owned());
                self.close(Some(report));
            }
            State::Over => {}
        }
    }

    /// Hangs up the legs that are left and closes the media. `gone` is the leg that is over already, and what it was
    /// told.
    pub(super) fn end(&mut self, now: Moment, ending: Ending, gone: Option<(Side, Told)>) {
        let mut told = match self.state {
            State::Dialling { .. } => Pair::new(Told::Status(ending.status()), Told::Cancel),
            State::Answered | State::Confirmed => Pair::new(Told::Bye, Told::Bye),
            State::Closing { .. } | State::Over => return,
        };
        for side in Side::BOTH {
            match gone {
                Some((gone, word)) if gone == side => told[side] = word,
                Some(_) | None => self.command(side, LegCommand::HangUp(ending.clone())),
            }
        }
        info!(cause = ending.cause.row().token, by = ?ending.by, detail = ending.detail, "ended");
        let cdr = self.record.close(now, ending, told);
        self.media.push_back(MediaCommand::Close {
            call: self.record.call().clone(),
        });
        self.state = State::Closing {
            deadline: now.instant + CLOSE_PATIENCE,
            cdr: Box::new(cdr),
        };
    }

    pub(super) fn close(&mut self, report: Option<&Report>) {
        let state = std::mem::replace(&mut self.state, State::Over);
        if let State::Closing { mut cdr, .. } = state {
            cdr.first_audio = report.and_then(|report| report.sides.a.first_audio_after);
            cdr.quality = report.map(Quality::of);
            self.cdr = Some(cdr);
        }
    }
}
