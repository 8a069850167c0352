//! Which rules hold for which business number.

use super::super::RuleSet;
use super::*;
use crate::consent::{MayCall, Quota, Rules, WhenUnknown};
use crate::party::PhoneNumber;

const HOUR: Duration = Duration::from_secs(3_600);

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

#[test]
fn without_a_word_production_holds_and_the_ledger_lies_beside_the_cdrs() {
    let config = minimal_with("[cdr]\ndatabase = \"/data/calls.db\"");
    assert_eq!(config.consent.database, Path::new("/data/consent.db"));
    assert!(config.consent.enforce);
    assert!(!config.consent.declined_is_unanswered);
    for known in ["+17015550100", "+4930123456"] {
        assert_eq!(config.consent_rules(&number(known)), Rules::production());
    }
}

#[test]
fn production_and_sandbox_numbers_stand_in_one_file() {
    let config = minimal_with(
        "[numbers.\"+17015550101\"]
         password = \"x\"
         trunk = \"office\"
         consent = \"sandbox\"
         concurrent_calls = 3
         [consent]
         when_unknown = \"refuse\"
         [consent.sandbox]
         revoke_after = 8",
    );
    let production = config.consent_rules(&number("+17015550100"));
    let refusing = Rules {
        when_unknown: WhenUnknown::Refuse,
        ..Rules::production()
    };
    assert_eq!(production, refusing);
    let sandbox = config.consent_rules(&number("+17015550101"));
    let adjusted = Rules {
        when_unknown: WhenUnknown::Refuse,
        revoke_after: 8,
        concurrent_calls: 3,
        ..Rules::sandbox()
    };
    assert_eq!(sandbox, adjusted);
}

#[test]
fn numbers_that_do_not_choose_follow_the_usual_set() {
    let config = minimal_with(
        "[numbers.\"+17015550101\"]
         password = \"x\"
         trunk = \"office\"
         consent = \"production\"
         [consent]
         rules = \"sandbox\"",
    );
    assert_eq!(config.consent.usual, RuleSet::Sandbox);
    let rules = |text| config.consent_rules(&number(text));
    assert_eq!(rules("+17015550100"), Rules::sandbox());
    assert_eq!(rules("+17015550101"), Rules::production());
}

#[test]
fn every_number_of_the_rules_is_a_setting() {
    let config = minimal_with(
        "[consent.production]
         requests = [{ times = 3, within_h = 48 }]
         connected = { times = 5, within_h = 12 }
         nudge_after = 3
         revoke_after = 6
         temporary_permission_h = 72
         service_window_h = 12
         [consent]
         may_not_call = [\"90\", \"1242\"]",
    );
    let rules = config.consent_rules(&number("+4930123456"));
    let wanted = Rules {
        requests: vec![Quota::new(3, 48 * HOUR)],
        connected: Quota::new(5, 12 * HOUR),
        nudge_after: 3,
        revoke_after: 6,
        temporary_permission: 72 * HOUR,
        service_window: 12 * HOUR,
        business_numbers: rules.business_numbers.clone(),
        ..Rules::production()
    };
    assert_eq!(rules, wanted);
    // What is written holds against the default exceptions.
    for (text, may) in [
        ("+905321234567", MayCall::No),
        ("+12425550714", MayCall::No),
        ("+12195550714", MayCall::Yes),
    ] {
        assert_eq!(rules.may_call(&number(text)), may, "{text}");
    }
}
