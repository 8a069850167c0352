mod operator;
mod troubles;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::call::cdr::CallRef;
use crate::config::tests::minimal_with;
use crate::consent::{Absence, Fact, Pair, Refusal, Source, Standing, Verdict};

const LONG: Duration = Duration::from_secs(20);
const FILE: &str = "KEEPER_FILE";

/// 2026-11-20T10:00:00Z.
fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_168_800)
}

struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("consent.db")
    }

    fn config(&self, more: &str) -> Arc<Config> {
        config(&self.file(), more)
    }

    fn keeper(&self) -> Keeper {
        Keeper::open(self.config(""), start()).unwrap()
    }

    fn ledger(&self) -> Ledger {
        Ledger::open(&self.file()).unwrap()
    }

    fn standing(&self, user: u64) -> Standing {
        self.ledger().standing(&pair(user)).unwrap()
    }

    /// Another program's connection.
    fn other(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }
}

fn config(file: &Path, more: &str) -> Arc<Config> {
    let database = format!("[consent]\ndatabase = \"{}\"\n{more}", file.display());
    Arc::new(minimal_with(&database))
}

/// A clerk at work in the test's own thread, and what it tells.
struct Office {
    clerk: Clerk,
    events: Receiver<LedgerEvent>,
    troubles: Arc<LedgerTroubles>,
}

impl Office {
    fn new(ledger: Ledger, config: Arc<Config>) -> Self {
        let troubles = Arc::new(LedgerTroubles::default());
        let (sender, events) = channel(QUEUE);
        Self {
            clerk: Clerk::new(ledger, config, sender, troubles.clone()),
            events,
            troubles,
        }
    }

    /// What came at once, and all the events of it.
    fn take(&mut self, orders: impl IntoIterator<Item = Order>) -> Vec<(String, Judgement)> {
        assert!(self.clerk.handle_batch(orders.into_iter()).is_continue());
        self.told()
    }

    fn told(&mut self) -> Vec<(String, Judgement)> {
        let events = std::iter::from_fn(|| self.events.try_recv().ok());
        events.map(judged).collect()
    }
}

fn judged(event: LedgerEvent) -> (String, Judgement) {
    let LedgerEvent::Judged { call, judgement } = event;
    (call.0, judgement)
}

fn pair(user: u64) -> Pair {
    Pair::parse("+4930123456", &format!("+{}", 491_700_000_000 + user)).unwrap()
}

fn place(user: u64, call: &str) -> LedgerCommand {
    LedgerCommand::Place {
        call: CallRef(call.to_owned()),
        pair: pair(user),
        calls: 0,
        at: start(),
    }
}

fn learn(user: u64, fact: Fact) -> LedgerCommand {
    LedgerCommand::Learn {
        pair: pair(user),
        fact,
        at: start(),
    }
}

fn allowed() -> Fact {
    let source = Source::Webhook;
    Fact::AllowedForEver { source }
}

fn ended(call: &str) -> Fact {
    let call = call.to_owned();
    Fact::CallEnded { call }
}

fn unanswered(call: &str) -> Fact {
    let call = call.to_owned();
    Fact::CallUnanswered { call }
}

fn said(call: &str, verdict: Verdict) -> (String, Judgement) {
    (call.to_owned(), Judgement::Verdict(verdict))
}

fn next(keeper: &mut Keeper) -> (String, Judgement) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let event = async { tokio::time::timeout(LONG, keeper.event()).await };
    judged(runtime.block_on(event).unwrap())
}

