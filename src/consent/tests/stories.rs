//! Each rule told as a story of days, which pass in microseconds.

use super::*;

fn asked_again_from(until: SystemTime) -> RequestVerdict {
    RequestVerdict::Refused(RequestRefusal::Limit { until })
}

fn may_ask() -> RequestVerdict {
    RequestVerdict::Allowed {
        free_form_until: None,
    }
}

#[test]
fn nothing_known_is_asked_by_calling_or_refused() {
    let mut desk = Desk::new(Rules::production());
    assert_eq!(desk.verdict(), Verdict::Unknown);
    desk.rules.when_unknown = WhenUnknown::Refuse;
    assert_eq!(desk.refusal(), Refusal::PermissionUnknown);
    desk.learn(Fact::AllowedForEver {
        source: Source::Operator,
    });
    assert_eq!(desk.verdict(), Verdict::Allowed);
}

#[test]
fn limits_hold_though_nothing_is_known_of_the_permission() {
    let mut desk = Desk::new(Rules::production());
    desk.learn(placed("c"));
    assert_eq!(desk.refusal(), Refusal::CallActive);
    desk.learn(ended("c"));
    for _ in 0..100 {
        desk.connected_call(SECOND, SECOND);
    }
    assert!(matches!(desk.refusal(), Refusal::ConnectedLimit { .. }));
}

#[test]
fn a_permanent_permission_stays() {
    let mut desk = Desk::allowed(Rules::production());
    for _ in 0..1_000 {
        desk.wait(DAY);
        assert_eq!(desk.verdict(), Verdict::Allowed);
    }
}

#[test]
fn a_temporary_permission_ends_on_time() {
    let mut desk = Desk::new(Rules::production());
    let until = start() + 3 * DAY;
    desk.learn(allowed_until(until)).wait(3 * DAY - SECOND);
    assert_eq!(desk.verdict(), Verdict::Allowed);
    desk.wait(SECOND);
    assert_eq!(desk.refusal(), Refusal::PermissionExpired { since: until });
}

#[test]
fn an_end_that_is_not_told_is_after_seven_days() {
    let mut desk = Desk::new(Rules::production());
    desk.learn(Fact::AllowedUntil {
        until: None,
        source: Source::Webhook,
    });
    desk.wait(7 * DAY - SECOND);
    assert_eq!(desk.verdict(), Verdict::Allowed);
    desk.wait(SECOND);
    let since = start() + 7 * DAY;
    assert_eq!(desk.refusal(), Refusal::PermissionExpired { since });
}

#[test]
fn who_declines_or_withdraws_is_not_called() {
    for (why, refusal) in [
        (Absence::NotGiven, Refusal::PermissionNotGiven),
        (Absence::Withdrawn, Refusal::PermissionWithdrawn),
        (Absence::Unanswered, Refusal::PermissionRevoked),
    ] {
        let mut desk = Desk::allowed(Rules::production());
        desk.wait(HOUR).learn(not_allowed(why));
        assert_eq!(desk.refusal(), refusal);
        desk.wait(1_000 * DAY);
        assert_eq!(desk.refusal(), refusal);
        desk.learn(allowed_until(desk.now + DAY));
        assert_eq!(desk.verdict(), Verdict::Allowed);
    }
}

#[test]
fn news_that_is_older_than_what_is_known_is_none() {
    let mut desk = Desk::new(Rules::production());
    desk.wait(HOUR).learn(not_allowed(Absence::Withdrawn));
    desk.now -= MINUTE;
    assert_eq!(
        desk.try_learn(allowed_until(start() + DAY)),
        Err(Ignored::Stale)
    );
    assert_eq!(desk.refusal(), Refusal::PermissionWithdrawn);
    desk.now += MINUTE;
    assert_eq!(
        desk.try_learn(not_allowed(Absence::Withdrawn)),
        Err(Ignored::Stale)
    );
    let known = desk.standing.permission().unwrap();
    assert_eq!(known.permission, Permission::Absent(Absence::Withdrawn));
    assert_eq!((known.source, known.at), (Source::Webhook, desk.now));
}

