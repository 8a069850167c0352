//! What else a PBX may ask inside a call: answered on its leg, the call goes on.

use std::time::Duration;

use super::talking;
use crate::scene::world::{PBX, WHATSAPP, World};

#[test]
fn each_request_is_answered_and_nothing_crosses() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    for (method, status) in [
        ("OPTIONS", "200"),
        ("REFER", "400"),
        ("NOTIFY", "481"),
        ("SUBSCRIBE", "405"),
        ("MESSAGE", "405"),
        ("FOO", "501"),
    ] {
        let request = talk.callee.request(method).with("Event", "refer");
        world.send(PBX, &request);
        world.expect(PBX, &format!("{status} {method}"));
    }
    world.expect_nothing(WHATSAPP, Duration::from_secs(1));
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// WhatsApp's Allow names NOTIFY and OPTIONS (dossier 2.4).
#[test]
fn whatsapp_may_ask_too() {
    let mut world = World::new();
    let talk = talking(&mut world);
    let cseq = talk.invite.cseq().0;
    for (cseq, method, status) in [(cseq + 1, "OPTIONS", "200"), (cseq + 2, "NOTIFY", "481")] {
        let request = crate::scene::whatsapp::in_dialog(method, &talk.invite, &talk.ok, cseq)
            .with("Event", "x");
        world.send(WHATSAPP, &request);
        world.expect(WHATSAPP, &format!("{status} {method}"));
    }
    world.expect_nothing(PBX, Duration::from_secs(1));
    let bye = crate::scene::whatsapp::in_dialog("BYE", &talk.invite, &talk.ok, cseq + 3);
    world.send(WHATSAPP, &bye);
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}

/// What we say we allow is one list wherever we say it, and all of it is served.
#[test]
fn what_is_allowed_is_served() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    let allowed = talk.callee.invite.header("Allow").to_owned();
    let message = talk.callee.request("MESSAGE");
    world.send(PBX, &message);
    assert_eq!(world.expect(PBX, "405").header("Allow"), allowed);
    for method in ["OPTIONS", "INFO", "UPDATE", "PRACK"] {
        assert!(allowed.split(", ").any(|word| word == method), "{allowed}");
        world.send(PBX, &talk.callee.request(method));
        // No provisional response of ours waits for PRACK.
        let status = if method == "PRACK" { "481" } else { "200" };
        world.expect(PBX, &format!("{status} {method}"));
    }
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
