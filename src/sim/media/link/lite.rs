//! ICE by a lite agent (RFC 8445 §2.5): always controlled, it only answers.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::sim::media::link::stun::{Binding, Claim, Kind, Writer};

/// So often it insists on the role that is not its own, where that is the fault.
const CONFLICTS: u32 = 3;

pub struct Lite {
    pub ufrag: String,
    pub password: String,
    /// Its answers to the first checks claim the other side's role.
    pub quarrels: bool,
    conflicts: u32,
    /// Where a check without a nomination came from and was answered.
    checked: BTreeSet<SocketAddr>,
    pub nominated: Option<SocketAddr>,
}

/// What became of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Not for us: nothing is said.
    None,
    /// An answer that changes nothing.
    Said(Vec<u8>),
    /// The pair to use from now on.
    Nominated(Vec<u8>),
}

impl Lite {
    pub fn new(ufrag: String, password: String, quarrels: bool) -> Self {
        Self {
            ufrag,
            password,
            quarrels,
            conflicts: 0,
            checked: BTreeSet::new(),
            nominated: None,
        }
    }

    /// From wherever it comes, if its credentials are right (dossier 3.2). Writes down what is not as it should be.
    pub fn check(
        &mut self,
        from: SocketAddr,
        check: &Binding,
        remote_ufrag: Option<&str>,
        oddities: &mut BTreeSet<String>,
    ) -> Answer {
        if check.kind != Kind::Request {
            return Answer::None;
        }
        let mut note = |oddity: &str| {
            oddities.insert(oddity.into());
        };
        let (ours, theirs) = check.username.split_once(':').unwrap_or_default();
        let is_for_us = ours == self.ufrag && remote_ufrag.is_none_or(|ufrag| ufrag == theirs);
        if !is_for_us || !check.is_by(&self.password) {
            note("checks with wrong credentials");
            return Answer::None;
        }
        if !check.has_fingerprint {
            note("checks without FINGERPRINT");
        }
        let conflict = match check.claim {
            Some(Claim::Controlling) => self.quarrels && self.conflicts < CONFLICTS,
            Some(Claim::Controlled) => {
                // After our own 487 the other side may have given way.
                if !self.quarrels {
                    note("checks that claim to be controlled");
                }
                true
            }
            None => {
                note("checks without a role");
                false
            }
        };
        if conflict {
            self.conflicts += 1;
            return said(Writer::role_conflict(check.transaction), &self.password);
        }
        let answer = Writer::success(check.transaction, from);
        if !check.use_candidate {
            self.checked.insert(from);
            return said(answer, &self.password);
        }
        if !self.checked.contains(&from) {
            note("nomination by the first check");
        }
        if self.nominated.is_some_and(|old| old != from) {
            note("another pair nominated later");
        }
        match (self.nominated.replace(from), said(answer, &self.password)) {
            (old, Answer::Said(answer)) if old != Some(from) => Answer::Nominated(answer),
            (_, answer) => answer,
        }
    }
}

fn said(writer: Writer, password: &str) -> Answer {
    writer.finish(password).map_or(Answer::None, Answer::Said)
}
