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
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum How {
    Reinvite,
    Update,
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
