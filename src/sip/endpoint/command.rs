//! What the endpoint is told: calls to place, answers to give.

use std::time::Duration;

use crate::sip::digest::Credentials;
use crate::sip::flow::NextHop;
use crate::sip::message::{Headers, Name, Request};
use crate::sip::session_timer;
use crate::sip::uri::Uri;

/// A body and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// A dialog-creating INVITE of ours.
pub struct OutgoingInvite {
    pub hop: NextHop,
    pub uri: Uri,
    /// Header values without tag.
    pub from: String,
    pub to: String,
    pub contact: Uri,
    /// Route set to preload, if any.
    pub route: Vec<String>,
    /// Everything else to be sent: P-Asserted-Identity, X-..., Reason.
    pub headers: Headers,
    pub body: Option<Body>,
    pub credentials: Option<Credentials>,
    pub login: Login,
    pub session_timer: SessionTimer,
    /// Offer 100rel; PRACK is sent by the endpoint itself.
    pub reliable_provisionals: bool,
    /// No provisional response: how long until the peer counts as dead (at most timer B, 64*T1).
    pub answer_within: Option<Duration>,
}

/// When an INVITE carries an answer to a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Login {
    WhenChallenged,
    /// At once, when the hop took an earlier answer of the same user: its nonce again, with the next count.
    Preemptive,
}

/// RFC 4028 for one usage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionTimer {
    /// Neither asked for nor agreed to. The only setting toward WhatsApp.
    Off,
    /// Agreed to when the peer asks; asked for by us when `ask`.
    On {
        ask: bool,
        expires: Duration,
        min_se: Duration,
    },
}

impl SessionTimer {
    /// 422 to an INVITE that asks for less than we take. Inside a dialog the endpoint does this itself.
    pub fn refuse(self, invite: &Request) -> Option<Reply> {
        session_timer::refuse(self, &invite.headers)
    }
}

/// A final or provisional answer of ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    pub status: u16,
    /// The standard phrase when `None`.
    pub reason: Option<String>,
    pub headers: Headers,
    pub body: Option<Body>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// With one more header.
    pub fn with(mut self, name: Name, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }
}

/// A command that does not fit the state of its usage. Nothing was done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    #[error("no such INVITE, or it is over")]
    Unknown,
    #[error("not possible while {0}")]
    WrongState(&'static str),
}
