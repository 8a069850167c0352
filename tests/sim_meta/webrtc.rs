//! Media by ICE and DTLS, in both directions of call, against another WebRTC: each way of WhatsApp's, each fault, each rule.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use wabridge::entropy::Entropy;
use wabridge::sim::fault::{Fault, Faults};
use wabridge::sim::media::Heard;
use wabridge::sim::media::crypto::Suite;
use wabridge::sim::media::link::{Algorithm, Facts, Role};
use wabridge::sim::media::mouth::Says;
use wabridge::sim::meta::gateway::{Account, Business, User};
use wabridge::sim::meta::plan::Media;
use wabridge::sim::meta::webrtc::{KeyExchange, Webrtc};
use wabridge::sim::meta::{Endpoint, Plan, Settings};
use wabridge::sim::report::{Ended, Outcome, Report};
use wabridge::sim::sdp::webrtc::Setup;
use wabridge::sim::sip::dialog::respond;
use wabridge::sim::sip::wire::listen_tls;
use wabridge::sim::sip::{Hub, Incoming};
use wabridge::sim::tls::Authority;

use crate::agent::Agent;
use crate::business::AGENT;
use crate::stage::{HOST, LOCAL, NUMBER, PASSWORD, Stage, USER, failed};

const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A business that answers the calls of a WhatsApp user.
struct Office {
    endpoint: std::sync::Arc<Endpoint>,
    messages: Receiver<Incoming>,
    _folder: tempfile::TempDir,
}

/// What a business does with a call.
#[derive(Clone)]
struct Manner {
    setup: Setup,
    ip: IpAddr,
    says: Says,
    faults: Faults,
    /// Of its description.
    mend: fn(String) -> String,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            setup: Setup::Active,
            ip: LOCAL,
            says: AGENT,
            faults: Faults::new(),
            mend: |text| text,
        }
    }
}

impl Office {
    async fn open(media: IpAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let authority = Authority::new("test").unwrap();
        authority.save(&ca).unwrap();
        let (hub, messages) = Hub::new();
        let acceptor = authority.acceptor(&[HOST]).unwrap();
        let any = SocketAddr::new(LOCAL, 0);
        let settings = Settings {
            target: listen_tls(any, acceptor, hub).await.unwrap(),
            host: HOST.into(),
            ca,
            media,
            reuse_connection: false,
            answer_options: false,
        };
        Self {
            endpoint: Endpoint::new(settings, Entropy::from_seed([6; 32])).unwrap(),
            messages,
            _folder: folder,
        }
    }

    /// One call of a WhatsApp user's: what WhatsApp says of it, and what the agent heard.
    async fn call(&mut self, plan: Plan, manner: Manner) -> (Report, Heard) {
        let endpoint = self.endpoint.clone();
        let call = tokio::spawn(async move { endpoint.call(plan).await });
        let invite = self.next("INVITE").await;
        let agent = Agent::open(manner.ip, manner.setup).await;
        let answer = respond(&invite.message, 200, "OK", "1")
            .with(
                "Contact",
                format!("<sip:{NUMBER}@{HOST}:5061;transport=tls>"),
            )
            .with_body("application/sdp", (manner.mend)(agent.description()));
        let offer = invite.message.body_text();
        invite.wire.send(&answer).await;
        // Earlier nobody would understand it.
        self.next("ACK").await;
        let talking = agent.start(&offer, manner.says, manner.faults);
        let bye = self.next("BYE").await;
        bye.wire.send(&respond(&bye.message, 200, "OK", "1")).await;
        let report = call.await.unwrap();
        println!("{}\n{}", report.outcome, report.verdict);
        (report, talking.heard().await)
    }

    async fn next(&mut self, method: &str) -> Incoming {
        loop {
            let incoming = self.messages.recv().await.unwrap();
            if incoming.message.method() == method {
                return incoming;
            }
        }
    }
}

