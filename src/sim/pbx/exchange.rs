//! The PBX as a whole: listeners, numbers, what is not a call.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::entropy::Entropy;
use crate::sim::pbx::behaviour::Behaviour;
use crate::sim::pbx::call;
use crate::sim::report::Report;
use crate::sim::sip::dialog::respond;
use crate::sim::sip::message::user_part;
use crate::sim::sip::wire::{Protocol, listen_tcp, listen_tls, listen_udp};
use crate::sim::sip::{Hub, Incoming};

const METHODS: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, REGISTER";

pub struct Exchange {
    pub hub: Arc<Hub>,
    /// Our media sockets bind here.
    pub media: IpAddr,
    /// By the user part that is called.
    numbers: BTreeMap<String, Behaviour>,
    /// For every other number; without it they get 404.
    otherwise: Option<Behaviour>,
    reports: mpsc::Sender<(String, Report)>,
    entropy: Mutex<Entropy>,
}

impl Exchange {
    /// Reports come with the number that was called.
    pub fn start(
        media: IpAddr,
        numbers: BTreeMap<String, Behaviour>,
        otherwise: Option<Behaviour>,
        entropy: Entropy,
    ) -> (Arc<Self>, mpsc::Receiver<(String, Report)>) {
        let (hub, strangers) = Hub::new();
        let (reports, receiver) = mpsc::channel(256);
        let exchange = Arc::new(Self {
            hub,
            media,
            numbers,
            otherwise,
            reports,
            entropy: Mutex::new(entropy),
        });
        tokio::spawn(exchange.clone().serve(strangers));
        (exchange, receiver)
    }

    /// Serves one address. TLS needs an acceptor.
    pub async fn listen(
        &self,
        protocol: Protocol,
        bind: SocketAddr,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<SocketAddr> {
        let hub = self.hub.clone();
        match (protocol, tls) {
            (Protocol::Udp, _) => listen_udp(bind, hub).await,
            (Protocol::Tcp, _) => listen_tcp(bind, hub).await,
            (Protocol::Tls, Some(acceptor)) => listen_tls(bind, acceptor, hub).await,
            (Protocol::Tls, None) => Err(io::Error::other("TLS needs a certificate and a key")),
        }
    }

    pub fn entropy(&self) -> Entropy {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        entropy.fork()
    }

    async fn serve(self: Arc<Self>, mut strangers: mpsc::Receiver<Incoming>) {
        while let Some(incoming) = strangers.recv().await {
            let request = &incoming.message;
            let number = user_part(request.uri());
            let number = number.split(';').next().unwrap_or(number).to_owned();
            let (status, reason) = match request.method() {
                "" | "ACK" => continue,
                "INVITE" if request.tag_of("To").is_none() => match self.behaviour(&number) {
                    Some(behaviour) => {
                        self.clone().begin(number, behaviour, incoming);
                        continue;
                    }
                    None => (404, "Not Found"),
                },
                "OPTIONS" | "REGISTER" => (200, "OK"),
                "INVITE" | "BYE" | "CANCEL" | "INFO" | "UPDATE" | "PRACK" => {
                    (481, "Call/Transaction Does Not Exist")
                }
                _ => (405, "Method Not Allowed"),
            };
            let mut response = respond(request, status, reason, "pbx").with("Allow", METHODS);
            if let ("REGISTER", Some(contact)) = (request.method(), request.header("Contact")) {
                response = response.with("Contact", contact).with("Expires", "300");
            }
            incoming.wire.send(&response).await;
        }
    }

    fn behaviour(&self, number: &str) -> Option<Behaviour> {
        let behaviour = self.numbers.get(number).or(self.otherwise.as_ref());
        behaviour.cloned()
    }

    fn begin(self: Arc<Self>, number: String, behaviour: Behaviour, invite: Incoming) {
        // Joined at once, so that a repeated INVITE is not another call.
        let call_id = invite.message.call_id().to_owned();
        let messages = self.hub.join(&call_id);
        tokio::spawn(async move {
            let report = call::take(&self, behaviour, invite, messages).await;
            self.hub.leave(&call_id);
            let _ = self.reports.send((number, report)).await;
        });
    }
}
