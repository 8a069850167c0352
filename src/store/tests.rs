use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

const LONG: Duration = Duration::from_secs(20);

struct Disk {
    directory: TempDir,
    files: CdrFiles,
}

impl Disk {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let files = files_in(directory.path());
        Self { directory, files }
    }

    fn calls_in_lines(&self) -> Vec<String> {
        calls_in(&self.files.json_lines)
    }

    fn calls_in_rows(&self) -> Vec<String> {
        self.ask("SELECT call FROM cdr ORDER BY call")
    }

    fn ask(&self, question: &str) -> Vec<String> {
        let database = Connection::open(&self.files.database).unwrap();
        let mut statement = database.prepare(question).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

fn files_in(directory: &Path) -> CdrFiles {
    CdrFiles {
        json_lines: directory.join("cdr.jsonl"),
        database: directory.join("cdr.sqlite"),
    }
}

fn calls_in(lines: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(lines).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["call"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn line(call: usize) -> Line {
    let call = format!("c{call:05}");
    let json = format!(
        r#"{{"call":"{call}","started":"2026-11-20T10:00:00.000Z","number":"+4930123","wacid":"wacid.{call}","talk_s":1.5}}"#
    );
    Line {
        call: CallRef(call),
        json,
    }
}

fn names(calls: std::ops::Range<usize>) -> Vec<String> {
    calls.map(|call| line(call).call.0).collect()
}

fn keep(store: &Store, calls: std::ops::Range<usize>) {
    for call in calls {
        store.keep_line(line(call));
    }
}

#[test]
fn every_line_is_in_both_files_in_order() {
    let disk = Disk::new();
    let store = Store::open(&disk.files).unwrap();
    keep(&store, 0..1000);
    store.close(LONG).unwrap();
    assert_eq!(disk.calls_in_lines(), names(0..1000));
    assert_eq!(disk.calls_in_rows(), names(0..1000));
}

#[test]
fn later_runs_append() {
    let disk = Disk::new();
    for run in 0..3 {
        let store = Store::open(&disk.files).unwrap();
        keep(&store, run..run + 1);
        store.close(LONG).unwrap();
    }
    assert_eq!(disk.calls_in_lines(), names(0..3));
    assert_eq!(disk.calls_in_rows(), names(0..3));
}

#[test]
fn rows_are_found_by_number_time_and_wacid() {
    let disk = Disk::new();
    let store = Store::open(&disk.files).unwrap();
    keep(&store, 0..10);
    store.close(LONG).unwrap();
    let question = "SELECT call FROM cdr WHERE wacid = 'wacid.c00007'";
    assert_eq!(disk.ask(question), ["c00007"]);
    let found = disk.ask(
        "SELECT call FROM cdr WHERE number = '+4930123' AND started >= '2026-11-20' AND talk_ms > 1000",
    );
    assert_eq!(found.len(), 10);
    let database = Connection::open(&disk.files.database).unwrap();
    for (column, index) in [
        ("at", "cdr_at"),
        ("number", "cdr_number"),
        ("user", "cdr_user"),
        ("wacid", "cdr_wacid"),
    ] {
        let plan = format!("EXPLAIN QUERY PLAN SELECT call FROM cdr WHERE {column} = '1'");
        let plan: String = database.query_row(&plan, [], |row| row.get(3)).unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}

/// The first schema, with a call, as a program of that day left it.
#[test]
fn a_database_of_an_older_program_gets_its_columns() {
    let disk = Disk::new();
    let old = Connection::open(&disk.files.database).unwrap();
    old.execute_batch(database::SCHEMA[0]).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    let Line { call, json } = line(1);
    old.execute(
        "INSERT INTO cdr (call, line) VALUES (?1, ?2)",
        [&call.0, &json],
    )
    .unwrap();
    drop(old);
    let told = Records::open(&disk.files.database).err().unwrap();
    assert!(matches!(told, StoreError::Older { found: 1, .. }), "{told}");
    let store = Store::open(&disk.files).unwrap();
    keep(&store, 2..3);
    store.close(LONG).unwrap();
    let found = disk.ask("SELECT call || ' ' || talk_ms || ' ' || at FROM cdr ORDER BY call");
    assert_eq!(
        found,
        [
            "c00001 1500 2026-11-20T10:00:00.000Z",
            "c00002 1500 2026-11-20T10:00:00.000Z"
        ]
    );
    assert_eq!(
        disk.ask("SELECT line FROM cdr WHERE call = 'c00001'"),
        [json]
    );
}

/// A call to or from a user, answered or not, an hour after the one before.
fn call_line(hour: u32, direction: &str, user: &str, answered: bool, rest: &str) -> Line {
    let call = format!("c{hour:05}");
    let started = format!("2026-11-20T{hour:02}:00:00.000Z");
    let answered = match answered {
        true => format!("\"2026-11-20T{hour:02}:00:05.000Z\""),
        false => "null".to_owned(),
    };
    let json = format!(
        r#"{{"call":"{call}","direction":"{direction}","user":"{user}","user_id":"DE.{hour}","number":"+17015550100","trunk":"office","started":"{started}","answered":{answered},"talk_s":6.1{rest}}}"#
    );
    Line {
        call: CallRef(call),
        json,
    }
}

fn asked(disk: &Disk, filter: Filter) -> Vec<String> {
    let records = Records::open(&disk.files.database).unwrap();
    let mut found = Vec::new();
    let end: ControlFlow<()> = records
        .each(&filter, |record| {
            found.push(record.call);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(end.is_continue());
    found
}

#[test]
fn calls_are_found_by_every_condition() {
    use crate::call::cdr::CallDirection;
    use crate::call::ending::Cause;
    let disk = Disk::new();
    let store = Store::open(&disk.files).unwrap();
    let bad = r#","ending":{"cause":"busy","by":"callee"},"quality":{"user":"b","a":{"mos_received":1.0},"b":{"mos_received":4.1,"mos_sent":2.5,"no_audio_from":"wrong_source"}}"#;
    for line in [
        call_line(1, "user_initiated", "+491", true, ""),
        call_line(2, "business_initiated", "+492", false, bad),
        call_line(3, "business_initiated", "+491", true, ""),
    ] {
        store.keep_line(line);
    }
    store.flush(LONG).unwrap();
    let time = |text: &str| Some(text.parse().unwrap());
    let all = Filter::default();
    for (filter, found) in [
        (all.clone(), vec!["c00001", "c00002", "c00003"]),
        (
            Filter {
                from: time("2026-11-20T01:00:05Z"),
                to: time("2026-11-20T03:00:05Z"),
                ..all.clone()
            },
            vec!["c00001", "c00002"],
        ),
        (
            Filter {
                user: Some("+491".to_owned()),
                ..all.clone()
            },
            vec!["c00001", "c00003"],
        ),
        (
            Filter {
                user: Some("DE.2".to_owned()),
                number: Some("+17015550100".to_owned()),
                trunk: Some("office".to_owned()),
                ..all.clone()
            },
            vec!["c00002"],
        ),
        (
            Filter {
                direction: Some(CallDirection::BusinessInitiated),
                answer: Some(Answer::Answered),
                ..all.clone()
            },
            vec!["c00003"],
        ),
        (
            Filter {
                no_audio: true,
                ..all.clone()
            },
            vec!["c00002"],
        ),
        (
            Filter {
                cause: Some(Cause::Busy),
                answer: Some(Answer::Unanswered),
                ..all.clone()
            },
            vec!["c00002"],
        ),
        (
            Filter {
                mos_below: Some(3.0),
                ..all.clone()
            },
            vec!["c00002"],
        ),
        (
            Filter {
                mos_below: Some(2.0),
                ..all.clone()
            },
            vec![],
        ),
        (
            Filter {
                span: Span::First(1),
                ..all.clone()
            },
            vec!["c00001"],
        ),
        (
            Filter {
                span: Span::Last(2),
                ..all.clone()
            },
            vec!["c00002", "c00003"],
        ),
        (
            Filter {
                trunk: Some("' OR 1 --".to_owned()),
                ..all
            },
            vec![],
        ),
    ] {
        assert_eq!(asked(&disk, filter.clone()), found, "{filter:?}");
    }
    store.close(LONG).unwrap();
}

/// What is missing between a party and us is missing for the other one, on whichever leg.
#[test]
fn who_was_not_heard_is_said_of_either_leg() {
    let disk = Disk::new();
    let store = Store::open(&disk.files).unwrap();
    for (hour, quality) in [
        (1, r#"{"user":"a","a":{"no_audio_from":"stopped"},"b":{}}"#),
        (
            2,
            r#"{"user":"a","a":{},"b":{"no_audio_to":"hold","no_audio_from":"silence"}}"#,
        ),
        (
            3,
            r#"{"user":"b","a":{"no_audio_to":"lost"},"b":{"no_audio_to":"no_address"}}"#,
        ),
    ] {
        let quality = format!(r#","quality":{quality}"#);
        store.keep_line(call_line(hour, "user_initiated", "+491", true, &quality));
    }
    store.close(LONG).unwrap();
    let found = disk.ask(
        "SELECT ifnull(no_audio_from_user, '-') || ' ' || ifnull(no_audio_from_pbx, '-') FROM cdr ORDER BY call",
    );
    assert_eq!(found, ["stopped -", "hold silence", "lost no_address"]);
}

#[test]
fn reading_may_break_off_and_lines_are_as_written() {
    let disk = Disk::new();
    let store = Store::open(&disk.files).unwrap();
    keep(&store, 0..10);
    store.close(LONG).unwrap();
    let records = Records::open(&disk.files.database).unwrap();
    let mut lines = Vec::new();
    let end = records.lines(&Filter::default(), |line| {
        lines.push(line.to_owned());
        match lines.len() {
            3 => ControlFlow::Break("enough"),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!(end.unwrap(), ControlFlow::Break("enough"));
    assert_eq!(lines, [0, 1, 2].map(|call| line(call).json));
}

#[test]
fn after_a_rotation_lines_go_to_the_new_file() {
    let disk = Disk::new();
    let store = Store::open(&disk.files).unwrap();
    keep(&store, 0..5);
    store.flush(LONG).unwrap();
    let rotated = disk.directory.path().join("cdr.jsonl.1");
    std::fs::rename(&disk.files.json_lines, &rotated).unwrap();
    keep(&store, 5..7);
    store.reopen();
    keep(&store, 7..9);
    store.close(LONG).unwrap();
    assert_eq!(calls_in(&rotated), names(0..7));
    assert_eq!(disk.calls_in_lines(), names(7..9));
}

#[test]
fn a_full_disk_stops_neither_calls_nor_the_database_and_lines_come_later() {
    let disk = Disk::new();
    std::os::unix::fs::symlink("/dev/full", &disk.files.json_lines).unwrap();
    let store = Store::open(&disk.files).unwrap();
    keep(&store, 0..5);
    assert_eq!(store.flush(LONG), Err(NotWritten));
    assert_eq!(disk.calls_in_rows(), names(0..5));
    assert!(store.troubles().line_failures.load(Ordering::Relaxed) > 0);
    std::fs::remove_file(&disk.files.json_lines).unwrap();
    store.reopen();
    keep(&store, 5..6);
    store.close(LONG).unwrap();
    assert_eq!(disk.calls_in_lines(), names(0..6));
}

#[test]
fn a_locked_database_does_not_hold_lines_up_and_rows_come_later() {
    let disk = Disk::new();
    let store = Store::open(&disk.files).unwrap();
    let other = Connection::open(&disk.files.database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    keep(&store, 0..5);
    assert_eq!(store.flush(LONG), Err(NotWritten));
    assert_eq!(disk.calls_in_lines(), names(0..5));
    assert!(store.troubles().row_failures.load(Ordering::Relaxed) > 0);
    other.execute_batch("COMMIT").unwrap();
    store.flush(LONG).unwrap();
    assert_eq!(disk.calls_in_rows(), names(0..5));
}

#[test]
fn half_a_line_of_a_dead_machine_stays_alone() {
    let disk = Disk::new();
    std::fs::write(&disk.files.json_lines, r#"{"call":"broken"#).unwrap();
    let store = Store::open(&disk.files).unwrap();
    keep(&store, 0..1);
    store.close(LONG).unwrap();
    let text = std::fs::read_to_string(&disk.files.json_lines).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines, [r#"{"call":"broken"#, &line(0).json]);
}

#[test]
fn a_database_of_a_newer_program_is_left_alone() {
    let disk = Disk::new();
    let newer = Connection::open(&disk.files.database).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let opened = Store::open(&disk.files);
    assert!(matches!(
        opened.err(),
        Some(StoreError::Newer { found: 99, .. })
    ));
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let disk = Disk::new();
    let nowhere = files_in(&disk.directory.path().join("missing"));
    let error = Store::open(&nowhere).err().unwrap().to_string();
    assert!(error.contains("missing/cdr.jsonl"), "{error}");
    std::fs::write(
        &disk.files.database,
        "not a database, whatever its name says",
    )
    .unwrap();
    let error = Store::open(&disk.files).err().unwrap().to_string();
    assert!(error.contains("cdr.sqlite"), "{error}");
}

#[test]
fn files_are_not_for_everyone() {
    use std::os::unix::fs::PermissionsExt;
    let disk = Disk::new();
    Store::open(&disk.files).unwrap().close(LONG).unwrap();
    for file in [&disk.files.json_lines, &disk.files.database] {
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{}", file.display());
    }
}

/// Not a test by itself: what the next test starts as a process of its own, and kills.
#[test]
#[ignore]
fn writer_process() {
    let Some(directory) = std::env::var_os("STORE_DIRECTORY") else {
        return;
    };
    let store = Store::open(&files_in(Path::new(&directory))).unwrap();
    for call in 0.. {
        keep(&store, call..call + 1);
        store.flush(LONG).unwrap();
        eprintln!("kept {call}");
    }
}

#[test]
fn a_killed_process_loses_nothing_it_said_was_kept() {
    let disk = Disk::new();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::tests::writer_process",
            "--ignored",
            "--nocapture",
        ])
        .env("STORE_DIRECTORY", disk.directory.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(process.stderr.take().unwrap());
    let kept = said
        .lines()
        .map_while(Result::ok)
        .filter(|line| line.starts_with("kept "))
        .take(50)
        .count();
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(kept, 50);
    assert_eq!(disk.calls_in_lines()[..50], names(0..50));
    assert_eq!(disk.calls_in_rows()[..50], names(0..50));
    let store = Store::open(&disk.files).unwrap();
    store.close(LONG).unwrap();
}
