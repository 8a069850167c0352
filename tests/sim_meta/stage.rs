//! The gateway, with an account of its own and a port of the system's choice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};
use wabridge::entropy::Entropy;
use wabridge::sim::meta::Gateway;
use wabridge::sim::meta::gateway::{Account, Business, User};
use wabridge::sim::report::Report;
use wabridge::sim::tls::Authority;

use crate::business::Line;

pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub const NUMBER: &str = "+17015550100";
pub const USER: &str = "+12195550714";
pub const HOST: &str = "sip.example.com";
pub const PASSWORD: &str = "secret";

pub struct Stage {
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    pub ca: PathBuf,
    pub entropy: std::sync::Mutex<Entropy>,
    reports: Mutex<Reports>,
    _directory: TempDir,
}

struct Reports {
    queue: mpsc::Receiver<(String, Report)>,
    unclaimed: Vec<Report>,
}

pub fn account() -> Account {
    Account::of(NUMBER, Business::new(HOST, PASSWORD))
}

impl Stage {
    pub async fn new(account: Account) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let authority = Authority::new("test").unwrap();
        authority.save(&ca).unwrap();
        let (gateway, queue) = Gateway::start(LOCAL, account, false, Entropy::from_seed([4; 32]));
        let acceptor = authority.acceptor(&["wa.meta.vc"]).unwrap();
        let any = SocketAddr::new(LOCAL, 0);
        Self {
            address: gateway.listen(any, acceptor).await.unwrap(),
            gateway,
            ca,
            entropy: std::sync::Mutex::new(Entropy::from_seed([5; 32])),
            reports: Mutex::new(Reports {
                queue,
                unclaimed: Vec::new(),
            }),
            _directory: directory,
        }
    }

    /// For one user, whom nobody else shares the account with.
    pub async fn of(user: User) -> Self {
        Self::new(account().with(USER, user)).await
    }

    /// A line to this user, by a connection of its own; not called yet.
    pub async fn line(&self, user: &str) -> Line {
        Line::open(self, user).await
    }

    /// What the gateway says about this call.
    pub async fn report(&self, call_id: &str) -> Report {
        let mut reports = self.reports.lock().await;
        loop {
            let mut unclaimed = reports.unclaimed.iter();
            if let Some(at) = unclaimed.position(|one| one.call_id == call_id) {
                return reports.unclaimed.swap_remove(at);
            }
            let (_, report) = reports.queue.recv().await.unwrap();
            println!("{}\n{}", report.outcome, report.verdict);
            reports.unclaimed.push(report);
        }
    }
}

/// Whether a check failed.
pub fn failed(report: &Report, what: &str) -> bool {
    let mut checks = report.verdict.checks.iter();
    checks.any(|check| check.what == what && !check.held)
}
