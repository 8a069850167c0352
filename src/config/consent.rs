//! The consent ledger: WhatsApp's limits in two sets, and which of them holds for a business number.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::surroundings::Surroundings;
use super::toml_file::{Table, Value};
use super::{CdrFiles, Config};
use crate::consent::{MayCall, Quota, Rules, WhenUnknown};
use crate::party::{NumberPrefix, NumberPrefixes, PhoneNumber};

const DATABASE: &str = "consent.db";
const HOUR: Duration = Duration::from_secs(3_600);
/// Of one pair as many moments are kept as a quota counts.
const MOST_TIMES: u32 = 1_000;
const YEAR_H: u32 = 8_784;

#[derive(Clone, Debug)]
pub struct Consent {
    pub database: PathBuf,
    /// If not, the ledger learns and refuses nothing.
    pub enforce: bool,
    /// Whether a user who declines (486) has left the call unanswered. WhatsApp does not say (dossier 2.9).
    pub declined_is_unanswered: bool,
    /// For business numbers that name no other.
    pub usual: RuleSet,
    /// Their `concurrent_calls` is each number's own setting.
    pub production: Rules,
    pub sandbox: Rules,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleSet {
    Production,
    /// Of sandbox accounts and public test numbers.
    Sandbox,
}

impl RuleSet {
    pub(super) const NAMES: [(&str, Self); 2] =
        [("production", Self::Production), ("sandbox", Self::Sandbox)];
}

impl Config {
    /// For calls of this business number, be it configured or not.
    pub fn consent_rules(&self, number: &PhoneNumber) -> Rules {
        let number = self.numbers.get(number);
        let set = number.and_then(|number| number.consent);
        let rules = match set.unwrap_or(self.consent.usual) {
            RuleSet::Production => self.consent.production.clone(),
            RuleSet::Sandbox => self.consent.sandbox.clone(),
        };
        Rules {
            concurrent_calls: number
                .map_or(rules.concurrent_calls, |number| number.concurrent_calls),
            ..rules
        }
    }
}

impl Default for Consent {
    fn default() -> Self {
        Self::beside(&CdrFiles::default())
    }
}

impl Consent {
    /// With the ledger in the folder of the CDRs.
    pub(super) fn beside(cdr: &CdrFiles) -> Self {
        Self {
            database: cdr.database.with_file_name(DATABASE),
            enforce: true,
            declined_is_unanswered: false,
            usual: RuleSet::Production,
            production: Rules::production(),
            sandbox: Rules::sandbox(),
        }
    }

    pub(super) fn read(
        table: &Table<'_>,
        around: Surroundings<'_>,
        cdr: &CdrFiles,
    ) -> Option<Self> {
        let usual = Self::beside(cdr);
        let database = match table.value("database") {
            Some(value) => around.path(&value),
            None => Some(usual.database),
        };
        if [&cdr.database, &cdr.json_lines].contains(&database.as_ref()?) {
            table.error(
                "the ledger and the CDRs are the same file",
                "write another path for database",
            );
        }
        let unknown = [
            ("ask-whatsapp", WhenUnknown::AskWhatsApp),
            ("refuse", WhenUnknown::Refuse),
        ];
        let when_unknown = table.choice("when_unknown", &unknown, usual.production.when_unknown);
        let business_numbers = read_business_numbers(table);
        let rules = |key, rules: Rules| {
            let rules = Rules {
                when_unknown,
                business_numbers: business_numbers.clone(),
                ..rules
            };
            match table.value(key) {
                Some(value) => Some(value.table()?.read(|table| read_rules(table, rules))),
                None => Some(rules),
            }
        };
        let (production, sandbox) = (
            rules("production", usual.production),
            rules("sandbox", usual.sandbox),
        );
        Some(Self {
            database: database?,
            enforce: table.flag("enforce", usual.enforce),
            declined_is_unanswered: table
                .flag("declined_is_unanswered", usual.declined_is_unanswered),
            usual: table.choice("rules", &RuleSet::NAMES, usual.usual),
            production: production?,
            sandbox: sandbox?,
        })
    }
}

fn read_rules(table: &Table<'_>, usual: Rules) -> Rules {
    let hours = |key, usual| {
        let value = table.value(key).and_then(|value| value.number(1..=YEAR_H));
        value.map_or(usual, |hours| hours * HOUR)
    };
    let remedy = "write how often a user may be asked, as in [{ times = 1, within_h = 24 }]";
    let rules = Rules {
        requests: table
            .filled_list("requests", remedy, |value| read_quota(&value))
            .unwrap_or(usual.requests),
        connected: table
            .value("connected")
            .and_then(|value| read_quota(&value))
            .unwrap_or(usual.connected),
        nudge_after: table.number("nudge_after", 1..=MOST_TIMES, usual.nudge_after),
        revoke_after: table.number("revoke_after", 1..=MOST_TIMES, usual.revoke_after),
        temporary_permission: hours("temporary_permission_h", usual.temporary_permission),
        service_window: hours("service_window_h", usual.service_window),
        concurrent_calls: usual.concurrent_calls,
        business_numbers: usual.business_numbers,
        when_unknown: usual.when_unknown,
    };
    if rules.nudge_after > rules.revoke_after {
        let problem = format!(
            "nudge_after is {}, but the permission is withdrawn after {} already",
            rules.nudge_after, rules.revoke_after
        );
        table.error(&problem, "write nudge_after no higher than revoke_after");
    }
    rules
}

/// `{ times = 1, within_h = 24 }`.
fn read_quota(value: &Value<'_>) -> Option<Quota> {
    value.table()?.read(|table| {
        let number = |key, most| {
            let remedy = "write { times = 1, within_h = 24 }";
            table
                .required(key, remedy)
                .and_then(|value| value.number(1..=most))
        };
        let (times, hours) = (number("times", MOST_TIMES), number("within_h", YEAR_H));
        Some(Quota::new(times?.try_into().ok()?, hours? * HOUR))
    })
}

/// A list that is not written holds as by default: who adds a country need not repeat the islands.
fn read_business_numbers(table: &Table<'_>) -> NumberPrefixes<MayCall> {
    let lists = [
        ("may_not_call", MayCall::No, &Rules::MAY_NOT_CALL[..]),
        ("may_call", MayCall::Yes, &Rules::MAY_CALL[..]),
    ];
    let mut numbers = NumberPrefixes::default();
    for (_, may, usual) in lists.iter().filter(|(key, ..)| table.value(key).is_none()) {
        for prefix in usual.iter().filter_map(|prefix| prefix.parse().ok()) {
            numbers.insert(prefix, *may);
        }
    }
    let mut written = BTreeSet::new();
    for (key, may, _) in lists {
        table.list(key, |value| {
            let prefix = read_prefix(&value)?;
            numbers.insert(prefix.clone(), may);
            if !written.insert(prefix) {
                value.error("this prefix is listed already", "keep one of the two");
            }
            Some(())
        });
    }
    numbers
}

fn read_prefix(value: &Value<'_>) -> Option<NumberPrefix> {
    value.parse(
        "write the first digits of business numbers, as in \"84\"",
        str::parse,
    )
}
