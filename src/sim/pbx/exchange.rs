//! The PBX as a whole: listeners, numbers, what is not a call.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::entropy::Entropy;
use crate::sim::pbx::behaviour::Behaviour;
use crate::sim::pbx::call;
use crate::sim::pbx::dialogs::Dialogs;
use crate::sim::pbx::plan::{Plan, Target, Transport};
use crate::sim::report::{Outcome, Report};
use crate::sim::sip::dialog::respond;
use crate::sim::sip::message::{user_part, without_parameters};
use crate::sim::sip::wire::{
    Datagrams, Protocol, dial_tcp, dial_tls, listen_tcp, listen_tls, listen_udp,
};
use crate::sim::sip::{Hub, Incoming, Wire};
use crate::sim::tls;

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
    /// Those that another call may take the place of.
    pub dialogs: Dialogs,
    doors: Mutex<Vec<Door>>,
    entropy: Mutex<Entropy>,
}

/// Where the exchange listens.
#[derive(Clone, Debug)]
enum Door {
    Datagrams(Datagrams),
    Streams(Protocol, SocketAddr),
}

impl Door {
    fn address(&self) -> (Protocol, SocketAddr) {
        match self {
            Self::Datagrams(datagrams) => (Protocol::Udp, datagrams.local),
            Self::Streams(protocol, address) => (*protocol, *address),
        }
    }
}

impl Exchange {
    /// Reports come with the number that was called.
    pub fn start(
        media: IpAddr,
        numbers: BTreeMap<String, Behaviour>,
        otherwise: Option<Behaviour>,
        entropy: Entropy,
    ) -> (Arc<Self>, mpsc::Receiver<(String, Report)>) {
        numbers
            .values()
            .chain(&otherwise)
            .for_each(Behaviour::prepare);
        let (hub, strangers) = Hub::new();
        let (reports, receiver) = mpsc::channel(256);
        let exchange = Arc::new(Self {
            hub,
            media,
            numbers,
            otherwise,
            reports,
            dialogs: Dialogs::default(),
            doors: Mutex::default(),
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
        let door = match (protocol, tls) {
            (Protocol::Udp, _) => Door::Datagrams(listen_udp(bind, hub).await?),
            (Protocol::Tcp, _) => Door::Streams(protocol, listen_tcp(bind, hub).await?),
            (Protocol::Tls, Some(acceptor)) => {
                Door::Streams(protocol, listen_tls(bind, acceptor, hub).await?)
            }
            (Protocol::Tls, None) => {
                return Err(io::Error::other("TLS needs a certificate and a key"));
            }
        };
        let (_, address) = door.address();
        self.doors().push(door);
        Ok(address)
    }

    /// Places one call and sees it to its end.
    pub async fn call(self: &Arc<Self>, target: &Target, plan: Plan) -> Report {
        match self.connect(target).await {
            Ok(wire) => call::place(self, plan, wire).await,
            Err(error) => {
                let mut report = Report {
                    outcome: Outcome::Unreachable(error.to_string()),
                    ..Report::default()
                };
                report.verdict.violation("connection", error.to_string());
                report
            }
        }
    }

    async fn connect(&self, target: &Target) -> io::Result<Wire> {
        let hub = self.hub.clone();
        match &target.transport {
            Transport::Udp => Ok(self.datagrams().await?.toward(target.address)),
            Transport::Tcp => dial_tcp(target.address, hub).await,
            Transport::Tls { host, ca } => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let connector = tls::connector(ca, Arc::default()).map_err(io::Error::other)?;
                dial_tls(target.address, name, connector, Duration::ZERO, hub).await
            }
        }
    }

    async fn datagrams(&self) -> io::Result<Datagrams> {
        let open = self.doors().iter().find_map(|door| match door {
            Door::Datagrams(datagrams) => Some(datagrams.clone()),
            Door::Streams(..) => None,
        });
        match open {
            Some(datagrams) => Ok(datagrams),
            None => listen_udp((self.media, 0).into(), self.hub.clone()).await,
        }
    }

    /// Where who is reached by `wire` reaches us: a listener of ours, or else the wire's own end.
    pub(super) fn home(&self, wire: &Wire) -> SocketAddr {
        let doors = self.doors();
        let mut addresses = doors.iter().map(Door::address);
        let home = addresses.find(|(protocol, _)| *protocol == wire.protocol);
        home.map_or(wire.local, |(_, address)| address)
    }

    fn doors(&self) -> MutexGuard<'_, Vec<Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn entropy(&self) -> Entropy {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        entropy.fork()
    }

    async fn serve(self: Arc<Self>, mut strangers: mpsc::Receiver<Incoming>) {
        while let Some(incoming) = strangers.recv().await {
            let request = &incoming.message;
            let number = without_parameters(user_part(request.uri())).to_owned();
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

    pub(super) fn behaviour(&self, number: &str) -> Option<Behaviour> {
        let behaviour = self.numbers.get(number).or(self.otherwise.as_ref());
        behaviour.cloned()
    }

    /// A call of ours that is reported under the extension that placed it.
    pub(super) fn begin_own(self: Arc<Self>, plan: Plan, wire: Wire) {
        tokio::spawn(async move {
            let extension = plan.from.clone();
            let report = call::place(&self, plan, wire).await;
            let _ = self.reports.send((extension, report)).await;
        });
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
