//! The simulated PBX as the caller, against another one that is called: what it tells of a call is right when all is well, and
//! when the far side refuses, stays silent or challenges. Its transfers are played against a hand-made peer.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wabridge::entropy::Entropy;
use wabridge::sim::media::Codec;
use wabridge::sim::media::crypto::Suite;
use wabridge::sim::media::mouth::Says;
use wabridge::sim::meta::Expect;
use wabridge::sim::pbx::behaviour::{Credentials, How, ReferTo, Security, Then, Transfer};
use wabridge::sim::pbx::{Act, Answer, Behaviour, Exchange, Offer, Plan, Target, Transport};
use wabridge::sim::report::{Ended, Outcome, Report};
use wabridge::sim::sdp::Direction;
use wabridge::sim::sip::dialog::{Dialog, respond};
use wabridge::sim::sip::wire::{Datagrams, Protocol, listen_udp};
use wabridge::sim::sip::{Hub, Incoming, Message};
use wabridge::sim::speech::Voice;
use wabridge::sim::tls::{self, Authority};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ANY: SocketAddr = SocketAddr::new(LOCAL, 0);
const DIALLED: &str = "00447911123456";
const BYE_HERE: Outcome = Outcome::Answered { ended: Ended::Here };
const BYE_THERE: Outcome = Outcome::Answered {
    ended: Ended::There,
};

/// A PBX and what its calls that came in come to.
struct Pbx {
    exchange: Arc<Exchange>,
    reports: mpsc::Receiver<(String, Report)>,
}

impl Pbx {
    fn new(seed: u8, numbers: &[(&str, Behaviour)]) -> Self {
        let numbers = numbers.iter().cloned();
        let numbers: BTreeMap<String, Behaviour> = numbers
            .map(|(number, behaviour)| (number.into(), behaviour))
            .collect();
        let (exchange, reports) =
            Exchange::start(LOCAL, numbers, None, Entropy::from_seed([seed; 32]));
        Self { exchange, reports }
    }

    async fn listen(&self, protocol: Protocol) -> Target {
        let address = self.exchange.listen(protocol, ANY, None).await.unwrap();
        let transport = match protocol {
            Protocol::Udp => Transport::Udp,
            Protocol::Tcp | Protocol::Tls => Transport::Tcp,
        };
        Target { address, transport }
    }

    async fn report(&mut self) -> Report {
        let (number, report) = self.reports.recv().await.unwrap();
        println!("{number}: {}\n{}", report.outcome, report.verdict);
        report
    }
}

/// The reports of both ends of one call over UDP.
async fn call(called: Behaviour, plan: Plan) -> (Report, Report) {
    call_by(Protocol::Udp, called, plan).await
}

async fn call_by(protocol: Protocol, called: Behaviour, plan: Plan) -> (Report, Report) {
    let caller = Pbx::new(1, &[]);
    caller.listen(Protocol::Udp).await;
    let mut callee = Pbx::new(2, &[(DIALLED, called)]);
    let target = callee.listen(protocol).await;
    let ours = caller.exchange.call(&target, plan).await;
    println!("ours: {}\n{}", ours.outcome, ours.verdict);
    (ours, callee.report().await)
}

/// Whoever is called. He says nothing where nobody listens.
fn user() -> Behaviour {
    Behaviour {
        ring: Duration::from_millis(100),
        says: Says::Silence,
        hears: None,
        ..Behaviour::default()
    }
}

fn plan() -> Plan {
    let mut plan = Plan::new("100", DIALLED);
    (plan.behaviour.says, plan.behaviour.hears) = (Says::Silence, None);
    plan.behaviour.script = vec![after(1, Act::HangUp)];
    plan
}

fn after(seconds: u64, act: Act) -> (Duration, Act) {
    (Duration::from_secs(seconds), act)
}

