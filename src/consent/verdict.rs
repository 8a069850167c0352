//! The answer.

use std::time::SystemTime;

use super::permission::{Absence, KeptPermission};
use super::recent::Stamp;
use super::refusal::Refusal;
use super::rules::{MayCall, Rules, WhenUnknown};
use super::standing::Standing;
use crate::party::PhoneNumber;

/// May the call be placed now?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The user has given permission and no limit is reached.
    Allowed,
    /// Nothing is known of the permission; placing the call asks WhatsApp.
    Unknown,
    Refused(Refusal),
}

impl Verdict {
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Allowed | Self::Unknown => None,
            Self::Refused(refusal) => Some(*refusal),
        }
    }
}

impl Standing {
    /// `calls`: how many `number` has now, both directions. Of several reasons the one that lasts is told.
    pub fn verdict(
        &self,
        number: &PhoneNumber,
        calls: u32,
        rules: &Rules,
        now: SystemTime,
    ) -> Verdict {
        let refusal = number_refusal(number, rules)
            .or_else(|| self.permission_refusal(rules, now))
            .or_else(|| self.limit_refusal(rules, now))
            .or_else(|| self.line_refusal(calls, rules));
        match (refusal, &self.permission) {
            (Some(refusal), _) => Verdict::Refused(refusal),
            (None, Some(_)) => Verdict::Allowed,
            (None, None) => Verdict::Unknown,
        }
    }

    fn permission_refusal(&self, rules: &Rules, now: SystemTime) -> Option<Refusal> {
        let Some(known) = self.permission else {
            return match rules.when_unknown {
                WhenUnknown::AskWhatsApp => None,
                WhenUnknown::Refuse => Some(Refusal::PermissionUnknown),
            };
        };
        match known.permission {
            KeptPermission::Absent { why } => Some(match why {
                Absence::NotGiven => Refusal::PermissionNotGiven,
                Absence::Withdrawn => Refusal::PermissionWithdrawn,
                Absence::Unanswered => Refusal::PermissionRevoked,
            }),
            KeptPermission::Temporary { until } => {
                let since = until.time();
                (since <= now).then_some(Refusal::PermissionExpired { since })
            }
            KeptPermission::Permanent => None,
        }
    }

    fn limit_refusal(&self, rules: &Rules, now: SystemTime) -> Option<Refusal> {
        let limit = self.connected.barred_until(&[rules.connected], now);
        let barred = self
            .barred_until
            .map(Stamp::time)
            .filter(|until| *until > now);
        // The later of the two is when it will be allowed.
        if limit < barred {
            barred.map(|until| Refusal::Barred { until })
        } else {
            limit.map(|until| Refusal::ConnectedLimit { until })
        }
    }

    fn line_refusal(&self, calls: u32, rules: &Rules) -> Option<Refusal> {
        if !self.line.is_free() {
            return Some(Refusal::CallActive);
        }
        (calls >= rules.concurrent_calls).then_some(Refusal::NoLine)
    }
}

fn number_refusal(number: &PhoneNumber, rules: &Rules) -> Option<Refusal> {
    match rules.may_call(number) {
        MayCall::Yes => None,
        MayCall::No => Some(Refusal::NumberMayNotCall),
    }
}
