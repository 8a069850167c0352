//! The PBX's side is taken by somebody else, while WhatsApp's leg stays as it is: by REFER, blind or attended, when we call
//! the one who takes it (RFC 5589), or by an INVITE that replaces the leg (RFC 3891). Until the successor is there the user
//! hears whoever was there before, or silence.

use tracing::info;

use crate::call::call::{Call, State};
use crate::call::cdr::{Told, Transfer, TransferKind};
use crate::call::ending::{Cause, Ending, Party};
use crate::call::leg::{LegCommand, LegEvent, Referral, ReferralKind};
use crate::call::leg_end::LegEnd;
use crate::call::moment::Moment;
use crate::sdp::Agreement;
use crate::side::Side;

/// A transfer that is going on.
pub(super) struct Underway {
    /// The one that changes.
    pub(super) side: Side,
    referral: Referral,
    referrer: Referrer,
    /// The successor's Call-ID.
    name: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Referrer {
    Here,
    /// It hung up without waiting for the outcome.
    Gone,
}

impl Call {
    /// Whether a side may be given to another now: the PBX's, once both talk, one at a time.
    fn is_transferable(&self, side: Side) -> bool {
        match &self.state {
            State::Confirmed => side != self.user,
            State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Answered
            | State::Transferring { .. }
            | State::Closing { .. }
            | State::Over => false,
        }
    }

    pub(super) fn referred(&mut self, now: Moment, side: Side, referral: Referral) {
        if !self.is_transferable(side) {
            info!("referral refused: the call is not in a state for it");
            return self.command(side, LegCommand::RefuseReferral);
        }
        info!(kind = ?referral.kind, "transferring");
        self.state = State::Transferring {
            deadline: now.instant + self.habits.answer_timeout[side],
            underway: Box::new(Underway {
                side,
                referral,
                referrer: Referrer::Here,
                name: None,
            }),
        };
        self.command(side, LegCommand::TakeReferral);
    }

    pub fn handle_successor(&mut self, now: Moment, event: LegEvent) {
        let _guard = self.span.clone().entered();
        let State::Transferring { underway, .. } = &mut self.state else {
            return;
        };
        let (side, referrer) = (underway.side, underway.referrer);
        match event {
            LegEvent::Named(name) => underway.name = Some(name),
            LegEvent::Ringing => self.tell_referrer(180),
            // Ringing tone, or a queue's announcement, when nobody else is there to be heard.
            LegEvent::EarlyMedia(agreement) => {
                if referrer == Referrer::Gone {
                    self.agree(side, agreement);
                }
            }
            LegEvent::Answered(agreement) => self.transferred(agreement),
            LegEvent::Ended(end) => self.transfer_failed(now, end),
            LegEvent::UserNamed(_)
            | LegEvent::Confirmed(_)
            | LegEvent::Reagreed(_)
            | LegEvent::Digit(_)
            | LegEvent::Referred(_) => {}
        }
    }

    /// Another leg of the PBX takes the place of its leg. `false`: not now.
    pub fn take_over(
        &mut self,
        side: Side,
        name: Option<String>,
        agreement: Option<Box<Agreement>>,
    ) -> bool {
        let _guard = self.span.clone().entered();
        if !self.is_transferable(side) {
            return false;
        }
        info!(%side, "taken over");
        self.record.transferred(Transfer {
            to: String::new(),
            kind: TransferKind::Takeover,
            outcome: "answered".to_owned(),
        });
        if let Some(name) = name {
            self.record.name_leg(side, name);
        }
        self.command(side, LegCommand::Succeed);
        if let Some(agreement) = agreement {
            self.agree(side, agreement);
        }
        true
    }

    fn tell_referrer(&mut self, status: u16) {
        if let State::Transferring { underway, .. } = &self.state
            && underway.referrer == Referrer::Here
        {
            let side = underway.side;
            self.command(side, LegCommand::TellReferrer(status));
        }
    }

    /// The successor is there. Its media starts at once; the bridge goes on sending to it what it sent before, and to the
    /// user with the same SSRC.
    fn transferred(&mut self, agreement: Box<Agreement>) {
        self.tell_referrer(200);
        let Some(underway) = self.take_underway() else {
            return;
        };
        info!("transferred");
        let side = underway.side;
        self.note_transfer(&underway, "answered".to_owned());
        if let Some(name) = underway.name {
            self.record.name_leg(side, name);
        }
        self.command(side, LegCommand::Succeed);
        self.agree(side, agreement);
    }

    /// The referrer goes on with the call, if it is still there.
    fn transfer_failed(&mut self, now: Moment, end: LegEnd) {
        let status = match &end {
            LegEnd::Rejected { status, .. } => *status,
            LegEnd::Unreachable(_) => 503,
            LegEnd::Disagreed(_) => 488,
            LegEnd::Cancelled
            | LegEnd::HungUp(_)
            | LegEnd::NeverAcknowledged
            | LegEnd::SessionExpired
            | LegEnd::DialogGone => 480,
        };
        let outcome = end.outcome();
        if let Some(side) = self.give_up_transfer(status, outcome) {
            let gone = Some((side, Told::Nothing));
            self.end(now, end.ending(side), gone);
        }
    }

    pub(super) fn transfer_timed_out(&mut self, now: Moment) {
        let State::Transferring { underway, .. } = &self.state else {
            return;
        };
        let side = underway.side;
        let ending = Ending::new(Cause::NoAnswer, Party::from(side));
        self.command(side, LegCommand::DropSuccessor(ending.clone()));
        if let Some(side) = self.give_up_transfer(408, "no answer".to_owned()) {
            let gone = Some((side, Told::Nothing));
            self.end(now, ending, gone);
        }
    }

    /// Back to how it was. The side, if nobody is there to go back to.
    fn give_up_transfer(&mut self, status: u16, outcome: String) -> Option<Side> {
        self.tell_referrer(status);
        let underway = self.take_underway()?;
        info!(%outcome, "transfer failed");
        self.note_transfer(&underway, outcome);
        (underway.referrer == Referrer::Gone).then_some(underway.side)
    }

    /// The referrer hung up while its successor is being called. `false`: it is not the one that may.
    pub(super) fn referrer_left(&mut self, side: Side) -> bool {
        match &mut self.state {
            State::Transferring { underway, .. } if underway.side == side => {
                info!("the referrer left");
                underway.referrer = Referrer::Gone;
                true
            }
            State::Transferring { .. }
            | State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Answered
            | State::Confirmed
            | State::Closing { .. }
            | State::Over => false,
        }
    }

    /// The call ends before the transfer does: what that side is told.
    pub(super) fn abandon_transfer(&mut self, ending: &Ending) -> Option<(Side, Told)> {
        let underway = self.take_underway()?;
        let side = underway.side;
        self.note_transfer(&underway, "cancelled".to_owned());
        self.command(side, LegCommand::DropSuccessor(ending.clone()));
        (underway.referrer == Referrer::Gone).then_some((side, Told::Nothing))
    }

    /// The transfer is over, one way or another.
    fn take_underway(&mut self) -> Option<Box<Underway>> {
        match std::mem::replace(&mut self.state, State::Confirmed) {
            State::Transferring { underway, .. } => Some(underway),
            other => {
                self.state = other;
                None
            }
        }
    }

    fn note_transfer(&mut self, underway: &Underway, outcome: String) {
        self.record.transferred(Transfer {
            to: underway.referral.to.clone(),
            kind: match underway.referral.kind {
                ReferralKind::Blind => TransferKind::Blind,
                ReferralKind::Attended => TransferKind::Attended,
            },
            outcome,
        });
    }
}
