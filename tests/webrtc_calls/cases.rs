//! The cases.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use wabridge::sim::fault::Fault;
use wabridge::sim::media::link::{Algorithm, Facts};
use wabridge::sim::meta::webrtc::Webrtc;
use wabridge::sim::report::{Ended, Outcome, Report};
use wabridge::sim::sdp::webrtc::Setup;

use crate::stage::{Caller, Case, LOCAL, Stage};

/// So many calls at the same time.
const LANES: usize = 2;
const BOTH: [Caller; 2] = [Caller::User, Caller::Agent];

/// WhatsApp as it may be: whatever it does, both hear each other.
fn good() -> Vec<Case> {
    let late = |name, seconds| {
        let case = Case::new(name).lasting(20);
        case.webrtc(|webrtc| webrtc.delay = Duration::from_secs(seconds))
    };
    vec![
        Case::new("as the dossier says"),
        late("its DTLS is late by 1 s", 1),
        late("its DTLS is late by 2 s", 2),
        late("its DTLS is late by 4 s", 4),
        // Its own is repeated after a second: more than is kept of what was said meanwhile.
        Case::new("the first ClientHello is lost")
            .lasting(20)
            .with(Fault::LostClientHello),
        Case::new("it checks as the controlling agent").with(Fault::RoleConflict),
        Case::new("its certificate is RSA").webrtc(|webrtc| webrtc.certificate = Algorithm::Rsa),
        Case::new("its packets come from another port").with(Fault::Rebinding),
        Case::new("it tells no candidates").webrtc(|webrtc| webrtc.no_candidates = true),
        Case::new("one of its candidates is nobody's").webrtc(|webrtc| {
            webrtc.unreachable = Some(
                "[2a03:2880:f343:131:face:b00c:0:699c]:3480"
                    .parse()
                    .unwrap(),
            );
        }),
        Case::new("it prefers GCM").webrtc(|webrtc| webrtc.gcm = true),
    ]
}

