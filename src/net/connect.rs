//! Hops that a message is sent to: names resolved, connections opened, TLS names verified.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tracing::{debug, info};

use super::limits::{Counters, count};
use super::notice::{FlowOrders, Notice, Notices, Outgoing};
use super::resolve::Resolver;
use super::stream::{self, Opener, Stream};
use super::tls::TlsListener;
use super::udp::UdpSender;
use super::{Patience, accept};
use crate::sip::flow::{FlowId, Host, ListenerId, NextHop, Source, Transport, TransportError};

/// What a listener lends to requests of ours.
pub(super) struct Origin {
    pub(super) bind: IpAddr,
    pub(super) udp: Option<UdpSender>,
    pub(super) tls: Option<Arc<TlsListener>>,
}

/// Shared by all hops.
pub(super) struct Connector {
    pub(super) origins: BTreeMap<ListenerId, Origin>,
    pub(super) resolver: Resolver,
    pub(super) notices: Notices,
    pub(super) counters: Arc<Counters>,
    pub(super) patience: Patience,
}

/// A connection to be opened, or datagrams to a name, on behalf of one flow.
pub(super) struct Hop {
    pub(super) connector: Arc<Connector>,
    pub(super) flow: FlowId,
    pub(super) hop: NextHop,
    pub(super) orders: FlowOrders,
}

impl Hop {
    pub(super) async fn run(self) {
        match self.hop.transport {
            Transport::Udp => self.run_datagrams().await,
            Transport::Tcp | Transport::Tls => self.run_connection().await,
        }
    }

    async fn run_connection(mut self) {
        let connected = tokio::select! {
            connected = self.connector.connect(&self.hop) => connected,
            () = FlowOrders::aborted(&mut self.orders.abort) => Err(TransportError::QueueFull),
        };
        match connected {
            Ok((stream, source)) => {
                let source = Source {
                    flow: self.flow,
                    ..source
                };
                let connected = Notice::Connected { flow: self.flow };
                if self.connector.notices.send(connected).await.is_err() {
                    return;
                }
                let context = self.connector.stream_context();
                stream::run(stream, source, self.orders, context).await;
            }
            Err(error) => {
                let unreachable = Notice::Unreachable { flow: self.flow };
                // Nobody listens any more: the process is closing the network.
                let _ = self.connector.notices.send(unreachable).await;
                self.fail(error).await;
            }
        }
    }

    async fn fail(mut self, error: TransportError) {
        let hop = &self.hop;
        info!(host = %hop.host, transport = hop.transport.token(), %error, "cannot reach peer");
        count(&self.connector.counters.connects_failed);
        let notices = &self.connector.notices;
        self.orders.give_back(notices, &error).await;
        // Nobody listens any more: the process is closing the network.
        let _ = notices.send(Notice::Closed { flow: self.flow }).await;
    }

    /// Datagrams to a name leave in order, all to one address as long as its record lives (RFC 3263 §4.4).
    async fn run_datagrams(mut self) {
        let mut known: Option<(SocketAddr, Instant)> = None;
        let idle = self.connector.patience.keep_alive;
        while let Ok(Some(message)) = timeout(idle, self.orders.queue.recv()).await {
            self.send_datagram(message, &mut known).await;
        }
        self.orders.queue.close();
        while let Some(message) = self.orders.queue.recv().await {
            self.send_datagram(message, &mut known).await;
        }
        let closed = Notice::Closed { flow: self.flow };
        let _ = self.connector.notices.send(closed).await;
    }

    async fn send_datagram(&self, message: Outgoing, known: &mut Option<(SocketAddr, Instant)>) {
        let address = match known.filter(|(_, until)| Instant::now() < *until) {
            Some((address, _)) => Ok(address),
            None => self
                .connector
                .datagram_address(&self.hop)
                .await
                .map(|found| {
                    *known = Some(found);
                    found.0
                }),
        };
        let sent = address.and_then(|address| {
            self.connector
                .send_datagram(self.hop.listener, address, &message.bytes)
        });
        if let Err(error) = sent {
            let notices = &self.connector.notices;
            let _ = notices.send(Notice::Undelivered { message, error }).await;
        }
    }
}

impl Connector {
    fn stream_context(&self) -> stream::Context {
        stream::Context {
            opener: Opener::Us,
            notices: self.notices.clone(),
            counters: self.counters.clone(),
            patience: self.patience,
        }
    }

