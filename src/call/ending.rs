//! How a call ends: who ended it, why, what each side is told and what the CDR says. The rules are two tables of data:
//! [`TABLE`] from a cause to what is told, [`FINALS`] from a callee's final response to a cause. The README prints both,
//! and a test holds it to them.
//!
//! Status codes: RFC 3261 §21. Q.850 causes and their pairing with status codes: RFC 3398 §7.2 and §8.2. `Reason`: RFC 3326.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use crate::config::Meaning;
use crate::consent::{REFUSALS, Refusal};
use crate::side::Side;

/// Why a call ended. What it is called in CDRs is [`Row::token`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    HungUp,
    Cancelled,
    Busy,
    Declined,
    Unavailable,
    UnknownExtension,
    NoAnswer,
    PeerRefusedUs,
    PeerRefusedMedia,
    PeerFailed,
    PeerUnreachable,
    NoTrunkUp,
    NoRoute,
    OfferRefused,
    AnswerRefused,
    NeverAcknowledged,
    MediaTimeout,
    MediaFailed,
    IceFailed,
    DtlsFailed,
    SessionExpired,
    DialogGone,
    NumberFull,
    BridgeFull,
    NoPorts,
    Draining,
    Unfit,
    Shutdown,
    NumberUnknown,
    WrongServer,
    NotEligible,
    NotDialable,
    LedgerUnreadable,
    NumberMayNotCall,
    PermissionUnknown,
    PermissionNotGiven,
    PermissionWithdrawn,
    PermissionRevoked,
    PermissionExpired,
    ConnectedLimit,
    Barred,
    CallActive,
    NoLine,
}

/// Whose act or fault an ending was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Side A.
    Caller,
    /// Side B.
    Callee,
    /// Us.
    Bridge,
    /// A person or a signal told us to.
    Operator,
}

