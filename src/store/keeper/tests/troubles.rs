//! Disks that are locked, full or broken, and queues that are full.

use super::*;

/// It cannot be read, and why begins or ends so.
fn assert_unreadable(told: &[(String, Judgement)], calls: &[&str], words: &str) {
    let named: Vec<&str> = told.iter().map(|(call, _)| call.as_str()).collect();
    assert_eq!(named, calls);
    for (_, judgement) in told {
        let Judgement::Unreadable(why) = judgement else {
            panic!("{judgement:?}");
        };
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn a_locked_disk_delays_facts_and_refuses_calls() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    let other = disk.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let told =
        office.take([learn(1, allowed()), place(1, "a"), learn(2, allowed())].map(Order::Ledger));
    assert_unreadable(&told, &["a"], "locked");
    assert_eq!(value(&office.troubles.unreadable), 1);
    let failures = value(&office.troubles.failures);
    assert!(failures > 0);
    other.execute_batch("COMMIT").unwrap();
    // The facts come before what is told later.
    let told = office.take([place(1, "b"), place(2, "c")].map(Order::Ledger));
    let wanted = [said("b", Verdict::Allowed), said("c", Verdict::Allowed)];
    assert_eq!(told, wanted);
    assert_eq!(value(&office.troubles.failures), failures);
    assert_eq!(value(&office.troubles.lost), 0);
}

#[test]
fn facts_come_by_themselves_when_the_disk_is_free_again() {
    let disk = Disk::new();
    let mut keeper = disk.keeper();
    let other = disk.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    keeper.handle_command(learn(1, allowed()));
    keeper.handle_command(place(2, "a"));
    let (call, judgement) = next(&mut keeper);
    assert_unreadable(&[(call, judgement)], &["a"], "locked");
    other.execute_batch("COMMIT").unwrap();
    keeper.close(LONG).unwrap();
    assert!(disk.standing(1).permission().is_some());
    assert!(disk.standing(2).line().is_free());
}

#[test]
fn a_disk_that_stays_locked_does_not_hold_up_the_end() {
    let disk = Disk::new();
    let mut keeper = disk.keeper();
    let other = disk.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    keeper.handle_command(learn(1, allowed()));
    assert_eq!(keeper.close(Duration::ZERO), Err(NotKept));
}

#[test]
fn a_full_disk_delays_facts_and_refuses_calls() {
    let disk = Disk::new();
    let ledger = disk.ledger();
    ledger.limit_pages(1);
    let mut office = Office::new(ledger, disk.config(""));
    let facts = (0..500).map(|user| Order::Ledger(learn(user, allowed())));
    let told = office.take(facts.chain([Order::Ledger(place(1, "a"))]));
    assert_unreadable(&told, &["a"], "full");
    office.clerk.ledger().limit_pages(u32::MAX);
    let told = office.take([Order::Ledger(place(1, "b"))]);
    assert_eq!(told, [said("b", Verdict::Allowed)]);
    for user in 0..500 {
        assert!(disk.standing(user).permission().is_some());
    }
}

#[test]
fn a_pair_that_somebody_spoilt_spoils_no_other() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    office.take([learn(1, allowed()), learn(2, allowed())].map(Order::Ledger));
    let user = pair(1).user().expose().replace('+', "");
    let spoil =
        format!("UPDATE consent SET standing = json('{{\"permission\": 1}}') WHERE user = {user}");
    disk.other().execute(&spoil, ()).unwrap();
    let told = office.take(
        [
            learn(1, ended("x")),
            place(1, "a"),
            learn(3, allowed()),
            place(2, "b"),
            place(3, "c"),
        ]
        .map(Order::Ledger),
    );
    assert_unreadable(&told[..1], &["a"], "not readable");
    let wanted = [said("b", Verdict::Allowed), said("c", Verdict::Allowed)];
    assert_eq!(told[1..], wanted);
    assert_eq!(value(&office.troubles.lost), 1);
    assert_eq!(value(&office.troubles.failures), 0);
}

#[test]
fn a_broken_ledger_refuses_calls_and_lets_go_of_the_oldest_facts_at_last() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    disk.other().execute_batch("DROP TABLE consent").unwrap();
    let facts =
        (0..clerk::MAX_WAITING as u64 + 10).map(|user| Order::Ledger(learn(user, allowed())));
    assert_eq!(office.take(facts), []);
    assert_eq!(value(&office.troubles.lost), 10);
    for call in ["a", "b"] {
        let told = office.take([Order::Ledger(place(1, call))]);
        assert_unreadable(&told, &[call], "no such table");
    }
}

/// A keeper whose thread takes nothing.
fn stuck(queue: usize) -> (Keeper, mpsc::Receiver<Order>) {
    let (orders, queue) = mpsc::sync_channel(queue);
    let keeper = Keeper {
        orders,
        events: channel(1).1,
        own_events: VecDeque::new(),
        troubles: Arc::default(),
        thread: std::thread::spawn(|| {}),
    };
    (keeper, queue)
}

#[test]
fn a_full_queue_answers_by_itself() {
    let (mut keeper, queue) = stuck(2);
    for command in [
        place(1, "a"),
        learn(1, allowed()),
        place(2, "b"),
        learn(2, allowed()),
        place(3, "c"),
    ] {
        keeper.handle_command(command);
    }
    let told = [next(&mut keeper), next(&mut keeper)];
    assert_unreadable(&told, &["b", "c"], "queue is full");
    assert!(keeper.own_events.is_empty());
    assert_eq!(value(&keeper.troubles().unreadable), 2);
    assert_eq!(value(&keeper.troubles().lost), 1);
    assert_eq!(queue.try_iter().count(), 2);
}

#[test]
fn a_thread_that_is_gone_answers_nothing_but_the_keeper_does() {
    let (mut keeper, queue) = stuck(2);
    drop(queue);
    keeper.handle_command(place(1, "a"));
    assert_unreadable(&[next(&mut keeper)], &["a"], "thread is gone");
    assert_eq!(keeper.close(LONG), Err(NotKept));
}
