//! Places calls as WhatsApp does.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use wabridge::entropy::Entropy;
use wabridge::sim::meta::{Endpoint, Plan, Settings};
use wabridge::sim::report::{Outcome, Report};
use wabridge::sim::speech::Voice;

use crate::bridge::{Bridge, HOST, NUMBER, PASSWORD};

pub const SECOND: Duration = Duration::from_secs(1);

/// A call of the usual user that lasts so long.
pub fn plan(talk: Duration) -> Plan {
    Plan {
        talk: Some(talk),
        ..Plan::new(NUMBER, PASSWORD)
    }
}

/// A call to an extension that says back what it hears.
pub fn plan_echo(talk: Duration) -> Plan {
    let mut plan = plan(talk);
    plan.media.hears = Some(Voice::User);
    plan
}

/// A call whose sound is judged by the test itself.
pub fn plan_unjudged(talk: Duration) -> Plan {
    let mut plan = plan(talk);
    plan.media.hears = None;
    plan
}

pub fn plan_until_the_pbx_hangs_up() -> Plan {
    let mut plan = plan_unjudged(SECOND);
    plan.talk = None;
    plan
}

pub fn place(bridge: &Bridge, plan: Plan) -> Report {
    place_while(bridge, plan, async {})
}

/// Places a call and does something else beside it.
pub fn place_while(bridge: &Bridge, plan: Plan, meanwhile: impl Future<Output = ()>) -> Report {
    let settings = Settings {
        target: bridge.facing_whatsapp,
        host: HOST.into(),
        ca: bridge.ca(),
        media: IpAddr::V4(Ipv4Addr::LOCALHOST),
        reuse_connection: false,
        answer_options: false,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::new(settings, Entropy::from_seed([7; 32])).expect("the simulator");
        tokio::join!(endpoint.call(plan), meanwhile).0
    })
}

/// Everything that the simulator looks at held, and the bridge wrote one record.
pub fn assert_clean(bridge: &Bridge, report: &Report) {
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
    assert_eq!(bridge.cdrs().len(), 1, "{:?}", bridge.cdrs());
}

pub fn was_answered(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Answered { .. })
}
