//! What is known of a pair.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::fact::{Fact, Ignored};
use super::permission::{Absence, Kept, KeptPermission, Known, Source};
use super::recent::{Recent, Stamp};
use super::record::Record;
use super::rules::Rules;

/// Everything that the next verdict needs. Empty: nothing is known.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) permission: Option<Kept>,
    /// Requests since the last connected call.
    #[serde(default, skip_serializing_if = "Recent::is_empty")]
    pub(super) requests: Recent,
    /// Pick-ups of calls from the business.
    #[serde(default, skip_serializing_if = "Recent::is_empty")]
    pub(super) connected: Recent,
    /// In a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) unanswered: u32,
    #[serde(default, skip_serializing_if = "Line::is_free")]
    pub(super) line: Line,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) barred_until: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) service_until: Option<Stamp>,
}

/// The one call that a pair may have.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Line {
    #[default]
    Free,
    Ringing {
        call: String,
        of: CallOf,
    },
    Connected {
        call: String,
        of: CallOf,
    },
}

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOf {
    Business,
    User,
}

impl Standing {
    /// Learns. `at` is when it happened, which may be before what is known.
    pub fn handle_fact(
        &mut self,
        fact: &Fact,
        at: SystemTime,
        rules: &Rules,
    ) -> Result<(), Ignored> {
        let at = Stamp::from(at);
        match fact {
            Fact::AllowedUntil { until, source } => {
                let until = until.map_or(at.after(rules.temporary_permission), Stamp::from);
                self.handle_permission(KeptPermission::Temporary { until }, *source, at)
            }
            Fact::AllowedForEver { source } => {
                self.handle_permission(KeptPermission::Permanent, *source, at)
            }
            Fact::NotAllowed { why, source } => {
                self.handle_permission(KeptPermission::Absent { why: *why }, *source, at)
            }
            Fact::RequestSent => {
                self.requests.add(at, &rules.requests);
                Ok(())
            }
            Fact::BarredUntil { until } => self.handle_barred((*until).into()),
            Fact::CallPlaced { call } => self.handle_placed(call),
            Fact::UserCalled { call } => self.handle_user_called(call, at, rules),
            Fact::CallConnected { call } => self.handle_connected(call, at, rules),
            Fact::CallUnanswered { call } => self.handle_unanswered(call, at, rules),
            Fact::CallEnded { call } => self.handle_ended(call),
        }
    }

    fn handle_permission(
        &mut self,
        permission: KeptPermission,
        source: Source,
        at: Stamp,
    ) -> Result<(), Ignored> {
        let news = Kept {
            permission,
            source,
            at,
        };
        if let Some(known) = &self.permission
            && !news.outweighs(known)
        {
            return Err(Ignored::Stale);
        }
        // A new permission is a new beginning; an old one read again is not.
        if self.permission.map(|known| known.permission) != Some(permission) {
            self.unanswered = 0;
        }
        self.permission = Some(news);
        Ok(())
    }

    fn handle_barred(&mut self, until: Stamp) -> Result<(), Ignored> {
        if self.barred_until >= Some(until) {
            return Err(Ignored::Stale);
        }
        self.barred_until = Some(until);
        Ok(())
    }

    fn handle_placed(&mut self, call: &str) -> Result<(), Ignored> {
        if !self.line.is_free() {
            return Err(Ignored::CallActive);
        }
        self.line = Line::ringing(call, CallOf::Business);
        Ok(())
    }

    /// It may cross a call of ours, which then stays the one that is known.
    fn handle_user_called(&mut self, call: &str, at: Stamp, rules: &Rules) -> Result<(), Ignored> {
        self.open_service_window(at, rules);
        if self.line.is_free() {
            self.line = Line::ringing(call, CallOf::User);
        }
        Ok(())
    }

    fn handle_connected(&mut self, call: &str, at: Stamp, rules: &Rules) -> Result<(), Ignored> {
        let of = self.line.ringing_of(call).ok_or(Ignored::NotThisCall)?;
        self.requests.clear();
        self.open_service_window(at, rules);
        if of == CallOf::Business {
            self.connected.add(at, &[rules.connected]);
            self.unanswered = 0;
        }
        self.line = Line::Connected {
            call: call.to_owned(),
            of,
        };
        Ok(())
    }

    fn handle_unanswered(&mut self, call: &str, at: Stamp, rules: &Rules) -> Result<(), Ignored> {
        if self.line.ringing_of(call) != Some(CallOf::Business) {
            return Err(Ignored::NotThisCall);
        }
        self.line = Line::Free;
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered >= rules.revoke_after {
            self.revoke(at);
        }
        Ok(())
    }

    fn handle_ended(&mut self, call: &str) -> Result<(), Ignored> {
        if self.line.call() != Some(call) {
            return Err(Ignored::NotThisCall);
        }
        self.line = Line::Free;
        Ok(())
    }

    /// What WhatsApp does after too many unanswered calls. Its webhook may say the same later.
    fn revoke(&mut self, at: Stamp) {
        let permission = KeptPermission::Absent {
            why: Absence::Unanswered,
        };
        self.permission = Some(Kept {
            permission,
            source: Source::Call,
            at,
        });
    }

    fn open_service_window(&mut self, at: Stamp, rules: &Rules) {
        let until = Some(at.after(rules.service_window));
        self.service_until = self.service_until.max(until);
    }

    /// Everything as recorded elsewhere, but for the call that is going on here.
    pub fn take_over(&mut self, record: &Record, rules: &Rules) {
        let known = &record.standing;
        *self = Self {
            requests: known.requests.counted(&rules.requests),
            connected: known.connected.counted(&[rules.connected]),
            line: std::mem::take(&mut self.line),
            ..known.clone()
        };
    }

    /// Everything but the call that is going on.
    pub fn forget(&mut self) {
        *self = Self {
            line: std::mem::take(&mut self.line),
            ..Self::default()
        };
    }

    /// What is known of the permission; `None`: nothing.
    pub fn permission(&self) -> Option<Known> {
        self.permission.map(|known| known.told())
    }

    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Unanswered calls in a row.
    pub fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// WhatsApp has asked the user whether to go on.
    pub fn is_nudged(&self, rules: &Rules) -> bool {
        self.unanswered >= rules.nudge_after
    }

    /// Calls connected within the window of the limit.
    pub fn connected(&self, rules: &Rules, now: SystemTime) -> usize {
        self.connected.count(rules.connected.within, now)
    }

    /// Until when calls keep the customer-service window open. Messages do too, but are not known here.
    pub fn service_window(&self, now: SystemTime) -> Option<SystemTime> {
        self.service_until
            .map(Stamp::time)
            .filter(|until| *until > now)
    }
}

impl Line {
    pub fn is_free(&self) -> bool {
        *self == Self::Free
    }

    /// Our name of the call that is going on.
    pub fn call(&self) -> Option<&str> {
        match self {
            Self::Free => None,
            Self::Ringing { call, .. } | Self::Connected { call, .. } => Some(call),
        }
    }

    fn ringing(call: &str, of: CallOf) -> Self {
        let call = call.to_owned();
        Self::Ringing { call, of }
    }

    /// Whose call it is, if `call` is the one that rings.
    fn ringing_of(&self, call: &str) -> Option<CallOf> {
        match self {
            Self::Ringing { call: known, of } if known == call => Some(*of),
            Self::Free | Self::Ringing { .. } | Self::Connected { .. } => None,
        }
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
