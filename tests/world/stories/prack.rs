//! Reliable provisional responses (RFC 3262) from the PBX, with and without early media.

use std::time::Duration;

use super::{calling, confirm};
use crate::scene::sdp::pbx_answer;
use crate::scene::world::{PBX, WHATSAPP, World};

#[test]
fn each_is_acknowledged_once() {
    let mut world = World::new();
    let (invite, callee) = calling(&mut world);
    assert!(callee.invite.header("Supported").contains("100rel"));
    let ringing = callee
        .ringing()
        .with("Require", "100rel")
        .with("RSeq", "700");
    world.send(PBX, &ringing);
    let prack = world.expect(PBX, "PRACK");
    assert_eq!(
        prack.header("RAck"),
        format!("700 {}", callee.invite.header("CSeq"))
    );
    // The PBX did not get it and repeats itself.
    world.send(PBX, &ringing);
    world.run(Duration::from_millis(100));
    world.send(PBX, &prack.reply(200, "OK"));
    world.expect(WHATSAPP, "180");
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// The description of a reliable 183 holds when the 200 brings none (RFC 6337 §3.1). None of it reaches the user early.
#[test]
fn the_answer_in_a_reliable_183() {
    let mut world = World::new();
    let (invite, callee) = calling(&mut world);
    let progress = callee
        .reply(183, "Session Progress")
        .with("Require", "100rel")
        .with("RSeq", "1")
        .with_sdp(pbx_answer());
    world.send(PBX, &progress);
    let prack = world.expect(PBX, "PRACK");
    world.send(PBX, &prack.reply(200, "OK"));
    world.expect_nothing(WHATSAPP, Duration::from_secs(2));
    assert_eq!(
        world.plane.news(),
        ["open", "agree a opus sendrecv", "agree b PCMU sendrecv"]
    );
    world.send(PBX, &callee.reply(200, "OK"));
    let talk = confirm(&mut world, invite, callee);
    assert_eq!(
        world.plane.news(),
        ["agree b PCMU sendrecv", "start a", "start b"]
    );
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// An UPDATE before the answer has to wait (RFC 3261 §14.2): the PBX tries again, and the call goes on as before.
#[test]
fn an_update_before_the_answer() {
    let mut world = World::new();
    let (invite, mut callee) = calling(&mut world);
    let progress = callee
        .reply(183, "Session Progress")
        .with("Require", "100rel")
        .with("RSeq", "1")
        .with_sdp(pbx_answer());
    world.send(PBX, &progress);
    let prack = world.expect(PBX, "PRACK");
    world.send(PBX, &prack.reply(200, "OK"));
    world.send(PBX, &callee.request("UPDATE").with_sdp(pbx_answer()));
    world.expect(PBX, "491 UPDATE");
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
