//! A user calls, an agent answers, they talk for a minute, the user hangs up.

use std::time::Duration;

use wabridge::call::cdr::Told;
use wabridge::call::ending::{Cause, Party};
use wabridge::sdp::Codec;
use wabridge::side::Side;

use super::{confirm, ringing};
use crate::scene::config::EXTENSION;
use crate::scene::whatsapp::{self, USER, WACID};
use crate::scene::world::{PBX, WHATSAPP, World};

#[test]
fn plain() {
    let mut world = World::new();
    let (invite, callee) = ringing(&mut world);
    assert_eq!(world.plane.news(), ["open", "agree a opus sendrecv"]);
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    assert_eq!(
        world.plane.news(),
        ["agree b PCMU sendrecv", "start a", "start b"]
    );
    world.run(Duration::from_secs(60));
    talk.user_hangs_up(&mut world);
    assert_eq!(world.plane.news(), ["close"]);

    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::HungUp, Party::Caller)
    );
    assert_eq!((cdr.told_a, cdr.told_b), (Told::Nothing, Told::Bye));
    assert_eq!(cdr.user, USER);
    assert_eq!(cdr.wacid.as_deref(), Some(WACID));
    assert_eq!(cdr.extension.as_deref(), Some(EXTENSION));
    assert_eq!((cdr.codec_a, cdr.codec_b), (Some("opus"), Some("PCMU")));
    assert!(cdr.encrypted_a && !cdr.encrypted_b);
    assert!(cdr.ringing.is_some() && cdr.quality.is_some());
    assert_eq!(cdr.whatsapp_duration_s, Some(42));
    assert_eq!(cdr.talk.as_secs(), 60);
}

/// Each side's description is its own, and neither message leaks into the other.
#[test]
fn descriptions_and_headers_are_written_fresh() {
    let mut world = World::new();
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    let to_pbx = world.expect(PBX, "INVITE");
    assert_eq!(to_pbx.uri(), "sip:agents@10.0.0.20:5060");
    assert_eq!(to_pbx.all("Via").len(), 1);
    assert!(to_pbx.all("Record-Route").is_empty());
    assert_ne!(to_pbx.header("Call-ID"), invite.header("Call-ID"));
    assert!(to_pbx.body.contains("c=IN IP4 10.0.0.1"), "{to_pbx}");
    assert!(!to_pbx.body.contains("crypto"), "{to_pbx}");

    let callee = crate::scene::pbx::Callee::new(to_pbx);
    world.send(PBX, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    whatsapp::assert_vias(&invite, &ok);
    assert_eq!(
        ok.address("Contact"),
        "sip:+17015550100@sip.example.com:5061;transport=tls"
    );
    assert!(ok.body.contains("c=IN IP4 198.51.100.7"), "{ok}");
    assert!(
        ok.sdp_line("m=audio").unwrap().contains("RTP/SAVP 111 126"),
        "{ok}"
    );
    assert!(ok.sdp_line("a=crypto:1 AES_CM_128_HMAC_SHA1_80").is_some());
    assert!(!ok.body.contains("PCMU"));
    let agreed = world.plane.last_agreement(Side::A);
    assert_eq!(agreed.codec, Codec::Opus);
    assert!(agreed.protection.is_encrypted());

    let talk = confirm_answered(&mut world, invite, ok, callee);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

fn confirm_answered(
    world: &mut World,
    invite: crate::scene::wire::Sip,
    ok: crate::scene::wire::Sip,
    callee: crate::scene::pbx::Callee,
) -> super::Talk {
    world.expect(PBX, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    super::Talk { invite, ok, callee }
}
