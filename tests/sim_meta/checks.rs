//! Why WhatsApp refuses a call: each check, in its place, in its own words (dossier 2.9, 10.2).

use wabridge::sim::meta::gateway::{Account, Business, Permission, Refusal, User};
use wabridge::sim::sip::Message;

use crate::business::Line;
use crate::stage::{HOST, NUMBER, Stage, USER, account, failed};

const DUPLICATE: &str = "Duplicate call: a call between the pair is active";
const LIMIT: &str = "Business Initiated Connected Call Per Day Limit Hit";

/// The status and the text, when their form is the printed one.
fn words(response: &Message) -> (u16, String) {
    let wabridge::sim::sip::Start::Response { status, reason } = &response.start else {
        panic!("a request");
    };
    let quoted = reason.replace('"', "\\\"");
    let warning = format!("399 wa.meta.vc \"{quoted}\"");
    for (name, value) in [
        ("Warning", warning.as_str()),
        ("X-FB-External-Domain", "wa.meta.vc"),
        ("Allow", "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS"),
        ("Record-Route", "<sip:edge.example.com;transport=tls;lr>"),
        ("Content-Length", "0"),
    ] {
        assert_eq!(response.header(name), Some(value));
    }
    let via = response.header("Via").unwrap();
    assert!(via.ends_with(";received=127.0.0.1"), "{via}");
    let tag = response.tag_of("To").unwrap();
    assert_eq!((tag.len(), tag.matches('-').count()), (36, 4), "a UUID");
    (*status, reason.clone())
}

/// Everything is wrong; then one thing after the other is put right.
#[tokio::test(flavor = "multi_thread")]
async fn the_checks_come_in_their_order() {
    type Mend = fn(&mut Line, &mut Account);
    fn business(account: &mut Account) -> &mut Business {
        account.businesses.get_mut(NUMBER).unwrap()
    }
    fn user(account: &mut Account) -> &mut User {
        account.users.get_mut(USER).unwrap()
    }
    let id = "106540352242922";
    let server = format!(
        "SIP server {HOST} from INVITE does not match any SIP server configured for phone number id {id}"
    );
    let app = format!(
        "The app 1094233921840012 configured for SIP server {HOST} is not authorized for phone number id {id}"
    );
    let permission =
        "No Approved Call Permission Found: No approved call permission from the recipient";
    let steps: [(u16, &str, Mend); 13] = [
        (404, "Not Found", |line, _| {
            line.uri = format!("sip:{USER}@192.0.2.1;transport=tls");
        }),
        (404, "Not Found", |line, _| {
            line.uri = "sip:12195550714@wa.meta.vc;transport=tls".into();
        }),
        (500, "Internal Server Error", |line, _| {
            line.uri = format!("sip:{USER}@wa.meta.vc;transport=tls");
        }),
        (
            400,
            "Asset not found, invalid business phone number",
            |line, _| line.from = format!("<sip:{NUMBER}@{HOST}>;tag=1"),
        ),
        (403, &server, |_, account| {
            business(account).host = HOST.into()
        }),
        (403, "Invalid digest auth response", |line, _| {
            line.password = crate::stage::PASSWORD.into();
        }),
        (
            403,
            "Proxy auth uri does not match SIP \"to\" uri",
            |line, _| line.digest_uri = None,
        ),
        (403, &app, |_, account| {
            business(account).app_is_authorized = true;
        }),
        (403, "Business eligibility / payment issue", |_, account| {
            business(account).may_pay = true;
        }),
        (403, permission, |_, account| {
            user(account).permission = Permission::Given;
        }),
        (403, LIMIT, |_, account| user(account).calls_left = 100),
        (403, DUPLICATE, |_, account| {
            user(account).is_in_a_call = false;
        }),
        (503, "Service Unavailable", |_, account| {
            business(account).concurrency = 1;
        }),
    ];
    let wrong = User {
        permission: Permission::None,
        calls_left: 0,
        is_in_a_call: true,
        ..User::quick()
    };
    let mut account = account().with(USER, wrong);
    *business(&mut account) = Business {
        app_is_authorized: false,
        may_pay: false,
        concurrency: 0,
        ..Business::new("other.example.com", crate::stage::PASSWORD)
    };
    let stage = Stage::new(account).await;
    let mut line = stage.line(USER).await;
    line.uri = format!("sips:{USER}@wa.meta.vc");
    line.from = format!("<sip:+17015550199@{HOST}>;tag=1");
    line.password = "guess".into();
    line.digest_uri = Some("sip:+1@wa.meta.vc".into());
    line.offer = "v=0\r\n".into();
    for (status, text, mend) in steps {
        let response = line.call().await;
        assert_eq!(words(&response), (status, text.to_owned()));
        // The gateway has let go of the Call-ID.
        stage.report(&line.call_id).await;
        stage.gateway.change(|account| mend(&mut line, account));
    }
    let response = line.call().await;
    assert_eq!(words(&response), (403, "SDP Validation Error".into()));
    let report = stage.report(&line.call_id).await;
    assert!(failed(&report, "SDP offer"), "it says why");
}

/// Somebody who is not on WhatsApp, and whatever else a number is there for.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_the_number_that_is_called() {
    let mut account = account()
        .with("+1", User::refused(Refusal::Billing))
        .with("+2", User::refused(Refusal::DailyLimit));
    account.otherwise = None;
    let stage = Stage::new(account).await;
    for (user, text) in [
        ("+1", "Business eligibility / payment issue"),
        ("+2", LIMIT),
        (
            USER,
            "No Approved Call Permission Found: No approved call permission from the recipient",
        ),
    ] {
        let response = stage.line(user).await.call().await;
        assert_eq!(words(&response), (403, text.to_owned()));
    }
}

/// Facts that the calls themselves make.
#[tokio::test(flavor = "multi_thread")]
async fn one_call_at_a_time_and_the_last_of_the_day() {
    let user = User {
        calls_left: 1,
        ..User::quick()
    };
    let stage = Stage::of(user).await;
    let mut first = stage.line(USER).await;
    let answer = first.call().await;
    first.accept(&answer).await;
    stage.gateway.change(|account| {
        account.users.get_mut(USER).unwrap().calls_left = 2;
    });
    let second = stage.line(USER).await.call().await;
    assert_eq!(words(&second), (403, DUPLICATE.into()));
    assert_eq!(first.hang_up().await, 200);
    let mut third = stage.line(USER).await;
    let answer = third.call().await;
    third.accept(&answer).await;
    assert_eq!(third.hang_up().await, 200);
    let fourth = stage.line(USER).await.call().await;
    assert_eq!(words(&fourth), (403, LIMIT.into()));
}

/// From may be of a domain above the configured one (dossier 2.3).
#[tokio::test(flavor = "multi_thread")]
async fn from_of_a_domain_above() {
    let stage = Stage::of(User::quick()).await;
    let mut line = stage.line(USER).await;
    line.from = format!("<sip:{NUMBER}@example.com:5061;transport=tls>;tag=1");
    assert_eq!(line.call().await.status(), Some(200));
}
