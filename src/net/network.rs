//! The door to all sockets of SIP.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::error;

use super::back_off::BackOff;
use super::connect::{Connector, Hop};
use super::limits::Counters;
use super::notice::{FlowHandle, NOTICES, Notice, Outgoing, Refusal};
use super::open::{FlowIds, OpenListener, Opening};
use super::resolve::Resolver;
use super::{Capacity, CertificateFacts, NetError, NetEvent, Patience};
use crate::config::{Listener, StaticHosts};
use crate::entropy::Entropy;
use crate::sip::flow::{
    FlowId, Host, ListenerId, NextHop, Target, Transmit, TransmitTag, Transport, TransportError,
};

/// All listeners, flows and connections of this process.
pub struct Network {
    notices: mpsc::Receiver<Notice>,
    connector: Arc<Connector>,
    listeners: BTreeMap<ListenerId, OpenListener>,
    /// UDP listeners by their flow.
    sockets: HashMap<FlowId, ListenerId>,
    flows: HashMap<FlowId, Flow>,
    /// One connection a hop.
    pool: BTreeMap<NextHop, FlowId>,
    back_off: BackOff,
    /// Found out while sending; told before everything else.
    events: VecDeque<NetEvent>,
    flow_ids: FlowIds,
    capacity: Capacity,
}

struct Flow {
    handle: FlowHandle,
    /// For connections of our own.
    hop: Option<NextHop>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Attempt {
    First,
    Last,
}

/// How a listener is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerState {
    pub listener: ListenerId,
    pub name: String,
    /// Where it is bound, with the port the system gave when 0 was asked for.
    pub local: SocketAddr,
    pub listening: bool,
    pub certificate: Option<CertificateFacts>,
}

impl Network {
    /// Binds every listener. Must be called inside a tokio runtime, on which all tasks run.
    pub fn open(
        listeners: &BTreeMap<ListenerId, Listener>,
        hosts: &StaticHosts,
        capacity: Capacity,
        patience: Patience,
        mut entropy: Entropy,
    ) -> Result<Self, NetError> {
        let (notices, received) = mpsc::channel(NOTICES);
        let mut opening = Opening::new(notices.clone(), capacity, patience);
        for (id, listener) in listeners {
            opening.listener(*id, listener)?;
        }
        let connector = Connector {
            origins: opening.origins,
            resolver: Resolver::new(hosts, entropy.fork()),
            notices,
            counters: opening.common.counters,
            patience,
        };
        Ok(Self {
            notices: received,
            connector: Arc::new(connector),
            listeners: opening.open,
            sockets: opening.sockets,
            flows: HashMap::new(),
            pool: BTreeMap::new(),
            back_off: BackOff::new(entropy),
            events: VecDeque::new(),
            flow_ids: opening.common.flows,
            capacity,
        })
    }

