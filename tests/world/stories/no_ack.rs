//! WhatsApp never acknowledges our 200: what altered Record-Routes lead to (dossier 2.5).

use std::time::Duration;

use wabridge::call::cdr::Told;
use wabridge::call::ending::{Cause, Party};

use super::ringing;
use crate::scene::world::{PBX, WHATSAPP, World};

#[test]
fn both_legs_are_ended_after_32_seconds() {
    let mut world = World::new();
    let (_, callee) = ringing(&mut world);
    world.send(PBX, &callee.answer());
    world.expect(WHATSAPP, "200 INVITE");
    world.expect(PBX, "ACK");
    let answered = world.elapsed();
    let to_user = world.expect(WHATSAPP, "BYE");
    let waited = world.elapsed() - answered;
    assert!((31..34).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(
        to_user.uri(),
        "sip:+12195550714@wa.meta.vc;transport=tls;ob"
    );
    assert_eq!(
        to_user.all("Route"),
        [
            "<sip:wa.meta.vc;transport=tls;lr>",
            "<sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>"
        ]
    );
    world.send(WHATSAPP, &to_user.reply(404, "Not Found"));
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    // 200 is sent at once and again at T1, 2*T1, 4*T1, then every T2 (RFC 3261 §13.3.1.4).
    let repeats = world.station(WHATSAPP).count("200 INVITE");
    assert!((9..=12).contains(&repeats), "{repeats}");
    world.run(Duration::from_secs(1));
    let cdr = world.finish_one();
    assert_eq!(
        (cdr.ending.cause, cdr.ending.by),
        (Cause::NeverAcknowledged, Party::Caller)
    );
    assert_eq!((cdr.told_a, cdr.told_b), (Told::Bye, Told::Bye));
}
