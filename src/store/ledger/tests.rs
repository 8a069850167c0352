use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::*;
use crate::consent::{Absence, Refusal, Source};

const HOUR: Duration = Duration::from_secs(3_600);
const FILE: &str = "LEDGER_FILE";
const ROUND: &str = "LEDGER_ROUND";

/// 2026-11-20T10:00:00Z.
fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_168_800)
}

struct Disk {
    directory: TempDir,
    rules: Rules,
}

impl Disk {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            rules: Rules::production(),
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("consent.db")
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.file()).unwrap()
    }
}

fn pair(user: u64) -> Pair {
    let number = PhoneNumber::parse("+4930123456").unwrap();
    let user = PhoneNumber::parse(&format!("+{}", 491_700_000_000 + user)).unwrap();
    Pair::of_number(number, user)
}

fn pair_of_id(id: &str) -> Pair {
    let number = PhoneNumber::parse("+4930123456").unwrap();
    Pair::of_user_id(number, UserId::parse(id).unwrap())
}

fn news(pair: &Pair, fact: Fact) -> News {
    News {
        pair: pair.clone(),
        fact,
        at: start(),
    }
}

fn allowed() -> Fact {
    let source = Source::Webhook;
    Fact::AllowedForEver { source }
}

#[test]
fn what_was_kept_is_there_after_opening_again() {
    let disk = Disk::new();
    let pairs = [
        pair(1),
        pair(2),
        pair_of_id("US.13491208655302741918"),
        pair_of_id("US.13491208655302741919"),
    ];
    for pair in &pairs {
        let kept = disk.open().keep(&news(pair, allowed()), &disk.rules);
        assert_eq!(kept.unwrap(), Ok(()));
    }
    let fact = Fact::NotAllowed {
        why: Absence::Withdrawn,
        source: Source::Operator,
    };
    let later = News {
        at: start() + HOUR,
        ..news(&pairs[1], fact)
    };
    assert_eq!(disk.open().keep(&later, &disk.rules).unwrap(), Ok(()));
    let ledger = disk.open();
    for (pair, refusal) in pairs
        .iter()
        .zip([None, Some(Refusal::PermissionWithdrawn), None, None])
    {
        let standing = ledger.standing(pair).unwrap();
        let verdict = standing.verdict(pair.number(), 0, &disk.rules, start());
        assert_eq!(verdict.refusal(), refusal, "{pair:?}");
        assert_ne!(verdict, Verdict::Unknown);
    }
    let standing = ledger.standing(&pair(3)).unwrap();
    assert_eq!(standing, Standing::default());
}

#[test]
fn of_two_who_place_a_call_at_once_one_gets_the_user() {
    let disk = Disk::new();
    let (mut one, mut other) = (disk.open(), disk.open());
    one.keep(&news(&pair(1), allowed()), &disk.rules)
        .unwrap()
        .unwrap();
    let place = |ledger: &mut Ledger, call| {
        let placed = ledger.place(&pair(1), call, 0, &disk.rules, start());
        placed.unwrap()
    };
    assert_eq!(place(&mut one, "c1"), Verdict::Allowed);
    assert_eq!(
        place(&mut other, "c2"),
        Verdict::Refused(Refusal::CallActive)
    );
    let call = "c1".to_owned();
    let ended = news(&pair(1), Fact::CallEnded { call });
    other.keep(&ended, &disk.rules).unwrap().unwrap();
    assert_eq!(place(&mut other, "c3"), Verdict::Allowed);
    assert_eq!(one.calls().unwrap(), [(pair(1), "c3".to_owned())]);
}

#[test]
fn a_refused_call_leaves_no_trace() {
    let disk = Disk::new();
    let mut ledger = disk.open();
    let rules = Rules {
        concurrent_calls: 7,
        ..disk.rules.clone()
    };
    let verdict = ledger.place(&pair(1), "c1", 7, &rules, start()).unwrap();
    assert_eq!(verdict, Verdict::Refused(Refusal::NoLine));
    assert_eq!(ledger.standing(&pair(1)).unwrap(), Standing::default());
    let verdict = ledger.place(&pair(1), "c1", 6, &rules, start()).unwrap();
    assert_eq!(verdict, Verdict::Unknown);
}