/// Plays each case in both directions, a few at a time.
async fn play_all(stage: Stage, cases: Vec<Case>, judge: fn(&Stage, &Case, &Report, &Report)) {
    let stage = Arc::new(stage);
    let gate = Arc::new(tokio::sync::Semaphore::new(LANES));
    let mut calls = Vec::new();
    for (at, case) in cases.into_iter().enumerate() {
        let (stage, gate) = (stage.clone(), gate.clone());
        calls.push(tokio::spawn(async move {
            for caller in BOTH {
                let _turn = gate.acquire().await.unwrap();
                // A machine that is too busy to send in time proves nothing.
                for attempt in 1.. {
                    let (user, agent) = stage.play(at, &case, caller).await;
                    let unfair = user.is_unfair() || agent.is_unfair();
                    if unfair && attempt < 4 {
                        continue;
                    }
                    judge(&stage, &case, &user, &agent);
                    break;
                }
            }
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
}

fn facts(report: &Report) -> &Facts {
    report.heard.link.as_ref().unwrap()
}

fn assert_good(_: &Stage, case: &Case, user: &Report, agent: &Report) {
    let name = case.name;
    for report in [user, agent] {
        let failed: Vec<_> = report
            .verdict
            .checks
            .iter()
            .filter(|one| !one.held)
            .collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
        assert!(report.score.is_some_and(|score| score.is_good()), "{name}");
    }
    let took = facts(user).connected.unwrap() - facts(user).nominated.unwrap();
    // OpenSSL's own ClientHello is repeated after a second, the bridge's at once.
    let allowed = case.webrtc.delay + Duration::from_millis(1_300);
    assert!(took < allowed, "{name}: DTLS took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_hear_each_other() {
    let cases = good();
    let stage = Stage::new(LOCAL, &cases).await;
    play_all(stage, cases, assert_good).await;
}

/// In WhatsApp's offer the business is asked to be passive, in its answer WhatsApp is.
#[tokio::test(flavor = "multi_thread")]
async fn other_roles() {
    let says = |name, setup| Case::new(name).webrtc(|webrtc| webrtc.setup = Some(setup));
    let cases = vec![
        says("its offer is active", Setup::Active),
        says("its answer is passive", Setup::Passive),
    ];
    let stage = Stage::new(LOCAL, &cases).await;
    for (at, caller) in [(0, Caller::User), (1, Caller::Agent)] {
        let (user, agent) = stage.play(at, &cases[at], caller).await;
        assert_good(&stage, &cases[at], &user, &agent);
    }
}

/// Nobody has an IPv4 address.
#[tokio::test(flavor = "multi_thread")]
async fn ipv6_only() {
    let cases = vec![Case::new("it has IPv6 alone")];
    let stage = Stage::new(Ipv6Addr::LOCALHOST.into(), &cases).await;
    play_all(stage, cases, assert_good).await;
}

/// A bridge of both families, to whom WhatsApp comes with one, the other, and both.
#[tokio::test(flavor = "multi_thread")]
async fn both_families() {
    let v6 = Ipv6Addr::LOCALHOST.into();
    let both = |webrtc: &mut Webrtc| webrtc.also = Some(v6);
    let cases = vec![
        Case::new("its media is IPv4 alone"),
        Case::new("its media is of both families").webrtc(both),
    ];
    let stage = Stage::with_media(LOCAL, LOCAL, &cases).await;
    play_all(stage, cases, assert_good).await;
    let cases = vec![Case::new("its media is IPv6 alone")];
    let stage = Stage::with_media(LOCAL, v6, &cases).await;
    play_all(stage, cases, assert_good).await;
}

fn assert_refused(stage: &Stage, case: &Case, user: &Report, agent: &Report) {
    let name = case.name;
    let ended = Ended::There;
    assert_eq!(user.outcome, Outcome::Answered { ended }, "{name}");
    assert!(user.talked < Duration::from_secs(5), "{name}");
    assert_eq!(
        (user.heard.packets, user.score.map(|s| s.is_good())),
        (0, Some(false))
    );
    assert!(matches!(agent.outcome, Outcome::Answered { .. }));
    let records = stage.bridge.records();
    let words = records.iter().map(|record| record.to_string());
    let words: Vec<String> = words
        .filter(|text| text.contains("the description named"))
        .collect();
    assert!(!words.is_empty(), "{records:?}");
}

/// A certificate that is not the one of the description: nothing is said, and the call ends in words.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_fingerprint() {
    let cases = vec![Case::new("its fingerprint is wrong").with(Fault::WrongFingerprint)];
    let stage = Stage::new(LOCAL, &cases).await;
    play_all(stage, cases, assert_refused).await;
}

fn assert_cut(stage: &Stage, case: &Case, user: &Report, agent: &Report) {
    let name = case.name;
    let Outcome::Answered { ended } = user.outcome else {
        panic!("{name}: {}", user.outcome);
    };
    assert!(
        matches!(ended, Ended::Starved | Ended::There),
        "{name}: {ended:?}"
    );
    assert!(user.talked < Duration::from_secs(35), "{name}");
    assert!(matches!(agent.outcome, Outcome::Answered { .. }), "{name}");
    let records = stage.bridge.records();
    assert!(
        records
            .iter()
            .all(|record| !record["ending"]["cause"].is_null()),
        "{records:?}"
    );
}

/// DTLS never comes: WhatsApp hangs up after 20 s. It is gone in the middle: 30 s later somebody has hung up.
#[tokio::test(flavor = "multi_thread")]
async fn calls_without_media_end() {
    let never = Case::new("its DTLS never comes").lasting(60);
    let cases = vec![
        never.webrtc(|webrtc| webrtc.delay = Duration::from_secs(90)),
        Case::new("it is gone").lasting(60).with(Fault::Gone),
    ];
    let stage = Stage::new(LOCAL, &cases).await;
    play_all(stage, cases, assert_cut).await;
}
