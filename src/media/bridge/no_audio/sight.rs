//! What is known of a side, and which cause it speaks for.

use crate::media::bridge::no_audio::NoAudio;
use crate::media::bridge::report::Rejected;

/// Of what a side was sent, as its RTCP reports it: more is not bad sound but none.
const NEARLY_ALL: f32 = 0.98;

/// What came from a side that was of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Came {
    /// Packets of audio or digits.
    pub packets: u64,
    /// How many times they held more than silence, as far as can be told.
    pub sound: u64,
}

/// How far ICE and DTLS have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// Or there is none.
    Done,
    NoWay,
    NoKeys,
}

impl Setup {
    fn fault(self) -> Option<NoAudio> {
        match self {
            Self::Done => None,
            Self::NoWay => Some(NoAudio::NotReached),
            Self::NoKeys => Some(NoAudio::NotSecured),
        }
    }
}

/// What is known of one side: of a stretch of time, or its counters since the call began.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sight {
    pub setup: Setup,
    /// The peer may send, and may be sent to, by its description.
    pub may_send: bool,
    pub may_receive: bool,
    /// The agreed keys can be used for receiving, and for sending.
    pub opens: bool,
    pub protects: bool,
    /// There is an address to send to.
    pub has_target: bool,
    pub came: Came,
    pub rejected: Rejected,
    /// Anything valid ever came.
    pub heard_ever: bool,
    /// RTCP reports about what we send, and the loss that the last one tells of.
    pub reports: u32,
    pub reported_loss: Option<f32>,
}

/// Why the peer is not heard.
pub fn from_peer(stretch: &Sight) -> Option<NoAudio> {
    let Came { packets, sound } = stretch.came;
    match (stretch.may_send, stretch.opens, packets, sound) {
        (false, _, _, _) => Some(NoAudio::Hold),
        (true, _, _, 1..) => None,
        (true, _, 1.., 0) => Some(NoAudio::Silence),
        (true, _, 0, 0) if stretch.setup != Setup::Done => stretch.setup.fault(),
        (true, false, 0, 0) => Some(NoAudio::UnusableKeys),
        (true, true, 0, 0) => Some(why_rejected(&stretch.rejected).unwrap_or(
            match stretch.heard_ever {
                true => NoAudio::Stopped,
                false => NoAudio::NothingReceived,
            },
        )),
    }
}

/// Why the peer does not hear us.
pub fn to_peer(stretch: &Sight) -> Option<NoAudio> {
    let is_lost = |loss| loss >= NEARLY_ALL;
    if !stretch.may_receive {
        return Some(NoAudio::Hold);
    }
    if let Some(fault) = stretch.setup.fault() {
        return Some(fault);
    }
    if !stretch.protects {
        return Some(NoAudio::UnusableKeys);
    }
    if !stretch.has_target {
        return Some(NoAudio::NoAddress);
    }
    let told = stretch.reported_loss.filter(|_| stretch.reports > 0);
    told.is_some_and(is_lost).then_some(NoAudio::Lost)
}

/// What most of the datagrams were rejected for.
fn why_rejected(rejected: &Rejected) -> Option<NoAudio> {
    let (cause, count) = [
        (NoAudio::NotRtp, rejected.not_rtp),
        (NoAudio::Replayed, rejected.replayed),
        (NoAudio::Undecodable, rejected.undecodable),
        (NoAudio::UnknownPayloadType, rejected.unknown_payload_type),
        (NoAudio::WrongSource, rejected.wrong_source),
        (NoAudio::Authentication, rejected.authentication),
    ]
    .into_iter()
    .max_by_key(|(_, count)| *count)?;
    (count > 0).then_some(cause)
}
