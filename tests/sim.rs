//! The simulators against each other: without a bridge in between, WhatsApp's endpoint calls the PBX, which speaks enough of
//! its language (TLS, SDES, Opus) for a whole call. So it is known that a verdict is good when all is well, and bad for each
//! fault that breaks the sound.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use wabridge::entropy::Entropy;
use wabridge::sim::fault::{Fault, Faults};
use wabridge::sim::media::Codec;
use wabridge::sim::meta::{Endpoint, Expect, Plan, Settings};
use wabridge::sim::pbx::behaviour::{Credentials, How, Security};
use wabridge::sim::pbx::{Act, Answer, Behaviour, Exchange};
use wabridge::sim::report::{Ended, Outcome, Report};
use wabridge::sim::sdp::Direction;
use wabridge::sim::sip::wire::Protocol;
use wabridge::sim::tls::{self, Authority};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NUMBER: &str = "+17015550100";

/// Both simulators, and the directory of their certificates.
struct Pair {
    meta: Arc<Endpoint>,
    reports: mpsc::Receiver<(String, Report)>,
    _directory: TempDir,
}

impl Pair {
    async fn new(behaviour: Behaviour) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let authority = Authority::new("test").unwrap();
        authority.save(&path("ca.pem")).unwrap();
        authority
            .issue(&["localhost"], &path("pbx.pem"), &path("pbx.key"))
            .unwrap();
        let (exchange, reports) = Exchange::start(
            LOCAL,
            BTreeMap::new(),
            Some(behaviour),
            Entropy::from_seed([1; 32]),
        );
        let acceptor = tls::acceptor(&path("pbx.pem"), &path("pbx.key")).unwrap();
        let any = SocketAddr::new(LOCAL, 0);
        let target = exchange.listen(Protocol::Tls, any, Some(acceptor)).await;
        let settings = Settings {
            target: target.unwrap(),
            host: "localhost".into(),
            ca: path("ca.pem"),
            media: LOCAL,
            reuse_connection: false,
            answer_options: false,
        };
        Self {
            meta: Endpoint::new(settings, Entropy::from_seed([2; 32])).unwrap(),
            reports,
            _directory: directory,
        }
    }

    /// What WhatsApp's side and the PBX's side say.
    async fn call(&mut self, plan: Plan) -> (Report, Report) {
        let user = self.meta.call(plan).await;
        let (_, agent) = self.reports.recv().await.unwrap();
        println!("user: {}\n{}", user.outcome, user.verdict);
        println!("agent: {}\n{}", agent.outcome, agent.verdict);
        (user, agent)
    }
}

fn quick() -> Behaviour {
    Behaviour {
        ring: Duration::from_millis(200),
        codecs: vec![Codec::Opus],
        ..Behaviour::default()
    }
}

