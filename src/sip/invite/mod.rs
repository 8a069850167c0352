//! The INVITE usage of a dialog (RFC 3261 §13-§15), from its first INVITE to its end, in both roles. One file an act:
//! `connect` (our INVITE, which is `inviting` while it is unanswered), `accept` (theirs), `ack`, `modify` (our re-INVITE),
//! `reoffer` (their re-INVITE and UPDATE), `inside` (other requests), `refresh` (session timer), `close` (how it ends).
//! What the bodies say is not known here.

pub mod accept;
pub mod ack;
pub mod close;
pub mod connect;
pub mod inside;
pub mod inviting;
pub mod modify;
pub mod refresh;
pub mod reoffer;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::sip::core::Core;
use crate::sip::dialog::Dialog;
use crate::sip::digest::Responder;
use crate::sip::endpoint::{
    CommandError, Departure, Event, Failure, InviteId, PendingId, RequestId, SessionTimer,
};
use crate::sip::message::{Headers, Response};
use crate::sip::replaces::Replaces;
use crate::sip::session_timer::Running;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::timer::earliest;
use crate::sip::uri::Uri;

use self::accept::Invited;
use self::ack::AwaitingAck;
use self::inviting::Inviting;

/// An INVITE that nobody answers for so long is over, whoever forgot it.
const LONGEST_RING: Duration = Duration::from_secs(600);

/// Requests of the peer that may wait for answers in one dialog.
const MAX_PENDING: usize = 32;

pub struct Usage {
    pub id: InviteId,
    pub state: State,
    /// Requests of the peer inside the dialog that the application has yet to answer.
    pending: BTreeSet<TransactionId>,
    /// Requests of ours whose outcome the application has yet to learn.
    requests: BTreeSet<RequestId>,
}

pub enum State {
    /// Our INVITE is out; there may be early dialogs.
    Inviting(Box<Inviting>),
    /// An INVITE came; it has no final response yet.
    Invited(Box<Invited>),
    /// A 2xx made the dialog.
    Established(Box<Established>),
    /// Our BYE is out.
    Leaving(Box<Leaving>),
    Over,
}

pub struct Established {
    pub session: Session,
    pub phase: Phase,
}

/// What offer and answer are at: one exchange at a time.
pub enum Phase {
    Idle,
    /// 2xx to our INVITE came; the application owes the ACK.
    OwingAck {
        transaction: TransactionId,
        cseq: u32,
        gives_up: Instant,
    },
    /// Our 2xx is repeated until its ACK comes.
    AwaitingAck(AwaitingAck),
    /// Our re-INVITE is out.
    Modifying {
        request: RequestId,
    },
    /// Our re-INVITE met theirs (491) and is sent again later (RFC 3261 §14.1).
    ModifyingAgain {
        request: RequestId,
        at: Instant,
        retry: Box<modify::Retry>,
    },
    /// Their re-INVITE or UPDATE waits for the application.
    Reoffered {
        pending: PendingId,
        gives_up: Instant,
    },
}

pub struct Session {
    pub dialog: Dialog,
    pub contact: Uri,
    pub login: Option<Responder>,
    pub setting: SessionTimer,
    pub running: Option<Running>,
    /// We made the Call-ID: decides who waits longer after a 491.
    pub invited_by_us: bool,
}

pub struct Leaving {
    pub dialog: Dialog,
    pub login: Option<Responder>,
}