/// A user calls by WebRTC.
fn plan(webrtc: Webrtc, faults: &[Fault], talk: u64) -> Plan {
    let mut plan = Plan::new(NUMBER, PASSWORD);
    plan.offer.keys = KeyExchange::Dtls;
    plan.media = media(webrtc);
    plan.talk = Some(Duration::from_secs(talk));
    plan.faults = faults.iter().copied().collect();
    plan
}

fn media(webrtc: Webrtc) -> Media {
    Media {
        hears: None,
        webrtc,
        ..Media::default()
    }
}

/// A user who takes calls by WebRTC.
fn user(webrtc: Webrtc, faults: &[Fault], talk: u64) -> User {
    User {
        media: media(webrtc),
        talk: Some(Duration::from_secs(talk)),
        faults: faults.iter().copied().collect(),
        ..User::quick()
    }
}

/// One call of the business's: what WhatsApp says of it, and what the agent heard.
async fn business_calls(user: User, manner: Manner) -> (Report, Heard) {
    let business = Business {
        keys: KeyExchange::Dtls,
        ..Business::new(HOST, PASSWORD)
    };
    let stage = Stage::new(Account::of(NUMBER, business).with(USER, user)).await;
    let mut line = stage.line(USER).await;
    let agent = Agent::open(manner.ip, manner.setup).await;
    line.offer = (manner.mend)(agent.description());
    let answer = line.call().await;
    assert_eq!(answer.status(), Some(200));
    let talking = agent.start(&answer.body_text(), manner.says, manner.faults);
    line.accept(&answer).await;
    line.hung_up().await;
    let heard = talking.heard().await;
    (stage.report(&line.call_id).await, heard)
}

async fn user_calls(plan: Plan, manner: Manner) -> (Report, Heard) {
    Office::open(LOCAL).await.call(plan, manner).await
}

fn facts(report: &Report) -> &Facts {
    report.heard.link.as_ref().unwrap()
}

/// From the nomination to the keys.
fn handshake(report: &Report) -> Duration {
    let facts = facts(report);
    facts.connected.unwrap() - facts.nominated.unwrap()
}

fn offering() -> Manner {
    Manner {
        setup: Setup::Actpass,
        ..Manner::default()
    }
}

fn assert_heard(report: &Report, heard: &Heard) {
    assert!(report.verdict.held());
    assert_late(report, heard);
}

