//! The PBX moves its media or changes the codec. That leg alone follows.

use std::time::Duration;

use wabridge::sdp::Codec;
use wabridge::side::Side;

use super::{Talk, talking};
use crate::scene::sdp::{PbxSdp, lines};
use crate::scene::world::{PBX, WHATSAPP, World};

fn reinvite(world: &mut World, talk: &mut Talk, sdp: String) -> crate::scene::wire::Sip {
    let request = talk.callee.request("INVITE").with_sdp(sdp);
    world.send(PBX, &request);
    let ok = world.expect(PBX, "200 INVITE");
    world.send(PBX, &talk.callee.ack(&request));
    world.run(Duration::from_millis(50));
    ok
}

#[test]
fn direct_media() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let phone = PbxSdp {
        version: 2,
        address: "10.0.0.99",
        port: 40_000,
        ..PbxSdp::default()
    };
    reinvite(&mut world, &mut talk, phone.text());
    let agreed = world.plane.last_agreement(Side::B);
    assert_eq!(agreed.remote_rtp, Some("10.0.0.99:40000".parse().unwrap()));
    world.expect_nothing(WHATSAPP, Duration::from_secs(1));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

#[test]
fn codec() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let alaw = PbxSdp {
        version: 2,
        codec: (8, "PCMA/8000"),
        ..PbxSdp::default()
    };
    let ok = reinvite(&mut world, &mut talk, alaw.text());
    assert!(
        ok.sdp_line("m=audio").unwrap().contains("RTP/AVP 8"),
        "{ok}"
    );
    assert_eq!(world.plane.last_agreement(Side::B).codec, Codec::Pcma);
    assert_eq!(world.plane.last_agreement(Side::A).codec, Codec::Opus);
    talk.user_hangs_up(&mut world);
    assert_eq!(world.finish_one().codec_b, Some("PCMA"));
}

/// A session refresh by re-INVITE: same offer, same answer, same version.
#[test]
fn nothing() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let first = reinvite(&mut world, &mut talk, PbxSdp::default().text());
    let second = reinvite(&mut world, &mut talk, PbxSdp::default().text());
    assert_eq!(first.sdp_line("o="), second.sdp_line("o="));
    assert_eq!(first.body, second.body);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// What cannot be agreed to is refused, and the call goes on as before.
#[test]
fn to_what_we_do_not_have() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.plane.news();
    let video = PbxSdp {
        version: 2,
        codec: (9, "G722/8000"),
        ..PbxSdp::default()
    };
    let request = talk.callee.request("INVITE").with_sdp(video.text());
    world.send(PBX, &request);
    let refusal = world.expect(PBX, "488");
    assert!(refusal.get("Warning").is_some());
    let ack = talk.callee.ack(&request).set("Via", request.header("Via"));
    world.send(PBX, &ack);
    world.run(Duration::from_secs(1));
    assert!(world.plane.news().is_empty());
    talk.user_hangs_up(&mut world);
    assert_eq!(world.finish_one().codec_b, Some("PCMU"));
}

#[test]
fn nonsense_is_refused_too() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let request = talk.callee.request("UPDATE").with_sdp("hello\r\n");
    world.send(PBX, &request);
    world.expect(PBX, "488");
    let request = talk.callee.request("UPDATE").with_body("text/plain", "hi");
    world.send(PBX, &request);
    let refusal = world.expect(PBX, "415");
    assert_eq!(refusal.header("Accept"), "application/sdp");
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// Session refresh by UPDATE without a body.
#[test]
fn nothing_by_update() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.plane.news();
    world.send(PBX, &talk.callee.request("UPDATE"));
    let ok = world.expect(PBX, "200 UPDATE");
    assert!(ok.body.is_empty());
    assert!(world.plane.news().is_empty());
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// WhatsApp does not do this (dossier 2.8). If it ever does, it gets a proper answer and the PBX hears nothing of it.
#[test]
fn whatsapp_reinvites() {
    let mut world = World::new();
    let talk = talking(&mut world);
    let cseq = talk.invite.cseq().0 + 1;
    let same = crate::scene::whatsapp::in_dialog("INVITE", &talk.invite, &talk.ok, cseq)
        .with("Contact", talk.invite.header("Contact"))
        .with_sdp(talk.invite.body.clone());
    world.send(WHATSAPP, &same);
    let ok = world.expect(WHATSAPP, "200 INVITE");
    assert_eq!(ok.body, talk.ok.body);
    world.send(
        WHATSAPP,
        &crate::scene::whatsapp::in_dialog("ACK", &talk.invite, &talk.ok, cseq),
    );
    let video = lines(&[
        "v=0",
        "o=- 1 3 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=video 1 RTP/SAVP 96",
    ]);
    let worse = crate::scene::whatsapp::in_dialog("INVITE", &talk.invite, &talk.ok, cseq + 1)
        .with("Contact", talk.invite.header("Contact"))
        .with_sdp(video);
    world.send(WHATSAPP, &worse);
    world.expect(WHATSAPP, "488");
    let ack = crate::scene::whatsapp::in_dialog("ACK", &talk.invite, &talk.ok, cseq + 1)
        .set("Via", worse.header("Via"));
    world.send(WHATSAPP, &ack);
    world.expect_nothing(PBX, Duration::from_secs(1));
    let bye = crate::scene::whatsapp::in_dialog("BYE", &talk.invite, &talk.ok, cseq + 2);
    world.send(WHATSAPP, &bye);
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}
