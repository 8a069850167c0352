//! A leg: one side of a call in signalling. What a [`Call`](crate::call::call::Call) says to it and hears from it is this
//! small vocabulary, which knows no protocol; a leg is SIP ([`SipLeg`](crate::call::sip_leg::SipLeg)) and may be another.

use std::time::Duration;

use crate::call::ending::Ending;
use crate::call::leg_end::LegEnd;
use crate::call::placing::Target;
use crate::sdp::Agreement;

/// From a leg to its call.
#[derive(Clone, PartialEq, Debug)]
pub enum LegEvent {
    /// What its protocol calls it, for the CDR.
    Named(String),
    /// The user's business-scoped id, as WhatsApp tells it with its answer.
    UserNamed(String),
    /// A side that we call: it is being alerted.
    Ringing,
    /// A side that we call: its media may come before its answer.
    EarlyMedia(Box<Agreement>),
    /// A side that we call: answered, and told that we know.
    Answered(Box<Agreement>),
    /// A side that called us: knows that it is answered. With an agreement when the offer was ours.
    Confirmed(Option<Box<Agreement>>),
    /// Offer and answer were settled anew on this leg alone: hold, resume, another codec, address or key.
    Reagreed(Box<Agreement>),
    /// A digit came by signalling.
    Digit(Digit),
    /// The side wants another to take its place: `TakeReferral` or `RefuseReferral`.
    Referred(Referral),
    /// The leg is over.
    Ended(LegEnd),
}

/// From a call to its leg.
#[derive(Clone, PartialEq, Debug)]
pub enum LegCommand {
    /// Call this side there.
    Dial(Target),
    /// A side that called us: the far side is being alerted.
    Ring,
    /// A side that called us: the far side answered.
    Answer,
    /// Pass a digit on by signalling.
    Digit(Digit),
    /// The referral is followed: call its target, as successor of this side.
    TakeReferral,
    /// It is not.
    RefuseReferral,
    /// Tell the side that referred us how far that is: a provisional or final SIP status.
    TellReferrer(u16),
    /// The successor becomes this side's leg, the former one is ended.
    Succeed,
    /// End the successor, which does not succeed.
    DropSuccessor(Ending),
    /// End the leg, whatever its state.
    HangUp(Ending),
}

/// Whom a side refers us to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Referral {
    /// For the record.
    pub to: String,
    pub kind: ReferralKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReferralKind {
    Blind,
    /// The referrer talks to the target, whose place in that dialog the other side is to take.
    Attended,
}

/// A key of the dial pad: `0-9*#A-D`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digit {
    pub key: u8,
    pub duration: Duration,
}
