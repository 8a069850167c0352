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

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tracing::{Span, debug, info, warn};

use crate::call::cdr::{CallRef, Cdr, Quality, Told};
use crate::call::ending::{Cause, Ending, Party};
use crate::call::leg::{Digit, LegCommand, LegEnd, LegEvent};
use crate::call::moment::Moment;
use crate::call::plane::{MediaCommand, MediaEvent, PortPair};
use crate::call::record::Record;
use crate::call::trunk::PeerId;
use crate::media::bridge::{self, BridgeSpec, Report};
use crate::sdp::{Agreement, Direction};
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
            call.end(now, Ending::new(Cause::NoTrunkUp, Party::Bridge), Gone::B);
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
                self.end(now, Ending::new(Cause::NoAnswer, Party::Callee), Gone::None);
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
        self.end(
            now,
            Ending::new(Cause::Shutdown, Party::Operator),
            Gone::None,
        );
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

/// Which leg needs no hanging up when a call ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    None,
    A,
    B,
}

impl Gone {
    fn has(self, side: Side) -> bool {
        match side {
            Side::A => self == Self::A,
            Side::B => self == Self::B,
        }
    }
}

impl From<Side> for Gone {
    fn from(side: Side) -> Self {
        match side {
            Side::A => Self::A,
            Side::B => Self::B,
        }
    }
}

/// Setting up.
impl Call {
    /// Calls the next candidate; `false` when there is none left.
    fn dial_next(&mut self) -> bool {
        let Some(candidate) = self.candidates.pop_front() else {
            return false;
        };
        info!(peer = %candidate.name, "calling");
        self.record.try_peer(candidate.name);
        self.command(Side::B, LegCommand::Dial(candidate.peer));
        true
    }

