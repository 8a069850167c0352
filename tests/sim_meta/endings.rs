//! Calls that end before they are answered, or are never acknowledged; requests outside calls.

use wabridge::sim::fault::{Fault, Faults};
use wabridge::sim::meta::gateway::User;
use wabridge::sim::report::{Ended, Outcome};
use wabridge::sim::sip::dialog::respond;
use wabridge::sim::sip::{Incoming, Message};

use crate::business::AGENT;
use crate::stage::{Stage, USER, failed};

fn faulty(fault: Fault, user: User) -> User {
    User {
        faults: Faults::from([fault]),
        ..user
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_business_gives_up() {
    let stage = Stage::of(User::never()).await;
    let mut line = stage.line(USER).await;
    line.invite(None).await;
    line.send_credentials(1).await;
    while line.response_to("INVITE").await.status() != Some(180) {}
    line.cancel().await;
    assert_eq!(line.response_to("CANCEL").await.status(), Some(200));
    assert_eq!(line.final_response().await.status(), Some(487));
    let report = stage.report(&line.call_id).await;
    assert!(report.verdict.held());
    assert_eq!(report.outcome, Outcome::Cancelled);
}

/// The answer crosses the CANCEL, which gets its 200 all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_crosses_the_cancel() {
    let stage = Stage::of(faulty(Fault::AnswerCrossing, User::never())).await;
    let mut line = stage.line(USER).await;
    line.invite(None).await;
    line.send_credentials(1).await;
    while line.response_to("INVITE").await.status() != Some(180) {}
    line.cancel().await;
    assert_eq!(line.response_to("CANCEL").await.status(), Some(200));
    let answer = line.final_response().await;
    assert_eq!(answer.status(), Some(200));
    line.accept(&answer).await;
    assert_eq!(line.hang_up().await, 200);
    let ended = Ended::There;
    let report = stage.report(&line.call_id).await;
    assert_eq!(report.outcome, Outcome::Answered { ended });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_closes_while_it_rings() {
    let stage = Stage::of(faulty(Fault::ClosedConnection, User::quick())).await;
    let mut line = stage.line(USER).await;
    line.invite(None).await;
    line.send_credentials(1).await;
    let report = stage.report(&line.call_id).await;
    assert_eq!(report.outcome, Outcome::Lost);
}

/// Repeated after 0.5, 1, 2, 4, 4 ... seconds; hung up after 32 (RFC 3261 §13.3.1.4).
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_ack_is_repeated_and_given_up() {
    let stage = Stage::of(User::quick()).await;
    let mut line = stage.line(USER).await.talking(AGENT).await;
    // As a route that was lost on the way: the ACK goes to nobody.
    let mut answer = line.call().await;
    answer.headers.retain(|(name, _)| name != "Record-Route");
    line.accept(&answer).await;
    let mut repeated = 0;
    loop {
        let Incoming { message, wire } = line.messages.recv().await.unwrap();
        match message.method() {
            "" => repeated += u32::from(message.cseq().1 == "INVITE"),
            method => {
                assert_eq!(method, "BYE");
                wire.send(&respond(&message, 200, "OK", "1")).await;
                break;
            }
        }
    }
    assert_eq!(repeated, 10);
    let report = stage.report(&line.call_id).await;
    assert!(failed(&report, "ACK"));
    let ended = Ended::NoAck;
    assert_eq!(report.outcome, Outcome::Answered { ended });
    assert!((31..34).contains(&report.talked.as_secs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_hang_up_at_once() {
    let stage = Stage::of(faulty(Fault::ByeCrossing, User::quick())).await;
    let mut line = stage.line(USER).await;
    let answer = line.call().await;
    line.accept(&answer).await;
    let bye = line.inside("BYE");
    line.wire.send(&bye).await;
    line.hung_up().await;
    assert_eq!(line.response_to("BYE").await.status(), Some(200));
}

/// dossier 10.1.
#[tokio::test(flavor = "multi_thread")]
async fn requests_outside_calls() {
    let stage = Stage::of(User::quick()).await;
    for (method, status) in [("REGISTER", 403), ("MESSAGE", 405), ("BYE", 404)] {
        let mut line = stage.line(USER).await;
        let request = Message::request(method, "sip:wa.meta.vc")
            .with("Via", "SIP/2.0/TLS h;branch=z9hG4bK1")
            .with("From", &line.from)
            .with("To", &line.to)
            .with("Call-ID", &line.call_id)
            .with("CSeq", format!("1 {method}"));
        assert_eq!(line.ask(&request).await, status);
    }
}
