//! The bridge with Asterisk and baresip by WebRTC, in both directions of call. Asterisk says back what it hears, so both
//! directions of the sound are judged at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use wabridge::sim::meta::webrtc::KeyExchange;
use wabridge::sim::speech::Voice;
use wabridge::sim::wav;

use crate::whatsapp::{Place, Stage, USER, assert_good, assert_heard, here};

fn script(name: &str, arguments: &[&str]) -> String {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let output = Command::new(lab.join(name)).args(arguments).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The bridge at that address is the trunk with that certificate of Asterisk's.
async fn beside_asterisk(keys: KeyExchange, host: u8) -> Stage {
    let place = Place {
        keys,
        bridge: here(host),
        trunk: SocketAddr::new(here(host), 5070),
        pbx: SocketAddr::from((Ipv4Addr::new(10, 66, 0, 1), 5060)),
        extension: "600",
        pbx_codecs: "\"opus\"",
    };
    Stage::new(&place, Voice::User).await
}

const ECDSA: (&str, u8) = ("ecdsa", 2);
const RSA: (&str, u8) = ("rsa", 3);

async fn asterisk_is_called(keys: KeyExchange, (_, host): (&str, u8)) {
    let stage = beside_asterisk(keys, host).await;
    let mut report = stage.user_calls(Voice::User).await;
    if report.is_unfair() {
        report = stage.user_calls(Voice::User).await;
    }
    assert_good(&report);
}

async fn asterisk_calls(keys: KeyExchange, (trunk, host): (&str, u8)) {
    let mut stage = beside_asterisk(keys, host).await;
    let originate = format!("channel originate PJSIP/{USER}@{trunk} extension 600@try");
    script("asterisk.sh", &["cli", &originate]);
    let mut report = stage.user_was_called().await;
    if report.is_unfair() {
        script("asterisk.sh", &["cli", &originate]);
        report = stage.user_was_called().await;
    }
    assert_good(&report);
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_with_ecdsa_is_called() {
    asterisk_is_called(KeyExchange::Sdes, ECDSA).await;
    asterisk_is_called(KeyExchange::Dtls, ECDSA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_with_ecdsa_calls() {
    asterisk_calls(KeyExchange::Sdes, ECDSA).await;
    asterisk_calls(KeyExchange::Dtls, ECDSA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_with_rsa_is_called() {
    asterisk_is_called(KeyExchange::Dtls, RSA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_with_rsa_calls() {
    asterisk_calls(KeyExchange::Dtls, RSA).await;
}

/// Ended when the test is over.
struct Baresip;

impl Baresip {
    fn start() -> Self {
        script("webphone.sh", &["start"]);
        Self
    }

    /// What it heard.
    fn recording(&self) -> wav::Audio {
        let folder = PathBuf::from(script("webphone.sh", &["stop"]).trim());
        let heard = std::fs::read(folder.join("heard.wav"));
        wav::read(&heard.expect("a recording")).unwrap()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        script("webphone.sh", &["stop"]);
    }
}

async fn beside_baresip(keys: KeyExchange) -> Stage {
    let place = Place {
        keys,
        bridge: here(4),
        trunk: SocketAddr::new(here(4), 0),
        pbx: SocketAddr::new(here(6), 5060),
        extension: "100",
        pbx_codecs: "\"opus\"",
    };
    Stage::new(&place, Voice::Agent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_is_called() {
    for keys in [KeyExchange::Sdes, KeyExchange::Dtls] {
        let baresip = Baresip::start();
        let report = beside_baresip(keys).await.user_calls(Voice::Agent).await;
        assert_heard(Voice::User, &baresip.recording());
        assert_good(&report);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_calls() {
    for keys in [KeyExchange::Sdes, KeyExchange::Dtls] {
        let baresip = Baresip::start();
        let mut stage = beside_baresip(keys).await;
        let uri = format!("sip:{USER}@{}", stage.bridge.facing_pbx);
        script("webphone.sh", &["do", "dial", &uri]);
        let report = stage.user_was_called().await;
        assert_heard(Voice::User, &baresip.recording());
        assert_good(&report);
    }
}