#[test]
fn the_user_is_asked_once_a_day_and_twice_a_week() {
    let mut desk = Desk::new(Rules::production());
    assert_eq!(desk.request_verdict(), may_ask());
    desk.learn(Fact::RequestSent).wait(HOUR);
    assert_eq!(desk.request_verdict(), asked_again_from(start() + DAY));
    desk.wait(23 * HOUR - SECOND);
    assert_eq!(desk.request_verdict(), asked_again_from(start() + DAY));
    desk.wait(SECOND);
    assert_eq!(desk.request_verdict(), may_ask());
    desk.learn(Fact::RequestSent).wait(2 * DAY);
    assert_eq!(desk.request_verdict(), asked_again_from(start() + 7 * DAY));
    desk.wait(4 * DAY);
    assert_eq!(desk.request_verdict(), may_ask());
}

#[test]
fn the_later_of_two_limits_is_told() {
    let mut desk = Desk::new(Rules::production());
    desk.learn(Fact::RequestSent).wait(6 * DAY + 12 * HOUR);
    desk.learn(Fact::RequestSent).wait(HOUR);
    // The week's limit ends after half a day, the day's after a whole one.
    let until = start() + 7 * DAY + 12 * HOUR;
    assert_eq!(desk.request_verdict(), asked_again_from(until));
}

#[test]
fn the_sandbox_asks_more_often() {
    let mut desk = Desk::new(Rules::sandbox());
    for day in 0..4 {
        for _ in 0..25 {
            assert_eq!(desk.request_verdict(), may_ask(), "day {day}");
            desk.learn(Fact::RequestSent);
        }
        let until = start() + if day < 3 { (day + 1) * DAY } else { 7 * DAY };
        assert_eq!(desk.request_verdict(), asked_again_from(until));
        desk.wait(DAY);
    }
    desk.wait(3 * DAY);
    assert_eq!(desk.request_verdict(), may_ask());
}

#[test]
fn a_connected_call_begins_the_count_of_requests_anew() {
    let mut desk = Desk::new(Rules::production());
    desk.learn(Fact::RequestSent).wait(HOUR);
    desk.unanswered_call();
    assert!(matches!(desk.request_verdict(), RequestVerdict::Refused(_)));
    desk.connected_call(SECOND, SECOND);
    assert!(matches!(
        desk.request_verdict(),
        RequestVerdict::Allowed { .. }
    ));
}

#[test]
fn who_has_allowed_for_ever_is_not_asked() {
    let desk = Desk::allowed(Rules::production());
    assert_eq!(
        desk.request_verdict(),
        RequestVerdict::Refused(RequestRefusal::PermanentAlready)
    );
}

#[test]
fn a_hundred_calls_connect_in_any_24_hours() {
    let mut desk = Desk::allowed(Rules::production());
    for call in 0..100 {
        assert_eq!(desk.verdict(), Verdict::Allowed, "call {call}");
        desk.connected_call(Duration::ZERO, MINUTE);
    }
    let until = start() + DAY;
    assert_eq!(desk.refusal(), Refusal::ConnectedLimit { until });
    desk.now = until - SECOND;
    assert_eq!(desk.refusal(), Refusal::ConnectedLimit { until });
    // One leaves the window each minute.
    desk.wait(SECOND).connected_call(Duration::ZERO, SECOND);
    let until = until + MINUTE;
    assert_eq!(desk.refusal(), Refusal::ConnectedLimit { until });
    assert_eq!(desk.standing.connected(&desk.rules, desk.now), 100);
    desk.wait(MINUTE);
    assert_eq!(desk.verdict(), Verdict::Allowed);
    desk.wait(DAY);
    assert_eq!(desk.standing.connected(&desk.rules, desk.now), 0);
}

#[test]
fn calls_that_do_not_connect_are_not_limited() {
    let mut desk = Desk::allowed(Rules::production());
    for _ in 0..1_000 {
        desk.learn(placed("c")).wait(SECOND).learn(ended("c"));
    }
    assert_eq!(desk.verdict(), Verdict::Allowed);
}

