//! One call: two legs, the media between them, how it ends and its CDR. It knows no protocol: legs speak
//! [`LegEvent`] and hear [`LegCommand`].
//!
//! ```text
//!   by the business: Asking ── judged ──┐         ordered by somebody: Asking ──► Alerting ── A answered ──┐
//!                                       ▼                                          │   ▲                     │
//!   by a user ──────────────────────► Dialling ◄───────────────────────────────────│───│─────────────────────┘
//!                                     │   ▲ │                                      └───┘ next peer
//!                           next peer └───┘ └─ B answered ──► Answered ── A confirmed ──► Confirmed
//!
//!   any of them ── what ends it: legs hung up, media closed ──► Closing ── counters, or patience ends ──► Over (one CDR)
//! ```

mod consenting;
mod finishing;
mod setting_up;
mod talking;
#[cfg(test)]
mod tests;
mod transferring;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracing::{Span, info, warn};

use crate::call::cdr::{CallDirection, CallRef, Cdr};
use crate::call::ending::{Cause, Ending, Party};
use crate::call::ledger::LedgerCommand;
use crate::call::leg::{LegCommand, LegEvent};
use crate::call::moment::Moment;
use crate::call::operator::CallSummary;
use crate::call::placing::Target;
use crate::call::plane::{MediaCommand, MediaEvent, PortPair};
use crate::call::record::Record;
use crate::config::ClientHello;
use crate::consent::{self, WhenUnknown};
use crate::media::bridge::{self, BridgeSpec};
use crate::media::gain::Levels;
use crate::sdp::Agreement;
use crate::side::{Pair, Side};

use transferring::Underway;

/// How long counters are waited for after `MediaCommand::Close`.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// How long the consent ledger is waited for.
pub const LEDGER_PATIENCE: Duration = Duration::from_secs(3);

/// All that is settled before a call begins.
pub struct Plan {
    pub record: Record,
    pub ports: Pair<PortPair>,
    pub spec: BridgeSpec,
    pub beginning: Beginning,
    /// Where to call each side that we call, the best place first.
    pub candidates: Pair<VecDeque<Candidate>>,
    pub habits: CallHabits,
    /// The side that WhatsApp is on.
    pub user: Side,
    /// Whom the consent ledger knows them as.
    pub pair: Option<consent::Pair>,
    /// How many other calls the business number has.
    pub other_calls: u32,
}

/// How a call begins.
pub enum Beginning {
    /// A called us. Its offer is answered; `None` when it made none and will answer ours.
    Called(Option<Box<Agreement>>),
    /// Somebody wants two others connected: we call A, then B.
    Ordered,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub target: Target,
    pub name: String,
}

/// What the two profiles say about this call as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallHabits {
    /// A is told that B rings.
    pub ringing: bool,
    /// A is told our description with it, so that ICE and DTLS are done with before the answer.
    pub early_description: bool,
    /// When our ClientHello may leave to A.
    pub client_hello: ClientHello,
    /// All attempts to call a side together may take so long.
    pub answer_timeout: Pair<Duration>,
    /// Digits that came from the other side as media go to this one by signalling.
    pub digits_by_signalling: Pair<bool>,
    /// What the ledger's silence means.
    pub when_unknown: WhenUnknown,
    /// A user who declines has left the call unanswered.
    pub declined_is_unanswered: bool,
}

pub struct Call {
    span: Span,
    state: State,
    habits: CallHabits,
    user: Side,
    candidates: Pair<VecDeque<Candidate>>,
    record: Record,
    pair: Option<consent::Pair>,
    agreements: Pair<Option<Box<Agreement>>>,
    levels: Pair<Levels>,
    commands: VecDeque<(Side, LegCommand)>,
    media: VecDeque<MediaCommand>,
    ledger: VecDeque<LedgerCommand>,
    cdr: Option<Box<Cdr>>,
}

enum State {
    /// The consent ledger is asked whether B, or of an ordered call the user, may be called.
    Asking {
        deadline: Instant,
        caller: Caller,
    },
    /// A is being called by us.
    Alerting {
        deadline: Instant,
    },
    /// B is being called until the deadline.
    Dialling {
        deadline: Instant,
        caller: Caller,
    },
    /// B answered and A was told; A has not confirmed yet.
    Answered,
    Confirmed,
    /// Confirmed, and the PBX's side is to be taken by somebody else, who is being called until the deadline.
    Transferring {
        deadline: Instant,
        underway: Box<Underway>,
    },
    /// Both legs are over; counters are awaited until the deadline.
    Closing {
        deadline: Instant,
        cdr: Box<Cdr>,
    },
    Over,
}

/// What A is while B is not there yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Caller {
    /// It called us and has no final response.
    Waits,
    /// We are to call it.
    Absent,
    /// It answered our call.
    Holds,
}

