//! The PBX over TCP and TLS: the same call, other Vias and Contacts.

use wabridge::sip::flow::Transport;

use super::{calling, confirm};
use crate::scene::config::{MAIN_PBX, PBX_STREAM_LISTENER};
use crate::scene::world::{PBX, World};

fn over(transport: Transport) -> World {
    let mut world = World::with(|config| {
        let listener = config.listeners.get_mut(&PBX_STREAM_LISTENER).unwrap();
        listener.transport = transport;
        let peers = &mut config.trunks.get_mut("office").unwrap().peers;
        peers[0].hop.listener = PBX_STREAM_LISTENER;
        peers[0].hop.transport = transport;
    });
    world.station(PBX).speak(PBX_STREAM_LISTENER, transport);
    world
}

#[test]
fn streams() {
    for (transport, token, parameter) in [
        (Transport::Tcp, "SIP/2.0/TCP 10.0.0.1:5070", "transport=tcp"),
        (Transport::Tls, "SIP/2.0/TLS 10.0.0.1:5070", "transport=tls"),
    ] {
        let mut world = over(transport);
        let (invite, callee) = calling(&mut world);
        let to_pbx = &callee.invite;
        assert!(to_pbx.header("Via").starts_with(token), "{to_pbx}");
        assert_eq!(
            to_pbx.uri(),
            format!("sip:agents@{MAIN_PBX}:5060;{parameter}")
        );
        assert!(to_pbx.header("Contact").contains(parameter), "{to_pbx}");
        assert!(
            to_pbx.header("Contact").contains("10.0.0.1:5070"),
            "{to_pbx}"
        );
        world.send(PBX, &callee.answer());
        let talk = confirm(&mut world, invite, callee);
        talk.user_hangs_up(&mut world);
        world.finish_one();
    }
}

/// The PBX reconnects for each of its requests: the dialog is the identity, never the connection.
#[test]
fn a_connection_for_each_request() {
    let mut world = over(Transport::Tcp);
    let (invite, callee) = calling(&mut world);
    world.send(PBX, &callee.answer());
    let mut talk = confirm(&mut world, invite, callee);
    world.reconnect(PBX);
    world.send(PBX, &talk.callee.request("OPTIONS"));
    world.expect(PBX, "200 OPTIONS");
    world.reconnect(PBX);
    let ours = crate::scene::whatsapp::bye(&talk.invite, &talk.ok);
    world.send(crate::scene::world::WHATSAPP, &ours);
    world.expect(crate::scene::world::WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    world.finish_one();
}
