//! Why a call must not be placed, and what the agent's side is told of it.

use std::fmt;
use std::time::{Duration, SystemTime};

/// The reason, with its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// WhatsApp lets no business number of this country call users.
    NumberMayNotCall,
    /// Nothing is known of the permission, and the rules say not to ask WhatsApp by calling.
    PermissionUnknown,
    PermissionNotGiven,
    PermissionWithdrawn,
    /// Withdrawn by WhatsApp after too many unanswered calls.
    PermissionRevoked,
    PermissionExpired {
        since: SystemTime,
    },
    /// Connected calls to this user.
    ConnectedLimit {
        until: SystemTime,
    },
    /// WhatsApp said so itself.
    Barred {
        until: SystemTime,
    },
    /// A call between the two is going on.
    CallActive,
    /// Concurrent calls of the business number.
    NoLine,
}

/// One line of [`REFUSALS`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusalRow {
    /// In CDRs.
    pub token: &'static str,
    /// RFC 3261 §21: 403 what time does not heal, 480 what it does (which may bear `Retry-After`, §20.33).
    pub status: u16,
    /// Q.850, paired with the status by RFC 3398 §7.2.
    pub q850: u8,
    /// For the agent, in `Warning` (399) and `Reason`. No quotation marks.
    pub words: &'static str,
}

const fn row(token: &'static str, status: u16, q850: u8, words: &'static str) -> RefusalRow {
    RefusalRow {
        token,
        status,
        q850,
        words,
    }
}

/// What is told for each, in the order of [`Refusal`].
#[rustfmt::skip]
pub const REFUSALS: [RefusalRow; 10] = [
    row("number_may_not_call", 403, 57, "WhatsApp lets no business number of this country call users"),
    row("permission_unknown", 403, 57, "It is not known whether the user allows calls"),
    row("permission_not_given", 403, 57, "The user has not allowed calls"),
    row("permission_withdrawn", 403, 57, "The user has declined calls"),
    row("permission_revoked", 403, 57, "WhatsApp has ended the permission after too many unanswered calls"),
    row("permission_expired", 403, 57, "The user's permission has expired"),
    row("connected_limit", 480, 20, "The user was called as often as WhatsApp allows"),
    row("barred", 480, 20, "WhatsApp takes no calls to this user for the time being"),
    row("call_active", 486, 17, "A call with this user is going on"),
    row("no_line", 503, 34, "The business number has as many calls as WhatsApp allows"),
];

impl Refusal {
    pub fn row(&self) -> &'static RefusalRow {
        &REFUSALS[match self {
            Self::NumberMayNotCall => 0,
            Self::PermissionUnknown => 1,
            Self::PermissionNotGiven => 2,
            Self::PermissionWithdrawn => 3,
            Self::PermissionRevoked => 4,
            Self::PermissionExpired { .. } => 5,
            Self::ConnectedLimit { .. } => 6,
            Self::Barred { .. } => 7,
            Self::CallActive => 8,
            Self::NoLine => 9,
        }]
    }

    /// When the call will be allowed, as far as time alone decides.
    pub fn until(&self) -> Option<SystemTime> {
        match self {
            Self::ConnectedLimit { until } | Self::Barred { until } => Some(*until),
            Self::NumberMayNotCall
            | Self::PermissionUnknown
            | Self::PermissionNotGiven
            | Self::PermissionWithdrawn
            | Self::PermissionRevoked
            | Self::PermissionExpired { .. }
            | Self::CallActive
            | Self::NoLine => None,
        }
    }

    /// For `Retry-After`: whole seconds, rounded up.
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let wait = self.until()?.duration_since(now).unwrap_or_default();
        let seconds = wait.as_nanos().div_ceil(1_000_000_000);
        Some(Duration::from_secs(seconds.try_into().unwrap_or(u64::MAX)))
    }

    fn since(&self) -> Option<SystemTime> {
        match self {
            Self::PermissionExpired { since } => Some(*since),
            Self::NumberMayNotCall
            | Self::PermissionUnknown
            | Self::PermissionNotGiven
            | Self::PermissionWithdrawn
            | Self::PermissionRevoked
            | Self::ConnectedLimit { .. }
            | Self::Barred { .. }
            | Self::CallActive
            | Self::NoLine => None,
        }
    }
}

impl fmt::Display for Refusal {
    /// The words, and when: `The user was called as often as WhatsApp allows; again from 2026-11-21T10:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().words)?;
        for (word, time) in [("again from", self.until()), ("on", self.since())] {
            if let Some(time) = time.and_then(whole_seconds) {
                write!(f, "; {word} {time}")?;
            }
        }
        Ok(())
    }
}

/// Rounded up; `None`: beyond the calendar.
fn whole_seconds(time: SystemTime) -> Option<jiff::Timestamp> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    let up = i64::from(time.subsec_nanosecond() > 0);
    jiff::Timestamp::from_second(time.as_second().checked_add(up)?).ok()
}
