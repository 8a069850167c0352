//! How a leg ended without our call's doing, and what that means for the call.

use crate::call::cdr::Told;
use crate::call::ending::{Cause, Ending, Party};
use crate::config::Meaning;
use crate::side::Side;

/// How a leg ended without us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LegEnd {
    /// A gave up before our answer; 487 was sent.
    Cancelled,
    HungUp(Parting),
    /// B's final response.
    Rejected {
        status: u16,
        q850: Option<u8>,
        phrase: String,
        /// By the peer's profile.
        meaning: Option<Meaning>,
    },
    /// B could not be reached, or did not answer in time.
    Unreachable(String),
    /// What the side described cannot be agreed to; BYE was sent.
    Disagreed(String),
    /// A sent no ACK; BYE was sent.
    NeverAcknowledged,
    SessionExpired,
    DialogGone,
}

/// What a side said when it hung up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parting {
    pub q850: Option<u8>,
    /// The text of its `Reason`.
    pub words: Option<String>,
    /// How long it says the call was, in seconds.
    pub duration_s: Option<u32>,
    /// What it calls the call.
    pub wacid: Option<String>,
}

impl LegEnd {
    /// One word for the CDR's list of attempts.
    pub fn outcome(&self) -> String {
        match self {
            Self::Rejected { status, .. } => status.to_string(),
            Self::Unreachable(why) => why.clone(),
            Self::Disagreed(_) => "disagreed".to_owned(),
            Self::Cancelled => "cancelled".to_owned(),
            Self::HungUp(_) => "hung up".to_owned(),
            Self::NeverAcknowledged => "never acknowledged".to_owned(),
            Self::SessionExpired => "session expired".to_owned(),
            Self::DialogGone => "dialog gone".to_owned(),
        }
    }

    /// Whether the peer was at fault, so that another one is tried; a callee's own answer is one.
    pub fn is_peers_fault(&self) -> bool {
        match self {
            Self::Rejected {
                status,
                meaning: None,
                ..
            } => Cause::of_final(*status).failover,
            Self::Rejected {
                meaning: Some(_), ..
            } => false,
            Self::Unreachable(_) => true,
            Self::Cancelled
            | Self::HungUp(_)
            | Self::Disagreed(_)
            | Self::NeverAcknowledged
            | Self::SessionExpired
            | Self::DialogGone => false,
        }
    }

    /// What this leg has been told already.
    pub fn told(&self) -> Told {
        match self {
            Self::Cancelled => Told::Status(Cause::Cancelled.row().status),
            Self::Disagreed(_) | Self::NeverAcknowledged => Told::Bye,
            Self::SessionExpired | Self::DialogGone => Told::Bye,
            Self::HungUp(_) | Self::Rejected { .. } | Self::Unreachable(_) => Told::Nothing,
        }
    }

    /// What the peer said when it hung up.
    pub fn parting(&self) -> Option<&Parting> {
        match self {
            Self::HungUp(parting) => Some(parting),
            Self::Cancelled
            | Self::Rejected { .. }
            | Self::Unreachable(_)
            | Self::Disagreed(_)
            | Self::NeverAcknowledged
            | Self::SessionExpired
            | Self::DialogGone => None,
        }
    }

    /// How the call ends with it.
    pub fn ending(self, side: Side) -> Ending {
        let by = Party::from(side);
        match self {
            Self::Cancelled => Ending::new(Cause::Cancelled, by),
            Self::HungUp(parting) => {
                let mut ending = Ending::new(Cause::HungUp, by).given(parting.q850);
                ending.detail = parting.words;
                ending
            }
            Self::Rejected {
                status,
                q850,
                phrase,
                meaning: None,
            } => Ending::rejected(status, q850).because(phrase),
            Self::Rejected {
                status,
                q850,
                phrase,
                meaning: Some(meaning),
            } => Ending::meant(meaning, status, q850).because(phrase),
            Self::Unreachable(why) => Ending::new(Cause::PeerUnreachable, by).because(why),
            Self::Disagreed(why) => Ending::new(disagreement(side), by).because(why),
            Self::NeverAcknowledged => Ending::new(Cause::NeverAcknowledged, by),
            Self::SessionExpired => Ending::new(Cause::SessionExpired, by),
            Self::DialogGone => Ending::new(Cause::DialogGone, by),
        }
    }
}

/// A makes offers, B answers them.
fn disagreement(side: Side) -> Cause {
    match side {
        Side::A => Cause::OfferRefused,
        Side::B => Cause::AnswerRefused,
    }
}
