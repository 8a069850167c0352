mod properties;
mod records;
mod stories;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::party::PhoneNumber;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// 2026-11-20T10:00:00Z.
fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_168_800)
}

/// A pair at a desk with a clock that is set by hand.
struct Desk {
    number: PhoneNumber,
    standing: Standing,
    rules: Rules,
    now: SystemTime,
    calls: u32,
}

impl Desk {
    fn new(rules: Rules) -> Self {
        Self {
            number: PhoneNumber::parse("+4930123456").unwrap(),
            standing: Standing::default(),
            rules,
            now: start(),
            calls: 0,
        }
    }

    /// The user has allowed calls for ever.
    fn allowed(rules: Rules) -> Self {
        let mut desk = Self::new(rules);
        desk.learn(Fact::AllowedForEver {
            source: Source::Webhook,
        });
        desk
    }

    fn wait(&mut self, duration: Duration) -> &mut Self {
        self.now += duration;
        self
    }

    fn learn(&mut self, fact: Fact) -> &mut Self {
        assert_eq!(self.try_learn(fact), Ok(()));
        self
    }

    fn try_learn(&mut self, fact: Fact) -> Result<(), Ignored> {
        self.standing.handle_fact(&fact, self.now, &self.rules)
    }

    /// A call of the business, picked up after `ring`, over after `talk`.
    fn connected_call(&mut self, ring: Duration, talk: Duration) -> &mut Self {
        self.learn(placed("c")).wait(ring).learn(connected("c"));
        self.wait(talk).learn(ended("c"))
    }

    fn unanswered_call(&mut self) -> &mut Self {
        self.learn(placed("c")).wait(MINUTE).learn(unanswered("c"))
    }

    fn verdict(&self) -> Verdict {
        self.standing
            .verdict(&self.number, self.calls, &self.rules, self.now)
    }

    fn request_verdict(&self) -> RequestVerdict {
        self.standing.request_verdict(&self.rules, self.now)
    }

    fn refusal(&self) -> Refusal {
        self.verdict().refusal().expect("a refusal")
    }
}

fn placed(call: &str) -> Fact {
    let call = call.to_owned();
    Fact::CallPlaced { call }
}

fn user_called(call: &str) -> Fact {
    let call = call.to_owned();
    Fact::UserCalled { call }
}

fn connected(call: &str) -> Fact {
    let call = call.to_owned();
    Fact::CallConnected { call }
}

fn unanswered(call: &str) -> Fact {
    let call = call.to_owned();
    Fact::CallUnanswered { call }
}

fn ended(call: &str) -> Fact {
    let call = call.to_owned();
    Fact::CallEnded { call }
}

fn allowed_until(until: SystemTime) -> Fact {
    Fact::AllowedUntil {
        until: Some(until),
        source: Source::Webhook,
    }
}

fn not_allowed(why: Absence) -> Fact {
    let source = Source::Webhook;
    Fact::NotAllowed { why, source }
}