#[test]
fn unanswered_calls_nudge_and_then_revoke() {
    for (rules, nudge, revoke) in [(Rules::production(), 2, 4), (Rules::sandbox(), 5, 10)] {
        let mut desk = Desk::allowed(rules);
        for call in 1..revoke {
            desk.wait(DAY).unanswered_call();
            assert_eq!(desk.standing.is_nudged(&desk.rules), call >= nudge);
            assert_eq!(desk.verdict(), Verdict::Allowed);
        }
        desk.unanswered_call();
        assert_eq!(desk.refusal(), Refusal::PermissionRevoked);
        let known = desk.standing.permission().unwrap();
        assert_eq!(known.source, Source::Call);
        // The user allows it again, and the count begins anew.
        desk.wait(HOUR).learn(Fact::AllowedForEver {
            source: Source::Webhook,
        });
        assert_eq!(desk.standing.unanswered(), 0);
        desk.unanswered_call();
        assert_eq!(desk.verdict(), Verdict::Allowed);
    }
}

#[test]
fn an_answered_call_begins_the_count_of_unanswered_ones_anew() {
    let mut desk = Desk::allowed(Rules::production());
    for _ in 0..10 {
        for _ in 0..3 {
            desk.unanswered_call();
        }
        desk.connected_call(SECOND, SECOND);
        assert_eq!(desk.standing.unanswered(), 0);
    }
    assert_eq!(desk.verdict(), Verdict::Allowed);
}

#[test]
fn reading_the_same_permission_again_keeps_the_count() {
    let mut desk = Desk::allowed(Rules::production());
    desk.unanswered_call().wait(HOUR);
    desk.learn(Fact::AllowedForEver {
        source: Source::Read,
    });
    assert_eq!(desk.standing.unanswered(), 1);
}

#[test]
fn one_call_with_a_user_at_a_time() {
    let mut desk = Desk::allowed(Rules::production());
    desk.learn(placed("c1"));
    assert_eq!(desk.refusal(), Refusal::CallActive);
    assert_eq!(desk.try_learn(placed("c2")), Err(Ignored::CallActive));
    desk.learn(connected("c1"));
    assert_eq!(desk.refusal(), Refusal::CallActive);
    for late in [
        connected("c1"),
        unanswered("c1"),
        connected("c2"),
        ended("c2"),
    ] {
        assert_eq!(desk.try_learn(late), Err(Ignored::NotThisCall));
    }
    assert_eq!(desk.standing.line().call(), Some("c1"));
    desk.learn(ended("c1"));
    assert_eq!(desk.verdict(), Verdict::Allowed);
    assert_eq!(desk.try_learn(ended("c1")), Err(Ignored::NotThisCall));
}

#[test]
fn a_call_from_the_user_occupies_but_counts_for_nothing() {
    let mut desk = Desk::allowed(Rules::production());
    desk.unanswered_call();
    desk.learn(user_called("c1"));
    assert_eq!(desk.refusal(), Refusal::CallActive);
    assert_eq!(
        desk.try_learn(unanswered("c1")),
        Err(Ignored::NotThisCall),
        "only calls of the business can be"
    );
    desk.learn(connected("c1")).learn(ended("c1"));
    assert_eq!(desk.standing.connected(&desk.rules, desk.now), 0);
    assert_eq!(desk.standing.unanswered(), 1);
}

#[test]
fn a_call_from_the_user_that_crosses_ours_leaves_ours_known() {
    let mut desk = Desk::allowed(Rules::production());
    desk.learn(placed("c1")).learn(user_called("c2"));
    assert_eq!(desk.standing.line().call(), Some("c1"));
    assert!(desk.standing.service_window(desk.now).is_some());
    assert_eq!(desk.try_learn(ended("c2")), Err(Ignored::NotThisCall));
}

#[test]
fn calls_open_and_refresh_the_service_window() {
    let mut desk = Desk::new(Rules::production());
    let window = |desk: &Desk| desk.standing.service_window(desk.now);
    desk.unanswered_call();
    assert_eq!(window(&desk), None);
    desk.learn(user_called("c"));
    let until = desk.now + DAY;
    assert_eq!(window(&desk), Some(until));
    let free_form_until = Some(until);
    assert_eq!(
        desk.request_verdict(),
        RequestVerdict::Allowed { free_form_until }
    );
    desk.learn(ended("c")).wait(23 * HOUR);
    desk.learn(placed("c")).learn(connected("c"));
    let until = desk.now + DAY;
    desk.wait(DAY - SECOND);
    assert_eq!(window(&desk), Some(until));
    desk.wait(SECOND);
    assert_eq!(window(&desk), None);
    assert_eq!(desk.request_verdict(), may_ask());
}