impl From<Side> for Party {
    fn from(side: Side) -> Self {
        match side {
            Side::A => Self::Caller,
            Side::B => Self::Callee,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Ending {
    pub cause: Cause,
    pub by: Party,
    /// The table's, or the one that the ending side gave.
    pub q850: u8,
    /// The callee's final response, when that was what ended it.
    pub status: Option<u16>,
    /// For people: what exactly happened.
    pub detail: Option<String>,
    /// In how many seconds the same call may succeed, as far as time alone decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// One line of [`TABLE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    pub cause: Cause,
    pub token: &'static str,
    /// What an unanswered caller is told. An answered one gets BYE, an unanswered callee CANCEL, all with `Reason`.
    pub status: u16,
    pub q850: u8,
    /// The text of our `Reason`.
    pub words: &'static str,
    pub meaning: &'static str,
}

const fn row(
    cause: Cause,
    token: &'static str,
    status: u16,
    q850: u8,
    words: &'static str,
    meaning: &'static str,
) -> Row {
    Row {
        cause,
        token,
        status,
        q850,
        words,
        meaning,
    }
}

/// What the consent ledger's refusals, and WhatsApp's own of the same kind, are told as.
const fn refused(cause: Cause, index: usize, meaning: &'static str) -> Row {
    let told = REFUSALS[index];
    row(
        cause,
        told.token,
        told.status,
        told.q850,
        told.words,
        meaning,
    )
}

/// What is told for each cause. Toward WhatsApp a refusal is 486, 480 or 603 where it is the callee's (dossier 2.6), and
/// 503 where it is a fault that may pass.
#[rustfmt::skip]
pub const TABLE: [Row; 43] = [
    row(Cause::HungUp, "hung_up", 480, 16, "Normal call clearing", "one side hung up an answered call"),
    row(Cause::Cancelled, "cancelled", 487, 16, "Normal call clearing", "the caller gave up before the answer"),
    row(Cause::Busy, "busy", 486, 17, "User busy", "the callee is busy"),
    row(Cause::Declined, "declined", 603, 21, "Call rejected", "the callee declined"),
    row(Cause::Unavailable, "unavailable", 480, 20, "Subscriber absent", "the callee is not there, or it is not known why it will not answer"),
    row(Cause::UnknownExtension, "unknown_extension", 404, 1, "Unallocated number", "the called side does not know the number or extension"),
    row(Cause::NoAnswer, "no_answer", 480, 19, "No answer from user", "it rang for the profile's answer_timeout_s, or WhatsApp says that nobody took it"),
    row(Cause::PeerRefusedUs, "peer_refused_us", 503, 57, "Not authorized", "the called side does not accept our address or credentials"),
    row(Cause::PeerRefusedMedia, "peer_refused_media", 480, 88, "Incompatible destination", "the called side does not accept our offer of codecs or encryption"),
    row(Cause::PeerFailed, "peer_failed", 503, 41, "Temporary failure", "every peer tried failed with 408 or 5xx"),
    row(Cause::PeerUnreachable, "peer_unreachable", 503, 27, "Destination out of order", "no peer tried, or not WhatsApp, could be reached"),
    row(Cause::NoTrunkUp, "no_trunk_up", 503, 38, "Network out of order", "no peer of the trunk is up"),
    row(Cause::NoRoute, "no_route", 404, 3, "No route to destination", "no route leads from the called number to a trunk"),
    row(Cause::OfferRefused, "offer_refused", 488, 88, "Incompatible destination", "the caller's offer cannot be answered"),
    row(Cause::AnswerRefused, "answer_refused", 480, 88, "Incompatible destination", "the callee's answer does not fit our offer"),
    row(Cause::NeverAcknowledged, "never_acknowledged", 480, 102, "Recovery on timer expiry", "the caller sent no ACK to our 200 for 64*T1"),
    row(Cause::MediaTimeout, "media_timeout", 480, 102, "No media received", "a side sent no media for its profile's media_timeout_s"),
    row(Cause::MediaFailed, "media_failed", 503, 41, "Temporary failure", "our media worker could not go on"),
    row(Cause::IceFailed, "ice_failed", 480, 102, "No media path", "ICE found no way to a side, or lost it"),
    row(Cause::DtlsFailed, "dtls_failed", 480, 88, "No media encryption", "DTLS made no keys with a side"),
    row(Cause::SessionExpired, "session_expired", 480, 102, "Session timer expired", "a side stopped refreshing its session"),
    row(Cause::DialogGone, "dialog_gone", 480, 41, "Temporary failure", "a side answered a request inside the dialog as if it did not know it"),
    row(Cause::NumberFull, "number_full", 486, 17, "User busy", "the number has its concurrent_calls already"),
    row(Cause::BridgeFull, "bridge_full", 503, 42, "Switching equipment congestion", "limits.calls is reached"),
    row(Cause::NoPorts, "no_ports", 503, 34, "No circuit available", "no RTP ports are free"),
    row(Cause::Draining, "draining", 503, 42, "Switching equipment congestion", "we are shutting down and take no new calls"),
    row(Cause::Unfit, "unfit", 503, 41, "Temporary failure", "we cannot carry calls now; OPTIONS tells why"),
    row(Cause::Shutdown, "shutdown", 503, 41, "Temporary failure", "the operator ended this call, or all of them"),
    row(Cause::NumberUnknown, "number_unknown", 503, 57, "WhatsApp does not know the business number", "WhatsApp: the number in From is none of its business numbers"),
    row(Cause::WrongServer, "wrong_server", 503, 57, "WhatsApp does not know this server for the number", "WhatsApp: the host in From is not the number's configured SIP server"),
    row(Cause::NotEligible, "not_eligible", 503, 57, "WhatsApp does not let the business number call", "WhatsApp: app not authorized, billing, restriction, or another 403; its words are in the detail"),
    row(Cause::NotDialable, "not_dialable", 404, 28, "Not a number that can be called by WhatsApp", "the dialled number is no WhatsApp user's: emergency, short code, not a number"),
    row(Cause::LedgerUnreadable, "ledger_unreadable", 503, 41, "It cannot be looked up whether the user allows calls", "the consent ledger did not answer, and consent.when_unknown is refuse"),
    refused(Cause::NumberMayNotCall, 0, "the business number's country may not call users"),
    refused(Cause::PermissionUnknown, 1, "nothing is known of the permission, and consent.when_unknown is refuse"),
    refused(Cause::PermissionNotGiven, 2, "there is no permission, by the ledger or by WhatsApp's own word"),
    refused(Cause::PermissionWithdrawn, 3, "the user took the permission back"),
    refused(Cause::PermissionRevoked, 4, "unanswered calls in a row reached revoke_after of [consent]"),
    refused(Cause::PermissionExpired, 5, "a temporary permission is over"),
    refused(Cause::ConnectedLimit, 6, "connected calls to this user reached the limit, by the ledger or by WhatsApp's own word"),
    refused(Cause::Barred, 7, "WhatsApp named a time before which it takes no call"),
    refused(Cause::CallActive, 8, "a call between the two is going on, by the ledger or by WhatsApp's own word"),
    refused(Cause::NoLine, 9, "calls of the business number reached concurrent_calls, or WhatsApp's own limit"),
];

/// One line of [`FINALS`]: statuses from `first` to `last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Final {
    pub first: u16,
    pub last: u16,
    pub cause: Cause,
    /// The next peer of the trunk is tried before it counts.
    pub failover: bool,
}

const fn finals(first: u16, last: u16, cause: Cause, failover: bool) -> Final {
    Final {
        first,
        last,
        cause,
        failover,
    }
}

/// What a callee's final response means; the first line that fits.
#[rustfmt::skip]
pub const FINALS: [Final; 20] = [
    finals(300, 399, Cause::Unavailable, false),
    finals(401, 401, Cause::PeerRefusedUs, false),
    finals(403, 403, Cause::PeerRefusedUs, false),
    finals(404, 404, Cause::UnknownExtension, false),
    finals(407, 407, Cause::PeerRefusedUs, false),
    finals(408, 408, Cause::PeerFailed, true),
    finals(410, 410, Cause::UnknownExtension, false),
    finals(415, 415, Cause::PeerRefusedMedia, false),
    finals(480, 480, Cause::Unavailable, false),
    finals(484, 485, Cause::UnknownExtension, false),
    finals(486, 486, Cause::Busy, false),
    finals(488, 488, Cause::PeerRefusedMedia, false),
    finals(400, 499, Cause::Unavailable, false),
    finals(500, 599, Cause::PeerFailed, true),
    finals(600, 600, Cause::Busy, false),
    finals(603, 603, Cause::Declined, false),
    finals(604, 604, Cause::UnknownExtension, false),
    finals(606, 606, Cause::PeerRefusedMedia, false),
    finals(607, 608, Cause::Declined, false),
    finals(600, 699, Cause::Unavailable, false),
];

impl Cause {
    pub fn row(self) -> &'static Row {
        let index = TABLE.iter().position(|row| row.cause == self);
        &TABLE[index.unwrap_or_default()]
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NumberMayNotCall => Self::NumberMayNotCall,
            Refusal::PermissionUnknown => Self::PermissionUnknown,
            Refusal::PermissionNotGiven => Self::PermissionNotGiven,
            Refusal::PermissionWithdrawn => Self::PermissionWithdrawn,
            Refusal::PermissionRevoked => Self::PermissionRevoked,
            Refusal::PermissionExpired { .. } => Self::PermissionExpired,
            Refusal::ConnectedLimit { .. } => Self::ConnectedLimit,
            Refusal::Barred { .. } => Self::Barred,
            Refusal::CallActive => Self::CallActive,
            Refusal::NoLine => Self::NoLine,
        }
    }

