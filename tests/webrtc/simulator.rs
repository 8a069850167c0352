//! The simulated WhatsApp with a browser and with aiortc: before the bridge is judged by it, others judge it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wabridge::entropy::Entropy;
use wabridge::sim::meta::webrtc::KeyExchange;
use wabridge::sim::meta::{Endpoint, Plan, Settings};
use wabridge::sim::report::Report;
use wabridge::sim::sip::dialog::respond;
use wabridge::sim::sip::wire::listen_tls;
use wabridge::sim::sip::{Hub, Incoming};
use wabridge::sim::speech::Voice;
use wabridge::sim::tls::Authority;
use wabridge::sim::wav::Audio;

use crate::go_between::{Kind, Peer};
use crate::whatsapp::{assert_heard, here, speech_of};

const HERE: IpAddr = here(2);
const HOST: &str = "sip.example.com";
const NUMBER: &str = "+17015550100";

/// A WhatsApp user calls a business that is one of these alone.
async fn a_user_calls(kind: Kind) -> (Report, Audio) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let authority = Authority::new("test").unwrap();
    authority.save(&ca).unwrap();
    let (hub, mut messages) = Hub::new();
    let acceptor = authority.acceptor(&[HOST]).unwrap();
    let any = SocketAddr::new(HERE, 0);
    let settings = Settings {
        target: listen_tls(any, acceptor, hub).await.unwrap(),
        host: HOST.into(),
        ca,
        media: HERE,
        reuse_connection: false,
        answer_options: false,
    };
    let endpoint = Endpoint::new(settings, Entropy::from_seed([6; 32])).unwrap();
    let mut peer = Peer::start(kind, &speech_of("agent")).await;
    let mut plan = Plan::new(NUMBER, "");
    plan.offer.keys = KeyExchange::Dtls;
    // Twice the text: what is in the peer's file begins anywhere.
    plan.talk = Some(Duration::from_secs(20));
    let call = tokio::spawn(async move { endpoint.call(plan).await });
    let mut next = async |method: &str| -> Incoming {
        loop {
            let incoming = messages.recv().await.unwrap();
            if incoming.message.method() == method {
                return incoming;
            }
        }
    };
    let invite = next("INVITE").await;
    let trying = respond(&invite.message, 100, "Trying", "1");
    invite.wire.send(&trying).await;
    let description = peer.answer(&invite.message.body_text()).await;
    let contact = format!("<sip:{NUMBER}@{HOST}:5061;transport=tls>");
    let answer = respond(&invite.message, 200, "OK", "1")
        .with("Contact", contact)
        .with_body("application/sdp", description);
    invite.wire.send(&answer).await;
    let bye = next("BYE").await;
    bye.wire.send(&respond(&bye.message, 200, "OK", "1")).await;
    let report = call.await.unwrap();
    println!("{}\n{}", report.outcome, report.verdict);
    (report, peer.hang_up().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_is_called() {
    let (report, heard) = a_user_calls(Kind::Chromium).await;
    assert!(report.verdict.held());
    assert_heard(Voice::User, &heard);
    assert!(report.score.unwrap().is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_is_called() {
    let (report, heard) = a_user_calls(Kind::Aiortc).await;
    // As WhatsApp itself, the simulator wants one fingerprint; nor does aiortc heed a bitrate.
    let mut checks = report.verdict.checks.iter();
    assert!(
        checks.all(|check| check.held || ["SDP answer", "Opus bitrate"].contains(&&*check.what))
    );
    assert_heard(Voice::User, &heard);
    assert!(report.score.unwrap().is_good());
}
