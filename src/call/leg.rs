//! A leg: one side of a call in signalling. What a [`Call`](crate::call::call::Call) says to it and hears from it is this
//! small vocabulary, which knows no protocol; a leg is SIP ([`SipLeg`](crate::call::sip_leg::SipLeg)) and may be another.

use std::time::Duration;

use crate::call::ending::Ending;
use crate::call::leg_end::LegEnd;
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

/// A key of the dial pad: `0-9*#A-D`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digit {
    pub key: u8,
    pub duration: Duration,
}