    pub fn of_meaning(meaning: Meaning) -> Self {
        match meaning {
            Meaning::NumberUnknown => Self::NumberUnknown,
            Meaning::WrongServer => Self::WrongServer,
            Meaning::NotEligible => Self::NotEligible,
            Meaning::WrongCredentials => Self::PeerRefusedUs,
            Meaning::NoPermission => Self::PermissionNotGiven,
            Meaning::LimitReached => Self::ConnectedLimit,
            Meaning::CallActive => Self::CallActive,
            Meaning::NumberFull => Self::NoLine,
            Meaning::MediaRefused => Self::PeerRefusedMedia,
            Meaning::NotAnswered => Self::NoAnswer,
            Meaning::Declined => Self::Declined,
        }
    }

    /// What a callee's final response means. Not one at all: as if the peer had failed.
    pub fn of_final(status: u16) -> Final {
        FINALS
            .iter()
            .find(|line| (line.first..=line.last).contains(&status))
            .copied()
            .unwrap_or(finals(status, status, Cause::PeerFailed, true))
    }
}

impl Ending {
    pub fn new(cause: Cause, by: Party) -> Self {
        Self {
            cause,
            by,
            q850: cause.row().q850,
            status: None,
            detail: None,
            retry_after_s: None,
        }
    }

