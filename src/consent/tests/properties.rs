//! Whatever happens in whatever order: no limit is passed, nothing grows, nothing is lost on the way to disk and back.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Small, so that limits are met.
fn tight() -> Rules {
    Rules {
        requests: vec![Quota::new(1, DAY), Quota::new(3, 7 * DAY)],
        connected: Quota::new(3, DAY),
        nudge_after: 1,
        revoke_after: 2,
        concurrent_calls: 2,
        ..Rules::production()
    }
}

/// What somebody wants, or the world does.
#[derive(Clone, Debug)]
enum Act {
    /// If the verdict allows it.
    Call(String),
    /// If the verdict allows it.
    Ask,
    /// Comes as it comes, at this moment or as late news.
    Learn(Fact, Duration),
}

fn call() -> impl Strategy<Value = String> {
    prop_oneof!["c1", "c2"].prop_map(|name| name.to_string())
}

fn fact() -> impl Strategy<Value = Fact> {
    let source = Source::Webhook;
    prop_oneof![
        (0..30u32).prop_map(|hours| allowed_until(start() + hours * HOUR)),
        Just(Fact::AllowedForEver { source }),
        Just(not_allowed(Absence::Withdrawn)),
        (0..300u32).prop_map(|hours| Fact::BarredUntil {
            until: start() + hours * HOUR
        }),
        call().prop_map(|call| user_called(&call)),
        call().prop_map(|call| connected(&call)),
        call().prop_map(|call| connected(&call)),
        call().prop_map(|call| unanswered(&call)),
        call().prop_map(|call| ended(&call)),
        call().prop_map(|call| ended(&call)),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => call().prop_map(Act::Call),
        1 => Just(Act::Ask),
        5 => (fact(), 0..2_000u64).prop_map(|(fact, late)| Act::Learn(fact, Duration::from_millis(late * 777))),
    ]
}

/// Counts everything, forgets nothing.
#[derive(Default)]
struct Witness {
    requests: Vec<SystemTime>,
    connected: Vec<SystemTime>,
    unanswered: u32,
    ringing: Option<(String, CallOf)>,
    talking: Option<String>,
}

impl Witness {
    fn see(&mut self, fact: &Fact, at: SystemTime) {
        match fact {
            Fact::CallPlaced { call } => {
                assert!(self.ringing.is_none() && self.talking.is_none());
                self.ringing = Some((call.clone(), CallOf::Business));
            }
            Fact::UserCalled { call } if self.ringing.is_none() && self.talking.is_none() => {
                self.ringing = Some((call.clone(), CallOf::User));
            }
            Fact::CallConnected { call } => {
                let (_, of) = self.ringing.take().unwrap();
                self.talking = Some(call.clone());
                self.requests.clear();
                if of == CallOf::Business {
                    self.connected.push(at);
                    self.unanswered = 0;
                }
            }
            Fact::CallUnanswered { .. } => {
                self.ringing = None;
                self.unanswered += 1;
            }
            Fact::CallEnded { .. } => {
                self.ringing = None;
                self.talking = None;
            }
            Fact::RequestSent => self.requests.push(at),
            Fact::AllowedUntil { .. } | Fact::AllowedForEver { .. } => self.unanswered = 0,
            Fact::UserCalled { .. } | Fact::NotAllowed { .. } | Fact::BarredUntil { .. } => {}
        }
    }

    fn check(&self, rules: &Rules) {
        within(&self.connected, &rules.connected);
        for quota in &rules.requests {
            within(&self.requests, quota);
        }
    }
}

/// No stretch of that length holds more.
fn within(moments: &[SystemTime], quota: &Quota) {
    let mut moments = moments.to_vec();
    moments.sort_unstable();
    let times = usize::from(quota.times.get());
    for stretch in moments.windows(times + 1) {
        let length = stretch[times].duration_since(stretch[0]).unwrap();
        assert!(length >= quota.within, "{length:?}");
    }
}

proptest! {
    #[test]
    fn no_limit_is_ever_passed(acts in vec((act(), 0..9 * 3_600u64), 0..150)) {
        let mut desk = Desk::new(tight());
        let mut witness = Witness::default();
        for (act, wait) in acts {
            desk.wait(Duration::from_secs(wait));
            let (fact, at) = match act {
                Act::Call(call) => {
                    if desk.verdict().refusal().is_some() {
                        continue;
                    }
                    prop_assert!(witness.unanswered < desk.rules.revoke_after);
                    (placed(&call), desk.now)
                }
                Act::Ask => match desk.request_verdict() {
                    RequestVerdict::Allowed { .. } => (Fact::RequestSent, desk.now),
                    RequestVerdict::Refused(_) => continue,
                },
                // A pick-up is seen when it happens: only then may the count rely on it.
                Act::Learn(fact @ Fact::CallConnected { .. }, _) => (fact, desk.now),
                Act::Learn(fact, late) => (fact, desk.now - late),
            };
            if desk.standing.handle_fact(&fact, at, &desk.rules).is_ok() {
                witness.see(&fact, at);
            }
            witness.check(&desk.rules);
        }
    }

    #[test]
    fn what_is_refused_until_then_is_allowed_then(
        acts in vec((fact(), 0..3 * 3_600u64), 0..100),
    ) {
        let mut desk = Desk::allowed(tight());
        for (fact, wait) in acts {
            desk.wait(Duration::from_secs(wait));
            let _ = desk.try_learn(placed("c1"));
            let _ = desk.try_learn(fact);
        }
        let Some(until) = desk.verdict().refusal().and_then(|refusal| refusal.until()) else {
            return Ok(());
        };
        desk.now = until - Duration::from_millis(1);
        prop_assert!(desk.verdict().refusal().is_some());
        desk.now = until;
        let left = desk.verdict().refusal();
        prop_assert!(left.is_none_or(|refusal| refusal.until().is_none()), "{left:?}");
    }

    #[test]
    fn disk_and_back_is_the_same(acts in vec((fact(), 0..10_000_000u64), 0..60)) {
        let mut desk = Desk::new(tight());
        for (fact, wait) in acts {
            desk.wait(Duration::from_micros(wait));
            let _ = desk.try_learn(Fact::RequestSent);
            let _ = desk.try_learn(placed("c2"));
            let _ = desk.try_learn(fact);
            let text = serde_json::to_string(&desk.standing).unwrap();
            let back: Standing = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back, &desk.standing, "{}", text);
            prop_assert!(text.len() < 600, "{}", text);
        }
    }

    #[test]
    fn news_of_the_permission_may_come_in_any_order(
        news in vec((fact(), 0..5u32), 0..8).prop_shuffle(),
    ) {
        let is_permission = |fact: &Fact| {
            matches!(
                fact,
                Fact::AllowedUntil { .. } | Fact::AllowedForEver { .. } | Fact::NotAllowed { .. }
            )
        };
        let mut shuffled = Desk::new(tight());
        let mut sorted = Desk::new(tight());
        let mut in_order = news.clone();
        in_order.sort_by_key(|(_, hours)| *hours);
        for (desk, news) in [(&mut shuffled, news), (&mut sorted, in_order)] {
            for (fact, hours) in news.iter().filter(|(fact, _)| is_permission(fact)) {
                desk.now = start() + *hours * HOUR;
                let _ = desk.try_learn(fact.clone());
            }
        }
        prop_assert_eq!(shuffled.standing, sorted.standing);
    }
}
