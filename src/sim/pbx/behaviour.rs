//! What the PBX does with a call.

use std::time::Duration;

use crate::sim::fault::Faults;
use crate::sim::media::Codec;
use crate::sim::media::mouth::Says;
use crate::sim::sdp::Direction;
use crate::sim::speech::Voice;

#[derive(Clone, Debug)]
pub struct Behaviour {
    /// From the INVITE to the final answer.
    pub ring: Duration,
    pub answer: Answer,
    pub says: Says,
    /// What should be heard; `None` is not scored.
    pub hears: Option<Voice>,
    /// Digits that should be heard.
    pub digits: Option<String>,
    /// In order of preference.
    pub codecs: Vec<Codec>,
    pub ptime: Duration,
    pub security: Security,
    /// 183 with a description while ringing, and speech at once.
    pub early_media: bool,
    /// Provisional responses are sent reliably (RFC 3262) when the caller can.
    pub reliable: bool,
    /// Session-Expires of the answer, we refresh (RFC 4028).
    pub session_expires: Option<Duration>,
    /// INVITEs are challenged.
    pub credentials: Option<Credentials>,
    /// What happens how long after the answer, in order.
    pub script: Vec<(Duration, Act)>,
    pub faults: Faults,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Yes,
    /// A final response from 300 up.
    No(u16),
    /// Rings until the caller gives up.
    Never,
}

/// Of the media.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Security {
    /// SRTP is answered when it is offered.
    IfOffered,
    /// Plain RTP alone; anything else gets 488.
    Never,
    /// SRTP alone; anything else gets 488.
    Required,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    pub username: String,
    pub password: String,
    pub realm: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    HangUp,
    /// Our direction from now on: hold, and resume with `sendrecv`.
    Turn(Direction, How),
    /// By RTP events.
    Dial(String),
    /// Each digit by SIP INFO (`application/dtmf-relay`).
    DialByInfo(String),
    /// Media moves to another port, as when a PBX steps out of the path.
    Move,
    /// Only this codec from now on.
    Change(Codec),
    /// The same description again (a session refresh).
    Refresh(How),
    /// REFER.
    Transfer(Transfer),
    /// Another extension takes this call over: its INVITE names our dialog in a Replaces header. What that call comes to is
    /// reported under the extension.
    PickUp(String),
}

/// How the far side is sent on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    pub to: ReferTo,
    pub then: Then,
    /// Status that it should come to: of the last NOTIFY, or of the REFER's own refusal.
    pub expects: u16,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReferTo {
    /// A URI, or an extension of this PBX.
    Blind(String),
    /// An extension of this PBX that was consulted before: the URI names the dialog with it (attended).
    Consulted(String),
}

/// What the one who transfers does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Then {
    /// Hang up once the REFER is accepted.
    HangUp,
    /// Hang up once a NOTIFY tells of success.
    HangUpWhenDone,
    /// Leave that to the far side.
    Wait,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum How {
    Reinvite,
    Update,
}

impl Behaviour {
    /// Neither a response nor media may wait for the voice.
    pub(super) fn prepare(&self) {
        if let Says::Voice(voice) = self.says {
            for codec in &self.codecs {
                voice.samples_at(codec.rate());
            }
        }
    }
}

impl Default for Behaviour {
    /// An agent answers after a second and talks until the caller hangs up.
    fn default() -> Self {
        Self {
            ring: Duration::from_secs(1),
            answer: Answer::Yes,
            says: Says::Voice(Voice::Agent),
            hears: Some(Voice::User),
            digits: None,
            codecs: vec![Codec::Pcmu, Codec::Pcma, Codec::Opus],
            ptime: Duration::from_millis(20),
            security: Security::IfOffered,
            early_media: false,
            reliable: false,
            session_expires: None,
            credentials: None,
            script: Vec::new(),
            faults: Faults::new(),
        }
    }
}