#[test]
fn no_news_is_not_written() {
    let disk = Disk::new();
    let mut ledger = disk.open();
    let call = "c".to_owned();
    let ended = news(&pair(1), Fact::CallEnded { call });
    let ignored = ledger.keep(&ended, &disk.rules).unwrap();
    assert_eq!(ignored, Err(Ignored::NotThisCall));
    let all = [
        news(&pair(2), allowed()),
        ended,
        news(&pair(2), allowed()),
        news(&pair(3), allowed()),
    ];
    assert_eq!(ledger.keep_all(&all, &disk.rules).unwrap(), 2);
    let question = "SELECT count(*) FROM consent";
    let rows: u32 = ledger.0.query_row(question, (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn calls_of_the_last_run_are_ended_and_count_for_nothing() {
    let disk = Disk::new();
    let mut ledger = disk.open();
    let id = pair_of_id("US.ENT.11815799212886844830");
    for (pair, call) in [(pair(1), "c1"), (id.clone(), "c2"), (pair(3), "c3")] {
        ledger
            .keep(&news(&pair, allowed()), &disk.rules)
            .unwrap()
            .unwrap();
        let verdict = ledger.place(&pair, call, 0, &disk.rules, start()).unwrap();
        assert_eq!(verdict, Verdict::Allowed);
    }
    let call = "c3".to_owned();
    let connected = news(&pair(3), Fact::CallConnected { call });
    ledger.keep(&connected, &disk.rules).unwrap().unwrap();
    drop(ledger);
    let mut ledger = disk.open();
    assert_eq!(ledger.calls().unwrap().len(), 3);
    let now = start() + HOUR;
    assert_eq!(ledger.end_all_calls(&disk.rules, now).unwrap(), 3);
    assert_eq!(ledger.calls().unwrap(), []);
    for (pair, connected) in [(pair(1), 0), (id, 0), (pair(3), 1)] {
        let standing = ledger.standing(&pair).unwrap();
        assert!(standing.line().is_free());
        assert_eq!(standing.unanswered(), 0);
        assert_eq!(standing.connected(&disk.rules, now), connected);
    }
}

#[test]
fn looking_for_calls_reads_no_other_pair() {
    let disk = Disk::new();
    let ledger = disk.open();
    let plan: String = ledger
        .0
        .query_row(&format!("EXPLAIN QUERY PLAN {CALLS}"), (), |row| row.get(3))
        .unwrap();
    assert!(plan.contains("consent_call"), "{plan}");
    let plan: String = ledger
        .0
        .query_row(&format!("EXPLAIN QUERY PLAN {READ}"), (1, 2), |row| {
            row.get(3)
        })
        .unwrap();
    assert!(plan.contains("PRIMARY KEY (number=? AND user=?)"), "{plan}");
}

#[test]
fn what_someone_else_wrote_is_not_taken_for_nothing_known() {
    let disk = Disk::new();
    let mut ledger = disk.open();
    ledger
        .keep(&news(&pair(1), allowed()), &disk.rules)
        .unwrap()
        .unwrap();
    let change = "UPDATE consent SET standing = json('{\"permission\": 1}')";
    ledger.0.execute(change, ()).unwrap();
    let error = ledger.standing(&pair(1)).unwrap_err();
    assert!(matches!(error, LedgerError::Unreadable { .. }));
    let error = ledger.place(&pair(1), "c", 0, &disk.rules, start());
    assert!(error.is_err());
    // The rest is as it was.
    assert!(ledger.standing(&pair(2)).is_ok());
    let kept = ledger.keep(&news(&pair(2), allowed()), &disk.rules);
    assert_eq!(kept.unwrap(), Ok(()));
}

#[test]
fn who_cannot_write_says_so_and_keeps_nothing() {
    let disk = Disk::new();
    let mut ledger = disk.open();
    let other = Connection::open(disk.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let kept = ledger.keep(&news(&pair(1), allowed()), &disk.rules);
    assert!(matches!(kept, Err(LedgerError::Disk(_))));
    // Looking up goes on meanwhile.
    assert_eq!(ledger.standing(&pair(1)).unwrap(), Standing::default());
    other.execute_batch("COMMIT").unwrap();
    let kept = ledger.keep(&news(&pair(1), allowed()), &disk.rules);
    assert_eq!(kept.unwrap(), Ok(()));
}

/// The `i`th fact of a round: a pair of its own.
fn fact_of(round: u64, i: u64) -> News {
    let until = start() + Duration::from_secs(i);
    let fact = Fact::AllowedUntil {
        until: Some(until),
        source: Source::Read,
    };
    news(&pair(round * 1_000_000 + i), fact)
}

/// One pair of all rounds, whose calls are counted.
fn common() -> Pair {
    pair(999_000_000)
}

/// Not a test by itself: what the next test starts as a process of its own, and kills.
#[test]
#[ignore]
fn keeper_process() {
    let (Some(file), Ok(round)) = (std::env::var_os(FILE), std::env::var(ROUND)) else {
        return;
    };
    let round: u64 = round.parse().unwrap();
    let rules = Rules {
        revoke_after: u32::MAX,
        ..Rules::production()
    };
    let mut ledger = Ledger::open(Path::new(&file)).unwrap();
    ledger.end_all_calls(&rules, start()).unwrap();
    for i in 0.. {
        ledger.keep(&fact_of(round, i), &rules).unwrap().unwrap();
        eprintln!("kept {i}");
        let call = format!("{round}-{i}");
        let verdict = ledger.place(&common(), &call, 0, &rules, start()).unwrap();
        assert_eq!(verdict, Verdict::Unknown);
        let unanswered = news(&common(), Fact::CallUnanswered { call });
        ledger.keep(&unanswered, &rules).unwrap().unwrap();
        let count = ledger.standing(&common()).unwrap().unanswered();
        eprintln!("unanswered {count}");
    }
}

/// A process that keeps facts, and says so.
struct Keeper {
    process: Child,
    said: Lines<BufReader<ChildStderr>>,
}

impl Keeper {
    fn start(file: &Path, round: u64) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::ledger::tests::keeper_process",
                "--ignored",
                "--nocapture",
            ])
            .env(FILE, file)
            .env(ROUND, round.to_string())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, said }
    }

    /// Lets it say so much, kills it (SIGKILL), and gives all that it had said: the last numbers of facts kept, and of
    /// calls unanswered.
    fn kill_after(mut self, lines: usize) -> (Option<u64>, Option<u64>) {
        let mut heard: Vec<String> = Vec::new();
        heard.extend(self.said.by_ref().map_while(Result::ok).take(lines));
        assert_eq!(heard.len(), lines, "it ended by itself: {heard:?}");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        heard.extend(self.said.map_while(Result::ok));
        let last = |word| {
            let mut numbers = heard.iter().filter_map(|line| line.strip_prefix(word));
            numbers.next_back().map(|number| number.parse().unwrap())
        };
        (last("kept "), last("unanswered "))
    }
}