    pub(super) fn send_datagram(
        &self,
        listener: ListenerId,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), TransportError> {
        let socket = self.origin(listener)?.udp.as_ref();
        let socket = socket.ok_or_else(|| no_such("UDP socket"))?;
        if !socket.send(to, bytes)? {
            count(&self.counters.datagrams_unsent);
        }
        Ok(())
    }

    async fn datagram_address(
        &self,
        hop: &NextHop,
    ) -> Result<(SocketAddr, Instant), TransportError> {
        let ours = self.origin(hop.listener)?.bind;
        let found = self.resolve(hop).await?;
        let reachable = |address: &&SocketAddr| address.is_ipv4() == ours.is_ipv4();
        match found.addresses.iter().find(reachable) {
            Some(address) => Ok((*address, found.until.into())),
            None => Err(TransportError::NotResolved(hop.host.to_string())),
        }
    }

    async fn resolve(&self, hop: &NextHop) -> Result<super::resolve::Found, TransportError> {
        let found = timeout(self.patience.resolve, self.resolver.resolve(hop)).await;
        found.unwrap_or_else(|_| Err(TransportError::NotResolved(hop.host.to_string())))
    }

    /// The first address that answers, in the order of RFC 3263. The source lacks only its flow. When none does, the
    /// error of the preferred one is told.
    async fn connect(&self, hop: &NextHop) -> Result<(Stream, Source), TransportError> {
        let origin = self.origin(hop.listener)?;
        let mut first = None;
        for remote in self.resolve(hop).await?.addresses {
            match self.connect_to(hop, origin, remote).await {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    debug!(%remote, %error, "address does not answer");
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| TransportError::NotResolved(hop.host.to_string())))
    }

    async fn connect_to(
        &self,
        hop: &NextHop,
        origin: &Origin,
        remote: SocketAddr,
    ) -> Result<(Stream, Source), TransportError> {
        let failed = |error: String| TransportError::NotConnected(format!("{remote}: {error}"));
        let deadline = Instant::now() + self.patience.connect;
        let stream = match timeout_at(deadline, dial(origin.bind, remote)).await {
            Ok(stream) => stream.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed("no answer".to_owned())),
        };
        let local = accept::prepare(&stream).map_err(|error| failed(error.to_string()))?;
        let stream = match hop.transport {
            Transport::Udp | Transport::Tcp => Stream::Plain(stream),
            Transport::Tls => self.secure(hop, origin, stream).await?,
        };
        let source = Source {
            flow: FlowId(0),
            listener: hop.listener,
            transport: hop.transport,
            local,
            remote,
        };
        Ok((stream, source))
    }

    async fn secure(
        &self,
        hop: &NextHop,
        origin: &Origin,
        stream: TcpStream,
    ) -> Result<Stream, TransportError> {
        let tls = origin.tls.as_ref().ok_or_else(|| no_such("TLS settings"))?;
        let connector = TlsConnector::from(tls.client_config());
        let name = server_name(&hop.host)?;
        match timeout(self.patience.connect, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream.into()))),
            Ok(Err(error)) => Err(TransportError::Tls(error.to_string())),
            Err(_) => Err(TransportError::Tls("handshake not finished in time".into())),
        }
    }

    fn origin(&self, listener: ListenerId) -> Result<&Origin, TransportError> {
        self.origins
            .get(&listener)
            .ok_or_else(|| no_such("such listener"))
    }
}

/// Connects from the listener's own address, so that a PBX which knows us by address knows us.
async fn dial(ours: IpAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = match remote {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    let same_family = ours.is_ipv4() == remote.is_ipv4();
    let reachable = ours.is_loopback() == remote.ip().is_loopback();
    if same_family && reachable && !ours.is_unspecified() {
        socket.bind(SocketAddr::new(ours, 0))?;
    }
    socket.connect(remote).await
}

/// The name to be verified is the one that was configured, not what DNS made of it (RFC 5922 §7.2).
fn server_name(host: &Host) -> Result<ServerName<'static>, TransportError> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|_| TransportError::NotResolved(name.clone())),
    }
}

fn no_such(what: &str) -> TransportError {
    TransportError::NotConnected(format!("the listener has no {what}"))
}
