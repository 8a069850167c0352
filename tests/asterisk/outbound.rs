//! Agents on Asterisk call WhatsApp users: by Dial, by Originate, from a phone, called back into the queue; each way a call
//! can fail, as the agent's side sees it; transfer by REFER.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;
use wabridge::entropy::Entropy;
use wabridge::sim::meta::gateway::{Account, Answer, Business, Gateway, Refusal, User};
use wabridge::sim::report::Report;
use wabridge::sim::speech::Voice;
use wabridge::sim::tls::Authority;

use crate::bridge::{Bridge, HOST, PASSWORD, Wish};
use crate::call::SECOND;
use crate::pbx;

/// WhatsApp as the callee, with users who each do something else.
struct WhatsApp {
    runtime: Runtime,
    gateway: Arc<Gateway>,
    reports: Receiver<(String, Report)>,
    address: SocketAddr,
    authority: Authority,
}

impl WhatsApp {
    fn with(users: &[(&str, User)]) -> Self {
        let business = Business::new(HOST, PASSWORD);
        let account = Account::of(Bridge::CALLS_FROM, business);
        let account = users.iter().fold(account, |account, (user, does)| {
            account.with(user, does.clone())
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let authority = Authority::new("WhatsApp's").expect("an authority");
        let acceptor = authority.acceptor(&["wa.meta.vc"]).expect("a certificate");
        let (gateway, reports, address) = runtime.block_on(async {
            let entropy = Entropy::from_seed([9; 32]);
            let localhost = "127.0.0.1".parse().expect("an address");
            let (gateway, reports) = Gateway::start(localhost, account, false, entropy);
            let bind = "127.0.0.1:0".parse().expect("an address");
            let address = gateway.listen(bind, acceptor).await.expect("a port");
            (gateway, reports, address)
        });
        Self {
            runtime,
            gateway,
            reports,
            address,
            authority,
        }
    }

    /// Asterisk knows that the bridge is there.
    fn bridge(&self) -> Bridge {
        let bridge = Bridge::start(&Wish {
            pbx_port: 5070,
            whatsapp: Some(self.address),
            trust: Some(self.authority.pem()),
            ..Wish::extension("600")
        });
        let deadline = Instant::now() + SECOND * 10;
        let is_up = || pbx::cli("pjsip show contacts").contains("Avail");
        while !is_up() {
            assert!(
                Instant::now() < deadline,
                "{}",
                pbx::cli("pjsip show contacts")
            );
            pbx::cli("pjsip qualify wabridge");
            std::thread::sleep(Duration::from_millis(300));
        }
        bridge
    }

    /// What WhatsApp saw of the next call that is over.
    fn report(&mut self) -> (String, Report) {
        self.runtime
            .block_on(async { tokio::time::timeout(SECOND * 60, self.reports.recv()).await })
            .expect("a call that ends")
            .expect("a report")
    }
}

/// `channel originate` of a user by the agents' dialplan; the other end runs an application.
fn agent_dials(user: &str, application: &str) {
    pbx::cli(&format!(
        "channel originate Local/{user}@agents/n application {application}"
    ));
}

fn wait_for_cdrs(bridge: &Bridge, wanted: usize) -> Vec<serde_json::Value> {
    let deadline = Instant::now() + SECOND * 40;
    loop {
        let cdrs = bridge.cdrs();
        if cdrs.len() >= wanted || Instant::now() > deadline {
            assert_eq!(cdrs.len(), wanted, "{cdrs:#?}\n{}", bridge.log());
            return cdrs;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn assert_held(report: &Report) {
    let failed: Vec<String> = report
        .verdict
        .checks
        .iter()
        .filter(|check| !check.held)
        .map(|check| format!("{}: {}", check.what, check.found))
        .collect();
    assert!(
        failed.is_empty(),
        "{}\n{}",
        report.outcome,
        failed.join("\n")
    );
}

/// The user hears back what was said, so that both directions are judged at once.
#[test]
fn answered() {
    let user = "+491700000001";
    let mut echoed = User::default();
    echoed.media.hears = Some(Voice::User);
    let mut whatsapp = WhatsApp::with(&[(user, echoed)]);
    let bridge = whatsapp.bridge();
    pbx::cli(&format!(
        "channel originate Local/{user}@agents/n extension 600@try"
    ));
    let (called, report) = whatsapp.report();
    assert_eq!(called, user);
    assert_held(&report);
    assert_eq!(report.heard.ssrcs.len(), 1);
    let cdrs = wait_for_cdrs(&bridge, 1);
    assert_eq!(cdrs[0]["direction"], "business_initiated");
    assert_eq!(cdrs[0]["ending"]["cause"], "hung_up");
    assert_eq!(cdrs[0]["ending"]["by"], "callee");
    assert!(cdrs[0]["whatsapp_duration_s"].is_u64(), "{}", cdrs[0]);
}

/// Each outcome: what the agent's side sees, by the cause that Asterisk makes of our status and shows its dialplan, and
/// the record.
#[test]
fn outcomes() {
    let never = User {
        ring: SECOND * 3,
        ..User::never()
    };
    let stale = User {
        faults: [wabridge::sim::fault::Fault::StaleNonce]
            .into_iter()
            .collect(),
        talk: Some(SECOND),
        ..User::quick()
    };
    let both = User {
        answer: Answer::Yes,
        talk: Some(SECOND * 2),
        ..User::quick()
    };
    let table: BTreeMap<&str, (User, &str, u8)> = BTreeMap::from([
        ("+491700000010", (User::refusing(486), "declined", 21)),
        ("+491700000011", (User::refusing(480), "no_answer", 19)),
        ("+491700000012", (User::refusing(503), "peer_failed", 34)),
        (
            "+491700000013",
            (
                User::refused(Refusal::Permission),
                "permission_not_given",
                21,
            ),
        ),
        (
            "+491700000014",
            (User::refused(Refusal::DailyLimit), "connected_limit", 19),
        ),
        (
            "+491700000015",
            (User::refused(Refusal::Server), "wrong_server", 34),
        ),
        (
            "+491700000016",
            (User::refused(Refusal::Digest), "peer_refused_us", 34),
        ),
        (
            "+491700000017",
            (User::refused(Refusal::Billing), "not_eligible", 34),
        ),
        ("+491700000018", (never, "no_answer", 19)),
        ("+491700000019", (stale, "hung_up", 16)),
        ("+491700000020", (both, "hung_up", 16)),
    ]);
    let users: Vec<(&str, User)> = table
        .iter()
        .map(|(user, (does, _, _))| (*user, does.clone()))
        .collect();
    let whatsapp = WhatsApp::with(&users);
    let bridge = whatsapp.bridge();
    for user in table.keys() {
        agent_dials(user, "Wait 20");
    }
    let cdrs = wait_for_cdrs(&bridge, table.len());
    for cdr in &cdrs {
        let user = cdr["user"].as_str().unwrap_or_default();
        let (_, cause, seen_by_agent) = &table[user];
        assert_eq!(cdr["ending"]["cause"], *cause, "{cdr}");
        // The dialplan goes on after calls that were not answered.
        if *seen_by_agent != 16 {
            let seen = format!("to-whatsapp {user}:");
            assert!(pbx::wait_for_log(&seen), "{seen}");
            let line = pbx::log_line(&seen);
            assert!(line.ends_with(&format!(" {seen_by_agent}")), "{line}");
        }
        assert!(!whatsapp.gateway.is_called(user));
    }
    // What was learned costs no INVITE the next time.
    agent_dials("+491700000013", "Wait 1");
    let cdrs = wait_for_cdrs(&bridge, table.len() + 1);
    let last = &cdrs[table.len()];
    assert_eq!(last["ending"]["by"], "bridge", "{last}");
    assert_eq!(last["attempts"], serde_json::json!([]));
    let left = pbx::cli("core show channels concise");
    assert!(!left.contains("Local/+4917000000"), "{left}");
}

#[test]
fn the_agent_gives_up() {
    let user = "+491700000030";
    let whatsapp = WhatsApp::with(&[(user, User::never())]);
    let bridge = whatsapp.bridge();
    agent_dials(user, "Wait 1");
    let deadline = Instant::now() + SECOND * 10;
    while !whatsapp.gateway.is_called(user) {
        assert!(Instant::now() < deadline, "{}", bridge.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    pbx::hang_up(&format!("Local/{user}@agents"));
    let cdrs = wait_for_cdrs(&bridge, 1);
    assert_eq!(cdrs[0]["ending"]["cause"], "cancelled");
    assert_eq!(cdrs[0]["told_b"], "CANCEL");
}

/// Who picks up a callback lands in the queue, and is hung up on by the agent's side.
#[test]
fn called_back_into_the_dialplan() {
    let user = "+491700000040";
    let mut whatsapp = WhatsApp::with(&[(user, User::quick())]);
    let bridge = whatsapp.bridge();
    pbx::cli(&format!(
        "channel originate PJSIP/{user}@wabridge extension 607@try"
    ));
    let (_, report) = whatsapp.report();
    assert_held(&report);
    let cdrs = wait_for_cdrs(&bridge, 1);
    assert_eq!(cdrs[0]["ending"]["by"], "caller");
}

/// The agent's side and the user hang up in the same moment: one record, and nothing left open.
#[test]
fn both_hang_up_at_once() {
    let user = "+491700000045";
    let does = User {
        talk: Some(SECOND * 2),
        ..User::quick()
    };
    let mut whatsapp = WhatsApp::with(&[(user, does)]);
    let bridge = whatsapp.bridge();
    pbx::cli(&format!(
        "channel originate PJSIP/{user}@wabridge extension 607@try"
    ));
    whatsapp.report();
    let cdrs = wait_for_cdrs(&bridge, 1);
    assert_eq!(cdrs[0]["ending"]["cause"], "hung_up", "{}", cdrs[0]);
    assert!(!whatsapp.gateway.is_called(user));
    std::thread::sleep(SECOND);
    let left = pbx::cli("core show channels concise");
    assert!(!left.contains("PJSIP/wabridge"), "{left}");
    assert_eq!(bridge.cdrs().len(), 1);
}

/// Asterisk refers the user to another extension; the user hears one stream without a gap.
#[test]
fn referred() {
    let user = "+491700000050";
    let does = User {
        talk: Some(SECOND * 8),
        ..User::quick()
    };
    let mut whatsapp = WhatsApp::with(&[(user, does)]);
    let bridge = whatsapp.bridge();
    pbx::cli(&format!(
        "channel originate PJSIP/{user}@wabridge extension 610@try"
    ));
    let (_, report) = whatsapp.report();
    assert_held(&report);
    assert_eq!(report.heard.ssrcs.len(), 1);
    assert!(
        report.heard.longest_gap < Duration::from_millis(200),
        "{:?}",
        report.heard.longest_gap
    );
    let cdrs = wait_for_cdrs(&bridge, 1);
    assert_eq!(cdrs[0]["transfers"][0]["to"], "602", "{}", cdrs[0]);
    assert_eq!(cdrs[0]["transfers"][0]["outcome"], "answered");
}

/// Fifty in a row, each leg beeping before it refers the user on: one stream toward the user, no leg left.
#[test]
fn referred_fifty_times() {
    let user = "+491700000051";
    let does = User {
        talk: Some(SECOND * 50),
        ..User::quick()
    };
    let mut whatsapp = WhatsApp::with(&[(user, does)]);
    let bridge = whatsapp.bridge();
    pbx::cli(&format!(
        "channel originate PJSIP/{user}@wabridge extension 611@try"
    ));
    let (_, report) = whatsapp.report();
    assert_held(&report);
    assert_eq!(report.heard.ssrcs.len(), 1);
    let gap = report.heard.longest_gap;
    assert!(gap < Duration::from_millis(200), "{gap:?}");
    let cdr = &wait_for_cdrs(&bridge, 1)[0];
    let transfers = cdr["transfers"].as_array().expect("a list");
    let answered = transfers.iter().filter(|one| one["outcome"] == "answered");
    let answered = answered.count();
    println!("{answered} transfers, longest gap {gap:?}");
    assert!(answered >= 50, "{answered}");
    std::thread::sleep(SECOND);
    let left = pbx::cli("core show channels concise");
    assert!(!left.contains("PJSIP/wabridge"), "{left}");
}
