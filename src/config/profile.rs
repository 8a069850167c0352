//! The habits of a kind of peer, as data.

use std::time::Duration;

use crate::media::bridge::Habits;
use crate::sdp::Policy;

/// A peer kind's habits: `sip-profiles/NAME.toml`.
#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub sip: SipHabits,
    pub sdp: Policy,
    pub media: Habits,
}

#[derive(Clone, Debug)]
pub struct SipHabits {
    /// Nothing but ACK, BYE and CANCEL ever leaves toward this peer inside a call (WhatsApp: dossier 2.8).
    pub frozen: bool,
    /// Send 180 when the far side rings.
    pub ringing: bool,
    /// Challenge its INVITEs.
    pub challenge: Challenge,
    pub challenge_algorithm: DigestAlgorithm,
    /// The user name it must answer a challenge with.
    pub digest_username: DigestUsername,
    pub session_timer: Option<SessionTimerHabit>,
    pub reliable_provisionals: bool,
    /// How long the far side may ring before we give up.
    pub answer_timeout: Duration,
    /// No provisional response from this peer for so long: the next one is tried.
    pub first_response_timeout: Duration,
    /// DTMF toward this peer.
    pub dtmf: DtmfHabit,
    /// Which of WhatsApp's headers are passed on, as `X-WA-...` (lower-case names without `x-wa-meta-`).
    pub pass_headers: Vec<String>,
    /// Identify callers by P-Asserted-Identity as well as From.
    pub asserted_identity: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Challenge {
    No,
    /// 401 WWW-Authenticate.
    Unauthorized,
    /// 407 Proxy-Authenticate.
    ProxyAuthentication,
}

/// RFC 8760 §2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestAlgorithm {
    Md5,
    Sha256,
}

/// How a business number is written as a digest user name (dossier 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestUsername {
    /// `17015550100`, as in all of WhatsApp's samples.
    Digits,
    /// `+17015550100`.
    Plus,
    Either,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionTimerHabit {
    pub ask: bool,
    pub expires: Duration,
    pub min_se: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtmfHabit {
    /// RFC 4733 when agreed.
    Rtp,
    /// SIP INFO, `application/dtmf-relay`.
    Info,
}
