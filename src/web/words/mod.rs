//! The JSON of the admin API, version 1. Only what is added keeps old clients: names here stay. Numbers are whole: it is
//! the operator who reads them. Times are RFC 3339 in UTC.

mod calls;
mod consent;
mod status;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub(super) use calls::{Begun, Call, CallOrder, Calls, Direction, First};
pub(super) use consent::{Changed, Import, Records};
pub(super) use status::{Fitness, MissedParty, PeerHealth, Status};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorWords,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct ErrorWords {
    /// One word for machines.
    pub(super) code: String,
    /// For people.
    pub(super) message: String,
}

/// `2026-11-25T11:20:00Z`; what no calendar has is left out.
pub(super) fn time(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.0}"))
}
