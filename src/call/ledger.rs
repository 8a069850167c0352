//! The words between the calls and the consent ledger, which lives on a disk: a call asks before it is placed, and what
//! becomes of calls is told. The world carries both; nothing here waits.

use std::time::SystemTime;

use crate::call::cdr::CallRef;
use crate::consent::{Fact, Pair, Verdict};

/// What the ledger is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LedgerCommand {
    /// May this call be placed? If so it is on disk as placed before the answer comes. Each gets exactly one
    /// [`LedgerEvent::Judged`], also when the ledger cannot be read.
    Place {
        call: CallRef,
        pair: Pair,
        /// How many the business number has now, both directions, without this one.
        calls: u32,
        at: SystemTime,
    },
    /// Something happened. Kept in the order told.
    Learn {
        pair: Pair,
        fact: Fact,
        at: SystemTime,
    },
}

/// What the ledger tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LedgerEvent {
    Judged { call: CallRef, judgement: Judgement },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judgement {
    Verdict(Verdict),
    /// The disk did not answer, or not in time. Nothing is known then, and nothing was written.
    Unreadable(String),
}
