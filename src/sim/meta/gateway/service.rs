//! The gateway as a whole: its listener, its account, the calls that it has.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::entropy::Entropy;
use crate::sim::meta::endpoint::answer_stranger;
use crate::sim::meta::gateway::account::Account;
use crate::sim::meta::gateway::admission::{Pair, State};
use crate::sim::meta::gateway::call;
use crate::sim::report::Report;
use crate::sim::sip::wire::listen_tls;
use crate::sim::sip::{Hub, Incoming};

/// How many reports may wait to be read; a call ends all the same.
const REPORTS: usize = 4_096;

/// wa.meta.vc for businesses that call.
pub struct Gateway {
    pub hub: Arc<Hub>,
    /// Our media sockets bind here.
    pub media: IpAddr,
    account: Mutex<Account>,
    state: Mutex<State>,
    reports: mpsc::Sender<(String, Report)>,
    entropy: Mutex<Entropy>,
    answer_options: bool,
}

impl Gateway {
    /// Reports come with the user that was called, in the order in which calls end. `answer_options`: OPTIONS outside calls is
    /// answered.
    pub fn start(
        media: IpAddr,
        account: Account,
        answer_options: bool,
        entropy: Entropy,
    ) -> (Arc<Self>, mpsc::Receiver<(String, Report)>) {
        let (hub, strangers) = Hub::new();
        let (reports, receiver) = mpsc::channel(REPORTS);
        let gateway = Arc::new(Self {
            hub,
            media,
            account: Mutex::new(account),
            state: Mutex::default(),
            reports,
            entropy: Mutex::new(entropy),
            answer_options,
        });
        tokio::spawn(gateway.clone().serve(strangers));
        (gateway, receiver)
    }

    /// Serves one address; the acceptor comes from [`tls::acceptor`], for a certificate of `wa.meta.vc`.
    ///
    /// [`tls::acceptor`]: crate::sim::tls::acceptor
    pub async fn listen(&self, bind: SocketAddr, acceptor: TlsAcceptor) -> io::Result<SocketAddr> {
        listen_tls(bind, acceptor, self.hub.clone()).await
    }

    /// Facts change: calls from now on see it.
    pub fn change(&self, change: impl FnOnce(&mut Account)) {
        change(&mut self.account());
    }

    /// Whether a call with this user is active.
    pub fn is_called(&self, user: &str) -> bool {
        self.state().is_called(user)
    }

    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn entropy(&self) -> Entropy {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        entropy.fork()
    }

    async fn serve(self: Arc<Self>, mut strangers: mpsc::Receiver<Incoming>) {
        while let Some(incoming) = strangers.recv().await {
            let request = &incoming.message;
            match (request.method(), request.tag_of("To")) {
                ("INVITE", None) => self.clone().begin(incoming),
                _ => answer_stranger(&incoming, self.answer_options).await,
            }
        }
    }

    fn begin(self: Arc<Self>, invite: Incoming) {
        let call_id = invite.message.call_id().to_owned();
        let messages = self.hub.join(&call_id);
        tokio::spawn(async move {
            let report = call::take(&self, invite, messages).await;
            self.hub.leave(&call_id);
            let _ = self.reports.send(report).await;
        });
    }
}

/// A call that counts as active until it is left or dropped.
pub struct Seat {
    gateway: Arc<Gateway>,
    call_id: String,
    pair: Pair,
}

impl Seat {
    pub fn taken(gateway: &Arc<Gateway>, call_id: &str, pair: &Pair) -> Self {
        Self {
            gateway: gateway.clone(),
            call_id: call_id.into(),
            pair: pair.clone(),
        }
    }

    pub fn connected(&self) {
        self.gateway.state().count_connected(&self.pair);
    }

    /// Before the business is told that the call is over: it may call again at once.
    pub fn leave(&self) {
        self.gateway.state().end(&self.call_id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}
