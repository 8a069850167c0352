//! The endpoint that places calls: connections, the listener for what arrives on fresh ones, answers outside calls.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::entropy::Entropy;
use crate::sim::fault::Fault;
use crate::sim::meta::call;
use crate::sim::meta::plan::Plan;
use crate::sim::meta::requests::ALLOW;
use crate::sim::report::Report;
use crate::sim::sip::dialog::respond;
use crate::sim::sip::wire::{dial_tls, listen_tls};
use crate::sim::sip::{Hub, Incoming, Wire};
use crate::sim::tls::{self, Asked, TlsError};

/// Where the business is, and how we are connected to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The business's listener.
    pub target: SocketAddr,
    /// The configured host name: in the request URI, and what its certificate must be for.
    pub host: String,
    /// Its certificate must chain to one in this file.
    pub ca: PathBuf,
    /// Our media sockets bind here.
    pub media: IpAddr,
    /// One connection for all calls; otherwise one each.
    pub reuse_connection: bool,
    /// OPTIONS from the business are answered.
    pub answer_options: bool,
}

pub struct Endpoint {
    pub settings: Settings,
    pub hub: Arc<Hub>,
    connector: TlsConnector,
    asked: Arc<Asked>,
    entropy: std::sync::Mutex<Entropy>,
    shared: Mutex<Option<Wire>>,
}

impl Endpoint {
    pub fn new(settings: Settings, entropy: Entropy) -> Result<Arc<Self>, TlsError> {
        let (hub, strangers) = Hub::new();
        let endpoint = Self::beside(hub, settings, entropy)?;
        tokio::spawn(answer_strangers(
            strangers,
            endpoint.settings.answer_options,
        ));
        Ok(endpoint)
    }

    /// Where somebody else, such as a [`Gateway`], is wa.meta.vc: requests of running calls come by its `hub`.
    ///
    /// [`Gateway`]: crate::sim::meta::Gateway
    pub fn beside(
        hub: Arc<Hub>,
        settings: Settings,
        entropy: Entropy,
    ) -> Result<Arc<Self>, TlsError> {
        let asked = Arc::new(Asked::default());
        Ok(Arc::new(Self {
            connector: tls::connector(&settings.ca, asked.clone())?,
            asked,
            settings,
            hub,
            entropy: std::sync::Mutex::new(entropy),
            shared: Mutex::new(None),
        }))
    }

    /// wa.meta.vc itself: requests of running calls may come here on fresh connections.
    pub async fn listen(&self, bind: SocketAddr, acceptor: TlsAcceptor) -> io::Result<SocketAddr> {
        listen_tls(bind, acceptor, self.hub.clone()).await
    }

    /// Places one call and sees it to its end.
    pub async fn call(self: &Arc<Self>, plan: Plan) -> Report {
        call::place(self, plan).await
    }

    pub fn entropy(&self) -> Entropy {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        entropy.fork()
    }

    /// Whether the business ever asked for a client certificate.
    pub fn was_asked(&self) -> bool {
        self.asked.was_asked()
    }

    /// A connection for a call.
    pub async fn connect(&self, plan: &Plan) -> io::Result<Wire> {
        if !self.settings.reuse_connection {
            return self.dial(plan).await;
        }
        let mut shared = self.shared.lock().await;
        if let Some(wire) = &*shared {
            return Ok(wire.clone());
        }
        Ok(shared.insert(self.dial(plan).await?).clone())
    }

    pub async fn dial(&self, plan: &Plan) -> io::Result<Wire> {
        let name = ServerName::try_from(self.settings.host.clone())
            .map_err(|error| io::Error::other(error.to_string()))?;
        let slow = plan.faults.contains(&Fault::SlowTls);
        let pause = Duration::from_secs(if slow { 2 } else { 0 });
        let (connector, hub) = (self.connector.clone(), self.hub.clone());
        dial_tls(self.settings.target, name, connector, pause, hub).await
    }
}

async fn answer_strangers(mut strangers: mpsc::Receiver<Incoming>, answer_options: bool) {
    while let Some(incoming) = strangers.recv().await {
        answer_stranger(&incoming, answer_options).await;
    }
}

/// Requests outside calls (dossier 10.1).
pub(super) async fn answer_stranger(Incoming { message, wire }: &Incoming, answer_options: bool) {
    let (status, reason) = match message.method() {
        "" | "ACK" => return,
        "OPTIONS" if !answer_options => return,
        "OPTIONS" => (200, "OK"),
        "REGISTER" => (403, "Forbidden"),
        "INVITE" => (480, "Temporarily Unavailable"),
        "BYE" | "CANCEL" => (404, "Not Found"),
        _ => (405, "Method Not Allowed"),
    };
    let response = respond(message, status, reason, "stranger")
        .with("Allow", ALLOW)
        .with("X-FB-External-Domain", "wa.meta.vc");
    wire.send(&response).await;
}
