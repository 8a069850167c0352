//! The call records that the daemon wrote.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sim::report::{Outcome, Report};

const WRITTEN_WITHIN: Duration = Duration::from_secs(3);

/// The line about the call that came in with this Call-ID.
pub async fn find(file: &Path, call_id: &str) -> Option<String> {
    let deadline = Instant::now() + WRITTEN_WITHIN;
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mine = |line: &&str| {
            let record = serde_json::from_str::<Value>(line).unwrap_or_default();
            record["call_id_a"] == call_id
        };
        if let Some(line) = text.lines().find(mine) {
            return Some(line.to_owned());
        }
        if Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether the record tells what the parties saw.
pub fn check(record: Option<&str>, caller: &mut Report, callee: Option<&Report>) {
    let Some(record) = record else {
        return caller.verdict.violation("call record", "none was written");
    };
    let record: Value = serde_json::from_str(record).unwrap_or_default();
    let mut faults = Vec::new();
    if let Outcome::Answered { .. } = caller.outcome {
        let talk = record["talk_s"].as_f64().unwrap_or(-1.0);
        if (talk - caller.talked.as_secs_f64()).abs() > 1.0 {
            faults.push(format!("talk_s is {talk}"));
        }
        let codec = record["codec_b"]
            .as_str()
            .unwrap_or("none")
            .to_ascii_lowercase();
        let heard = callee.into_iter().flat_map(|callee| &callee.heard.codecs);
        let names: Vec<&str> = heard
            .filter_map(|codec| codec.rtpmap().split('/').next())
            .collect();
        if !names.is_empty() && !names.iter().any(|name| name.eq_ignore_ascii_case(&codec)) {
            faults.push(format!("codec_b is {codec}, heard {names:?}"));
        }
    } else if !record["answered"].is_null() {
        faults.push("it says answered".into());
    }
    let found = match faults.is_empty() {
        true => "one, and it is right".into(),
        false => faults.join("; "),
    };
    caller
        .verdict
        .check("call record", faults.is_empty(), found);
}