#[test]
fn what_whatsapp_bars_is_barred() {
    let mut desk = Desk::allowed(Rules::production());
    let until = start() + DAY;
    desk.learn(Fact::BarredUntil { until });
    assert_eq!(desk.refusal(), Refusal::Barred { until });
    assert_eq!(
        desk.try_learn(Fact::BarredUntil {
            until: until - SECOND
        }),
        Err(Ignored::Stale)
    );
    desk.wait(DAY);
    assert_eq!(desk.verdict(), Verdict::Allowed);
}

#[test]
fn a_number_has_so_many_calls_at_once() {
    let mut desk = Desk::allowed(Rules::production());
    desk.calls = 999;
    assert_eq!(desk.verdict(), Verdict::Allowed);
    desk.calls = 1_000;
    assert_eq!(desk.refusal(), Refusal::NoLine);
}

#[test]
fn numbers_of_some_countries_do_not_call() {
    let mut desk = Desk::allowed(Rules::production());
    desk.number = PhoneNumber::parse("+12195550714").unwrap();
    assert_eq!(desk.refusal(), Refusal::NumberMayNotCall);
    desk.rules
        .business_numbers
        .insert("1219".parse().unwrap(), MayCall::Yes);
    assert_eq!(desk.verdict(), Verdict::Allowed);
}

#[test]
fn of_several_reasons_the_one_that_lasts_is_told() {
    let mut desk = Desk::allowed(Rules::production());
    desk.calls = 1_000;
    assert_eq!(desk.refusal(), Refusal::NoLine);
    desk.learn(placed("c"));
    assert_eq!(desk.refusal(), Refusal::CallActive);
    let until = start() + DAY;
    desk.learn(Fact::BarredUntil { until });
    assert_eq!(desk.refusal(), Refusal::Barred { until });
    desk.wait(SECOND).learn(not_allowed(Absence::Withdrawn));
    assert_eq!(desk.refusal(), Refusal::PermissionWithdrawn);
    desk.number = PhoneNumber::parse("+201001234567").unwrap();
    assert_eq!(desk.refusal(), Refusal::NumberMayNotCall);
}

#[test]
fn a_clock_set_back_allows_nothing_more() {
    let mut desk = Desk::allowed(Rules::production());
    for _ in 0..100 {
        desk.connected_call(SECOND, SECOND);
    }
    desk.now = start() - DAY;
    let until = start() + SECOND + DAY;
    assert_eq!(desk.refusal(), Refusal::ConnectedLimit { until });
}

#[test]
fn the_agent_reads_why_and_when() {
    let until = start() + DAY + Duration::from_millis(1);
    let limit = Refusal::ConnectedLimit { until };
    assert_eq!(
        limit.to_string(),
        "The user was called as often as WhatsApp allows; again from 2026-11-21T10:00:01Z"
    );
    assert_eq!(limit.retry_after(start()), Some(DAY + SECOND));
    assert_eq!(limit.retry_after(until + DAY), Some(Duration::ZERO));
    let expired = Refusal::PermissionExpired { since: start() };
    assert_eq!(
        expired.to_string(),
        "The user's permission has expired; on 2026-11-20T10:00:00Z"
    );
    assert_eq!(expired.retry_after(start()), None);
}

#[test]
fn every_refusal_has_its_own_row() {
    let time = start();
    let refusals = [
        Refusal::NumberMayNotCall,
        Refusal::PermissionUnknown,
        Refusal::PermissionNotGiven,
        Refusal::PermissionWithdrawn,
        Refusal::PermissionRevoked,
        Refusal::PermissionExpired { since: time },
        Refusal::ConnectedLimit { until: time },
        Refusal::Barred { until: time },
        Refusal::CallActive,
        Refusal::NoLine,
    ];
    for (refusal, row) in refusals.iter().zip(&REFUSALS) {
        assert_eq!(refusal.row(), row);
        let name = format!("{refusal:?}").replace(|c: char| !c.is_alphanumeric(), "");
        let token = row.token.replace('_', "");
        assert!(name.to_lowercase().starts_with(&token), "{name} {token}");
        // It stands in a quoted string.
        assert!(!row.words.contains(['"', '\\']));
        // RFC 3261 §20.33 allows Retry-After with 480 and not with 403.
        assert_eq!(refusal.until().is_some(), row.status == 480);
    }
}