impl Call {
    /// Opens the media, and asks the ledger or calls the first peer.
    pub fn new(now: Moment, plan: Plan) -> Self {
        let mut call = Self {
            span: tracing::info_span!("call", call = %plan.record.call()),
            state: State::Over,
            habits: plan.habits,
            user: plan.user,
            candidates: plan.candidates,
            record: plan.record,
            pair: plan.pair,
            agreements: Pair::new(None, None),
            levels: plan.spec.levels(),
            commands: VecDeque::new(),
            media: VecDeque::new(),
            ledger: VecDeque::new(),
            cdr: None,
        };
        let _guard = call.span.clone().entered();
        info!(user = %call.record.user(), number = %call.record.number(), "call let in");
        call.open(plan.ports, plan.spec);
        let caller = match plan.beginning {
            Beginning::Called(agreement) => {
                if let Some(agreement) = agreement {
                    call.agree(Side::A, agreement);
                }
                Caller::Waits
            }
            Beginning::Ordered => Caller::Absent,
        };
        call.ask(now, caller, plan.other_calls);
        call
    }

    /// Whoever is on this side now is to be made so loud.
    pub fn set_levels(&mut self, side: Side, levels: Levels) {
        if self.levels[side] != levels {
            self.levels[side] = levels;
            self.bridge(bridge::Command::Level { side, levels });
        }
    }

    /// The side that WhatsApp is on.
    pub fn user_side(&self) -> Side {
        self.user
    }

    pub fn direction(&self) -> CallDirection {
        self.record.parties().direction
    }

    pub fn handle_leg(&mut self, now: Moment, side: Side, event: LegEvent) {
        let _guard = self.span.clone().entered();
        match event {
            LegEvent::Named(name) => self.record.name_leg(side, name),
            LegEvent::UserNamed(id) => self.record.name_user(id),
            LegEvent::Ringing => self.ring(now, side),
            LegEvent::EarlyMedia(agreement) => self.agree_early(side, agreement),
            LegEvent::Answered(agreement) => self.answered(now, side, agreement),
            LegEvent::Confirmed(agreement) => self.confirm(side, agreement),
            LegEvent::Reagreed(agreement) => self.agree_anew(side, agreement),
            LegEvent::Digit(digit) => self.play_digit(!side, digit),
            LegEvent::Referred(referral) => self.referred(now, side, referral),
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
            State::Asking { deadline, .. } if *deadline <= now.instant => {
                self.judge_unreadable(now, "it did not answer in time".to_owned());
            }
            State::Alerting { deadline } if *deadline <= now.instant => {
                self.end(now, Ending::new(Cause::NoAnswer, Party::Caller), None);
            }
            State::Dialling { deadline, .. } if *deadline <= now.instant => {
                self.end(now, Ending::new(Cause::NoAnswer, Party::Callee), None);
            }
            State::Transferring { deadline, .. } if *deadline <= now.instant => {
                self.transfer_timed_out(now);
            }
            State::Closing { deadline, .. } if *deadline <= now.instant => {
                warn!("media counters did not come back");
                self.close(None);
            }
            State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Answered
            | State::Confirmed
            | State::Transferring { .. }
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

    pub fn poll_ledger(&mut self) -> Option<LedgerCommand> {
        self.ledger.pop_front()
    }

    pub fn poll_cdr(&mut self) -> Option<Cdr> {
        self.cdr.take().map(|cdr| *cdr)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Asking { deadline, .. }
            | State::Alerting { deadline }
            | State::Dialling { deadline, .. }
            | State::Transferring { deadline, .. }
            | State::Closing { deadline, .. } => Some(*deadline),
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
            State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Answered
            | State::Confirmed
            | State::Transferring { .. } => true,
            State::Closing { .. } | State::Over => false,
        }
    }

    pub fn call(&self) -> &CallRef {
        self.record.call()
    }

    pub fn summary(&self) -> CallSummary {
        let parties = self.record.parties();
        CallSummary {
            call: self.record.call().clone(),
            direction: parties.direction,
            state: self.state.name(),
            user: parties.user.clone(),
            number: parties.number.clone(),
            trunk: parties.trunk.clone(),
            extension: parties.extension.clone(),
            started: self.record.started(),
            answered: self.record.answered_at(),
        }
    }

    /// For what is logged about one leg.
    pub fn leg_span(&self, side: Side) -> Span {
        tracing::info_span!(parent: &self.span, "leg", %side)
    }
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Asking { .. } => "asking",
            Self::Alerting { .. } => "alerting",
            Self::Dialling { .. } => "dialling",
            Self::Answered => "answered",
            Self::Confirmed => "talking",
            Self::Transferring { .. } => "transferring",
            Self::Closing { .. } | Self::Over => "closing",
        }
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

    /// The side has our description for certain, which only a ClientHello waits for.
    fn assure(&mut self, side: Side) {
        let agreement = self.agreements[side].as_ref();
        if agreement.is_some_and(|agreement| agreement.protection.dtls().is_some()) {
            self.bridge(bridge::Command::Confirm { side });
        }
    }

    fn bridge(&mut self, command: bridge::Command) {
        self.media.push_back(MediaCommand::Bridge {
            call: self.record.call().clone(),
            command,
        });
    }
}
