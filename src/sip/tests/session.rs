//! Session timers (RFC 4028) in the life of a call.

use crate::sip::endpoint::{Departure, Event, SessionTimer};
use crate::sip::flow::Transport;
use crate::sip::message::Name;
use crate::sip::tests::world::{A, B, RAW, World, body, reply, timer};

fn timed(world: &World, to: usize) -> crate::sip::endpoint::OutgoingInvite {
    let mut outgoing = world.outgoing(A, to);
    outgoing.session_timer = timer(true);
    outgoing
}

#[test]
fn refreshes_keep_the_call_and_their_end_ends_it() {
    let mut world = World::new(Transport::Udp);
    let outgoing = timed(&world, B);
    let (a, _) = world.call_with(outgoing, timer(false));
    let mut refreshed = world.now;
    for _ in 0..3 {
        world.wait(A, |event| {
            matches!(event, Event::RefreshDue { .. }).then_some(())
        });
        let due = (world.now - refreshed).as_secs();
        assert!((898..=902).contains(&due), "{due}");
        refreshed = world.now;
        let now = world.now;
        world.end(A).modify(now, a, body("same")).unwrap();
        let pending = world.wait(B, |event| match event {
            Event::Reoffered { pending, .. } => Some(*pending),
            _ => None,
        });
        let asked = world
            .last_request(A, "INVITE")
            .headers
            .get(&Name::SessionExpires);
        assert_eq!(asked, Some("1800;refresher=uac"));
        let now = world.now;
        world
            .end(B)
            .respond(now, pending, reply(200, "same"))
            .unwrap();
        world.wait(A, |event| {
            matches!(event, Event::Completed { .. }).then_some(())
        });
    }
    world.wait(B, |event| {
        matches!(
            event,
            Event::Ended {
                why: Departure::SessionExpired,
                ..
            }
        )
        .then_some(())
    });
    let lasted = (world.now - refreshed).as_secs();
    assert!((1766..=1770).contains(&lasted), "{lasted}");
    world.run_out();
}

#[test]
fn off_is_neither_asked_nor_agreed() {
    let mut world = World::new(Transport::Udp);
    let outgoing = timed(&world, B);
    world.call_with(outgoing, SessionTimer::Off);
    world.run(7200);
    assert_eq!(world.events(A), Vec::<String>::new());
    assert_eq!(world.events(B), Vec::<String>::new());
    let outgoing = world.outgoing(B, A);
    world.invite(B, outgoing);
    world.run(1);
    let headers = &world.last_request(B, "INVITE").headers;
    assert!(!headers.has_tag(&Name::Supported, "timer"));
    assert_eq!(headers.get(&Name::SessionExpires), None);
}

#[test]
fn a_422_is_met_with_a_longer_interval() {
    let mut world = World::new(Transport::Udp);
    let outgoing = timed(&world, RAW);
    world.invite(A, outgoing);
    let first = world.read_request();
    world.respond(A, &first, 422, "raw", |response| {
        response.headers.push(Name::MinSe, "3600");
    });
    world.read_request();
    let second = world.read_request();
    assert_eq!(second.headers.get(&Name::SessionExpires), Some("3600"));
    assert_eq!(second.headers.get(&Name::MinSe), Some("3600"));
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    assert_eq!(second.headers.call_id(), first.headers.call_id());
}

#[test]
fn an_update_without_offer_refreshes_beside_a_reinvite() {
    let mut world = World::new(Transport::Udp);
    let outgoing = timed(&world, RAW);
    let (a, invite) = world.call_raw_with(outgoing, |response| {
        response
            .headers
            .push(Name::SessionExpires, "1800;refresher=uas");
    });
    world.run(1000);
    let now = world.now;
    world.end(A).modify(now, a, body("hold")).unwrap();
    let reinvite = world.read_request();
    let from = format!("{};tag=raw", invite.headers.get(&Name::To).unwrap());
    let update = format!(
        "UPDATE sip:user@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKu;rport\r\n\
         From: {from}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 UPDATE\r\nSupported: timer\r\n\
         Session-Expires: 1800;refresher=uac\r\nContact: <sip:user@192.0.2.10:5060>\r\n\r\n",
        invite.headers.get(&Name::From).unwrap(),
        invite.headers.call_id().unwrap(),
    );
    world.write(A, update.as_bytes());
    let answer = world.last_response(A);
    assert_eq!(answer.status, 200);
    let agreed = answer.headers.get(&Name::SessionExpires);
    assert_eq!(agreed, Some("1800;refresher=uac"));
    world.respond(A, &reinvite, 488, "raw", |_| {});
    // What would have expired at 1768 s lives 1000 s longer.
    world.run(1700);
    assert!(!world.events(A).contains(&"Ended".to_owned()));
}
