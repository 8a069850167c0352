//! The conformance ledger names only what exists, and every row is held by something.

use std::fs;
use std::path::Path;

struct Row {
    line: usize,
    rule: String,
    held_by: String,
}

fn rows() -> Vec<Row> {
    let text =
        fs::read_to_string(project().join("tests/conformance/ledger.md")).expect("the ledger");
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| row(index + 1, line))
        .collect()
}

fn row(line: usize, text: &str) -> Option<Row> {
    let cells: Vec<&str> = text
        .strip_prefix('|')?
        .strip_suffix('|')?
        .split('|')
        .map(str::trim)
        .collect();
    match cells[..] {
        ["rule", ..] => None,
        [rule, _, held_by] if !rule.starts_with("---") => Some(Row {
            line,
            rule: rule.into(),
            held_by: held_by.into(),
        }),
        _ => None,
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One row may be held by several things, separated by commas.
fn complaint(held_by: &str) -> Option<String> {
    held_by
        .split(", ")
        .find_map(|holder| match holder.split_once(' ') {
            Some(("test", name)) => missing_test(name.trim_matches('`')),
            Some(("switch", place)) => missing_switch(place.trim_matches('`')),
            Some(("later", capability)) if !capability.is_empty() => None,
            _ => Some(format!(
                "`{holder}` is neither a test, a switch nor a later capability"
            )),
        })
}

fn missing_test(name: &str) -> Option<String> {
    let Some((file, function)) = name.rsplit_once("::") else {
        return Some(format!("`{name}` is not FILE::NAME"));
    };
    let Ok(text) = fs::read_to_string(project().join(file)) else {
        return Some(format!("there is no file {file}"));
    };
    let lines: Vec<&str> = text.lines().collect();
    let signature = format!("fn {function}(");
    let found = lines.iter().enumerate().any(|(index, line)| {
        line.contains(&signature)
            && lines[index.saturating_sub(6)..index]
                .iter()
                .any(|above| above.contains("#[test]") || above.contains("#[tokio::test"))
            || line.contains(&signature) && inside_proptest(&lines[..index])
    });
    (!found).then(|| format!("{file} has no test {function}"))
}

fn inside_proptest(above: &[&str]) -> bool {
    above
        .iter()
        .rev()
        .take(400)
        .any(|line| line.trim_start().starts_with("proptest!"))
}

fn missing_switch(place: &str) -> Option<String> {
    let Some((file, key)) = place.split_once(' ') else {
        return Some(format!("`{place}` is not FILE KEY"));
    };
    let Ok(text) = fs::read_to_string(project().join(file)) else {
        return Some(format!("there is no file {file}"));
    };
    let found = text.contains(key);
    (!found).then(|| format!("{file} has no {key}"))
}

#[test]
fn every_row_is_held_by_something_that_exists() {
    let complaints: Vec<String> = rows()
        .iter()
        .filter_map(|row| {
            Some(format!(
                "ledger.md:{}: {}: {}",
                row.line,
                row.rule,
                complaint(&row.held_by)?
            ))
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_ledger_is_read_whole() {
    assert!(
        rows().len() > 80,
        "{} rows: has the table's form changed?",
        rows().len()
    );
}

#[test]
fn a_row_that_names_nothing_real_is_found() {
    assert!(complaint("test `tests/conformance/main.rs::no_such_test`").is_some());
    assert!(complaint("test `no/such/file.rs::x`").is_some());
    assert!(complaint("switch `sip-profiles/meta.toml no_such_key`").is_some());
    assert!(complaint("TBD").is_some());
    assert!(complaint("test `tests/conformance/main.rs::the_ledger_is_read_whole`").is_none());
    assert!(complaint("later Outbound").is_none());
}
