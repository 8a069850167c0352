//! The PBX holds and resumes, in each of the ways there are. WhatsApp's leg is frozen: it hears nothing of it.

use std::time::Duration;

use super::talking;
use crate::scene::pbx::Callee;
use crate::scene::sdp::PbxSdp;
use crate::scene::world::{PBX, WHATSAPP, World};

/// Sends a re-INVITE or UPDATE with this description and returns our answer's direction line.
fn reoffer(world: &mut World, callee: &mut Callee, method: &str, sdp: &PbxSdp) -> String {
    let request = callee.request(method).with_sdp(sdp.text());
    world.send(PBX, &request);
    let ok = world.expect(PBX, &format!("200 {method}"));
    if method == "INVITE" {
        world.send(PBX, &callee.ack(&request));
        world.run(Duration::from_millis(50));
    }
    let direction = ["a=sendrecv", "a=recvonly", "a=sendonly", "a=inactive"]
        .into_iter()
        .find(|line| ok.sdp_line(line).is_some());
    direction.unwrap_or("a=sendrecv").to_owned()
}

fn held(method: &str, hold: PbxSdp, answer: &str, agreed: &str) {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.plane.news();
    assert_eq!(reoffer(&mut world, &mut talk.callee, method, &hold), answer);
    assert_eq!(world.plane.news(), [format!("agree b PCMU {agreed}")]);
    let resume = PbxSdp {
        version: 9,
        ..PbxSdp::default()
    };
    assert_eq!(
        reoffer(&mut world, &mut talk.callee, method, &resume),
        "a=sendrecv"
    );
    assert_eq!(world.plane.news(), ["agree b PCMU sendrecv"]);
    world.expect_nothing(WHATSAPP, Duration::from_secs(5));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

fn direction(direction: &'static str) -> PbxSdp {
    PbxSdp {
        version: 2,
        direction,
        ..PbxSdp::default()
    }
}

#[test]
fn by_sendonly_as_with_music() {
    held("INVITE", direction("sendonly"), "a=recvonly", "recvonly");
}

#[test]
fn by_inactive() {
    held("INVITE", direction("inactive"), "a=inactive", "inactive");
}

#[test]
fn by_update() {
    held("UPDATE", direction("sendonly"), "a=recvonly", "recvonly");
}

/// RFC 2543's way: nowhere to send to.
#[test]
fn by_the_null_address() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let hold = PbxSdp {
        version: 2,
        address: "0.0.0.0",
        ..PbxSdp::default()
    };
    reoffer(&mut world, &mut talk.callee, "INVITE", &hold);
    let agreed = world.plane.last_agreement(wabridge::side::Side::B);
    assert_eq!(agreed.remote_rtp, None);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