fn found(report: &Report, what: &str) -> Option<bool> {
    let mut checks = report.verdict.checks.iter();
    checks
        .find(|check| check.what == what)
        .map(|check| check.held)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_hear_each_other() {
    let mut called = user();
    (called.says, called.hears) = (Says::Voice(Voice::User), Some(Voice::Agent));
    let mut plan = Plan::new("100", DIALLED);
    plan.display_name = Some("Front desk".into());
    plan.asserted = Some("<sip:100@pbx.example.com>".into());
    let (mut ours, mut theirs) = call(called.clone(), plan.clone()).await;
    // A machine that is too busy to send in time proves nothing.
    for _ in 0..3 {
        if ours.is_unfair() || theirs.is_unfair() {
            (ours, theirs) = call(called.clone(), plan.clone()).await;
        }
    }
    assert!(ours.verdict.held() && theirs.verdict.held());
    assert_eq!((&ours.outcome, &theirs.outcome), (&BYE_HERE, &BYE_THERE));
    assert_eq!(ours.provisionals, [100, 180]);
    assert_eq!(ours.told.unwrap().to_string(), "200 OK");
    let header = |name: &str| {
        let mut headers = theirs.called_with.iter();
        let (_, value) = headers.find(|(given, _)| given == name).unwrap();
        value.clone()
    };
    assert!(header("From").starts_with("\"Front desk\" <sip:100@127.0.0.1:"));
    assert_eq!(header("P-Asserted-Identity"), "<sip:100@pbx.example.com>");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_and_offer() {
    let suite = Suite::Cm128Sha80;
    for (protocol, offer, codec) in [
        (Protocol::Tcp, Offer::Rtp, Codec::Pcma),
        (Protocol::Udp, Offer::Srtp(suite), Codec::Opus),
        (Protocol::Udp, Offer::Late, Codec::Pcmu),
    ] {
        let mut called = user();
        called.codecs = vec![codec];
        if offer == Offer::Srtp(suite) {
            called.security = Security::Required;
        }
        let (ours, theirs) = call_by(protocol, called, Plan { offer, ..plan() }).await;
        assert!(ours.verdict.held() && theirs.verdict.held(), "{offer:?}");
        assert_eq!(Vec::from_iter(ours.heard.codecs), [codec]);
        assert_eq!(Vec::from_iter(theirs.heard.codecs), [codec]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_tls() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let authority = Authority::new("test").unwrap();
    authority.save(&path("ca")).unwrap();
    let (chain, key) = (path("pem"), path("key"));
    authority.issue(&["localhost"], &chain, &key).unwrap();
    let mut callee = Pbx::new(2, &[(DIALLED, user())]);
    let acceptor = Some(tls::acceptor(&chain, &key).unwrap());
    let address = callee.exchange.listen(Protocol::Tls, ANY, acceptor).await;
    let target = |host: &str| Target {
        address: *address.as_ref().unwrap(),
        transport: Transport::Tls {
            host: host.into(),
            ca: path("ca"),
        },
    };
    let caller = Pbx::new(1, &[]);
    let ours = caller.exchange.call(&target("localhost"), plan()).await;
    assert!(ours.verdict.held() && callee.report().await.verdict.held());
    let ours = caller.exchange.call(&target("example.com"), plan()).await;
    assert!(matches!(ours.outcome, Outcome::Unreachable(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_whole() {
    let mut called = user();
    called.answer = Answer::No(486);
    let expect = Expect::Refusal(Some(486));
    let (ours, _) = call(called.clone(), Plan { expect, ..plan() }).await;
    assert!(ours.verdict.held());
    assert_eq!(ours.told.unwrap().to_string(), "486 Busy Here");
    let (ours, _) = call(called, plan()).await;
    assert!(!ours.verdict.held(), "an answer was expected");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_gives_up() {
    let mut called = user();
    called.answer = Answer::Never;
    let cancelling = Plan {
        cancel: Some(Duration::from_millis(500)),
        expect: Expect::Cancelled,
        ..plan()
    };
    let (ours, theirs) = call(called, cancelling).await;
    assert!(ours.verdict.held());
    assert_eq!(found(&ours, "487 after CANCEL"), Some(true));
    assert_eq!(
        (ours.outcome, theirs.outcome),
        (Outcome::Cancelled, Outcome::Cancelled)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_answered() {
    let credentials = Credentials {
        username: "office".into(),
        password: "secret".into(),
        realm: "bridge".into(),
    };
    let mut called = user();
    called.credentials = Some(credentials.clone());
    let right = Plan {
        credentials: Some(credentials.clone()),
        ..plan()
    };
    let (ours, theirs) = call(called.clone(), right).await;
    assert!(ours.verdict.held() && theirs.verdict.held());
    let wrong = Plan {
        credentials: Some(Credentials {
            password: "guess".into(),
            ..credentials
        }),
        expect: Expect::Refusal(Some(403)),
        ..plan()
    };
    let (ours, theirs) = call(called, wrong).await;
    assert!(ours.verdict.held() && !theirs.verdict.held());
}

#[tokio::test(flavor = "multi_thread")]
async fn early_media_is_heard_and_its_response_acknowledged() {
    let mut called = user();
    called.ring = Duration::from_millis(600);
    (called.early_media, called.reliable) = (true, true);
    let mut plan = plan();
    plan.behaviour.reliable = true;
    let (ours, theirs) = call(called, plan).await;
    assert!(ours.verdict.held() && theirs.verdict.held());
    assert_eq!(ours.provisionals, [100, 183]);
    assert!(ours.heard.early.is_some());
    assert_eq!(found(&ours, "PRACK answered"), Some(true));
    assert_eq!(found(&theirs, "PRACK"), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_hold_and_resume() {
    let mut called = user();
    called.digits = Some("471".into());
    let mut plan = plan();
    plan.behaviour.script = vec![
        after(0, Act::Dial("47".into())),
        after(2, Act::DialByInfo("1".into())),
        after(2, Act::Turn(Direction::Sendonly, How::Reinvite)),
        after(3, Act::Turn(Direction::Sendrecv, How::Reinvite)),
        after(4, Act::HangUp),
    ];
    let (ours, theirs) = call(called, plan).await;
    assert!(ours.verdict.held() && theirs.verdict.held());
    let mut checks = ours.verdict.checks.iter();
    assert!(checks.any(|check| check.what == "INVITE accepted"));
}

/// What did not hold.
fn failed(report: &Report) -> Vec<&str> {
    let checks = report.verdict.checks.iter();
    let failed = checks.filter(|check| !check.held);
    failed.map(|check| check.what.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_extension_takes_a_call_over() {
    let mut colleague = user();
    colleague.script = vec![after(1, Act::HangUp)];
    let mut caller = Pbx::new(1, &[("300", colleague)]);
    caller.listen(Protocol::Udp).await;
    let mut callee = Pbx::new(2, &[(DIALLED, user())]);
    let target = callee.listen(Protocol::Udp).await;
    let mut plan = plan();
    plan.behaviour.script = vec![after(1, Act::PickUp("300".into()))];
    let ours = caller.exchange.call(&target, plan).await;
    let (taken, first, second) = (
        caller.report().await,
        callee.report().await,
        callee.report().await,
    );
    for (report, outcome) in [
        (&ours, BYE_THERE),
        (&taken, BYE_HERE),
        (&first, BYE_HERE),
        (&second, BYE_THERE),
    ] {
        assert!(report.verdict.held(), "{}", report.verdict);
        assert_eq!(report.outcome, outcome);
    }
    assert_eq!(found(&second, "Replaces"), Some(true));
}

/// Stands where the bridge would: takes one call, and does by hand what a REFER asks. It has no media.
struct Peer {
    port: Datagrams,
    inbox: mpsc::Receiver<Incoming>,
    branch: u32,
    /// The caller has hung up.
    left: bool,
}

/// What it makes of a REFER.
#[derive(Clone, Copy)]
struct Manner {
    refer: u16,
    /// Replaces of the Refer-To goes into the INVITE.
    replaces: bool,
}

const GOOD: Manner = Manner {
    refer: 202,
    replaces: true,
};
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

impl Peer {
    async fn new() -> Self {
        let (hub, inbox) = Hub::new();
        Self {
            port: listen_udp(ANY, hub).await.unwrap(),
            inbox,
            branch: 0,
            left: false,
        }
    }

    fn target(&self) -> Target {
        Target {
            address: self.port.local,
            transport: Transport::Udp,
        }
    }

    async fn receive(&mut self) -> Incoming {
        let incoming = self.inbox.recv().await.unwrap();
        if incoming.message.method() == "BYE" {
            self.left = true;
            self.reply(&incoming, 200, "").await;
        }
        incoming
    }

    /// The next request of this method, or final response to one; others in between are passed over.
    async fn next(&mut self, method: &str) -> Incoming {
        loop {
            let incoming = self.receive().await;
            let message = &incoming.message;
            let is_final = message.status().is_some_and(|status| status >= 200);
            if message.method() == method || (is_final && message.cseq().1 == method) {
                return incoming;
            }
        }
    }

    async fn reply(&self, Incoming { message, wire }: &Incoming, status: u16, body: &str) {
        let contact = format!("<sip:peer@{}>", self.port.local);
        let response = respond(message, status, "Said", "peer").with("Contact", contact);
        let response = match body {
            "" => response,
            body => response.with_body("application/sdp", body),
        };
        wire.send(&response).await;
    }

    fn request(&mut self, dialog: &mut Dialog, method: &str) -> Message {
        self.branch += 1;
        let via = format!(
            "SIP/2.0/UDP {};branch=z9hG4bK{}",
            self.port.local, self.branch
        );
        dialog.request(method, vec![("Via".into(), via)])
    }

    async fn notify(&mut self, dialog: &mut Dialog, state: &str, status: u16) {
        let notify = self
            .request(dialog, "NOTIFY")
            .with("Event", "refer")
            .with("Subscription-State", state)
            .with_body("message/sipfrag", format!("SIP/2.0 {status} Said\r\n"));
        dialog.wire.send(&notify).await;
        self.next("NOTIFY").await;
    }

    /// One call with a transfer in it, to the end of all its dialogs.
    async fn play(mut self, manner: Manner) {
        let invite = self.next("INVITE").await;
        self.reply(&invite, 200, SDP).await;
        let mut dialog = Dialog::of_invite(&invite.message, "peer", invite.wire.clone());
        let refer = self.next("REFER").await;
        self.reply(&refer, manner.refer, "").await;
        if manner.refer < 300 {
            self.notify(&mut dialog, "active;expires=60", 100).await;
            let (status, transferred) = self.follow(&refer.message, manner).await;
            let state = "terminated;reason=noresource";
            self.notify(&mut dialog, state, status).await;
            if let Some(mut transferred) = transferred {
                let bye = self.request(&mut transferred, "BYE");
                transferred.wire.send(&bye).await;
            }
        }
        while !self.left {
            self.receive().await;
        }
    }

    /// The call that the REFER asked for: its final status, and its dialog if it was answered.
    async fn follow(&mut self, refer: &Message, manner: Manner) -> (u16, Option<Dialog>) {
        let to = refer.uri_of("Refer-To").unwrap();
        let (uri, replaces) = to.split_once("?Replaces=").unwrap_or((to, ""));
        let (_, address) = uri.split_once('@').unwrap();
        let mut dialog = Dialog {
            call_id: "follows".into(),
            local: "<sip:peer@localhost>;tag=peer".into(),
            remote: format!("<{uri}>"),
            cseq: 1,
            route: Vec::new(),
            target: uri.into(),
            wire: self.port.toward(address.parse().unwrap()),
        };
        let contact = format!("<sip:peer@{}>", self.port.local);
        let mut invite = self.request(&mut dialog, "INVITE").with("Contact", contact);
        if manner.replaces && !replaces.is_empty() {
            let value = replaces
                .replace("%40", "@")
                .replace("%3B", ";")
                .replace("%3D", "=");
            invite = invite.with("Replaces", value);
        }
        let invite = invite.with_body("application/sdp", SDP);
        dialog.wire.send(&invite).await;
        let response = self.next("INVITE").await.message;
        let status = response.status().unwrap();
        dialog.learn(&response);
        let via = invite.header("Via").unwrap().to_owned();
        let ack = dialog.request_numbered("ACK", 2, vec![("Via".into(), via)]);
        dialog.wire.send(&ack).await;
        (status, (status < 300).then_some(dialog))
    }
}

/// The reports of the one who transfers, and of the colleague who is called then.
async fn transfer(
    transfer: Transfer,
    manner: Manner,
    colleague: Answer,
) -> (Report, Option<Report>) {
    let colleague = Behaviour {
        answer: colleague,
        ..user()
    };
    let mut pbx = Pbx::new(1, &[("200", colleague)]);
    pbx.listen(Protocol::Udp).await;
    let peer = Peer::new().await;
    let target = peer.target();
    let peer = tokio::spawn(peer.play(manner));
    let mut plan = plan();
    plan.behaviour.script = vec![after(0, Act::Transfer(transfer)), after(2, Act::HangUp)];
    let ours = pbx.exchange.call(&target, plan).await;
    println!("ours: {}\n{}", ours.outcome, ours.verdict);
    peer.await.unwrap();
    let theirs = match manner.refer {
        202 => Some(pbx.report().await),
        _ => None,
    };
    (ours, theirs)
}

fn refer(to: ReferTo, then: Then) -> Transfer {
    Transfer {
        to,
        then,
        expects: 200,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_succeed() {
    let (blind, attended) = (
        ReferTo::Blind("200".into()),
        ReferTo::Consulted("200".into()),
    );
    for (to, then) in [
        (blind.clone(), Then::HangUp),
        (blind, Then::Wait),
        (attended.clone(), Then::HangUp),
        (attended, Then::HangUpWhenDone),
    ] {
        let (ours, theirs) = transfer(refer(to.clone(), then), GOOD, Answer::Yes).await;
        // The hand-made peer says nothing.
        assert_eq!(failed(&ours), ["stream"], "{to:?}, {then:?}");
        let told = ours.transfer.unwrap();
        assert_eq!((told.refer, told.notified), (Some(202), vec![100, 200]));
        let theirs = theirs.unwrap();
        assert_eq!(failed(&theirs), ["stream"]);
        assert_eq!(theirs.outcome, BYE_THERE);
        let replaces = found(&theirs, "Replaces");
        assert_eq!(replaces.is_some(), matches!(to, ReferTo::Consulted(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_do_not() {
    let attended = || ReferTo::Consulted("200".into());
    let busy = Transfer {
        expects: 486,
        ..refer(attended(), Then::HangUpWhenDone)
    };
    let (ours, _) = transfer(busy.clone(), GOOD, Answer::No(486)).await;
    assert_eq!(failed(&ours), ["stream"]);
    assert!(ours.talked >= Duration::from_secs(2), "the call goes on");
    let (ours, _) = transfer(busy, GOOD, Answer::Yes).await;
    assert_eq!(failed(&ours), ["transfer", "consulted dialog", "stream"]);

    let refused = Manner { refer: 603, ..GOOD };
    let declined = Transfer {
        expects: 603,
        ..refer(attended(), Then::HangUp)
    };
    let (ours, _) = transfer(declined, refused, Answer::Yes).await;
    assert_eq!(failed(&ours), ["stream"]);
    let (ours, _) = transfer(refer(attended(), Then::Wait), refused, Answer::Yes).await;
    assert_eq!(failed(&ours).first(), Some(&"REFER accepted"));

    let forgetful = Manner {
        replaces: false,
        ..GOOD
    };
    let (ours, _) = transfer(refer(attended(), Then::Wait), forgetful, Answer::Yes).await;
    assert_eq!(failed(&ours), ["consulted dialog", "stream"]);
}
