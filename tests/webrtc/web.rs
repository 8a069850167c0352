//! The bridge with Chromium and aiortc as its PBX, in both directions of call, WhatsApp by SDES and by DTLS.

use std::net::SocketAddr;

use wabridge::sim::meta::webrtc::KeyExchange;
use wabridge::sim::speech::Voice;

use crate::go_between::{Kind, Peer};
use crate::pbx::Pbx;
use crate::whatsapp::{NUMBER, Place, Stage, USER, assert_good_but, assert_heard, here, speech_of};

async fn stage(keys: KeyExchange, pbx: &Pbx) -> Stage {
    let place = Place {
        keys,
        bridge: here(4),
        trunk: SocketAddr::new(here(4), 0),
        pbx: pbx.address(),
        extension: "100",
        pbx_codecs: "\"opus\"",
    };
    Stage::new(&place, Voice::Agent).await
}

/// aiortc heeds no bitrate, and its packets are passed as they are.
fn excused(kind: Kind) -> &'static str {
    match kind {
        Kind::Chromium => "",
        Kind::Aiortc => "Opus bitrate",
    }
}

async fn is_called(kind: Kind, keys: KeyExchange) {
    let mut pbx = Pbx::open(SocketAddr::new(here(5), 0)).await;
    let stage = stage(keys, &pbx).await;
    let mut peer = Peer::start(kind, &speech_of("agent")).await;
    let (report, ()) = tokio::join!(stage.user_calls(Voice::Agent), pbx.take(&mut peer));
    assert_heard(Voice::User, &peer.hang_up().await);
    assert_good_but(&report, excused(kind));
}

async fn calls(kind: Kind, keys: KeyExchange) {
    let mut pbx = Pbx::open(SocketAddr::new(here(5), 0)).await;
    let mut stage = stage(keys, &pbx).await;
    let mut peer = Peer::start(kind, &speech_of("agent")).await;
    let bridge = stage.bridge.facing_pbx;
    pbx.call(bridge, NUMBER, USER, &mut peer).await;
    assert_heard(Voice::User, &peer.hang_up().await);
    let report = stage.user_was_called().await;
    assert_good_but(&report, excused(kind));
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_is_called() {
    is_called(Kind::Chromium, KeyExchange::Sdes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_is_called_from_dtls() {
    is_called(Kind::Chromium, KeyExchange::Dtls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_calls() {
    calls(Kind::Chromium, KeyExchange::Sdes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_calls_to_dtls() {
    calls(Kind::Chromium, KeyExchange::Dtls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_is_called() {
    is_called(Kind::Aiortc, KeyExchange::Dtls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aiortc_calls() {
    calls(Kind::Aiortc, KeyExchange::Dtls).await;
}
