//! The month's calls move its tiers again, after a start and when rates are new.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use rusqlite::{Connection, params};
use rustix::process::Signal;
use serde_json::{Value, json};
use wabridge::config::CdrFiles;
use wabridge::store::Store;

use crate::support::*;

const COUNTED: &str = "calls of this month and the last one counted for their tiers";

/// Calls that were before: two that count, and one each that is too old, not picked up, and a user's.
fn folder_with_calls() -> Folder {
    let folder = Folder::new();
    let database = folder.file("cdr.sqlite");
    let store = Store::open(&CdrFiles {
        json_lines: folder.file("cdr.jsonl"),
        database: database.clone(),
    });
    store.unwrap().close(Duration::from_secs(20)).unwrap();
    let database = Connection::open(database).unwrap();
    let now = Timestamp::now();
    let (recent, old) = (now - 1.hour(), now - (24 * 100).hours());
    let (bic, uic) = ("business_initiated", "user_initiated");
    for (call, direction, answered) in [
        ("1", bic, Some(recent)),
        ("2", bic, Some(recent)),
        ("3", bic, Some(old)),
        ("4", bic, None),
        ("5", uic, Some(recent)),
    ] {
        let answered = answered.map(|answered| format!("{answered:.3}"));
        let line = json!({"call": call, "direction": direction, "answered": answered,
            "user": "+919876543210", "talk_s": 60.0, "number": "+17015550123"});
        let insert = "INSERT INTO cdr (call, line) VALUES (?1, ?2)";
        database
            .execute(insert, params![call, line.to_string()])
            .unwrap();
    }
    let card = include_str!("../../examples/rates-2026-list.csv");
    std::fs::write(folder.file("rates.csv"), card).unwrap();
    folder
}

fn with_rates(folder: &Folder) -> String {
    let rates = "\n[rates]\ncards = [\"rates.csv\"]\ncurrency = \"USD\"\n";
    folder.config() + rates
}

#[test]
fn after_a_start() {
    let folder = folder_with_calls();
    folder.write_config(&with_rates(&folder));
    let bridge = Bridge::start(&folder);
    let counted = bridge.log.lines().find_map(|line| {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        (event["message"] == COUNTED).then(|| event["calls"].clone())
    });
    assert_eq!(counted, Some(json!(2)), "{}", bridge.log);
}

#[test]
fn when_rates_are_new() {
    let folder = folder_with_calls();
    let mut bridge = Bridge::start(&folder);
    assert!(!bridge.log.contains(COUNTED));
    folder.write_config(&with_rates(&folder));
    bridge.signal(Signal::HUP);
    assert_eq!(bridge.wait_for(COUNTED)["calls"], 2);
    bridge.wait_for("configuration reloaded");
}
