//! What a look-up in the consent ledger costs when it holds a million users, and what it costs to keep a fact.

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::{Criterion, criterion_group, criterion_main};
use tempfile::TempDir;
use wabridge::consent::{Fact, Pair, Rules, Source};
use wabridge::entropy::Entropy;
use wabridge::party::PhoneNumber;
use wabridge::store::{Ledger, News};

const USERS: u32 = 1_000_000;
const BATCH: u32 = 20_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_168_800)
}

fn pair(user: u32) -> Pair {
    let number = PhoneNumber::parse("+4930123456").expect("a number");
    let user = PhoneNumber::parse(&format!("+{}", 491_700_000_000 + u64::from(user)));
    Pair::of_number(number, user.expect("a number"))
}

fn news(user: u32, fact: Fact) -> News {
    News {
        pair: pair(user),
        fact,
        at: now(),
    }
}

/// A user who was asked, has allowed calls, and has answered one.
fn story(user: u32) -> [News; 5] {
    let call = || format!("01JD3Z4V6W8X9Y0A1B2C3D4{user}");
    let until = Some(now() + Duration::from_secs(7 * 24 * 3_600));
    let source = Source::Webhook;
    [
        news(user, Fact::AllowedUntil { until, source }),
        news(user, Fact::CallPlaced { call: call() }),
        news(user, Fact::CallConnected { call: call() }),
        news(user, Fact::CallEnded { call: call() }),
        news(user, Fact::RequestSent),
    ]
}

fn fill(ledger: &mut Ledger, rules: &Rules) {
    for first in (0..USERS).step_by(BATCH as usize) {
        let news: Vec<News> = (first..first + BATCH).flat_map(story).collect();
        ledger.keep_all(&news, rules).expect("a disk that takes it");
    }
}

fn ledger(c: &mut Criterion) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("consent.db");
    let rules = Rules::production();
    let mut ledger = Ledger::open(&file).expect("a ledger");
    fill(&mut ledger, &rules);
    let mut entropy = Entropy::from_seed([4; 32]);
    for (name, users) in [
        ("verdict, user known", 0..USERS),
        ("verdict, user unknown", USERS..2 * USERS),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| {
                let pair = pair(users.start + entropy.below(USERS));
                let standing = ledger.standing(&pair).expect("a standing");
                black_box(standing.verdict(pair.number(), 0, &rules, now()))
            });
        });
    }
    c.bench_function("a fact kept, synced", |b| {
        b.iter(|| ledger.keep(&news(entropy.below(USERS), Fact::RequestSent), &rules));
    });
}

criterion_group!(benches, ledger);
criterion_main!(benches);
