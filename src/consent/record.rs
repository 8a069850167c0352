//! What is known of a pair as people and other programs read and write it: RFC 3339 times, numbers in full.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pair::Pair;
use super::permission::{Absence, Kept, KeptPermission, Source};
use super::recent::{Recent, Stamp};
use super::standing::Standing;

/// One pair. The call that is going on is not in it: it means nothing elsewhere or later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Record {
    pub pair: Pair,
    pub(super) standing: Standing,
}

/// The written form. A misspelt key would be taken for nothing known.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    number: String,
    user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    permission: Option<PermissionText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    connected: Vec<Timestamp>,
    #[serde(default)]
    unanswered: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    barred_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
enum PermissionText {
    Absent {
        why: Absence,
        source: Source,
        at: Timestamp,
    },
    Temporary {
        until: Timestamp,
        source: Source,
        at: Timestamp,
    },
    Permanent {
        source: Source,
        at: Timestamp,
    },
}

impl Record {
    pub fn new(pair: Pair, mut standing: Standing) -> Self {
        standing.line = Default::default();
        Self { pair, standing }
    }
}

impl From<Record> for Text {
    fn from(record: Record) -> Self {
        let Record { pair, standing } = record;
        let written = |moments: &Recent| moments.iter().map(written).collect();
        Self {
            number: pair.number().expose().to_owned(),
            user: pair.user().expose().to_owned(),
            permission: standing.permission.map(Into::into),
            requests: written(&standing.requests),
            connected: written(&standing.connected),
            unanswered: standing.unanswered,
            barred_until: standing.barred_until.map(self::written),
            service_until: standing.service_until.map(self::written),
        }
    }
}

impl TryFrom<Text> for Record {
    type Error = &'static str;

    fn try_from(text: Text) -> Result<Self, Self::Error> {
        let read = |moments: Vec<Timestamp>| moments.into_iter().map(read).collect();
        Ok(Self {
            pair: Pair::parse(&text.number, &text.user)?,
            standing: Standing {
                permission: text.permission.map(Into::into),
                requests: read(text.requests),
                connected: read(text.connected),
                unanswered: text.unanswered,
                line: Default::default(),
                barred_until: text.barred_until.map(self::read),
                service_until: text.service_until.map(self::read),
            },
        })
    }
}

impl From<Kept> for PermissionText {
    fn from(kept: Kept) -> Self {
        let (source, at) = (kept.source, written(kept.at));
        match kept.permission {
            KeptPermission::Absent { why } => Self::Absent { why, source, at },
            KeptPermission::Temporary { until } => Self::Temporary {
                until: written(until),
                source,
                at,
            },
            KeptPermission::Permanent => Self::Permanent { source, at },
        }
    }
}

impl From<PermissionText> for Kept {
    fn from(text: PermissionText) -> Self {
        let (permission, source, at) = match text {
            PermissionText::Absent { why, source, at } => {
                (KeptPermission::Absent { why }, source, at)
            }
            PermissionText::Temporary { until, source, at } => {
                let until = read(until);
                (KeptPermission::Temporary { until }, source, at)
            }
            PermissionText::Permanent { source, at } => (KeptPermission::Permanent, source, at),
        };
        let at = read(at);
        Self {
            permission,
            source,
            at,
        }
    }
}

fn written(stamp: Stamp) -> Timestamp {
    timestamp(stamp.time())
}

fn read(time: Timestamp) -> Stamp {
    Stamp::from(SystemTime::from(time))
}

/// What is beyond the calendar is its end.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX)
}
