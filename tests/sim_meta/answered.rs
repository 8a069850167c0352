//! Calls that are answered: the answer's headers, its media, the frozen leg.

use std::time::Duration;

use wabridge::sim::fault::{Fault, Faults};
use wabridge::sim::media::Codec;
use wabridge::sim::media::mouth::Says;
use wabridge::sim::meta::gateway::{Answer, User};
use wabridge::sim::report::{Ended, Outcome};

use crate::business::AGENT;
use crate::stage::{Stage, USER, account, failed};

/// Both talk, the user hangs up; each hears the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_call() {
    let stage = Stage::of(User::default()).await;
    // A machine that is too busy to send in time proves nothing.
    for _ in 0..4 {
        let mut line = stage.line(USER).await.talking(AGENT).await;
        let answer = line.call().await;
        assert_eq!(line.provisionals, [100, 180]);
        line.accept(&answer).await;
        let bye = line.hung_up().await;
        let heard = line.heard().await;
        let report = stage.report(&line.call_id).await;
        if report.is_unfair() {
            continue;
        }
        assert!(report.verdict.held());
        assert_eq!(report.outcome, Outcome::Answered { ended: Ended::Here });
        assert!(report.score.unwrap().is_good());
        assert_eq!(report.heard.ssrcs.len(), 1);
        assert!(report.heard.longest_gap < Duration::from_secs(1));
        assert_eq!(heard.ssrcs.len(), 1);
        assert_eq!(heard.codecs.into_iter().collect::<Vec<_>>(), [Codec::Opus]);
        let wacid = bye.header("x-wa-meta-wacid").unwrap();
        assert!(wacid.starts_with("wacid."));
        assert_eq!(bye.header("x-wa-meta-call-duration"), Some("10"));
        return;
    }
    panic!("this machine is too busy");
}

/// dossier 2.7, 3.1.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_printed_one() {
    let stage = Stage::of(User::quick()).await;
    let mut line = stage.line(USER).await;
    let answer = line.call().await;
    assert_eq!(answer.status(), Some(200));
    assert_eq!(
        answer.list("Record-Route"),
        [
            "<sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>",
            "<sip:wa.meta.vc;transport=tls;lr>",
            "<sip:edge.example.com;transport=tls;lr>",
        ]
    );
    let contact = "<sip:+12195550714@wa.meta.vc;transport=tls;ob;\
        X-FB-Sip-Smc-Tier=collaboration.sip_gateway.sip.prod>;isfocus";
    for (name, value) in [
        ("Contact", contact),
        ("Supported", "timer"),
        ("X-FB-External-Domain", "wa.meta.vc"),
        ("Allow", "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS"),
        ("x-wa-meta-user-id", "US.13491208655302741918"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    let sdp = answer.body_text();
    for wanted in [
        "a=group:BUNDLE audio\r\n",
        " RTP/SAVP 107 101\r\n",
        "a=mid:audio\r\n",
        "a=rtcp-mux\r\n",
        "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:",
        "a=maxptime:20\r\na=ptime:20\r\n",
        " cname:WhatsAppAudioStream1\r\n",
    ] {
        assert!(sdp.contains(wanted), "{wanted} in {sdp}");
    }
    line.accept(&answer).await;
    assert_eq!(line.hang_up().await, 200);
}

/// No re-negotiation, no other request; what is routed wrong finds nobody.
#[tokio::test(flavor = "multi_thread")]
async fn the_leg_is_frozen() {
    let stage = Stage::of(User::quick()).await;
    let mut line = stage.line(USER).await;
    let answer = line.call().await;
    line.accept(&answer).await;
    for (method, status) in [
        ("INVITE", 500),
        ("INFO", 405),
        ("UPDATE", 405),
        ("REFER", 405),
        ("MESSAGE", 405),
        ("PRACK", 405),
    ] {
        let request = line.inside(method);
        assert_eq!(line.ask(&request).await, status, "{method}");
    }
    let mut astray = line.inside("BYE");
    astray.headers.retain(|(name, _)| name != "Route");
    assert_eq!(line.ask(&astray).await, 404, "no route");
    let mut astray = line.inside("BYE");
    astray = wabridge::sim::sip::Message {
        headers: astray.headers,
        ..wabridge::sim::sip::Message::request("BYE", "sip:+12195550714@wa.meta.vc")
    };
    assert_eq!(line.ask(&astray).await, 404, "another URI");
    assert_eq!(line.hang_up().await, 200);
    let report = stage.report(&line.call_id).await;
    assert!(failed(&report, "frozen leg") && failed(&report, "BYE routed"));
}

/// Nothing is sent before the business's first packet, and without one the call ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_business_that_says_nothing_is_hung_up_on() {
    let stage = Stage::of(User::quick()).await;
    let mut line = stage.line(USER).await;
    line.faults = Faults::from([Fault::Silent]);
    let mut line = line.talking(Says::Silence).await;
    let answer = line.call().await;
    line.accept(&answer).await;
    let bye = line.hung_up().await;
    let reason = bye.header("Reason").unwrap();
    assert!(reason.starts_with("SIP;cause=408;"), "{reason}");
    assert_eq!(bye.header("x-wa-meta-call-duration"), Some("20"));
    assert_eq!(line.heard().await.packets, 0);
    let report = stage.report(&line.call_id).await;
    let ended = Ended::Starved;
    assert_eq!(report.outcome, Outcome::Answered { ended });
    assert!(failed(&report, "business sends first"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_media_is_seen() {
    let faults = [
        Fault::WrongKey,
        Fault::SsrcChange,
        Fault::TimestampJump,
        Fault::HeavyLoss,
    ];
    let calls = faults.map(|fault| {
        tokio::spawn(async move {
            let user = User {
                talk: Some(Duration::from_secs(5)),
                ..User::quick()
            };
            let stage = Stage::of(user).await;
            let mut line = stage.line(USER).await;
            line.faults = Faults::from([fault]);
            let mut line = line.talking(AGENT).await;
            let answer = line.call().await;
            line.accept(&answer).await;
            line.hung_up().await;
            (fault, stage.report(&line.call_id).await)
        })
    });
    for call in calls {
        let (fault, report) = call.await.unwrap();
        assert!(failed(&report, "stream"), "{fault:?}");
    }
}

/// Each number that is called has its own fate, at the same time, on one gateway.
#[tokio::test(flavor = "multi_thread")]
async fn each_user_does_something_else() {
    let refusing = |status| User {
        ring: Duration::from_millis(100),
        ..User::refusing(status)
    };
    let number = |status: u16| format!("+1219555{status:04}");
    let statuses = [302, 408, 480, 486, 500, 503, 603];
    let mut account = account();
    for status in statuses {
        account = account.with(&number(status), refusing(status));
    }
    let moved = User {
        answer: Answer::Redirect("<sip:+1@elsewhere.example.com>".into()),
        ..User::quick()
    };
    let stage = std::sync::Arc::new(Stage::new(account.with(&number(302), moved)).await);
    let calls = statuses.map(|status| {
        let (stage, number) = (stage.clone(), number(status));
        tokio::spawn(async move {
            let mut line = stage.line(&number).await;
            let response = line.call().await;
            (status, response, stage.report(&line.call_id).await)
        })
    });
    for call in calls {
        let (status, response, report) = call.await.unwrap();
        assert_eq!(response.status(), Some(status));
        assert!(report.verdict.held());
        if status == 302 {
            let contact = "<sip:+1@elsewhere.example.com>";
            assert_eq!(response.header("Contact"), Some(contact));
        }
    }
}
