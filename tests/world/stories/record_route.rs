//! WhatsApp's Record-Routes come back byte for byte and in order in every response that makes a dialog (dossier 2.5).

use std::time::Duration;

use super::talking;
use crate::scene::whatsapp::{self, RECORD_ROUTES};
use crate::scene::world::{PBX, WHATSAPP, World};

#[test]
fn in_180_and_200() {
    let mut world = World::new();
    let invite = whatsapp::invite();
    world.send(WHATSAPP, &invite);
    let callee = crate::scene::pbx::Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.ringing());
    let ringing = world.expect(WHATSAPP, "180");
    assert_eq!(ringing.all("Record-Route"), RECORD_ROUTES);
    whatsapp::assert_vias(&invite, &ringing);
    world.send(PBX, &callee.answer());
    let talk = super::confirm(&mut world, invite, callee);
    assert_eq!(talk.ok.all("Record-Route"), RECORD_ROUTES);
    // Longer than the 32 s after which a lost ACK shows.
    world.expect_nothing(WHATSAPP, Duration::from_secs(40));
    assert_eq!(world.station(WHATSAPP).count("200 INVITE"), 1);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// Whatever spelling, order of parameters, case or blanks they have.
#[test]
fn however_they_are_written() {
    let strange = [
        "<sip:wa.meta.vc;lr;transport=TLS;x=%41>",
        "\"A, B\" <sip:[2803:6080::1]:8191;transport=tls;lr>;p=\"q,r\"",
    ];
    let mut world = World::new();
    let mut invite = whatsapp::invite();
    let mut routes = strange.iter();
    for (name, value) in &mut invite.headers {
        if name == "Record-Route" {
            *value = (*routes.next().unwrap()).to_owned();
        }
    }
    world.send(WHATSAPP, &invite);
    let callee = crate::scene::pbx::Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.expect(PBX, "ACK");
    assert_eq!(ok.all("Record-Route"), strange);
    world.send(
        WHATSAPP,
        &whatsapp::in_dialog("ACK", &invite, &ok, invite.cseq().0),
    );
    world.send(WHATSAPP, &whatsapp::bye(&invite, &ok));
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}

/// A route set is of the INVITE: what later requests record changes nothing (RFC 3261 §12.2).
#[test]
fn the_route_set_stays() {
    let mut world = World::new();
    let mut talk = talking(&mut world);
    world.send(PBX, &talk.callee.request("BYE"));
    world.expect(PBX, "200 BYE");
    let bye = world.expect(WHATSAPP, "BYE");
    assert_eq!(bye.all("Route"), RECORD_ROUTES);
    world.send(WHATSAPP, &bye.reply(200, "OK"));
    world.finish_one();
}

/// A foreign Route that is left in the request is ignored (dossier 2.6).
#[test]
fn a_foreign_route() {
    let mut world = World::new();
    let invite = whatsapp::invite().with(
        "Route",
        "<sip:onevc-sip-proxy-dev.fbinfra.net:8191;transport=tls;lr>",
    );
    world.send(WHATSAPP, &invite);
    let callee = crate::scene::pbx::Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer());
    let talk = super::confirm(&mut world, invite, callee);
    talk.user_hangs_up(&mut world);
    world.finish_one();
}
