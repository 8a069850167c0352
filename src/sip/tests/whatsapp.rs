//! A user-initiated WhatsApp call, message by message (dossier 2.5, 2.6): three IPv6 Vias with Record-Routes between
//! them, the challenge, the answer, BYE from either side.

use crate::sip::endpoint::{Departure, Event, InviteId, Reply, SessionTimer};
use crate::sip::flow::{Target, Transport};
use crate::sip::message::{Headers, Message, Method, Name, Request, Response};
use crate::sip::tests::world::{A, World, reply};
use crate::sip::uri::Uri;

const ROUTES: [&str; 2] = [
    "<sip:wa.meta.vc;transport=tls;lr>",
    "<sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>",
];

const VIAS: [&str; 3] = [
    "SIP/2.0/TLS [2803:6080:f948:9597::]:57363;rport;branch=z9hG4bKPj3a9f2ad8.BRANCH;alias",
    "SIP/2.0/TLS [2803:6080:f948:9597:d33c:e00:400:0]:5061;branch=z9hG4bKPj3a9f2ad8",
    "SIP/2.0/TLS [2803:6080:f948:9597:1ac5:cdf8:300:0]:63057;rport=63057;received=2803:6080:f948:9597:1ac5:cdf8:300:0;branch=z9hG4bKPj-phic0sb;alias",
];

const CALL_ID: &str = "outgoing:wacid.HBgLMTIxOTU1NTA3MTQVAgASGCA4QkY1FQIAAA==";

fn contact() -> Uri {
    Uri::parse("sip:+17015550100@198.51.100.7:5061;transport=tls").unwrap()
}

