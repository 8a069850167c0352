//! Binds the listeners and starts what runs behind them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::accept::{self, Acceptor};
use super::connect::Origin;
use super::limits::{Admission, Counters, Throttle};
use super::notice::Notices;
use super::tls::TlsListener;
use super::udp::UdpSender;
use super::{Capacity, NetError, Patience, udp};
use crate::config::Listener;
use crate::sip::flow::{FlowId, ListenerId, Source, Transport};

/// Gives out flow ids, each once.
#[derive(Clone, Default)]
pub(super) struct FlowIds(Arc<AtomicU64>);

impl FlowIds {
    pub(super) fn next(&self) -> FlowId {
        FlowId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// A bound listener; dropping it stops listening.
pub(super) struct OpenListener {
    pub(super) name: String,
    pub(super) local: SocketAddr,
    pub(super) tls: Option<Arc<TlsListener>>,
    pub(super) task: JoinHandle<()>,
}

impl Drop for OpenListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all listeners share.
pub(super) struct Common {
    pub(super) flows: FlowIds,
    pub(super) notices: Notices,
    pub(super) admission: Admission,
    pub(super) counters: Arc<Counters>,
    pub(super) patience: Patience,
    pub(super) capacity: Capacity,
}

/// The network while its listeners are bound one after the other.
pub(super) struct Opening {
    pub(super) common: Common,
    pub(super) open: BTreeMap<ListenerId, OpenListener>,
    pub(super) origins: BTreeMap<ListenerId, Origin>,
    pub(super) sockets: HashMap<FlowId, ListenerId>,
}

impl Opening {
    pub(super) fn new(notices: Notices, capacity: Capacity, patience: Patience) -> Self {
        let admission = Admission::new(capacity.connections, capacity.connections_per_address);
        let common = Common {
            flows: FlowIds::default(),
            notices,
            admission,
            counters: Arc::default(),
            patience,
            capacity,
        };
        Self {
            common,
            open: BTreeMap::new(),
            origins: BTreeMap::new(),
            sockets: HashMap::new(),
        }
    }

    pub(super) fn listener(&mut self, id: ListenerId, listener: &Listener) -> Result<(), NetError> {
        let tls = open_tls(listener)?;
        let (udp, local, task) = match self.bind(id, listener, tls.as_ref()) {
            Ok(bound) => bound,
            Err(error) => {
                return Err(NetError::Bind {
                    listener: listener.name.clone(),
                    address: listener.bind,
                    error,
                });
            }
        };
        let origin = Origin {
            bind: listener.bind.ip(),
            udp,
            tls: tls.clone(),
        };
        let open = OpenListener {
            name: listener.name.clone(),
            local,
            tls,
            task,
        };
        self.origins.insert(id, origin);
        self.open.insert(id, open);
        Ok(())
    }

    fn bind(
        &mut self,
        id: ListenerId,
        listener: &Listener,
        tls: Option<&Arc<TlsListener>>,
    ) -> io::Result<(Option<UdpSender>, SocketAddr, JoinHandle<()>)> {
        match listener.transport {
            Transport::Udp => self.bind_datagrams(id, listener.bind),
            Transport::Tcp | Transport::Tls => {
                let socket = accept::bind(listener.bind)?;
                let local = socket.local_addr()?;
                let acceptor = self.common.acceptor(id, listener, tls);
                Ok((None, local, tokio::spawn(acceptor.run(socket))))
            }
        }
    }

    fn bind_datagrams(
        &mut self,
        id: ListenerId,
        address: SocketAddr,
    ) -> io::Result<(Option<UdpSender>, SocketAddr, JoinHandle<()>)> {
        let (sender, socket) = udp::bind(address)?;
        let local = sender.local()?;
        let source = Source {
            flow: self.common.flows.next(),
            listener: id,
            transport: Transport::Udp,
            local,
            remote: local,
        };
        self.sockets.insert(source.flow, id);
        let task = tokio::spawn(udp::receive(socket, source, self.common.notices.clone()));
        Ok((Some(sender), local, task))
    }
}

impl Common {
    fn acceptor(
        &self,
        id: ListenerId,
        listener: &Listener,
        tls: Option<&Arc<TlsListener>>,
    ) -> Acceptor {
        let tls = tls.filter(|_| listener.transport == Transport::Tls);
        Acceptor {
            listener: id,
            name: listener.name.as_str().into(),
            tls: tls.map(|tls| TlsAcceptor::from(tls.server_config())),
            flows: self.flows.clone(),
            notices: self.notices.clone(),
            admission: self.admission.clone(),
            counters: self.counters.clone(),
            talk: Throttle::new(accept::TALK).into(),
            patience: self.patience,
            capacity: self.capacity,
        }
    }
}

fn open_tls(listener: &Listener) -> Result<Option<Arc<TlsListener>>, NetError> {
    let name = || listener.name.clone();
    match (&listener.tls, listener.transport) {
        (Some(tls), _) => match TlsListener::open(tls) {
            Ok(open) => Ok(Some(Arc::new(open))),
            Err(error) => Err(NetError::Tls {
                listener: name(),
                error,
            }),
        },
        (None, Transport::Tls) => Err(NetError::NoCertificate { listener: name() }),
        (None, Transport::Udp | Transport::Tcp) => Ok(None),
    }
}
