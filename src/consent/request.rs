//! May the user be asked for permission now.

use std::time::SystemTime;

use super::permission::KeptPermission;
use super::rules::Rules;
use super::standing::Standing;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestVerdict {
    /// Within the customer-service window as a free-form message; else a template is needed, unless a message that is
    /// not known here keeps the window open.
    Allowed {
        free_form_until: Option<SystemTime>,
    },
    Refused(RequestRefusal),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RequestRefusal {
    /// WhatsApp refuses it (error 138017).
    #[error("The user has allowed calls for ever already")]
    PermanentAlready,
    /// Error 138009.
    #[error("The user was asked as often as WhatsApp allows")]
    Limit { until: SystemTime },
}

impl RequestRefusal {
    /// When it will be allowed, as far as time alone decides.
    pub fn until(&self) -> Option<SystemTime> {
        match self {
            Self::PermanentAlready => None,
            Self::Limit { until } => Some(*until),
        }
    }
}

impl Standing {
    pub fn request_verdict(&self, rules: &Rules, now: SystemTime) -> RequestVerdict {
        let permission = self.permission.map(|known| known.permission);
        if permission == Some(KeptPermission::Permanent) {
            return RequestVerdict::Refused(RequestRefusal::PermanentAlready);
        }
        match self.requests.barred_until(&rules.requests, now) {
            Some(until) => RequestVerdict::Refused(RequestRefusal::Limit { until }),
            None => RequestVerdict::Allowed {
                free_form_until: self.service_window(now),
            },
        }
    }
}
