//! What happens between a business number and a user.

use std::time::SystemTime;

use super::permission::{Absence, Source};

/// Something that happened, at a moment told with it. Calls are named by our own name for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// The user allows calls until a moment; `None`: it is not told, so the rules say how long.
    AllowedUntil {
        until: Option<SystemTime>,
        source: Source,
    },
    AllowedForEver {
        source: Source,
    },
    NotAllowed {
        why: Absence,
        source: Source,
    },
    /// The user was asked for permission.
    RequestSent,
    /// WhatsApp takes no call to this user until then, whatever we have counted (error 138012, `limit_expiration_time`).
    BarredUntil {
        until: SystemTime,
    },
    /// Our INVITE to WhatsApp left.
    CallPlaced {
        call: String,
    },
    /// The user calls the business: opens the customer-service window, answered or not.
    UserCalled {
        call: String,
    },
    /// Picked up.
    CallConnected {
        call: String,
    },
    /// A call of the business rang and nobody took it. Not: given up by the agent, or failed on its way.
    CallUnanswered {
        call: String,
    },
    /// It is over, answered or not; nothing else is counted.
    CallEnded {
        call: String,
    },
}

/// A fact that changed nothing, and need not be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Ignored {
    #[error("this is known already, or older than what is known")]
    Stale,
    #[error("another call with this user is going on")]
    CallActive,
    #[error("no such call with this user is going on, or it has come further")]
    NotThisCall,
}
