//! What the operator asks and changes.

use super::*;
use crate::consent::Record;
use crate::consent::operator::{
    Account, BusinessNumber, CallOutlook, MOST_RECORDS, OperatorFact, RequestOutlook,
};
use crate::party::PhoneNumber;

fn ask(office: &mut Office, command: ConsentCommand) -> ConsentAnswer {
    ask_at(office, command, start())
}

fn ask_at(office: &mut Office, command: ConsentCommand, at: SystemTime) -> ConsentAnswer {
    let (answer, answered) = oneshot::channel();
    let order = Order::Ask {
        command,
        at,
        answer,
    };
    office.take([order]);
    answered.blocking_recv().unwrap()
}

fn account(office: &mut Office, user: u64) -> Account {
    let pair = pair(user);
    match ask(office, ConsentCommand::Show { pair }) {
        ConsentAnswer::Account(account) => *account,
        answer => panic!("{answer:?}"),
    }
}

fn learned(office: &mut Office, user: u64, fact: OperatorFact) -> ConsentAnswer {
    let pair = pair(user);
    ask(office, ConsentCommand::Learn { pair, fact })
}

fn records(office: &mut Office, after: Option<Pair>, most: usize) -> (Vec<Record>, bool) {
    let command = ConsentCommand::List {
        number: None,
        after,
        most,
    };
    match ask(office, command) {
        ConsentAnswer::Records { records, more } => (records, more),
        answer => panic!("{answer:?}"),
    }
}

fn done() -> ConsentAnswer {
    ConsentAnswer::Done { pairs: 1 }
}

#[test]
fn a_pair_is_shown_as_it_stands_after_all_that_was_told() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    let (answer, answered) = oneshot::channel();
    let show = Order::Ask {
        command: ConsentCommand::Show { pair: pair(1) },
        at: start(),
        answer,
    };
    office.take([
        Order::Ledger(learn(1, allowed())),
        Order::Ledger(place(1, "a")),
        show,
    ]);
    let ConsentAnswer::Account(account) = answered.blocking_recv().unwrap() else {
        panic!("no account");
    };
    assert_eq!(account.going_on.as_deref(), Some("a"));
    let CallOutlook::Refused { reason, until, .. } = account.call else {
        panic!("{:?}", account.call);
    };
    assert_eq!((reason.as_str(), until), ("call_active", None));
}

#[test]
fn the_operator_allows_denies_and_bars() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    assert_eq!(account(&mut office, 1).call, CallOutlook::Unknown);
    let fact = OperatorFact::AllowedUntil { until: None };
    assert_eq!(learned(&mut office, 1, fact), done());
    assert_eq!(account(&mut office, 1).call, CallOutlook::Allowed);
    let again = learned(&mut office, 1, fact);
    assert!(matches!(again, ConsentAnswer::Ignored { .. }), "{again:?}");
    assert_eq!(learned(&mut office, 1, OperatorFact::RequestSent), done());
    let request = account(&mut office, 1).request;
    let RequestOutlook::Refused { until, .. } = request else {
        panic!("{request:?}");
    };
    assert_eq!(until.unwrap().to_string(), "2026-11-21T10:00:00Z");
    for (fact, token) in [
        (
            OperatorFact::BarredUntil {
                until: "2026-11-22T10:00:00Z".parse().unwrap(),
            },
            "barred",
        ),
        (
            OperatorFact::NotAllowed {
                why: Absence::Withdrawn,
            },
            "permission_withdrawn",
        ),
    ] {
        assert_eq!(learned(&mut office, 1, fact), done());
        let CallOutlook::Refused { reason, .. } = account(&mut office, 1).call else {
            panic!("not refused");
        };
        assert_eq!(reason, token);
    }
    let pair = pair(1);
    assert_eq!(ask(&mut office, ConsentCommand::Forget { pair }), done());
    assert_eq!(account(&mut office, 1).call, CallOutlook::Unknown);
    assert_eq!(records(&mut office, None, 10), (vec![], false));
}