impl Usage {
    pub fn new(id: InviteId, state: State) -> Self {
        Self {
            id,
            state,
            pending: BTreeSet::new(),
            requests: BTreeSet::new(),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Call-ID and our tag: what requests inside the dialog find it by.
    pub fn dialog_key(&self) -> Option<(&str, &str)> {
        let dialog = match &self.state {
            State::Inviting(inviting) => return Some(inviting.dialog_key()),
            State::Invited(invited) => &invited.dialog,
            State::Established(established) => &established.session.dialog,
            State::Leaving(leaving) => &leaving.dialog,
            State::Over => return None,
        };
        Some((&dialog.call_id, &dialog.local_tag))
    }

    /// Whether its dialog may give its place to another (RFC 3891 §3); else the status that says why not.
    pub fn replaceable(&self, replaces: &Replaces) -> Result<(), u16> {
        match &self.state {
            State::Established(established) => {
                match replaces.is_from(&established.session.dialog.remote_tag) {
                    true if established.is_ending() => Err(603),
                    true if replaces.early_only => Err(486),
                    true => Ok(()),
                    false => Err(481),
                }
            }
            State::Leaving(leaving) if replaces.is_from(&leaving.dialog.remote_tag) => Err(603),
            State::Inviting(_) | State::Invited(_) | State::Leaving(_) | State::Over => Err(481),
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Inviting(inviting) => inviting.deadline(),
            State::Invited(invited) => invited.deadline(),
            State::Established(established) => established.deadline(),
            State::Leaving(_) | State::Over => None,
        }
    }

    pub fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        match &self.state {
            State::Inviting(_) => self.inviting_timeout(core, now),
            State::Invited(_) => self.invited_timeout(core, now),
            State::Established(_) => {
                self.phase_timeout(core, now);
                self.refresh_timeout(core, now);
            }
            State::Leaving(_) | State::Over => {}
        }
    }

    /// Lets the state go, to be made into the next one.
    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Over)
    }

    fn established(&mut self) -> Result<&mut Established, CommandError> {
        match &mut self.state {
            State::Established(established) => Ok(established),
            state => Err(CommandError::WrongState(state.name())),
        }
    }

    /// Reports the outcome of a request of ours, once.
    fn complete(&mut self, core: &mut Core, request: RequestId, outcome: Outcome) {
        if self.requests.remove(&request) {
            core.tell(Event::Completed { request, outcome });
        }
    }

    fn phase_timeout(&mut self, core: &mut Core, now: Instant) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        match &mut established.phase {
            Phase::OwingAck { gives_up, .. } if now >= *gives_up => {
                self.leave(core, now, Headers::new());
                self.departed(core, Departure::SessionExpired);
            }
            Phase::AwaitingAck(_) => self.awaiting_ack_timeout(core, now),
            Phase::ModifyingAgain { at, .. } if now >= *at => self.modify_again(core, now),
            Phase::Reoffered { pending, gives_up } if now >= *gives_up => {
                let pending = *pending;
                self.abandon_reoffer(core, now, pending);
            }
            Phase::Idle
            | Phase::OwingAck { .. }
            | Phase::Modifying { .. }
            | Phase::ModifyingAgain { .. }
            | Phase::Reoffered { .. } => {}
        }
    }
}

pub type Outcome = Result<Box<Response>, Failure>;

impl State {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inviting(_) => "the INVITE is unanswered",
            Self::Invited(_) => "the INVITE is to be answered",
            Self::Established(established) => established.phase.name(),
            Self::Leaving(_) => "BYE is out",
            Self::Over => "nothing is left of it",
        }
    }
}

impl Phase {
    /// Whether this very offer waits for the application.
    fn is_reoffered(&self, by: PendingId) -> bool {
        matches!(self, Self::Reoffered { pending, .. } if *pending == by)
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "the dialog is established",
            Self::OwingAck { .. } => "the 2xx is to be acknowledged",
            Self::AwaitingAck(_) => "the ACK is awaited",
            Self::Modifying { .. } | Self::ModifyingAgain { .. } => "a re-INVITE is under way",
            Self::Reoffered { .. } => "the peer's offer is to be answered",
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::OwingAck { gives_up, .. } | Self::Reoffered { gives_up, .. } => Some(*gives_up),
            Self::AwaitingAck(awaiting) => Some(awaiting.deadline()),
            Self::ModifyingAgain { at, .. } => Some(*at),
            Self::Idle | Self::Modifying { .. } => None,
        }
    }
}

impl Established {
    /// Whether the application is still to acknowledge this very 2xx.
    fn owes_ack_to(&self, response: &Response) -> bool {
        let owing = matches!(self.phase, Phase::OwingAck { .. });
        owing && connect::to_tag(response).unwrap_or_default() == self.session.dialog.remote_tag
    }

    /// Whether BYE waits for the ACK to our 2xx.
    fn is_ending(&self) -> bool {
        matches!(&self.phase, Phase::AwaitingAck(awaiting) if awaiting.then_leave.is_some())
    }

    fn deadline(&self) -> Option<Instant> {
        let session = self.session.running.map(|running| running.deadline());
        earliest(self.phase.deadline(), session)
    }
}
