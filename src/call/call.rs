//! One call: two legs, the media between them, how it ends and its CDR. It knows no protocol: legs speak
//! [`LegEvent`] and hear [`LegCommand`].
//!
//! ```text
//!            B ended, next peer
//!               ┌───────┐
//!   new ──► Dialling ───┘ ── B answered ──► Answered ── A confirmed ──► Confirmed
//!               │                               │                           │
//!               └───────── anything that ends it: legs hung up, media closed ┘
//!                                               ▼
//!                            Closing ── counters, or patience ends ──► Over (one CDR)
//! ```

mod finishing;
mod setting_up;
mod talking;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracing::{Span, info, warn};

use crate::call::cdr::{CallRef, Cdr, Told};
use crate::call::ending::{Cause, Ending, Party};
use crate::call::leg::{LegCommand, LegEvent};
use crate::call::moment::Moment;
use crate::call::plane::{MediaCommand, MediaEvent, PortPair};
use crate::call::record::Record;
use crate::call::trunk::PeerId;
use crate::media::bridge::{self, BridgeSpec};
use crate::sdp::Agreement;
use crate::side::{Pair, Side};

/// How long counters are waited for after `MediaCommand::Close`.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// All that is settled before a call begins.
pub struct Plan {
    pub record: Record,
    pub ports: Pair<PortPair>,
    pub spec: BridgeSpec,
    /// A's offer, answered; `None` when A made none and will answer ours.
    pub agreed_a: Option<Box<Agreement>>,
    /// Peers to try, the first one first.
    pub candidates: VecDeque<Candidate>,
    pub habits: CallHabits,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub peer: PeerId,
    pub name: String,
}

/// What the two profiles say about this call as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallHabits {
    /// A is told that B rings.
    pub ringing: bool,
    /// All attempts together may take so long.
    pub answer_timeout: Duration,
    /// Digits that came from A as media go to B by signalling.
    pub digits_by_signalling: bool,
}

pub struct Call {
    span: Span,
    state: State,
    habits: CallHabits,
    candidates: VecDeque<Candidate>,
    record: Record,
    agreements: Pair<Option<Box<Agreement>>>,
    commands: VecDeque<(Side, LegCommand)>,
    media: VecDeque<MediaCommand>,
    cdr: Option<Box<Cdr>>,
}

enum State {
    /// B is being called, A waits until the deadline.
    Dialling {
        deadline: Instant,
    },
    /// B answered and A was told; A has not confirmed yet.
    Answered,
    Confirmed,
    /// Both legs are over; counters are awaited until the deadline.
    Closing {
        deadline: Instant,
        cdr: Box<Cdr>,
    },
    Over,
}

impl Call {
    /// Opens the media and calls the first peer.
    pub fn new(now: Moment, plan: Plan) -> Self {
        let deadline = now.instant + plan.habits.answer_timeout;
        let mut call = Self {
            span: tracing::info_span!("call", call = %plan.record.call()),
            state: State::Dialling { deadline },
            habits: plan.habits,
            candidates: plan.candidates,
            record: plan.record,
            agreements: Pair::new(None, None),
            commands: VecDeque::new(),
            media: VecDeque::new(),
            cdr: None,
        };
        let _guard = call.span.clone().entered();
        info!(user = %call.record.user(), number = %call.record.number(), "call let in");
        call.open(plan.ports, plan.spec);
        if let Some(agreement) = plan.agreed_a {
            call.agree(Side::A, agreement);
        }
        if !call.dial_next() {
            let gone = Some((Side::B, Told::Nothing));
            call.end(now, Ending::new(Cause::NoTrunkUp, Party::Bridge), gone);
        }
        call
    }

    pub fn handle_leg(&mut self, now: Moment, side: Side, event: LegEvent) {
        let _guard = self.span.clone().entered();
        match event {
            LegEvent::Named(name) => self.record.name_leg(side, name),
            LegEvent::Ringing => self.ring(now),
            LegEvent::EarlyMedia(agreement) => self.agree_early(agreement),
            LegEvent::Answered(agreement) => self.connect(now, agreement),
            LegEvent::Confirmed(agreement) => self.confirm(agreement),
            LegEvent::Reagreed(agreement) => self.agree_anew(side, agreement),
            LegEvent::Digit(digit) => self.play_digit(!side, digit),
            LegEvent::Ended(end) => self.leg_ended(now, side, end),
        }
    }

    pub fn handle_media(&mut self, now: Moment, event: MediaEvent) {
        let _guard = self.span.clone().entered();
        match event {
            MediaEvent::Bridge { event, .. } => self.bridge_told(now, event),
            MediaEvent::Closed { report, .. } => self.media_closed(now, &report),
            MediaEvent::Failed { error, .. } => self.media_failed(now, error),
        }
    }

    pub fn handle_timeout(&mut self, now: Moment) {
        let _guard = self.span.clone().entered();
        match &self.state {
            State::Dialling { deadline } if *deadline <= now.instant => {
                self.end(now, Ending::new(Cause::NoAnswer, Party::Callee), None);
            }
            State::Closing { deadline, .. } if *deadline <= now.instant => {
                warn!("media counters did not come back");
                self.close(None);
            }
            State::Dialling { .. }
            | State::Answered
            | State::Confirmed
            | State::Closing { .. }
            | State::Over => {}
        }
    }

    /// The operator ends it.
    pub fn shut_down(&mut self, now: Moment) {
        let _guard = self.span.clone().entered();
        self.end(now, Ending::new(Cause::Shutdown, Party::Operator), None);
    }

    pub fn poll_command(&mut self) -> Option<(Side, LegCommand)> {
        self.commands.pop_front()
    }

    pub fn poll_media(&mut self) -> Option<MediaCommand> {
        self.media.pop_front()
    }

    pub fn poll_cdr(&mut self) -> Option<Cdr> {
        self.cdr.take().map(|cdr| *cdr)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Dialling { deadline } | State::Closing { deadline, .. } => Some(*deadline),
            State::Answered | State::Confirmed | State::Over => None,
        }
    }

    /// Nothing more will come of it, and its CDR was taken.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over) && self.cdr.is_none()
    }

    /// Neither ended nor ending.
    pub fn is_live(&self) -> bool {
        match self.state {
            State::Dialling { .. } | State::Answered | State::Confirmed => true,
            State::Closing { .. } | State::Over => false,
        }
    }

    pub fn call(&self) -> &CallRef {
        self.record.call()
    }

    /// For what is logged about one leg.
    pub fn leg_span(&self, side: Side) -> Span {
        tracing::info_span!(parent: &self.span, "leg", %side)
    }
}

/// Orders.
impl Call {
    fn command(&mut self, side: Side, command: LegCommand) {
        self.commands.push_back((side, command));
    }

    fn open(&mut self, ports: Pair<PortPair>, spec: BridgeSpec) {
        self.media.push_back(MediaCommand::Open {
            call: self.record.call().clone(),
            ports,
            spec,
        });
    }

    fn agree(&mut self, side: Side, agreement: Box<Agreement>) {
        self.record.agreed(side, &agreement);
        self.agreements[side] = Some(agreement.clone());
        self.bridge(bridge::Command::Agree { side, agreement });
    }

    fn start(&mut self, side: Side) {
        self.bridge(bridge::Command::Start { side });
    }

    fn bridge(&mut self, command: bridge::Command) {
        self.media.push_back(MediaCommand::Bridge {
            call: self.record.call().clone(),
            command,
        });
    }
}