    /// The next thing that happened. Dropping the future loses nothing.
    pub async fn next(&mut self) -> NetEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.notices.recv().await {
                Some(notice) => self.handle_notice(notice),
                // The connector keeps a sender: this end is not reached while the network lives.
                None => std::future::pending().await,
            }
        }
    }

    /// Hands a message on; never waits. What fails comes back by `next`.
    pub fn send(&mut self, transmit: Transmit) {
        let Transmit { tag, target, bytes } = transmit;
        match target {
            Target::Hop(hop) => self.send_to_hop(hop, Attempt::First, tag, bytes),
            Target::Flow {
                flow,
                remote,
                fallback,
            } => match self.sockets.get(&flow) {
                Some(listener) => self.send_datagram(*listener, remote, tag, &bytes),
                None => {
                    let retry = fallback;
                    self.send_on_flow(flow, Outgoing { tag, bytes, retry });
                }
            },
        }
    }

    /// Takes other static hosts, and reads certificates, keys, trust, resolv.conf and the hosts file again. A listener whose files are bad keeps what
    /// it has; all errors come back.
    pub fn reload(
        &mut self,
        listeners: &BTreeMap<ListenerId, Listener>,
        hosts: &StaticHosts,
    ) -> Vec<NetError> {
        self.connector.resolver.reload(hosts);
        let mut errors = Vec::new();
        for (id, open) in &self.listeners {
            let settings = listeners.get(id).and_then(|listener| listener.tls.as_ref());
            let (Some(tls), Some(settings)) = (&open.tls, settings) else {
                continue;
            };
            if let Err(error) = tls.reload(settings) {
                error!(listener = %open.name, %error, "the old certificate stays");
                let listener = open.name.clone();
                errors.push(NetError::Tls { listener, error });
            }
        }
        errors
    }

    pub fn listeners(&self) -> Vec<ListenerState> {
        self.listeners
            .iter()
            .map(|(id, open)| ListenerState {
                listener: *id,
                name: open.name.clone(),
                local: open.local,
                listening: !open.task.is_finished(),
                certificate: open.tls.as_ref().map(|tls| tls.facts()),
            })
            .collect()
    }

    pub fn counters(&self) -> &Counters {
        &self.connector.counters
    }

    /// Connections that are open or being opened.
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// Stops listening, writes out what was handed over and closes every connection, within `deadline`.
    pub async fn close(mut self, deadline: Instant) {
        self.listeners.clear();
        self.flows.clear();
        let Self {
            mut notices,
            connector,
            ..
        } = self;
        drop(connector);
        while let Ok(Some(_)) = timeout_at(deadline, notices.recv()).await {}
    }

    fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Opened { flow, handle } => {
                self.flows.insert(flow, Flow { handle, hop: None });
            }
            Notice::Received { source, bytes } => {
                self.events.push_back(NetEvent::Received { source, bytes });
            }
            Notice::Undelivered { message, error } => self.retry(message, error),
            Notice::Connected { flow } => {
                if let Some(hop) = self.hop_of(flow) {
                    self.back_off.connected(&hop);
                }
            }
            Notice::Unreachable { flow } => {
                if let Some(hop) = self.hop_of(flow) {
                    self.back_off.failed(hop, Instant::now().into());
                }
            }
            Notice::Closed { flow } => {
                self.forget(flow);
                self.events.push_back(NetEvent::FlowClosed { flow });
            }
        }
    }

    /// Another try where the connection was there and went away; a peer that cannot be reached is told at once.
    fn retry(&mut self, message: Outgoing, error: TransportError) {
        let Outgoing { tag, bytes, retry } = message;
        match retry.filter(|_| error == TransportError::Closed) {
            Some(hop) => self.send_to_hop(hop, Attempt::Last, tag, bytes),
            None => self.fail(tag, error),
        }
    }

    fn hop_of(&self, flow: FlowId) -> Option<NextHop> {
        self.flows.get(&flow)?.hop.clone()
    }

    fn forget(&mut self, flow: FlowId) -> Option<FlowHandle> {
        let Flow { handle, hop } = self.flows.remove(&flow)?;
        if let Some(hop) = hop
            && self.pool.get(&hop) == Some(&flow)
        {
            self.pool.remove(&hop);
        }
        Some(handle)
    }

    fn send_on_flow(&mut self, flow: FlowId, message: Outgoing) {
        let refusal = match self.flows.get(&flow) {
            Some(open) => open.handle.send(message),
            None => Err(Refusal::Closed(message)),
        };
        match refusal {
            Ok(()) => {}
            Err(Refusal::Closed(message)) => {
                self.forget(flow);
                self.retry(message, TransportError::Closed);
            }
            Err(Refusal::Full(message)) => {
                if let Some(handle) = self.forget(flow) {
                    handle.abort();
                }
                self.fail(message.tag, TransportError::QueueFull);
            }
        }
    }

    fn send_to_hop(&mut self, hop: NextHop, attempt: Attempt, tag: TransmitTag, bytes: Vec<u8>) {
        if let (Transport::Udp, Host::Address(address)) = (hop.transport, &hop.host) {
            let port = hop.port.unwrap_or(hop.transport.default_port());
            let to = SocketAddr::new(*address, port);
            return self.send_datagram(hop.listener, to, tag, &bytes);
        }
        let live = self.pool.get(&hop).copied();
        let live = live.filter(|flow| self.flows.contains_key(flow));
        let Some(flow) = live else {
            return self.connect(hop, tag, bytes);
        };
        // It may be closing just now: then the message goes on a new one.
        let retry = match attempt {
            Attempt::First => Some(hop),
            Attempt::Last => None,
        };
        self.send_on_flow(flow, Outgoing { tag, bytes, retry });
    }

    /// Opens a connection for a hop, with its first message.
    fn connect(&mut self, hop: NextHop, tag: TransmitTag, bytes: Vec<u8>) {
        if let Some(wait) = self.back_off.wait(&hop, Instant::now().into()) {
            let seconds = wait.as_secs().saturating_add(1);
            let why = format!(
                "{} failed a moment ago; next attempt in {seconds} s",
                hop.host
            );
            return self.fail(tag, TransportError::NotConnected(why));
        }
        if self.pool.len() >= self.capacity.outbound {
            let error = TransportError::NotConnected("too many connections of our own".to_owned());
            return self.fail(tag, error);
        }
        let (handle, orders) = FlowHandle::pair(self.capacity.queue);
        let flow = self.flow_ids.next();
        let task = Hop {
            connector: self.connector.clone(),
            flow,
            hop: hop.clone(),
            orders,
        };
        tokio::spawn(task.run());
        self.pool.insert(hop.clone(), flow);
        self.flows.insert(
            flow,
            Flow {
                handle,
                hop: Some(hop),
            },
        );
        let retry = None;
        self.send_on_flow(flow, Outgoing { tag, bytes, retry });
    }

    fn send_datagram(
        &mut self,
        listener: ListenerId,
        to: SocketAddr,
        tag: TransmitTag,
        bytes: &[u8],
    ) {
        if let Err(error) = self.connector.send_datagram(listener, to, bytes) {
            self.fail(tag, error);
        }
    }

    fn fail(&mut self, tag: TransmitTag, error: TransportError) {
        self.events
            .push_back(NetEvent::TransmitFailed { tag, error });
    }
}