/// str0m takes its time before it asks again; all else is as it should be.
fn assert_late(report: &Report, heard: &Heard) {
    let mut checks = report.verdict.checks.iter();
    assert!(checks.all(|check| check.held || check.what == "business sends first"));
    assert!(report.heard.packets > 50 && heard.packets > 50);
    assert_eq!(report.heard.unauthentic + heard.unauthentic, 0);
    assert_eq!((report.heard.ssrcs.len(), heard.ssrcs.len()), (1, 1));
    assert!(
        heard.first.unwrap() > report.heard.first.unwrap(),
        "the business first"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_calls() {
    // A machine that is too busy to send in time proves nothing.
    for _ in 0..4 {
        let mut plan = plan(Webrtc::default(), &[], 10);
        plan.media.hears = Media::default().hears;
        let (report, heard) = user_calls(plan, Manner::default()).await;
        if report.is_unfair() {
            continue;
        }
        assert_heard(&report, &heard);
        assert!(report.score.unwrap().is_good());
        assert_eq!(report.outcome, Outcome::Answered { ended: Ended::Here });
        assert_eq!(facts(&report).role, Some(Role::Server));
        assert_eq!(facts(&report).suite, Some(Suite::Cm128Sha80));
        assert!(handshake(&report) < Duration::from_millis(500));
        return;
    }
    panic!("this machine is too busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_calls() {
    for _ in 0..4 {
        let mut user = user(Webrtc::default(), &[], 10);
        user.media.hears = Media::default().hears;
        let (report, heard) = business_calls(user, offering()).await;
        if report.is_unfair() {
            continue;
        }
        assert_heard(&report, &heard);
        assert!(report.score.unwrap().is_good());
        assert_eq!(facts(&report).role, Some(Role::Client));
        return;
    }
    panic!("this machine is too busy");
}

/// dossier 3.1.
#[tokio::test(flavor = "multi_thread")]
async fn the_offer_is_the_printed_one() {
    let mut office = Office::open(LOCAL).await;
    let webrtc = Webrtc {
        unreachable: Some(
            "[2a03:2880:f343:131:face:b00c:0:699c]:3480"
                .parse()
                .unwrap(),
        ),
        ..Webrtc::default()
    };
    let endpoint = office.endpoint.clone();
    let plan = plan(webrtc, &[], 1);
    let call = tokio::spawn(async move { endpoint.call(plan).await });
    let invite = office.next("INVITE").await;
    let offer = invite.message.body_text();
    let refusal = respond(&invite.message, 480, "Temporarily Unavailable", "1");
    invite.wire.send(&refusal).await;
    call.await.unwrap();
    // What differs from call to call.
    let general = |line: &str| {
        let fixed = [
            "o=-",
            "a=msid-semantic: WMS",
            "m=audio",
            "a=candidate:",
            "a=ice-ufrag:",
            "a=ice-pwd:",
            "a=fingerprint:sha-256",
            "a=msid:",
            "a=ssrc:",
        ];
        let start = fixed.into_iter().find(|start| line.starts_with(start));
        let mut words: Vec<&str> = line.split(' ').collect();
        match start {
            Some("o=-") => words[1] = "N",
            Some("a=msid-semantic: WMS") => words[2] = "U",
            Some("m=audio") => words[1] = "N",
            Some("a=candidate:") => (words[0], words[5]) = ("a=candidate:N", "N"),
            Some("a=ice-ufrag:") => words[0] = "a=ice-ufrag:16",
            Some("a=ice-pwd:") => words[0] = "a=ice-pwd:24",
            Some("a=fingerprint:sha-256") => words[1] = "F",
            Some("a=msid:") => words[0] = "a=msid:U",
            Some("a=ssrc:") => words[0] = "a=ssrc:N",
            _ => {}
        }
        words.join(" ")
    };
    let lines: Vec<String> = offer.split_terminator("\r\n").map(general).collect();
    let wanted = "v=0
o=- N 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE audio
a=msid-semantic: WMS U
a=ice-lite
m=audio N UDP/TLS/RTP/SAVPF 111 126
c=IN IP4 127.0.0.1
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:N 1 udp 2122260223 127.0.0.1 N typ host generation 0 network-cost 50
a=candidate:N 1 udp 2122262783 2a03:2880:f343:131:face:b00c:0:699c N typ host generation 0 network-cost 50
a=ice-ufrag:16
a=ice-pwd:24
a=fingerprint:sha-256 F
a=setup:actpass
a=mid:audio
a=sendrecv
a=msid:U WhatsAppTrack1
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1
a=rtpmap:126 telephone-event/8000
a=maxptime:20
a=ptime:20
a=ssrc:N cname:WhatsAppAudioStream1";
    assert_eq!(lines, wanted.lines().collect::<Vec<_>>());
    let length = |name: &str| {
        let line = offer.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().len()
    };
    assert_eq!((length("a=ice-ufrag:"), length("a=ice-pwd:")), (16, 24));
    // 95 of them the octets.
    assert_eq!(length("a=fingerprint:"), 103);
}

/// Late by 1, 2, and 4 seconds; whoever sends the ClientHello.
#[tokio::test(flavor = "multi_thread")]
async fn dtls_is_late() {
    let calls = [1, 2, 4].map(|delay| {
        tokio::spawn(async move {
            let webrtc = Webrtc {
                delay: Duration::from_secs(delay),
                ..Webrtc::default()
            };
            let called = user_calls(plan(webrtc.clone(), &[], 12), Manner::default());
            let calling = business_calls(user(webrtc, &[], 12), offering());
            let (called, calling) = tokio::join!(called, calling);
            for (report, heard) in [called, calling] {
                assert_late(&report, &heard);
                assert!(handshake(&report).as_secs() >= delay, "{delay}");
            }
        })
    });
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_client_hello_is_lost() {
    let fault = [Fault::LostClientHello];
    let called = user_calls(plan(Webrtc::default(), &fault, 8), Manner::default());
    let calling = business_calls(user(Webrtc::default(), &fault, 8), offering());
    let (called, calling) = tokio::join!(called, calling);
    for (report, heard) in [called, calling] {
        assert_late(&report, &heard);
        assert!(handshake(&report) > Duration::from_millis(200));
    }
}

/// Both ask for the same role, or WhatsApp for the other one than it uses.
#[tokio::test(flavor = "multi_thread")]
async fn other_roles() {
    let says = |setup| Webrtc {
        setup: Some(setup),
        ..Webrtc::default()
    };
    let passive = Manner {
        setup: Setup::Passive,
        ..Manner::default()
    };
    let call = user_calls(plan(says(Setup::Active), &[], 3), passive.clone());
    let (report, heard) = call.await;
    assert_heard(&report, &heard);
    assert_eq!(facts(&report).role, Some(Role::Client));
    // An answer that WhatsApp's own offer allows and its practice does not (dossier 3.2).
    let (report, heard) = user_calls(plan(Webrtc::default(), &[], 3), passive).await;
    assert!(failed(&report, "SDP answer") && heard.packets > 50);
    let call = business_calls(user(says(Setup::Passive), &[], 3), offering());
    let (report, heard) = call.await;
    assert_heard(&report, &heard);
    assert_eq!(facts(&report).role, Some(Role::Server));
    // Both active: nobody is there to hear the ClientHello.
    let (report, _) = business_calls(
        user(says(Setup::Active), &[], 3),
        Manner {
            setup: Setup::Active,
            ..Manner::default()
        },
    )
    .await;
    assert!(failed(&report, "DTLS"));
}

/// WhatsApp checks as if it were the controlling agent; the business must stay so.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_of_roles() {
    let fault = [Fault::RoleConflict];
    let called = user_calls(plan(Webrtc::default(), &fault, 9), Manner::default());
    let calling = business_calls(user(Webrtc::default(), &fault, 9), offering());
    let (called, calling) = tokio::join!(called, calling);
    for (report, heard) in [called, calling] {
        assert_late(&report, &heard);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_candidates() {
    let webrtc = Webrtc {
        no_candidates: true,
        ..Webrtc::default()
    };
    let without = |text: String| {
        let lines = text.split_inclusive("\r\n");
        lines
            .filter(|line| !line.starts_with("a=candidate"))
            .collect()
    };
    let manner = |setup| Manner {
        setup,
        mend: without,
        ..Manner::default()
    };
    let called = user_calls(plan(webrtc.clone(), &[], 3), manner(Setup::Active));
    let calling = business_calls(user(webrtc, &[], 3), manner(Setup::Actpass));
    let (called, calling) = tokio::join!(called, calling);
    for (report, heard) in [called, calling] {
        assert_heard(&report, &heard);
    }
}

/// IPv6 alone; and beside IPv4, where the business has nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn ipv6() {
    let manner = Manner {
        ip: V6,
        ..Manner::default()
    };
    for (media, also) in [(V6, None), (IpAddr::V4(Ipv4Addr::LOCALHOST), Some(V6))] {
        let webrtc = Webrtc {
            also,
            ..Webrtc::default()
        };
        let mut office = Office::open(media).await;
        let (report, heard) = office.call(plan(webrtc, &[], 3), manner.clone()).await;
        assert_heard(&report, &heard);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gcm_where_it_is_preferred() {
    let webrtc = Webrtc {
        gcm: true,
        ..Webrtc::default()
    };
    let (report, heard) = user_calls(plan(webrtc, &[], 3), Manner::default()).await;
    assert_heard(&report, &heard);
    assert_eq!(facts(&report).suite, Some(Suite::Gcm128));
}

/// From another port, in the middle of the call: still heard there, still hearing here.
#[tokio::test(flavor = "multi_thread")]
async fn another_source_address() {
    let call = user_calls(
        plan(Webrtc::default(), &[Fault::Rebinding], 7),
        Manner::default(),
    );
    let (report, heard) = call.await;
    assert_heard(&report, &heard);
    assert!(heard.packets > 250, "{}", heard.packets);
}

/// A certificate that is not the one of the description; an RSA one, for a business that takes none.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_refused() {
    let rsa = Webrtc {
        certificate: Algorithm::Rsa,
        ..Webrtc::default()
    };
    let wrong = [Fault::WrongFingerprint];
    let false_print = |text: String| {
        let at = text.find("a=fingerprint:sha-256 ").unwrap() + 22;
        let other = ["0F"; 32].join(":");
        text[..at].to_owned() + &other + &text[at + other.len()..]
    };
    let lying = Manner {
        mend: false_print,
        ..Manner::default()
    };
    let (wrong, rsa, lying) = tokio::join!(
        user_calls(plan(Webrtc::default(), &wrong, 3), Manner::default()),
        user_calls(plan(rsa, &[], 3), Manner::default()),
        user_calls(plan(Webrtc::default(), &[], 3), lying),
    );
    for (report, heard) in [&wrong, &rsa, &lying] {
        assert!(failed(report, "business sends first"));
        assert_eq!((report.heard.packets, heard.packets), (0, 0));
    }
    assert!(failed(&rsa.0, "DTLS") && failed(&lying.0, "DTLS"));
    let why = facts(&lying.0).failure.as_deref().unwrap();
    assert!(why.ends_with("not that of its SDP"), "{why}");
}

/// 20 s without a packet, 30 s without another; WhatsApp that is gone says its BYE all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_media_is_cut() {
    let silent = Manner {
        faults: Faults::from([Fault::Silent]),
        ..Manner::default()
    };
    let late = Webrtc {
        delay: Duration::from_secs(60),
        ..Webrtc::default()
    };
    let (silent, late, gone) = tokio::join!(
        user_calls(plan(Webrtc::default(), &[], 60), silent),
        user_calls(plan(late, &[], 60), Manner::default()),
        business_calls(user(Webrtc::default(), &[Fault::Gone], 60), offering()),
    );
    let ended = Ended::Starved;
    for ((report, _), after) in [(silent, 20), (late, 20), (gone, 33)] {
        assert_eq!(report.outcome, Outcome::Answered { ended });
        let took = report.talked.as_secs();
        assert!((after..after + 2).contains(&took), "{took} s");
    }
}

/// What the business must not do in ICE, or must do in its description.
#[tokio::test(flavor = "multi_thread")]
async fn descriptions_that_break_a_rule() {
    type Mend = fn(String) -> String;
    let mends: [(Mend, &str); 6] = [
        (
            |text| text.replace("a=ptime", "a=ice-lite\r\na=ptime"),
            "ice-lite",
        ),
        (
            |text| text.replace("setup:active", "setup:actpass"),
            "setup",
        ),
        (|text| text.replace("a=rtcp-mux\r\n", ""), "rtcp-mux"),
        (|text| text + "a=fingerprint:sha-512 AB\r\n", "sha-512"),
        (|text| text.replace("SAVPF", "SAVP"), "profile"),
        (
            |text| text.replace("t=0 0", "t=0 0\r\na=group:BUNDLE 0"),
            "BUNDLE",
        ),
    ];
    let calls = mends.map(|(mend, word)| {
        tokio::spawn(async move {
            let manner = Manner {
                mend,
                ..Manner::default()
            };
            let (report, _) = user_calls(plan(Webrtc::default(), &[], 1), manner).await;
            let mut checks = report.verdict.checks.into_iter();
            let check = checks.find(|check| check.what == "SDP answer").unwrap();
            assert!(
                !check.held && check.found.contains(word),
                "{word}: {}",
                check.found
            );
        })
    });
    for call in calls {
        call.await.unwrap();
    }
}
