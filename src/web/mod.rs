//! The admin API: what the operator asks and orders, as HTTP and JSON on a Unix socket and, with a token, by TCP; the
//! commands of the command line that are its clients; and [`metrics`], there and at a place of their own.
//!
//! ```text
//!  cli ─► client ─► (socket, TCP) ─► serve ─► api ─► door ─► the signalling task
//! ```
//!
//! Every request is one question to the signalling task, or to the keeper of the consent ledger, with one answer at once;
//! connections live on the runtime's other threads, so that nobody who asks slowly holds up a call. [`words`] is what both
//! ends write and read. No protocol rule lives here.

mod api;
pub mod cli;
mod client;
mod door;
mod guard;
pub mod metrics;
mod refusal;
mod serve;
mod socket;
mod words;

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::{info, warn};

pub use door::{Order, Orders, Question};
pub use socket::ListenError;

use crate::config::{self, Admin};
use crate::store::LedgerDoor;
use api::Doors;
use door::Door;
use guard::Guard;
use serve::Listener;
use socket::SocketFile;

/// The admin API while it is served; dropped, it is gone.
pub struct Web {
    guard: Arc<Guard>,
    _socket: Option<SocketFile>,
    _tasks: JoinSet<()>,
}

impl Web {
    /// To be called in the runtime that serves it.
    pub fn open(
        admin: &Admin,
        metrics: config::Metrics,
        ledger: LedgerDoor,
    ) -> Result<(Self, Orders), ListenError> {
        let guard = Arc::new(Guard::new(admin));
        let (calls, orders) = Door::new();
        let doors = Doors {
            calls: calls.clone(),
            ledger,
        };
        let service = api::service(doors, guard.clone());
        let mut tasks = JoinSet::new();
        let mut file = None;
        if let Some((socket, listener)) = open_socket(admin)? {
            info!(socket = %socket.path().display(), "admin API");
            file = Some(socket);
            tasks.spawn(serve::serve(Listener::Socket(listener), service.clone()));
        }
        if let Some(listener) = &admin.listener {
            let listener = socket::bind_address("admin API", listener.bind)?;
            if let Ok(at) = listener.local_addr() {
                info!(%at, "admin API");
            }
            tasks.spawn(serve::serve(Listener::Address(listener), service));
        }
        if let Some(bind) = metrics.bind {
            let listener = socket::bind_address("metrics", bind)?;
            if let Ok(at) = listener.local_addr() {
                info!(%at, "metrics");
            }
            let service = api::metrics_service(calls);
            tasks.spawn(serve::serve(Listener::Address(listener), service));
        }
        let web = Self {
            guard,
            _socket: file,
            _tasks: tasks,
        };
        Ok((web, orders))
    }

    /// SIGHUP: the token follows, the places stay.
    pub fn follow(&self, admin: &Admin) {
        self.guard.follow(admin);
    }
}

fn open_socket(
    admin: &Admin,
) -> Result<Option<(SocketFile, tokio::net::UnixListener)>, ListenError> {
    let Some(path) = &admin.socket else {
        return Ok(None);
    };
    match socket::bind_file(path) {
        Ok(open) => Ok(Some(open)),
        Err(error) if Admin::is_usual(path) => {
            warn!(%error, "no admin API");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