    /// The consent ledger refused it, before the callee was bothered.
    pub fn refused(refusal: &Refusal, now: SystemTime) -> Self {
        let mut ending = Self::new(Cause::of_refusal(refusal), Party::Bridge);
        ending.retry_after_s = refusal.retry_after(now).map(|wait| wait.as_secs());
        ending.because(refusal.to_string())
    }

    /// The callee's final response ended it, and its profile knows what that means.
    pub fn meant(meaning: Meaning, status: u16, q850: Option<u8>) -> Self {
        let mut ending = Self::new(Cause::of_meaning(meaning), Party::Callee).given(q850);
        ending.status = Some(status);
        ending
    }

    /// The callee's final response ended it.
    pub fn rejected(status: u16, q850: Option<u8>) -> Self {
        let mut ending = Self::new(Cause::of_final(status).cause, Party::Callee).given(q850);
        ending.status = Some(status);
        ending
    }

    /// With the Q.850 cause that the ending side gave.
    pub fn given(mut self, q850: Option<u8>) -> Self {
        self.q850 = q850.unwrap_or(self.q850);
        self
    }

    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Final response to a caller that has none yet.
    pub fn status(&self) -> u16 {
        self.cause.row().status
    }

    /// The value of our `Reason` header (RFC 3326) on CANCEL, BYE and final responses.
    pub fn reason(&self) -> String {
        let row = self.cause.row();
        if row.q850 == self.q850 {
            format!("Q.850;cause={};text=\"{}\"", row.q850, row.words)
        } else {
            format!("Q.850;cause={}", self.q850)
        }
    }
}

impl fmt::Display for Ending {
    /// What happened, for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.row().words)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_its_own_row() {
        let causes: BTreeSet<Cause> = TABLE.iter().map(|row| row.cause).collect();
        assert_eq!(causes.len(), TABLE.len());
        for row in &TABLE {
            assert_eq!(row.cause.row(), row);
            assert_eq!(
                serde_json::to_value(row.cause).unwrap(),
                row.token,
                "the CDR and the table use one word"
            );
        }
        // Cause is a closed set; its last variant is the table's last row.
        assert_eq!(Cause::NoLine as usize + 1, TABLE.len());
    }

    #[test]
    fn every_final_status_means_something() {
        for status in 300..700 {
            let line = Cause::of_final(status);
            assert!(line.first <= status && status <= line.last, "{status}");
            let told = Ending::rejected(status, None).status();
            assert!((400..700).contains(&told), "{status} became {told}");
        }
    }

    #[test]
    fn only_faults_of_the_peer_are_tried_elsewhere() {
        for status in 300..700 {
            let wanted = status == 408 || (500..600).contains(&status);
            assert_eq!(Cause::of_final(status).failover, wanted, "{status}");
        }
    }

    #[test]
    fn user_answers_cross_unchanged() {
        for status in [480, 486, 603, 404] {
            assert_eq!(Ending::rejected(status, None).status(), status);
        }
        assert_eq!(Ending::rejected(600, None).status(), 486);
    }

    #[test]
    fn a_given_q850_cause_is_kept() {
        let ending = Ending::rejected(480, Some(18));
        assert_eq!(ending.reason(), "Q.850;cause=18");
        assert_eq!(
            Ending::rejected(486, None).reason(),
            "Q.850;cause=17;text=\"User busy\""
        );
    }

    #[test]
    fn the_readme_prints_both_tables() {
        let readme = include_str!("../../README.md");
        for row in &TABLE {
            let line = format!(
                "| `{}` | {} | {} | {} | {} |",
                row.token, row.status, row.q850, row.words, row.meaning
            );
            assert!(readme.contains(&line), "README.md lacks\n{line}");
        }
        for line in &FINALS {
            let statuses = if line.first == line.last {
                line.first.to_string()
            } else {
                format!("{}-{}", line.first, line.last)
            };
            let tried = if line.failover { "yes" } else { "no" };
            let line = format!("| {statuses} | `{}` | {tried} |", line.cause.row().token);
            assert!(readme.contains(&line), "README.md lacks\n{line}");
        }
    }
}
