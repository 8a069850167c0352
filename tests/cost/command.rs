//! `wabridge cdr` as people and scripts use it.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use super::*;

fn calls(said: &str) -> Vec<String> {
    let call = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["call"].as_str().unwrap().to_owned()
    };
    said.lines().map(call).collect()
}

#[test]
fn json_is_the_record_as_it_was_written() {
    let disk = Disk::with_month();
    let (code, said) = disk.cdr("--format json");
    assert_eq!(code, Some(0), "{said}");
    let written = std::fs::read_to_string(disk.database().with_file_name("calls.jsonl"));
    assert_eq!(said, written.unwrap());
}

#[test]
fn conditions_are_written_as_people_write_them() {
    let disk = Disk::with_month();
    for (words, found) in [
        ("--limit 2", vec!["call-00", "call-01"]),
        ("--last 2", vec!["call-18", "call-19"]),
        ("--direction uic", vec!["call-06"]),
        ("--direction user_initiated", vec!["call-06"]),
        ("--unanswered", vec!["call-07"]),
        ("--cause busy", vec!["call-07"]),
        ("--user 628123456789", vec!["call-08"]),
        ("--user +628123456789 --number 17015550100", vec!["call-08"]),
        (
            "--user IN.13491208655302741918 --direction bic",
            vec!["call-17"],
        ),
        (
            "--from 2026-12-01 --zone America/Los_Angeles",
            vec!["call-19"],
        ),
        (
            "--to 2026-10-31 --zone America/Los_Angeles",
            vec!["call-00"],
        ),
        (
            "--from 2026-11-03 --to 2026-11-03 --answered",
            vec!["call-05", "call-06"],
        ),
        (
            "--from 2026-11-03T11:00 --to 2026-11-03T12:00",
            vec!["call-06"],
        ),
        ("--number 17015550199", vec![]),
        ("--trunk branch", vec![]),
    ] {
        let (code, said) = disk.cdr(&format!("{words} --format json"));
        assert_eq!(code, Some(0), "{words}: {said}");
        assert_eq!(calls(&said), found, "{words}");
    }
}

#[test]
fn csv_and_table_show_numbers_in_full() {
    let disk = Disk::with_month();
    let (_, csv) = disk.cdr("--user 628123456789 --format csv --zone Europe/Berlin");
    let mut rows = csv.lines();
    let header = rows.next().unwrap().split(',');
    let row: Vec<_> = header.zip(rows.next().unwrap().split(',')).collect();
    for cell in [
        ("answered", "2026-11-04T11:00:00.000+01:00"),
        ("user", "+628123456789"),
        ("talk_s", "59.900"),
        ("whatsapp_duration_s", "61"),
        ("market", "Indonesia"),
        ("rate_per_minute", "0.02400"),
        ("price", "0.026400"),
        ("currency", "USD"),
    ] {
        assert!(row.contains(&cell), "{cell:?} is not in {row:?}");
    }
    let (_, table) = disk.cdr("--user 628123456789");
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("started"), "{table}");
    assert!(
        lines[1].starts_with("2026-11-04 09:59:55  business  +17015550100   +628123456789"),
        "{table}"
    );
    assert!(lines[1].contains("0.026400 USD"), "{table}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let disk = Disk::new();
    let store = Store::open(&CdrFiles {
        json_lines: disk.database().with_extension("jsonl"),
        database: disk.database(),
    })
    .unwrap();
    let line = &lines()[0];
    for index in 0..2_000 {
        store.keep(&line.cdr(index));
    }
    store.close(LONG).unwrap();
    for format in ["table", "csv", "json"] {
        let mut child = disk
            .command(&format!("--format {format}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut [0; 100]).unwrap();
        drop(output);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{format}");
        assert!(ended.stderr.is_empty(), "{format}");
    }
}

#[test]
fn it_reads_beside_a_writer() {
    let disk = Disk::with_month();
    let files = CdrFiles {
        json_lines: disk.database().with_extension("jsonl"),
        database: disk.database(),
    };
    let store = Store::open(&files).unwrap();
    store.keep(&lines()[0].cdr(99));
    store.flush(LONG).unwrap();
    let (code, said) = disk.cdr("--limit 2 --format json");
    assert_eq!(
        (code, calls(&said)),
        (Some(0), vec!["call-00".to_owned(), "call-99".to_owned()])
    );
    store.close(LONG).unwrap();
}

#[test]
fn mistakes_are_told_with_their_exit_codes() {
    let disk = Disk::with_month();
    for (words, code, told) in [
        ("--from yesterday", 2, "write a date as in 2026-11-20"),
        ("--zone Mars/Base", 2, "no such time zone"),
        ("--cause bored", 2, "write one of hung_up"),
        ("--direction out", 2, "user_initiated"),
        ("--number sales", 2, "something other than digits"),
        ("--sum weather", 2, "month"),
        ("--answered --unanswered", 2, "cannot be used with"),
    ] {
        let (found, said) = disk.cdr(words);
        assert_eq!(found, Some(code), "{words}: {said}");
        assert!(said.contains(told), "{words}: {said}");
    }
    std::fs::remove_file(disk.database()).unwrap();
    let (code, said) = disk.cdr("");
    assert_eq!(code, Some(1));
    assert!(
        said.contains("cannot open the database") && said.contains("wabridge.db"),
        "{said}"
    );
}

#[test]
fn the_configuration_says_where_the_records_are_even_to_who_may_read_no_secrets() {
    let disk = Disk::with_month();
    let file = disk.database().with_file_name("wabridge.toml");
    let config = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_wabridge"))
            .args(["cdr", "--limit", "1", "--format", "json", "-c"])
            .arg(&file)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = config(
        "[numbers.\"+17015550100\"]\npassword_file = \"/root/none\"\n[cdr]\ndatabase = \"wabridge.db\"\n",
    );
    assert_eq!((code, calls(&said)), (Some(0), vec!["call-00".to_owned()]));
    let (code, said) = config("[cdr]\ndatabse = \"wabridge.db\"\n");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("wabridge.toml:2: cdr.databse: unknown key; did you mean database?"),
        "{said}"
    );
    let (code, said) = config("[cdr\n");
    assert_eq!(code, Some(2), "{said}");
    std::fs::remove_file(&file).unwrap();
}