#[test]
fn a_process_killed_again_and_again_loses_nothing_it_said_was_kept() {
    let disk = Disk::new();
    let mut unanswered_before = 0;
    for round in 0..12 {
        let lines = 1 + (round as usize * 7) % 23;
        let keeper = Keeper::start(&disk.file(), round);
        let (kept, unanswered) = keeper.kill_after(lines);
        let mut ledger = disk.open();
        for i in 0..=kept.unwrap() {
            let news = fact_of(round, i);
            let standing = ledger.standing(&news.pair).unwrap();
            let mut wanted = Standing::default();
            wanted
                .handle_fact(&news.fact, news.at, &disk.rules)
                .unwrap();
            assert_eq!(standing, wanted, "round {round}, fact {i}");
        }
        let said = unanswered.unwrap_or(unanswered_before);
        let count = u64::from(ledger.standing(&common()).unwrap().unanswered());
        assert!(
            (said..=said + 1).contains(&count),
            "round {round}: said {said}, there are {count}"
        );
        unanswered_before = count;
        assert!(ledger.end_all_calls(&disk.rules, start()).unwrap() <= 1);
        let check: String = ledger
            .0
            .query_row("PRAGMA integrity_check", (), |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
    }
    assert!(unanswered_before > 50, "{unanswered_before}");
}

/// What a killed process cannot show: that a commit also outlives the machine.
#[test]
fn each_commit_is_synced() {
    let ledger = Disk::new().open();
    let setting = |name: &str| {
        let value = ledger.0.pragma_query_value(None, name, |row| row.get(0));
        value.unwrap()
    };
    let synchronous: Value = setting("synchronous");
    let journal: Value = setting("journal_mode");
    assert_eq!(synchronous, Value::Integer(2), "FULL");
    assert_eq!(journal, Value::Text("wal".to_owned()));
}