fn plan() -> Plan {
    Plan::new(NUMBER, "secret")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_call_is_found_good() {
    let mut pair = Pair::new(quick()).await;
    let (mut user, mut agent) = pair.call(plan()).await;
    // A machine that is too busy to send in time proves nothing.
    for _ in 0..3 {
        if user.is_unfair() || agent.is_unfair() {
            (user, agent) = pair.call(plan()).await;
        }
    }
    assert!(user.verdict.held() && agent.verdict.held());
    assert_eq!(user.outcome, Outcome::Answered { ended: Ended::Here });
    assert_eq!(
        agent.outcome,
        Outcome::Answered {
            ended: Ended::There
        }
    );
}

/// Each fault that breaks the sound is heard by the other side, and those that do not are not.
#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_sound_is_heard() {
    let of_media = [
        Fault::WrongKey,
        Fault::Silent,
        Fault::Mute,
        Fault::Swapped,
        Fault::HalfLost,
        Fault::Noise,
        Fault::Clipped,
        Fault::HeavyLoss,
        Fault::Stall,
    ];
    let calls = of_media.map(|fault| {
        tokio::spawn(async move {
            let mut pair = Pair::new(quick()).await;
            let faults = Faults::from([fault]);
            let (_, agent) = pair.call(Plan { faults, ..plan() }).await;
            (fault, agent)
        })
    });
    for call in calls {
        let (fault, agent) = call.await.unwrap();
        assert!(fault.breaks_audio());
        let score = agent.score.unwrap();
        assert!(!score.is_good(), "{fault:?}: {score}");
        assert!(!agent.verdict.held());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pbx_that_says_nothing_ends_the_call_after_twenty_seconds() {
    let mut behaviour = quick();
    behaviour.faults = Faults::from([Fault::Silent]);
    let mut pair = Pair::new(behaviour).await;
    let mut plan = plan();
    plan.talk = Some(Duration::from_secs(60));
    let (user, _) = pair.call(plan).await;
    assert_eq!(
        user.outcome,
        Outcome::Answered {
            ended: Ended::Starved
        }
    );
    assert!((19..23).contains(&user.talked.as_secs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_is_an_outcome_like_another() {
    let mut behaviour = quick();
    behaviour.answer = Answer::No(486);
    let mut pair = Pair::new(behaviour).await;
    let mut plan = plan();
    plan.expect = Expect::Refusal(Some(486));
    let (user, _) = pair.call(plan).await;
    assert!(user.verdict.held());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_gives_up() {
    let mut behaviour = quick();
    behaviour.answer = Answer::Never;
    let mut pair = Pair::new(behaviour).await;
    let mut plan = plan();
    plan.cancel = Some(Duration::from_secs(1));
    plan.expect = Expect::Cancelled;
    let (user, agent) = pair.call(plan).await;
    assert!(user.verdict.held());
    assert_eq!(agent.outcome, Outcome::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_answered() {
    let mut behaviour = quick();
    behaviour.credentials = Some(Credentials {
        username: "17015550100".into(),
        password: "secret".into(),
        realm: "sip.example.com".into(),
    });
    behaviour.script = vec![(Duration::from_secs(2), Act::HangUp)];
    behaviour.hears = None;
    let mut pair = Pair::new(behaviour).await;
    let mut right = plan();
    (right.talk, right.media.hears) = (None, None);
    let (user, agent) = pair.call(right.clone()).await;
    assert!(user.verdict.held() && agent.verdict.held());
    right.faults = Faults::from([Fault::WrongDigest]);
    right.expect = Expect::Refusal(Some(403));
    let (user, agent) = pair.call(right).await;
    assert!(user.verdict.held());
    assert!(!agent.verdict.held());
}

/// The leg toward WhatsApp is frozen: whatever comes is refused and written down.
#[tokio::test(flavor = "multi_thread")]
async fn hold_toward_whatsapp_is_a_violation() {
    for how in [How::Reinvite, How::Update] {
        let mut behaviour = quick();
        behaviour.hears = None;
        behaviour.script = vec![
            (
                Duration::from_millis(500),
                Act::Turn(Direction::Sendonly, how),
            ),
            (Duration::from_secs(1), Act::HangUp),
        ];
        let mut pair = Pair::new(behaviour).await;
        let mut plan = plan();
        (plan.talk, plan.media.hears) = (None, None);
        let (user, _) = pair.call(plan).await;
        let mut checks = user.verdict.checks.iter();
        assert!(checks.any(|check| check.what == "frozen leg" && !check.held));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn early_media_is_a_violation() {
    let mut behaviour = quick();
    behaviour.early_media = true;
    let mut pair = Pair::new(behaviour).await;
    let (user, _) = pair.call(plan()).await;
    let mut checks = user.verdict.checks.iter();
    assert!(checks.any(|check| check.what == "no early media" && !check.held));
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_arrive() {
    let mut behaviour = quick();
    behaviour.digits = Some("4719#".into());
    behaviour.hears = None;
    let mut pair = Pair::new(behaviour).await;
    let mut plan = plan();
    plan.digits = Some((Duration::from_millis(500), "4719#".into()));
    plan.talk = Some(Duration::from_secs(4));
    plan.media.hears = None;
    let (_, agent) = pair.call(plan).await;
    assert!(agent.verdict.held());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pbx_without_srtp_refuses() {
    let mut behaviour = quick();
    behaviour.security = Security::Never;
    let mut pair = Pair::new(behaviour).await;
    let mut plan = plan();
    plan.expect = Expect::Refusal(Some(488));
    let (user, _) = pair.call(plan).await;
    assert!(user.verdict.held());
}

/// The trap of WhatsApp's routing: the call stands, but its ACK finds no way, and neither does a BYE.
#[tokio::test(flavor = "multi_thread")]
async fn a_mangled_record_route_loses_the_ack() {
    let mut behaviour = quick();
    behaviour.hears = None;
    behaviour.faults = Faults::from([Fault::MangledRecordRoute]);
    let pair = Pair::new(behaviour).await;
    let mut plan = plan();
    plan.talk = Some(Duration::from_secs(3));
    plan.media.hears = None;
    let user = pair.meta.call(plan).await;
    let failed = |what: &str| {
        let mut checks = user.verdict.checks.iter();
        checks.any(|check| check.what == what && !check.held)
    };
    assert!(failed("Record-Route") && failed("ACK arrived"));
    assert!(user.heard.packets > 100, "media flows all the same");
}

/// A certificate for another name: nothing is sent.
#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_must_be_for_the_host() {
    let pair = Pair::new(quick()).await;
    let mut settings = pair.meta.settings.clone();
    settings.host = "sip.example.com".into();
    let meta = Endpoint::new(settings, Entropy::from_seed([3; 32])).unwrap();
    let report = meta.call(plan()).await;
    assert!(matches!(report.outcome, Outcome::Unreachable(_)));
    assert!(!report.verdict.held());
}