/// A request of WhatsApp. `to_tag` with its `;tag=`.
fn from_whatsapp(start: &str, branch: &str, to_tag: &str, cseq: &str, more: &str) -> Vec<u8> {
    let [first, second, third] = VIAS;
    let first = first.replace("BRANCH", branch);
    let [near, far] = ROUTES;
    format!(
        "{start} SIP/2.0\r\nVia: {first}\r\nRecord-Route: {near}\r\nRecord-Route: {far}\r\nVia: {second}\r\n\
         Via: {third}\r\nMax-Forwards: 69\r\n\
         From: \"12195550714\" <sip:+12195550714@wa.meta.vc>;tag=8a0f7e65-6e9e-4801-bf92-85c3ef2485d9\r\n\
         To: <sip:+17015550100@sip.example.com>{to_tag}\r\n\
         Contact: <sip:+12195550714@wa.meta.vc;transport=tls;ob>;isfocus\r\nCall-ID: {CALL_ID}\r\nCSeq: {cseq}\r\n\
         X-FB-External-Domain: wa.meta.vc\r\nUser-Agent: Facebook SipGateway\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS\r\n{more}Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

const INVITE: &str = "INVITE sip:+17015550100@sip.example.com;transport=tls";

fn invited(world: &mut World) -> InviteId {
    world.wait(A, |event| match event {
        Event::Invited { invite, .. } => Some(*invite),
        _ => None,
    })
}

fn values(response: &Response, name: &Name) -> Vec<String> {
    response.headers.all(name).map(str::to_owned).collect()
}

/// Through 407 and the second INVITE to the ACK. Gives the call and our To value.
fn answered(world: &mut World) -> (InviteId, String) {
    world.write(A, &from_whatsapp(INVITE, "1", "", "31159 INVITE", ""));
    let first = invited(world);
    let challenge = Reply::status(407).with(
        Name::ProxyAuthenticate,
        "Digest realm=\"sip.example.com\",nonce=\"n\",opaque=\"o\",algorithm=MD5,qop=\"auth\"",
    );
    let now = world.now;
    world
        .end(A)
        .hang_up(now, first, challenge, Headers::new())
        .unwrap();
    assert_eq!(world.read_response().status, 100);
    let refusal = world.read_response();
    assert_eq!(refusal.status, 407);
    assert_eq!(values(&refusal, &Name::RecordRoute), Vec::<String>::new());
    let refused_tag = format!(";tag={}", refusal.headers.to().unwrap().tag().unwrap());
    let ack = "ACK sip:+17015550100@sip.example.com;transport=tls";
    world.write(A, &from_whatsapp(ack, "1", &refused_tag, "31159 ACK", ""));

    let authorization = "Proxy-Authorization: Digest username=\"17015550100\"\r\n";
    world.write(
        A,
        &from_whatsapp(INVITE, "2", "", "31160 INVITE", authorization),
    );
    let second = invited(world);
    assert_ne!(first, second);
    assert_eq!(world.read_response().status, 100);
    let (now, contact) = (world.now, contact());
    let end = world.end(A);
    end.answer(
        now,
        second,
        &contact,
        reply(200, "answer"),
        SessionTimer::Off,
    )
    .unwrap();
    let answer = world.read_response();
    assert_eq!(answer.status, 200);
    assert_eq!(values(&answer, &Name::RecordRoute), ROUTES);
    let vias = values(&answer, &Name::Via);
    assert_eq!(
        vias.get(1..),
        Some([VIAS[1].to_owned(), VIAS[2].to_owned()].as_slice())
    );
    let top = answer.headers.top_via().unwrap();
    assert_eq!(top.branch(), Some("z9hG4bKPj3a9f2ad8.2"));
    assert!(top.params.has("alias") && top.rport().is_some());
    let to = answer.headers.get(&Name::To).unwrap().to_owned();
    let tag = to
        .strip_prefix("<sip:+17015550100@sip.example.com>")
        .unwrap();
    world.write(
        A,
        &from_whatsapp(
            &ack.replace("sip.example.com", "198.51.100.7:5061"),
            "3",
            tag,
            "31160 ACK",
            "",
        ),
    );
    assert_eq!(world.events(A), ["Acknowledged"]);
    (second, tag.to_owned())
}

#[test]
fn is_challenged_answered_and_ended_by_the_user() {
    let mut world = World::new(Transport::Tls);
    let (_, tag) = answered(&mut world);
    world.run(40);
    assert!(world.mailbox.is_empty());
    let bye = "BYE sip:+17015550100@198.51.100.7:5061;transport=tls";
    let duration = "x-wa-meta-call-duration: 42\r\n";
    world.write(A, &from_whatsapp(bye, "4", &tag, "31161 BYE", duration));
    let bye = world.wait(A, |event| match event {
        Event::Ended {
            why: Departure::Bye(bye),
            ..
        } => Some(bye.clone()),
        _ => None,
    });
    assert_eq!(bye.headers.get_loose("x-wa-meta-call-duration"), Some("42"));
    let answer = world.read_response();
    assert_eq!((answer.status, answer.reason.as_str()), (200, "OK"));
    world.run_out();
    assert_eq!(world.end(A).counters().stray_acks, 0);
}

#[test]
fn our_bye_names_their_contact_and_takes_their_routes() {
    let mut world = World::new(Transport::Tls);
    let (call, _) = answered(&mut world);
    world.hang_up(A, call);
    let transmit = world.end(A).poll_transmit().unwrap();
    let Ok(Message::Request(bye)) = Message::parse(&transmit.bytes) else {
        panic!("no request");
    };
    check_our_bye(&bye);
    let Target::Flow {
        fallback: Some(hop),
        ..
    } = transmit.target
    else {
        panic!("not on its flow: {:?}", transmit.target);
    };
    assert_eq!(hop.host.to_string(), "wa.meta.vc");
}

fn check_our_bye(bye: &Request) {
    assert_eq!(bye.method, Method::Bye);
    assert_eq!(
        bye.uri.as_str(),
        "sip:+12195550714@wa.meta.vc;transport=tls;ob"
    );
    let routes: Vec<_> = bye.headers.all(&Name::Route).collect();
    assert_eq!(routes, ROUTES);
    assert_eq!(bye.headers.call_id().unwrap(), CALL_ID);
    assert_eq!(
        bye.headers.get(&Name::To).unwrap(),
        "\"12195550714\" <sip:+12195550714@wa.meta.vc>;tag=8a0f7e65-6e9e-4801-bf92-85c3ef2485d9"
    );
}

#[test]
fn cancel_before_the_answer() {
    let mut world = World::new(Transport::Tls);
    world.write(A, &from_whatsapp(INVITE, "1", "", "31159 INVITE", ""));
    invited(&mut world);
    let cancel = INVITE.replace("INVITE", "CANCEL");
    world.write(A, &from_whatsapp(&cancel, "1", "", "31159 CANCEL", ""));
    assert_eq!(world.events(A), ["Cancelled"]);
    let statuses = [(); 3].map(|()| world.read_response().status);
    assert_eq!(statuses, [100, 200, 487]);
    let ack = INVITE.replace("INVITE", "ACK");
    world.write(A, &from_whatsapp(&ack, "1", ";tag=any", "31159 ACK", ""));
    world.run_out();
}
