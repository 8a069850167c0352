//! The PBX forks our INVITE to several phones.

use wabridge::side::Side;

use super::{calling, confirm};
use crate::scene::pbx::Callee;
use crate::scene::sdp::PbxSdp;
use crate::scene::world::{PBX, WHATSAPP, World};

fn at(port: u16) -> String {
    PbxSdp {
        port,
        ..PbxSdp::default()
    }
    .text()
}

#[test]
fn two_ring_and_one_answers() {
    let mut world = World::new();
    let (invite, desk) = calling(&mut world);
    let mobile = Callee::fork(desk.invite.clone(), "mobile");
    world.send(PBX, &desk.ringing());
    world.send(
        PBX,
        &mobile.reply(183, "Session Progress").with_sdp(at(15_000)),
    );
    world.send(PBX, &mobile.ringing());
    world.expect(WHATSAPP, "180");
    world.send(PBX, &desk.reply(200, "OK").with_sdp(at(16_000)));
    let talk = confirm(&mut world, invite, desk);
    let agreed = world.plane.last_agreement(Side::B);
    assert_eq!(agreed.remote_rtp, Some("10.0.0.20:16000".parse().unwrap()));
    assert_eq!(
        world.station(WHATSAPP).count("180"),
        1,
        "ringing is told once"
    );
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// Both pick up: the second one is acknowledged and ended, the first one stays (RFC 3261 §13.2.2.4).
#[test]
fn both_answer() {
    let mut world = World::new();
    let (invite, desk) = calling(&mut world);
    let mobile = Callee::fork(desk.invite.clone(), "mobile");
    world.send(PBX, &desk.answer());
    world.send(PBX, &mobile.reply(200, "OK").with_sdp(at(15_000)));
    world.expect(PBX, "ACK");
    let ack = world.expect(PBX, "ACK");
    assert_eq!(ack.tag("To"), Some("mobile"));
    let bye = world.expect(PBX, "BYE");
    assert_eq!(bye.tag("To"), Some("mobile"));
    world.send(PBX, &bye.reply(200, "OK"));
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.send(WHATSAPP, &crate::scene::whatsapp::ack(&invite, &ok));
    let talk = super::Talk {
        invite,
        ok,
        callee: desk,
    };
    world.run(std::time::Duration::from_secs(10));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
