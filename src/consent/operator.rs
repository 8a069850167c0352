//! The words between the ledger and the operator: by command line or admin API. They can be serialised, numbers in full;
//! the names are part of the API.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fact::Fact;
use super::pair::Pair;
use super::permission::{Absence, Source};
use super::record::{Record, timestamp};
use super::request::RequestVerdict;
use super::rules::Rules;
use super::standing::Standing;
use super::verdict::Verdict;
use crate::party::{PhoneNumber, PhoneNumberError};

/// Records of one [`ConsentCommand::List`] or [`ConsentCommand::Import`]: calls wait for the ledger meanwhile.
pub const MOST_RECORDS: usize = 1_000;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConsentCommand {
    /// What is known of the two, and what would be said to a call now. Answered by [`ConsentAnswer::Account`].
    Show { pair: Pair },
    /// All that is known, by number and user, those that follow `after`: [`ConsentAnswer::Records`]. An export is a list
    /// of all, page by page, each record a JSON line.
    List {
        /// `None`: all business numbers.
        number: Option<BusinessNumber>,
        after: Option<Pair>,
        /// Up to [`MOST_RECORDS`].
        most: usize,
    },
    /// [`ConsentAnswer::Done`] or [`ConsentAnswer::Ignored`].
    Learn { pair: Pair, fact: OperatorFact },
    /// As if nothing had ever been known of the two, but for the call that is going on. [`ConsentAnswer::Done`].
    Forget { pair: Pair },
    /// All or none; each replaces what was known of its pair. [`ConsentAnswer::Done`].
    Import { records: Vec<Record> },
}

/// What an operator knows better than the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum OperatorFact {
    /// `None`: as long as a temporary permission lasts.
    AllowedUntil {
        until: Option<Timestamp>,
    },
    AllowedForEver,
    NotAllowed {
        why: Absence,
    },
    /// The user was asked for permission by other means than ours.
    RequestSent,
    BarredUntil {
        until: Timestamp,
    },
}

/// Whole when serialised.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BusinessNumber(pub PhoneNumber);

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ConsentAnswer {
    Account(Box<Account>),
    Records {
        records: Vec<Record>,
        /// Others follow the last one.
        more: bool,
    },
    /// It is on disk.
    Done {
        /// Pairs that were changed.
        pairs: usize,
    },
    /// It changed nothing, and why, for a person.
    Ignored {
        why: String,
    },
    /// Nothing was read or written, and why, for a person.
    Failed {
        why: String,
    },
}

/// A pair's standing at a moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    pub known: Record,
    /// What a call would be told now, as far as the pair decides: how many calls the number has is not looked at.
    pub call: CallOutlook,
    /// And a request for permission.
    pub request: RequestOutlook,
    /// Calls connected within the window of the limit.
    pub connected: usize,
    /// WhatsApp has asked the user whether to go on.
    pub nudged: bool,
    /// The call that is going on.
    pub going_on: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CallOutlook {
    Allowed,
    /// Placing a call asks WhatsApp.
    Unknown,
    Refused {
        /// As in CDRs.
        reason: String,
        words: String,
        /// When it will be allowed, as far as time alone decides.
        until: Option<Timestamp>,
    },
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RequestOutlook {
    /// As a free-form message until then, else as a template.
    Allowed { free_form_until: Option<Timestamp> },
    Refused {
        words: String,
        until: Option<Timestamp>,
    },
}

impl OperatorFact {
    pub fn fact(&self) -> Fact {
        let source = Source::Operator;
        match *self {
            Self::AllowedUntil { until } => Fact::AllowedUntil {
                until: until.map(SystemTime::from),
                source,
            },
            Self::AllowedForEver => Fact::AllowedForEver { source },
            Self::NotAllowed { why } => Fact::NotAllowed { why, source },
            Self::RequestSent => Fact::RequestSent,
            Self::BarredUntil { until } => Fact::BarredUntil {
                until: until.into(),
            },
        }
    }
}

impl Account {
    pub fn new(pair: Pair, standing: Standing, rules: &Rules, now: SystemTime) -> Self {
        Self {
            call: standing.verdict(pair.number(), 0, rules, now).into(),
            request: standing.request_verdict(rules, now).into(),
            connected: standing.connected(rules, now),
            nudged: standing.is_nudged(rules),
            going_on: standing.line().call().map(str::to_owned),
            known: Record::new(pair, standing),
        }
    }
}

impl From<Verdict> for CallOutlook {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allowed => Self::Allowed,
            Verdict::Unknown => Self::Unknown,
            Verdict::Refused(refusal) => Self::Refused {
                reason: refusal.row().token.to_owned(),
                words: refusal.to_string(),
                until: refusal.until().map(timestamp),
            },
        }
    }
}

impl From<RequestVerdict> for RequestOutlook {
    fn from(verdict: RequestVerdict) -> Self {
        match verdict {
            RequestVerdict::Allowed { free_form_until } => Self::Allowed {
                free_form_until: free_form_until.map(timestamp),
            },
            RequestVerdict::Refused(refusal) => Self::Refused {
                words: refusal.to_string(),
                until: refusal.until().map(timestamp),
            },
        }
    }
}

impl TryFrom<String> for BusinessNumber {
    type Error = PhoneNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<BusinessNumber> for String {
    fn from(number: BusinessNumber) -> Self {
        number.0.expose().to_owned()
    }
}