    fn ring(&mut self, now: Moment) {
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
    fn agree_early(&mut self, agreement: Box<Agreement>) {
        match self.state {
            State::Dialling { .. } => self.agree(Side::B, agreement),
            State::Answered | State::Confirmed | State::Closing { .. } | State::Over => {}
        }
    }

    /// B answered: so does A's leg, and media starts both ways, toward A at once (dossier 3.3: ours is the first packet).
    fn connect(&mut self, now: Moment, agreement: Box<Agreement>) {
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

    fn confirm(&mut self, agreement: Option<Box<Agreement>>) {
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

/// While it lasts.
impl Call {
    fn agree_anew(&mut self, side: Side, agreement: Box<Agreement>) {
        match self.state {
            State::Answered | State::Confirmed => {
                info!(%side, direction = ?agreement.direction, codec = ?agreement.codec, "agreed anew");
                self.agree(side, agreement);
            }
            State::Dialling { .. } | State::Closing { .. } | State::Over => {}
        }
    }

    fn play_digit(&mut self, side: Side, digit: Digit) {
        match self.state {
            State::Answered | State::Confirmed => self.bridge(bridge::Command::Dtmf {
                side,
                digit: digit.key,
                duration: digit.duration,
            }),
            State::Dialling { .. } | State::Closing { .. } | State::Over => {}
        }
    }

    fn bridge_told(&mut self, now: Moment, event: bridge::Event) {
        match event {
            bridge::Event::FirstMedia { side } => info!(%side, "first media"),
            bridge::Event::Starved { side, silent_for } => self.starve(now, side, silent_for),
            bridge::Event::Dtmf {
                side,
                digit,
                duration,
            } => self.digit_heard(
                side,
                Digit {
                    key: digit,
                    duration,
                },
            ),
        }
    }

    fn digit_heard(&mut self, side: Side, digit: Digit) {
        debug!(%side, "digit");
        match self.state {
            State::Answered | State::Confirmed => {
                if side == Side::A && self.habits.digits_by_signalling {
                    self.command(Side::B, LegCommand::Digit(digit));
                }
            }
            State::Dialling { .. } | State::Closing { .. } | State::Over => {}
        }
    }

    /// A side that is on hold owes no media.
    fn starve(&mut self, now: Moment, side: Side, silent_for: Duration) {
        let owes =
            self.agreements[side]
                .as_ref()
                .is_some_and(|agreement| match agreement.direction {
                    Direction::SendRecv | Direction::RecvOnly => true,
                    Direction::SendOnly | Direction::Inactive => false,
                });
        match self.state {
            State::Answered | State::Confirmed if owes => {
                let silence = format!("no media for {} s", silent_for.as_secs());
                let ending = Ending::new(Cause::MediaTimeout, side.into()).because(silence);
                self.end(now, ending, Gone::None);
            }
            State::Dialling { .. }
            | State::Answered
            | State::Confirmed
            | State::Closing { .. }
            | State::Over => {}
        }
    }
}

/// Ending.
impl Call {
    fn leg_ended(&mut self, now: Moment, side: Side, end: LegEnd) {
        match (&self.state, side) {
            (State::Dialling { .. }, Side::B) => self.attempt_failed(now, end),
            (State::Dialling { .. } | State::Answered | State::Confirmed, Side::A | Side::B) => {
                let duration_s = match &end {
                    LegEnd::HungUp(parting) => parting.duration_s,
                    LegEnd::Cancelled
                    | LegEnd::Rejected { .. }
                    | LegEnd::Unreachable(_)
                    | LegEnd::Disagreed(_)
                    | LegEnd::NeverAcknowledged
                    | LegEnd::SessionExpired
                    | LegEnd::DialogGone => None,
                };
                self.record.counted_by_peer(duration_s);
                self.end(now, ending_of(side, end), side.into());
            }
            (State::Closing { .. } | State::Over, Side::A | Side::B) => {}
        }
    }

    /// The next peer is tried when this one is at fault; a callee's own answer ends the call.
    fn attempt_failed(&mut self, now: Moment, end: LegEnd) {
        let outcome = outcome_of(&end);
        info!(%outcome, "attempt failed");
        self.record.attempt_came_to(outcome);
        let elsewhere = match &end {
            LegEnd::Rejected { status, .. } => Cause::of_final(*status).failover,
            LegEnd::Unreachable(_) => true,
            LegEnd::Cancelled
            | LegEnd::HungUp(_)
            | LegEnd::Disagreed(_)
            | LegEnd::NeverAcknowledged
            | LegEnd::SessionExpired
            | LegEnd::DialogGone => false,
        };
        if !(elsewhere && self.dial_next()) {
            self.end(now, ending_of(Side::B, end), Gone::B);
        }
    }

    fn media_failed(&mut self, now: Moment, error: String) {
        match self.state {
            State::Dialling { .. } | State::Answered | State::Confirmed => {
                warn!(%error, "media failed");
                let ending = Ending::new(Cause::MediaFailed, Party::Bridge).because(error);
                self.end(now, ending, Gone::None);
            }
            State::Closing { .. } | State::Over => {}
        }
    }

    fn media_closed(&mut self, now: Moment, report: &Report) {
        match self.state {
            State::Closing { .. } => self.close(Some(report)),
            State::Dialling { .. } | State::Answered | State::Confirmed => {
                self.media_failed(now, "closed by the worker".to_owned());
                self.close(Some(report));
            }
            State::Over => {}
        }
    }

    /// Hangs up the legs that are left and closes the media.
    fn end(&mut self, now: Moment, ending: Ending, gone: Gone) {
        let told = match self.state {
            State::Dialling { .. } => Pair::new(Told::Status(ending.status()), Told::Cancel),
            State::Answered | State::Confirmed => Pair::new(Told::Bye, Told::Bye),
            State::Closing { .. } | State::Over => return,
        };
        let mut told = told;
        for side in Side::BOTH {
            if gone.has(side) {
                told[side] = Told::Nothing;
            } else {
                self.command(side, LegCommand::HangUp(ending.clone()));
            }
        }
        if ending.cause == Cause::Cancelled {
            told.a = Told::Status(ending.status());
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

    fn close(&mut self, report: Option<&Report>) {
        let state = std::mem::replace(&mut self.state, State::Over);
        if let State::Closing { mut cdr, .. } = state {
            cdr.first_audio = report.and_then(|report| report.sides.a.first_audio_after);
            cdr.quality = report.map(Quality::of);
            self.cdr = Some(cdr);
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

    fn bridge(&mut self, command: bridge::Command) {
        self.media.push_back(MediaCommand::Bridge {
            call: self.record.call().clone(),
            command,
        });
    }
}

/// One word for the CDR's list of attempts.
fn outcome_of(end: &LegEnd) -> String {
    match end {
        LegEnd::Rejected { status, .. } => status.to_string(),
        LegEnd::Unreachable(why) => why.clone(),
        LegEnd::Disagreed(_) => "disagreed".to_owned(),
        LegEnd::Cancelled => "cancelled".to_owned(),
        LegEnd::HungUp(_) => "hung up".to_owned(),
        LegEnd::NeverAcknowledged => "never acknowledged".to_owned(),
        LegEnd::SessionExpired => "session expired".to_owned(),
        LegEnd::DialogGone => "dialog gone".to_owned(),
    }
}

fn ending_of(side: Side, end: LegEnd) -> Ending {
    let by = Party::from(side);
    match end {
        LegEnd::Cancelled => Ending::new(Cause::Cancelled, by),
        LegEnd::HungUp(parting) => {
            let ending = Ending::new(Cause::HungUp, by).given(parting.q850);
            match parting.words {
                Some(words) => ending.because(words),
                None => ending,
            }
        }
        LegEnd::Rejected {
            status,
            q850,
            phrase,
        } => Ending::rejected(status, q850).because(phrase),
        LegEnd::Unreachable(why) => Ending::new(Cause::PeerUnreachable, by).because(why),
        LegEnd::Disagreed(why) => Ending::new(disagreement(side), by).because(why),
        LegEnd::NeverAcknowledged => Ending::new(Cause::NeverAcknowledged, by),
        LegEnd::SessionExpired => Ending::new(Cause::SessionExpired, by),
        LegEnd::DialogGone => Ending::new(Cause::DialogGone, by),
    }
}

/// A makes offers, B answers them.
fn disagreement(side: Side) -> Cause {
    match side {
        Side::A => Cause::OfferRefused,
        Side::B => Cause::AnswerRefused,
    }
}
