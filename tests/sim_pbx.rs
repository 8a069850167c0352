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
use wabridge::sim::pbx::behaviour::{Credentials, How, Security};
use wabridge::sim::pbx::{Act, Answer, Behaviour, Exchange, Offer, Plan, Target, Transport};
use wabridge::sim::report::{Ended, Outcome, Report};
use wabridge::sim::sdp::Direction;
use wabridge::sim::sip::wire::Protocol;
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

/// Whoever is called plays the user.
fn user() -> Behaviour {
    Behaviour {
        ring: Duration::from_millis(100),
        says: Says::Voice(Voice::User),
        hears: None,
        ..Behaviour::default()
    }
}

fn plan() -> Plan {
    let mut plan = Plan::new("100", DIALLED);
    plan.behaviour.hears = None;
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
    called.hears = Some(Voice::Agent);
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
