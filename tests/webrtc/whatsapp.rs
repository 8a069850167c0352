//! WhatsApp before the bridge, in the lab's network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wabridge::entropy::Entropy;
use wabridge::sim::meta::gateway::{Account, Business, Gateway, User};
use wabridge::sim::meta::webrtc::KeyExchange;
use wabridge::sim::meta::{Endpoint, Plan, Settings};
use wabridge::sim::report::Report;
use wabridge::sim::score;
use wabridge::sim::speech::{self, Voice};
use wabridge::sim::tls::Authority;
use wabridge::sim::wav::Audio;

use crate::bridge::{Bridge, HOST, Number, PASSWORD, Wish};

pub const NUMBER: &str = "+4930231250";
pub const USER: &str = "+447700900123";
/// Longer than the text twice: what is in a peer's file begins anywhere.
pub const TALK: Duration = Duration::from_secs(20);

/// An address of the lab's network.
pub const fn here(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 66, 0, host))
}

/// How WhatsApp's keys are exchanged, and where the PBX is.
pub struct Place {
    pub keys: KeyExchange,
    pub bridge: IpAddr,
    pub trunk: SocketAddr,
    pub pbx: SocketAddr,
    pub extension: &'static str,
    pub pbx_codecs: &'static str,
}

pub struct Stage {
    pub bridge: Bridge,
    keys: KeyExchange,
    endpoint: Arc<Endpoint>,
    users: mpsc::Receiver<(String, Report)>,
}

impl Stage {
    /// Whose user speaks, and hears this.
    pub async fn new(place: &Place, hears: Voice) -> Self {
        let authority = Authority::new("laboratory").unwrap();
        let business = Business {
            keys: place.keys,
            ..Business::new(HOST, PASSWORD)
        };
        let mut user = User {
            ring: Duration::from_millis(300),
            talk: Some(TALK),
            ..User::default()
        };
        user.media.hears = Some(hears);
        let account = Account::of(NUMBER, business).with(USER, user);
        let seed = |byte| Entropy::from_seed([byte; 32]);
        let (gateway, users) = Gateway::start(place.bridge, account, false, seed(4));
        let any = SocketAddr::new(place.bridge, 0);
        let acceptor = authority.acceptor(&["wa.meta.vc"]).unwrap();
        let wish = Wish {
            ip: place.bridge,
            both_families: false,
            numbers: &[Number {
                number: NUMBER.into(),
                extension: place.extension.into(),
                security: match place.keys {
                    KeyExchange::Sdes => "sdes",
                    KeyExchange::Dtls => "dtls",
                },
            }],
            gateway: gateway.listen(any, acceptor).await.unwrap(),
            pbx: place.pbx,
            pbx_security: "dtls",
            pbx_codecs: place.pbx_codecs,
            trunk: place.trunk,
        };
        let bridge = Bridge::start(&wish, &authority);
        let settings = Settings {
            target: bridge.facing_whatsapp,
            host: HOST.into(),
            ca: bridge.ca(),
            media: place.bridge,
            reuse_connection: false,
            answer_options: false,
        };
        Self {
            endpoint: Endpoint::beside(gateway.hub.clone(), settings, seed(6)).unwrap(),
            keys: place.keys,
            bridge,
            users,
        }
    }

    /// The user calls and hears this.
    pub async fn user_calls(&self, hears: Voice) -> Report {
        let mut plan = Plan::new(NUMBER, PASSWORD);
        plan.offer.keys = self.keys;
        plan.talk = Some(TALK);
        plan.media.hears = Some(hears);
        let report = self.endpoint.call(plan).await;
        println!("{}\n{}", report.outcome, report.verdict);
        report
    }

    /// What the user says who was called.
    pub async fn user_was_called(&mut self) -> Report {
        let wait = tokio::time::timeout(Duration::from_secs(60), self.users.recv());
        let (_, report) = wait.await.unwrap().unwrap();
        println!("{}\n{}", report.outcome, report.verdict);
        report
    }
}

impl Drop for Stage {
    /// The PBX was found by ICE, and its keys by DTLS.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let records = self.bridge.records();
        let timed = |record: &serde_json::Value| {
            let pbx = ["a", "b"].map(|side| record["quality"][side].clone());
            let mut times = pbx.iter().map(|side| &side["dtls_ms"]);
            times.any(serde_json::Value::is_number)
        };
        assert!(
            !records.is_empty() && records.iter().all(timed),
            "{records:?}"
        );
    }
}

pub fn speech_of(voice: &str) -> PathBuf {
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sim/speech");
    speech.join(format!("{voice}.wav"))
}

pub fn assert_good(report: &Report) {
    assert_good_but(report, "");
}

/// One check is excused.
pub fn assert_good_but(report: &Report, excused: &str) {
    let failed: Vec<_> = report
        .verdict
        .checks
        .iter()
        .filter(|one| !one.held && one.what != excused)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(report.score.is_some_and(|score| score.is_good()));
}

pub fn assert_heard(voice: Voice, heard: &Audio) {
    let source = Audio {
        rate: speech::RATE,
        samples: voice.samples().to_vec(),
    };
    let score = score::compare(&source, heard);
    println!("heard there: {score}");
    assert!(score.is_good(), "{score}");
}