#[test]
fn all_is_listed_page_by_page_and_read_again_elsewhere() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    let orders = (0..25).flat_map(|user| {
        let call = user.to_string();
        let placed = place(user, &call);
        let connected = Fact::CallConnected { call: call.clone() };
        [
            learn(user, allowed()),
            placed,
            learn(user, connected),
            learn(user, ended(&call)),
            learn(user, Fact::RequestSent),
        ]
    });
    let id = Pair::parse("+4930123456", "US.13491208655302741918").unwrap();
    let of_id = LedgerCommand::Learn {
        pair: id.clone(),
        fact: allowed(),
        at: start(),
    };
    office.take(orders.chain([of_id]).map(Order::Ledger));

    let mut lines = Vec::new();
    let mut after = None;
    loop {
        let (page, more) = records(&mut office, after, 10);
        lines.extend(
            page.iter()
                .map(|record| serde_json::to_string(record).unwrap()),
        );
        after = page.last().map(|record| record.pair.clone());
        if !more {
            break;
        }
    }
    assert_eq!(lines.len(), 26);
    assert_eq!(after, Some(id));

    let elsewhere = Disk::new();
    let mut other = Office::new(elsewhere.ledger(), elsewhere.config(""));
    let read = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let command = ConsentCommand::Import {
        records: read.collect(),
    };
    assert_eq!(ask(&mut other, command), ConsentAnswer::Done { pairs: 26 });
    assert_eq!(
        records(&mut other, None, MOST_RECORDS),
        records(&mut office, None, MOST_RECORDS)
    );
}

#[test]
fn a_list_of_one_number_holds_no_other() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    let numbers = ["+4930123455", "+4930123456", "+4930123457"];
    let told = numbers.map(|number| LedgerCommand::Learn {
        pair: Pair::parse(number, "+491700000001").unwrap(),
        fact: allowed(),
        at: start(),
    });
    office.take(told.map(Order::Ledger));
    for number in numbers {
        let command = ConsentCommand::List {
            number: Some(BusinessNumber(PhoneNumber::parse(number).unwrap())),
            after: None,
            most: 10,
        };
        let ConsentAnswer::Records { records, more } = ask(&mut office, command) else {
            panic!("no records");
        };
        assert_eq!((records.len(), more), (1, false));
        assert_eq!(records[0].pair.number().expose(), number);
    }
}

#[test]
fn the_call_that_goes_on_outlives_import_and_forgetting() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    office.take([learn(1, allowed()), place(1, "a")].map(Order::Ledger));
    let (records, _) = records(&mut office, None, 1);
    for command in [
        ConsentCommand::Forget { pair: pair(1) },
        ConsentCommand::Import { records },
    ] {
        assert_eq!(ask(&mut office, command), done());
        assert_eq!(disk.standing(1).line().call(), Some("a"));
    }
}

#[test]
fn what_somebody_spoilt_can_be_forgotten() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    office.take([Order::Ledger(learn(1, allowed()))]);
    let spoil = "UPDATE consent SET standing = json('{\"permission\": 1}')";
    disk.other().execute(spoil, ()).unwrap();
    let pair = pair(1);
    let shown = ask(&mut office, ConsentCommand::Show { pair: pair.clone() });
    assert!(matches!(shown, ConsentAnswer::Failed { .. }), "{shown:?}");
    assert_eq!(ask(&mut office, ConsentCommand::Forget { pair }), done());
    assert_eq!(account(&mut office, 1).call, CallOutlook::Unknown);
}

#[test]
fn nothing_is_changed_past_facts_that_wait() {
    let disk = Disk::new();
    let mut office = Office::new(disk.ledger(), disk.config(""));
    let other = disk.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    office.take([Order::Ledger(learn(1, allowed()))]);
    let answer = learned(&mut office, 1, OperatorFact::AllowedForEver);
    assert!(matches!(answer, ConsentAnswer::Failed { .. }), "{answer:?}");
}

#[test]
fn the_door_answers_whatever_becomes_of_the_keeper() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let disk = Disk::new();
    let keeper = disk.keeper();
    let door = keeper.door();
    let show = || door.ask(ConsentCommand::Show { pair: pair(1) }, start());
    let answer = runtime.block_on(show());
    assert!(matches!(answer, ConsentAnswer::Account(_)), "{answer:?}");
    keeper.close(LONG).unwrap();
    let answer = runtime.block_on(show());
    assert!(matches!(answer, ConsentAnswer::Failed { .. }), "{answer:?}");
}
