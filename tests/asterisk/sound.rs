//! What a contact centre does with a call: it plays, asks for digits, queues, holds and transfers.

use std::time::Duration;

use wabridge::sim::score;
use wabridge::sim::speech::Voice;

use crate::audio::{assert_heard, file, part, voice};
use crate::bridge::{Bridge, Wish};
use crate::call::{
    SECOND, assert_clean, place, place_while, plan, plan_echo, plan_unjudged,
    plan_until_the_pbx_hangs_up,
};
use crate::pbx::{self, Phone};

/// Longer than the 32 s after which a call dies whose Record-Routes came back changed.
#[test]
fn a_call_lives_longer_than_35_seconds() {
    let bridge = Bridge::start(&Wish::extension("600"));
    let report = place(&bridge, plan_echo(SECOND * 40));
    assert_clean(&bridge, &report);
    assert!(report.talked > SECOND * 39, "{:?}", report.talked);
}

#[test]
fn an_announcement_is_heard_whole() {
    let bridge = Bridge::start(&Wish::extension("601"));
    let report = place(&bridge, plan_unjudged(SECOND * 12));
    assert_clean(&bridge, &report);
    let source = part(&file(&pbx::recording("demo-congrats")), 0.0, 10.0);
    assert_heard(&source, &report.heard.audio);
}

/// Asterisk's own G.722 encoder.
#[test]
fn an_announcement_is_heard_whole_by_g722() {
    let bridge = Bridge::start(&Wish {
        codecs: r#""g722""#,
        ..Wish::extension("601")
    });
    let report = place(&bridge, plan_unjudged(SECOND * 12));
    assert_clean(&bridge, &report);
    assert_eq!(bridge.cdrs()[0]["codec_b"], "G722");
    let source = part(&file(&pbx::recording("demo-congrats")), 0.0, 10.0);
    assert_heard(&source, &report.heard.audio);
}

#[test]
fn music_plays() {
    let bridge = Bridge::start(&Wish::extension("602"));
    let report = place(&bridge, plan_unjudged(SECOND * 6));
    assert_clean(&bridge, &report);
    let level = score::level(&part(&report.heard.audio, 1.0, 5.0).samples);
    assert!(level > -45.0, "music at {level:.1} dB");
}

#[test]
fn digits_of_the_user_reach_the_pbx() {
    let bridge = Bridge::start(&Wish::extension("603"));
    let mut plan = plan_until_the_pbx_hangs_up();
    plan.digits = Some((SECOND * 3, "4719".into()));
    let report = place(&bridge, plan);
    assert_clean(&bridge, &report);
    assert!(pbx::wait_for_log("digits: 4719"));
}

#[test]
fn digits_choose_in_a_menu_while_it_speaks() {
    let bridge = Bridge::start(&Wish::extension("menu"));
    let mut plan = plan_unjudged(SECOND * 16);
    plan.digits = Some((SECOND * 3, "2".into()));
    let report = place(&bridge, plan);
    assert_clean(&bridge, &report);
    assert!(pbx::wait_for_log("menu: 2"));
    let after = part(&report.heard.audio, 5.0, 16.0);
    assert_heard(&part(&voice(Voice::User), 0.0, 6.0), &after);
}

#[test]
fn digits_of_the_pbx_reach_the_user() {
    let bridge = Bridge::start(&Wish::extension("604"));
    let report = place(&bridge, plan_until_the_pbx_hangs_up());
    assert_clean(&bridge, &report);
    assert_eq!(report.heard.digits(), "159#");
}

#[test]
fn silence_of_the_pbx_does_not_end_the_call() {
    let bridge = Bridge::start(&Wish::extension("609"));
    let report = place(&bridge, plan_unjudged(SECOND * 36));
    assert_clean(&bridge, &report);
    assert!(report.talked > SECOND * 35, "{:?}", report.talked);
}

#[test]
fn a_prompt_before_the_answer_is_not_sent_to_whatsapp() {
    let bridge = Bridge::start(&Wish::extension("608"));
    let report = place(&bridge, plan_echo(SECOND * 10));
    assert_clean(&bridge, &report);
}

/// Queue, agent, hold with music, resume, and a transfer to the echo: one call, one SSRC toward WhatsApp throughout
/// (the simulator looks at that).
#[test]
fn a_queue_connects_an_agent_who_holds_resumes_and_transfers() {
    let bridge = Bridge::start(&Wish::extension("support"));
    let agent = Phone::register("1001");
    let report = place_while(&bridge, plan_unjudged(SECOND * 44), async {
        let after = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        after(12).await;
        agent.hold();
        after(4).await;
        agent.resume();
        after(13).await;
        agent.transfer("600");
    });
    assert_clean(&bridge, &report);
    let heard = &report.heard.audio;
    let agent_says = part(&voice(Voice::Agent), 0.0, 6.0);
    assert_heard(&agent_says, &part(heard, 0.0, 12.0));
    let music = score::level(&part(heard, 13.0, 15.5).samples);
    assert!(music > -45.0, "music on hold at {music:.1} dB");
    assert_heard(
        &part(&voice(Voice::Agent), 0.0, 3.0),
        &part(heard, 16.0, 29.0),
    );
    assert_heard(
        &part(&voice(Voice::User), 0.0, 4.0),
        &part(heard, 30.0, 44.0),
    );
    let first = agent
        .recordings()
        .into_iter()
        .next()
        .expect("a recording of what the agent heard");
    assert_heard(&part(&voice(Voice::User), 0.0, 4.0), &file(&first));
}

#[test]
fn an_agent_without_a_queue_is_rung() {
    let bridge = Bridge::start(&Wish::extension("1002"));
    let _agent = Phone::register("1002");
    let report = place(&bridge, plan(SECOND * 10));
    assert_clean(&bridge, &report);
}
