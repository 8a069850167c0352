//! How calls end when it is not the user who hangs up.

use std::time::Duration;

use wabridge::sim::meta::Expect;
use wabridge::sim::report::{Ended, Outcome};

use crate::bridge::{Bridge, Wish};
use crate::call::{
    SECOND, assert_clean, place, place_while, plan_unjudged, plan_until_the_pbx_hangs_up,
    was_answered,
};
use crate::pbx;

fn cause(bridge: &Bridge) -> String {
    bridge.cdrs()[0]["ending"]["cause"]
        .as_str()
        .unwrap_or("no cause")
        .to_owned()
}

#[test]
fn busy() {
    let bridge = Bridge::start(&Wish::extension("605"));
    let mut plan = plan_unjudged(SECOND * 5);
    plan.expect = Expect::Refusal(Some(486));
    let report = place(&bridge, plan);
    assert_clean(&bridge, &report);
    assert_eq!(cause(&bridge), "busy");
}

#[test]
fn unknown_extension() {
    let bridge = Bridge::start(&Wish::extension("999"));
    let mut plan = plan_unjudged(SECOND * 5);
    plan.expect = Expect::Refusal(None);
    let report = place(&bridge, plan);
    assert_clean(&bridge, &report);
    assert_eq!(cause(&bridge), "unknown_extension");
}

#[test]
fn no_answer() {
    let bridge = Bridge::start(&Wish {
        answer_timeout_s: 4,
        ..Wish::extension("606")
    });
    let mut plan = plan_unjudged(SECOND * 5);
    plan.expect = Expect::Refusal(Some(480));
    let report = place(&bridge, plan);
    assert_clean(&bridge, &report);
    assert_eq!(cause(&bridge), "no_answer");
}

#[test]
fn the_user_gives_up_while_it_rings() {
    let bridge = Bridge::start(&Wish::extension("606"));
    let mut plan = plan_unjudged(SECOND * 5);
    plan.cancel = Some(SECOND * 2);
    plan.expect = Expect::Cancelled;
    let report = place(&bridge, plan);
    assert_clean(&bridge, &report);
    assert_eq!(cause(&bridge), "cancelled");
}

#[test]
fn the_pbx_hangs_up() {
    let bridge = Bridge::start(&Wish::extension("607"));
    let report = place(&bridge, plan_until_the_pbx_hangs_up());
    assert_clean(&bridge, &report);
    assert_eq!(
        report.outcome,
        Outcome::Answered {
            ended: Ended::There
        }
    );
    assert!(report.talked < SECOND * 5, "{:?}", report.talked);
    assert_eq!(cause(&bridge), "hung_up");
}

/// Asterisk's own probes see it: a bridge that drains answers 503 and the contact is not available any more.
#[test]
fn asterisk_sees_a_draining_bridge_as_down() {
    let bridge = Bridge::start(&Wish {
        pbx_port: 5070,
        ..Wish::extension("600")
    });
    let contact_is = |state: &str| {
        pbx::cli("pjsip qualify wabridge");
        std::thread::sleep(Duration::from_millis(500));
        pbx::cli("pjsip show contacts")
            .lines()
            .any(|line| line.contains(":5070") && line.contains(state))
    };
    assert!(contact_is("Avail"), "{}", pbx::cli("pjsip show contacts"));
    let report = place_while(&bridge, plan_unjudged(SECOND * 5), async {
        tokio::time::sleep(SECOND * 2).await;
        bridge.signal("-TERM");
        tokio::time::sleep(SECOND / 2).await;
        assert!(contact_is("Unavail"), "{}", pbx::cli("pjsip show contacts"));
    });
    assert!(was_answered(&report), "{}", report.outcome);
    assert!(
        report.talked > SECOND * 4,
        "the call went on while the bridge drained: {:?}",
        report.talked
    );
}
