//! OPTIONS that tell the truth (RFC 3261 §11): 200 when a call sent now would be carried, else 503 with the reason.

use std::time::Duration;

use crate::call::ending::Cause;
use crate::sip::endpoint::Reply;
use crate::sip::message::{Headers, Name};

/// When to ask again, as `Retry-After` says it.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// What the world says about our own health.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    Fit,
    /// New calls are refused with 503 and these words; running calls go on.
    Unfit {
        reason: String,
    },
}

/// Whether a call can be carried now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fitness {
    Fit,
    Draining,
    Unfit(String),
    NoTrunkUp,
    Full,
}

impl Fitness {
    /// What a new call ends with. `NoTrunkUp` is no verdict on a call yet: its own trunk decides.
    pub fn refusal(&self) -> Option<(Cause, &str)> {
        match self {
            Self::Fit | Self::NoTrunkUp => None,
            Self::Draining => Some((Cause::Draining, "shutting down")),
            Self::Unfit(reason) => Some((Cause::Unfit, reason)),
            Self::Full => Some((Cause::BridgeFull, "limits.calls is reached")),
        }
    }

    /// The answer to OPTIONS.
    pub fn reply(&self) -> Reply {
        match self {
            Self::Fit => capabilities(),
            Self::Draining => unavailable("shutting down"),
            Self::Unfit(reason) => unavailable(reason),
            Self::NoTrunkUp => unavailable("no trunk is up"),
            Self::Full => unavailable("all lines are busy"),
        }
    }
}

fn capabilities() -> Reply {
    let mut headers = Headers::default();
    headers.push(Name::Accept, "application/sdp");
    Reply {
        headers,
        ..Reply::status(200)
    }
}

/// 503 with `Retry-After` (RFC 3261 §20.33) and the reason as a `Warning` (§20.43, code 399).
pub fn unavailable(reason: &str) -> Reply {
    let mut headers = Headers::default();
    headers.push(Name::RetryAfter, RETRY_AFTER.as_secs().to_string());
    headers.push(Name::Warning, warning(reason));
    Reply {
        headers,
        ..Reply::status(503)
    }
}

/// `399 wabridge "words"`: miscellaneous, for people to read.
pub fn warning(words: &str) -> String {
    let quoted: String = words
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| match c {
            '"' | '\\' => ['\\', c].into_iter().take(2),
            other => [other, other].into_iter().take(1),
        })
        .collect();
    format!("399 wabridge \"{quoted}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_cannot_break_out_of_their_quotes() {
        assert_eq!(
            warning("a \"b\" \\ c\r\nX: y"),
            "399 wabridge \"a \\\"b\\\" \\\\ cX: y\""
        );
    }
}
