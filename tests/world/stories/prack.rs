//! Reliable provisional responses (RFC 3262) from the PBX, with and without early media.

use std::time::Duration;

use wabridge::side::Side;

use super::{calling, confirm};
use crate::scene::pbx::Callee;
use crate::scene::sdp::{PbxSdp, pbx_answer};
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

/// An UPDATE while the first offer is not answered for certain has to wait (RFC 3311 §5.2): the PBX tries again, and the
/// call goes on as before.
#[test]
fn an_update_before_the_first_answer() {
    let mut world = World::new();
    let (invite, mut callee) = calling(&mut world);
    let progress = callee.reply(183, "Session Progress").with_sdp(pbx_answer());
    world.send(PBX, &progress);
    world.run(Duration::from_millis(100));
    world.send(PBX, &callee.request("UPDATE").with_sdp(pbx_answer()));
    world.expect(PBX, "491 UPDATE");
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// The callee answered in a reliable 183: the INVITE is as good as negotiated, though it still rings.
fn early(world: &mut World, callee: &Callee) {
    let progress = callee
        .reply(183, "Session Progress")
        .with("Require", "100rel")
        .with("RSeq", "1")
        .with_sdp(pbx_answer());
    world.send(PBX, &progress);
    let prack = world.expect(PBX, "PRACK");
    world.send(PBX, &prack.reply(200, "OK"));
    world.run(Duration::from_millis(100));
    world.plane.news();
}

fn moved() -> PbxSdp {
    PbxSdp {
        version: 2,
        port: 15_000,
        codec: (8, "PCMA/8000"),
        ..PbxSdp::default()
    }
}

/// It may move its early media then (RFC 3311 §5.1). That holds, whether the 200 repeats the first answer, as many do
/// (RFC 3261 §13.2.1 has us ignore that), or has none.
#[test]
fn an_update_after_the_first_answer() {
    for repeated in [true, false] {
        let mut world = World::new();
        let (invite, mut callee) = calling(&mut world);
        early(&mut world, &callee);
        let update = callee.request("UPDATE").with_sdp(moved().text());
        world.send(PBX, &update);
        let ok = world.expect(PBX, "200 UPDATE");
        assert!(
            ok.sdp_line("m=audio").unwrap().contains("RTP/AVP 8"),
            "{ok}"
        );
        assert!(ok.get("Contact").is_some());
        assert_eq!(world.plane.news(), ["agree b PCMA sendrecv"]);
        world.expect_nothing(WHATSAPP, Duration::from_secs(1));
        match repeated {
            true => world.send(PBX, &callee.answer()),
            false => world.send(PBX, &callee.reply(200, "OK")),
        }
        let talk = confirm(&mut world, invite, callee);
        let agreed = world.plane.last_agreement(Side::B);
        assert_eq!(agreed.remote_rtp, Some("10.0.0.20:15000".parse().unwrap()));
        talk.user_hangs_up(&mut world);
        assert_eq!(world.finish_one().codec_b, Some("PCMA"));
    }
}

/// Another fork answers: what the first one changed is not its business.
#[test]
fn an_update_of_the_fork_that_loses() {
    let mut world = World::new();
    let (invite, mut first) = calling(&mut world);
    early(&mut world, &first);
    world.send(PBX, &first.request("UPDATE").with_sdp(moved().text()));
    world.expect(PBX, "200 UPDATE");
    let winner = Callee::fork(first.invite.clone(), "pbx-2");
    world.send(PBX, &winner.answer());
    let talk = confirm(&mut world, invite, winner);
    let agreed = world.plane.last_agreement(Side::B);
    assert_eq!(agreed.remote_rtp, Some("10.0.0.20:14000".parse().unwrap()));
    talk.user_hangs_up(&mut world);
    assert_eq!(world.finish_one().codec_b, Some("PCMU"));
}

/// What cannot be agreed to is refused, and the first answer holds.
#[test]
fn an_update_that_does_not_fit() {
    let mut world = World::new();
    let (invite, mut callee) = calling(&mut world);
    early(&mut world, &callee);
    let strange = PbxSdp {
        codec: (9, "G722/8000"),
        ..moved()
    };
    world.send(PBX, &callee.request("UPDATE").with_sdp(strange.text()));
    world.expect(PBX, "488 UPDATE");
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    talk.user_hangs_up(&mut world);
    assert_eq!(world.finish_one().codec_b, Some("PCMU"));
}
