//! The consent ledger: the real rules, kept in memory.

use std::collections::BTreeMap;

use wabridge::call::ledger::{Judgement, LedgerCommand, LedgerEvent};
use wabridge::consent::{Fact, Pair, Rules, Standing};

pub struct Ledger {
    pub rules: Rules,
    pub state: LedgerState,
    /// Every fact that was told, in words: `placed`, `connected`, `unanswered`, ...
    pub log: Vec<&'static str>,
    standings: BTreeMap<Pair, Standing>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LedgerState {
    Works,
    /// Says that it cannot be read.
    Broken,
    /// Says nothing.
    Hangs,
}

impl Ledger {
    pub fn new() -> Self {
        let mut rules = Rules::production();
        // The sample number is one of the US.
        rules.business_numbers = Default::default();
        Self {
            rules,
            state: LedgerState::Works,
            log: Vec::new(),
            standings: BTreeMap::new(),
        }
    }

    pub fn standing(&mut self, pair: &Pair) -> &mut Standing {
        self.standings.entry(pair.clone()).or_default()
    }

    /// The answer, when there is one.
    pub fn take(&mut self, command: LedgerCommand) -> Option<LedgerEvent> {
        let rules = self.rules.clone();
        match command {
            LedgerCommand::Place {
                call,
                pair,
                calls,
                at,
            } => {
                let judgement = match self.state {
                    LedgerState::Hangs => return None,
                    LedgerState::Broken => Judgement::Unreadable("disk I/O error".to_owned()),
                    LedgerState::Works => {
                        let standing = self.standing(&pair);
                        let verdict = standing.verdict(pair.number(), calls, &rules, at);
                        if verdict.refusal().is_none() {
                            let call = call.0.clone();
                            let placed = Fact::CallPlaced { call };
                            standing.handle_fact(&placed, at, &rules).unwrap();
                            self.log.push("placed");
                        }
                        Judgement::Verdict(verdict)
                    }
                };
                Some(LedgerEvent::Judged { call, judgement })
            }
            LedgerCommand::Learn { pair, fact, at } => {
                self.log.push(word(&fact));
                // What is no news is none to the real one either.
                let _ = self.standing(&pair).handle_fact(&fact, at, &rules);
                None
            }
        }
    }

    /// No pair has a call.
    pub fn is_at_rest(&self) -> bool {
        self.standings
            .values()
            .all(|standing| standing.line().is_free())
    }
}

fn word(fact: &Fact) -> &'static str {
    match fact {
        Fact::AllowedUntil { .. } => "allowed",
        Fact::AllowedForEver { .. } => "allowed for ever",
        Fact::NotAllowed { .. } => "not allowed",
        Fact::RequestSent => "requested",
        Fact::BarredUntil { .. } => "barred",
        Fact::CallPlaced { .. } => "placed",
        Fact::UserCalled { .. } => "user called",
        Fact::CallConnected { .. } => "connected",
        Fact::CallUnanswered { .. } => "unanswered",
        Fact::CallEnded { .. } => "ended",
    }
}
