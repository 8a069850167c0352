//! A user's permission to be called, and where we have it from.

use std::cmp::Reverse;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::recent::Stamp;

/// What the user allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    Absent(Absence),
    Temporary { until: SystemTime },
    Permanent,
}

/// Why there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// WhatsApp says there is none; it does not say why.
    NotGiven,
    /// The user refused a request or took the permission back.
    Withdrawn,
    /// Too many calls in a row were not answered.
    Unanswered,
}

/// Who told us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The user's reply, or WhatsApp's own withdrawal, as a webhook.
    Webhook,
    /// `GET call_permissions`.
    Read,
    Operator,
    /// What became of a call: WhatsApp's 403, or our count of unanswered ones.
    Call,
}

/// A permission with its origin, as told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    pub permission: Permission,
    pub source: Source,
    /// When it was so; what is older is no news.
    pub at: SystemTime,
}

/// As it is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) permission: KeptPermission,
    pub(super) source: Source,
    pub(super) at: Stamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum KeptPermission {
    Absent { why: Absence },
    Temporary { until: Stamp },
    Permanent,
}

impl Kept {
    /// Later news counts; of one moment, what allows less. So news may come twice and in any order.
    pub(super) fn outweighs(&self, other: &Self) -> bool {
        (self.at, self.permission.strictness()) > (other.at, other.permission.strictness())
    }

    pub(super) fn told(&self) -> Known {
        let permission = match self.permission {
            KeptPermission::Absent { why } => Permission::Absent(why),
            KeptPermission::Temporary { until } => Permission::Temporary {
                until: until.time(),
            },
            KeptPermission::Permanent => Permission::Permanent,
        };
        Known {
            permission,
            source: self.source,
            at: self.at.time(),
        }
    }
}

impl KeptPermission {
    fn strictness(self) -> (u8, Reverse<Stamp>) {
        match self {
            Self::Absent { .. } => (2, Reverse(Stamp::default())),
            Self::Temporary { until } => (1, Reverse(until)),
            Self::Permanent => (0, Reverse(Stamp::default())),
        }
    }
}
