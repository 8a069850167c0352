//! The written forms, which others read and write.

use serde_json::json;

use super::*;
use crate::consent::operator::{Account, ConsentCommand, OperatorFact};

fn pair() -> Pair {
    Pair::parse("+4930123456", "+491700000001").unwrap()
}

fn written(standing: &Standing) -> serde_json::Value {
    serde_json::to_value(Record::new(pair(), standing.clone())).unwrap()
}

#[test]
fn a_record_is_written_for_people() {
    let mut desk = Desk::new(Rules::production());
    assert_eq!(
        written(&desk.standing),
        json!({ "number": "+4930123456", "user": "+491700000001", "unanswered": 0 })
    );
    desk.learn(allowed_until(start() + 7 * DAY));
    desk.connected_call(MINUTE, MINUTE)
        .learn(Fact::RequestSent)
        .unanswered_call();
    desk.learn(Fact::BarredUntil {
        until: start() + DAY,
    });
    // A call that goes on is no part of it.
    desk.learn(placed("c"));
    assert_eq!(
        written(&desk.standing),
        json!({
            "number": "+4930123456",
            "user": "+491700000001",
            "permission": {
                "is": "temporary",
                "until": "2026-11-27T10:00:00Z",
                "source": "webhook",
                "at": "2026-11-20T10:00:00Z",
            },
            "requests": ["2026-11-20T10:02:00Z"],
            "connected": ["2026-11-20T10:01:00Z"],
            "unanswered": 1,
            "barred_until": "2026-11-21T10:00:00Z",
            "service_until": "2026-11-21T10:01:00Z",
        })
    );
}

#[test]
fn each_permission_is_read_as_it_is_written() {
    for (permission, fact) in [
        (
            json!({ "is": "permanent" }),
            Fact::AllowedForEver {
                source: Source::Operator,
            },
        ),
        (
            json!({ "is": "absent", "why": "withdrawn" }),
            Fact::NotAllowed {
                why: Absence::Withdrawn,
                source: Source::Operator,
            },
        ),
        (
            json!({ "is": "temporary", "until": "2026-11-21T10:00:00Z" }),
            Fact::AllowedUntil {
                until: Some(start() + DAY),
                source: Source::Operator,
            },
        ),
    ] {
        let mut record = json!({ "number": "+4930123456", "user": "+491700000001" });
        record["permission"] = permission;
        record["permission"]["source"] = "operator".into();
        record["permission"]["at"] = "2026-11-20T10:00:00Z".into();
        let record: Record = serde_json::from_value(record).unwrap();
        let mut desk = Desk::new(Rules::production());
        desk.learn(fact);
        assert_eq!(record, Record::new(pair(), desk.standing));
    }
}

#[test]
fn what_is_no_record_is_refused() {
    let refused = |change: fn(&mut serde_json::Value)| {
        let mut record = json!({ "number": "+4930123456", "user": "+491700000001" });
        assert!(serde_json::from_value::<Record>(record.clone()).is_ok());
        change(&mut record);
        let error = serde_json::from_value::<Record>(record).unwrap_err();
        error.to_string()
    };
    for (error, words) in [
        (
            refused(|r| r["permision"] = json!({})),
            "unknown field `permision`",
        ),
        (
            refused(|r| r["number"] = "100".into()),
            "number is not a business number",
        ),
        (
            refused(|r| r["user"] = "100".into()),
            "user is neither a number",
        ),
        (refused(|r| r["unanswered"] = json!(-1)), "expected u32"),
        (refused(|r| r["requests"] = json!(["yesterday"])), "year"),
        (
            refused(|r| r["permission"] = json!({ "is": "permanent", "source": "operator" })),
            "at",
        ),
    ] {
        assert!(error.contains(words), "{error}");
    }
}

/// However much is written: no more is kept than the rules count, and in order.
#[test]
fn taking_over_keeps_what_the_rules_count() {
    let moments: Vec<String> = (10..40)
        .rev()
        .map(|minute| format!("2026-11-20T10:{minute}:00Z"))
        .collect();
    let record = json!({ "number": "+4930123456", "user": "+491700000001", "requests": moments });
    let record: Record = serde_json::from_value(record).unwrap();
    let mut desk = Desk::new(Rules::production());
    desk.standing.take_over(&record, &desk.rules);
    assert_eq!(
        written(&desk.standing)["requests"],
        json!(["2026-11-20T10:38:00Z", "2026-11-20T10:39:00Z"])
    );
}

#[test]
fn commands_and_answers_keep_their_names() {
    let command: ConsentCommand = serde_json::from_value(json!({
        "do": "learn",
        "pair": { "number": "+4930123456", "user": "US.13491208655302741918" },
        "fact": { "is": "allowed_until", "until": "2026-11-27T10:00:00Z" },
    }))
    .unwrap();
    let ConsentCommand::Learn { pair, fact } = command else {
        panic!("{command:?}");
    };
    assert!(matches!(
        fact,
        OperatorFact::AllowedUntil { until: Some(_) }
    ));
    let desk = Desk::new(Rules::production());
    let account = Account::new(pair, desk.standing, &desk.rules, desk.now);
    assert_eq!(
        serde_json::to_value(account).unwrap(),
        json!({
            "known": {
                "number": "+4930123456",
                "user": "US.13491208655302741918",
                "unanswered": 0,
            },
            "call": { "is": "unknown" },
            "request": { "is": "allowed", "free_form_until": null },
            "connected": 0,
            "nudged": false,
            "going_on": null,
        })
    );
}