fn value(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[test]
fn calls_are_judged_by_what_was_told_before() {
    let disk = Disk::new();
    let mut keeper = disk.keeper();
    for command in [
        place(1, "a"),
        learn(1, allowed()),
        place(1, "b"),
        learn(1, ended("a")),
        place(1, "c"),
    ] {
        keeper.handle_command(command);
    }
    assert_eq!(next(&mut keeper), said("a", Verdict::Unknown));
    let busy = Verdict::Refused(Refusal::CallActive);
    assert_eq!(next(&mut keeper), said("b", busy));
    assert_eq!(next(&mut keeper), said("c", Verdict::Allowed));
    keeper.close(LONG).unwrap();
    assert_eq!(disk.standing(1).line().call(), Some("c"));
}

#[test]
fn what_was_told_is_on_disk_when_it_is_closed() {
    let disk = Disk::new();
    let mut keeper = disk.keeper();
    for user in 0..2_000 {
        keeper.handle_command(learn(user, allowed()));
    }
    keeper.close(LONG).unwrap();
    let ledger = disk.ledger();
    for user in 0..2_000 {
        assert!(ledger.standing(&pair(user)).unwrap().permission().is_some());
    }
}

#[test]
fn calls_of_the_last_run_occupy_nobody() {
    let disk = Disk::new();
    let mut keeper = disk.keeper();
    keeper.handle_command(place(1, "a"));
    assert_eq!(next(&mut keeper), said("a", Verdict::Unknown));
    keeper.close(LONG).unwrap();
    let mut keeper = disk.keeper();
    keeper.handle_command(place(1, "b"));
    assert_eq!(next(&mut keeper), said("b", Verdict::Unknown));
}

/// How often it was waited for the disk: the commit records in the write-ahead log.
fn commits(file: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4_096;
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let log = std::fs::read(log).unwrap_or_default();
    let frames = log.get(HEADER..).unwrap_or_default().chunks_exact(FRAME);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

#[test]
fn a_burst_is_written_with_one_wait_for_the_disk() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    let before = commits(&disk.file());
    let burst = (0..100).flat_map(|user| {
        let call = format!("{user}");
        [learn(user, allowed()), place(user, &call)]
    });
    let told = office.take(burst.map(Order::Ledger));
    let wanted: Vec<_> = (0..100)
        .map(|user| said(&user.to_string(), Verdict::Allowed))
        .collect();
    assert_eq!(told, wanted);
    assert_eq!(commits(&disk.file()), before + 1);
}

#[test]
fn new_rules_hold_for_what_comes_after_them() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    let refusing = disk.config("when_unknown = \"refuse\"");
    let unanswered_calls = |calls: [&str; 2]| {
        let call = |call: &str| [place(2, call), learn(2, unanswered(call))];
        calls.map(call).into_iter().flatten().map(Order::Ledger)
    };
    let stricter = disk.config("[consent.production]\nnudge_after = 1\nrevoke_after = 2");
    let mut orders = vec![
        Order::Ledger(place(1, "a")),
        Order::Follow(refusing),
        Order::Ledger(place(3, "b")),
    ];
    orders.push(Order::Follow(stricter));
    orders.extend(unanswered_calls(["c", "d"]));
    orders.push(Order::Ledger(place(2, "e")));
    let told = office.take(orders);
    let wanted = [
        said("a", Verdict::Unknown),
        said("b", Verdict::Refused(Refusal::PermissionUnknown)),
        said("c", Verdict::Unknown),
        said("d", Verdict::Unknown),
        said("e", Verdict::Refused(Refusal::PermissionRevoked)),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn where_nothing_is_enforced_it_still_learns() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config("enforce = false"));
    let why = Absence::Withdrawn;
    let source = Source::Webhook;
    let told = office.take(
        [
            learn(1, Fact::NotAllowed { why, source }),
            place(1, "a"),
            place(1, "b"),
        ]
        .map(Order::Ledger),
    );
    assert_eq!(
        told,
        [said("a", Verdict::Unknown), said("b", Verdict::Unknown)]
    );
    let standing = disk.standing(1);
    assert_eq!(standing.line().call(), Some("a"));
    let rules = office_rules(&disk);
    let verdict = standing.verdict(pair(1).number(), 0, &rules, start());
    assert_eq!(
        verdict,
        Verdict::Refused(Refusal::PermissionWithdrawn),
        "{verdict:?}"
    );
}

fn office_rules(disk: &Disk) -> crate::consent::Rules {
    disk.config("").consent_rules(pair(1).number())
}

/// Not a test by itself: what the next test starts as a process of its own, and kills.
#[test]
#[ignore]
fn keeper_process() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let mut keeper = Keeper::open(config(Path::new(&file), ""), start()).unwrap();
    for user in 0.. {
        keeper.handle_command(learn(user, allowed()));
        keeper.handle_command(place(user, &user.to_string()));
        let (call, judgement) = next(&mut keeper);
        assert_eq!(judgement, Judgement::Verdict(Verdict::Allowed));
        eprintln!("placed {call}");
    }
}

/// A call that may be placed is known as placed, and what was told before it too.
#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let disk = Disk::new();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::keeper::tests::keeper_process",
            "--ignored",
            "--nocapture",
        ])
        .env(FILE, disk.file())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut said: Vec<String> = lines.by_ref().map_while(Result::ok).take(50).collect();
    process.kill().unwrap();
    process.wait().unwrap();
    said.extend(lines.map_while(Result::ok));
    let placed = said.iter().filter_map(|line| line.strip_prefix("placed "));
    let placed: Vec<u64> = placed.map(|user| user.parse().unwrap()).collect();
    assert!(placed.len() >= 50, "{said:?}");
    for user in placed {
        let standing = disk.standing(user);
        assert_eq!(standing.line().call(), Some(user.to_string().as_str()));
        assert!(standing.permission().is_some());
    }
}
