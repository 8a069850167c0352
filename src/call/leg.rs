//! A leg: one side of a call in signalling. What a [`Call`](crate::call::call::Call) says to it and hears from it is this
//! small vocabulary, which knows no protocol; a leg is SIP ([`SipLeg`](crate::call::sip_leg::SipLeg)) and may be another.

use std::time::Duration;

use crate::call::ending::Ending;
use crate::call::trunk::PeerId;
use crate::sdp::Agreement;

/// From a leg to its call.
#[derive(Clone, PartialEq, Debug)]
pub enum LegEvent {
    /// What its protocol calls it, for the CDR.
    Named(String),
    /// B: the far side is being alerted.
    Ringing,
    /// B: its media may come before its answer.
    EarlyMedia(Box<Agreement>),
    /// B: answered, and told that we know.
    Answered(Box<Agreement>),
    /// A: knows that it is answered. With an agreement when the offer was ours.
    Confirmed(Option<Box<Agreement>>),
    /// Offer and answer were settled anew on this leg alone: hold, resume, another codec, address or key.
    Reagreed(Box<Agreement>),
    /// A digit came by signalling.
    Digit(Digit),
    /// The leg is over.
    Ended(LegEnd),
}

/// From a call to its leg.
#[derive(Clone, PartialEq, Debug)]
pub enum LegCommand {
    /// B: call this peer.
    Dial(PeerId),
    /// A: the far side is being alerted.
    Ring,
    /// A: the far side answered.
    Answer,
    /// Pass a digit on by signalling.
    Digit(Digit),
    /// End the leg, whatever its state.
    HangUp(Ending),
}

/// How a leg ended without us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LegEnd {
    /// A gave up before our answer.
    Cancelled,
    HungUp(Parting),
    /// B's final response.
    Rejected {
        status: u16,
        q850: Option<u8>,
        phrase: String,
    },
    /// B could not be reached, or did not answer in time.
    Unreachable(String),
    /// What the side described cannot be agreed to; the leg was ended.
    Disagreed(String),
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
}

/// A key of the dial pad: `0-9*#A-D`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digit {
    pub key: u8,
    pub duration: Duration,
}
