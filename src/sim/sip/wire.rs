//! Sockets for SIP: one way to send for UDP, TCP and TLS, and readers that hand every message to the [`Hub`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::sim::sip::framer::Framer;
use crate::sim::sip::hub::{Hub, Incoming};
use crate::sim::sip::message::Message;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach somebody: where a message came from, or a connection that we opened.
#[derive(Clone, Debug)]
pub struct Wire {
    pub protocol: Protocol,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// What a TLS client asked for by name (SNI).
    pub server_name: Option<Arc<str>>,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Protocol {
    Udp,
    Tcp,
    Tls,
}

#[derive(Clone, Debug)]
enum Way {
    Datagrams(Arc<UdpSocket>),
    /// Empty: close.
    Stream(mpsc::Sender<Vec<u8>>),
}

impl Protocol {
    /// As in a Via.
    pub fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// As a URI parameter.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }

    /// Nothing needs to be sent twice.
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }
}

impl Wire {
    pub async fn send(&self, message: &Message) {
        self.send_bytes(message.to_bytes()).await;
    }

    /// Ends a connection; datagrams have none.
    pub async fn close(&self) {
        match &self.way {
            Way::Datagrams(_) => {}
            Way::Stream(writer) => {
                let _ = writer.send(Vec::new()).await;
            }
        }
    }

    /// A closed connection swallows what is sent; the call sees it by its timers, as a real endpoint does.
    pub async fn send_bytes(&self, bytes: Vec<u8>) {
        tracing::trace!(to = %self.peer, text = %String::from_utf8_lossy(&bytes), "sent");
        match &self.way {
            Way::Datagrams(socket) => {
                let _ = socket.send_to(&bytes, self.peer).await;
            }
            Way::Stream(writer) => {
                let _ = writer.send(bytes).await;
            }
        }
    }
}

/// A bound socket, from which anybody can be reached.
#[derive(Clone, Debug)]
pub struct Datagrams {
    pub local: SocketAddr,
    socket: Arc<UdpSocket>,
}

impl Datagrams {
    pub fn toward(&self, peer: SocketAddr) -> Wire {
        Wire {
            protocol: Protocol::Udp,
            local: self.local,
            peer,
            server_name: None,
            way: Way::Datagrams(self.socket.clone()),
        }
    }
}

/// Receives datagrams for ever.
pub async fn listen_udp(bind: SocketAddr, hub: Arc<Hub>) -> io::Result<Datagrams> {
    let socket = Arc::new(UdpSocket::bind(bind).await?);
    let local = socket.local_addr()?;
    let datagrams = Datagrams { local, socket };
    let ours = datagrams.clone();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        loop {
            // An ICMP error of an earlier datagram is not ours to die of.
            let Ok((length, peer)) = ours.socket.recv_from(&mut buffer).await else {
                continue;
            };
            hand_over(&hub, &ours.toward(peer), &buffer[..length]).await;
        }
    });
    Ok(datagrams)
}

pub async fn listen_tcp(bind: SocketAddr, hub: Arc<Hub>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(bind).await?;
    let local = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let ends = (local, peer);
            run_stream(stream, Protocol::Tcp, ends, None, hub.clone());
        }
    });
    Ok(local)
}

pub async fn listen_tls(
    bind: SocketAddr,
    acceptor: TlsAcceptor,
    hub: Arc<Hub>,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(bind).await?;
    let local = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let (acceptor, hub) = (acceptor.clone(), hub.clone());
            tokio::spawn(async move {
                let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
                match handshake.await {
                    Ok(Ok(stream)) => {
                        let name = stream.get_ref().1.server_name().map(Arc::from);
                        run_stream(stream, Protocol::Tls, (local, peer), name, hub);
                    }
                    Ok(Err(error)) => hub.note(format!("TLS handshake from {peer}: {error}")),
                    Err(_) => hub.note(format!("TLS handshake from {peer}: too slow")),
                }
            });
        }
    });
    Ok(local)
}

pub async fn dial_tcp(peer: SocketAddr, hub: Arc<Hub>) -> io::Result<Wire> {
    let stream = TcpStream::connect(peer).await?;
    let local = stream.local_addr()?;
    Ok(run_stream(stream, Protocol::Tcp, (local, peer), None, hub))
}

/// Connects, validates chain and name. `pause` is waited between TCP and TLS (a slow peer).
pub async fn dial_tls(
    peer: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
    pause: Duration,
    hub: Arc<Hub>,
) -> io::Result<Wire> {
    let stream = TcpStream::connect(peer).await?;
    let local = stream.local_addr()?;
    tokio::time::sleep(pause).await;
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, connector.connect(name, stream)).await??;
    Ok(run_stream(stream, Protocol::Tls, (local, peer), None, hub))
}

fn run_stream<S>(
    stream: S,
    protocol: Protocol,
    (local, peer): (SocketAddr, SocketAddr),
    server_name: Option<Arc<str>>,
    hub: Arc<Hub>,
) -> Wire
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let (sender, queue) = mpsc::channel(64);
    let wire = Wire {
        protocol,
        local,
        peer,
        server_name,
        way: Way::Stream(sender),
    };
    tokio::spawn(write_all(writer, queue));
    tokio::spawn(read_all(reader, wire.clone(), hub));
    wire
}

async fn write_all<S: AsyncWrite>(mut writer: WriteHalf<S>, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await.filter(|bytes| !bytes.is_empty()) {
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

async fn read_all<S: AsyncRead>(mut reader: ReadHalf<S>, wire: Wire, hub: Arc<Hub>) {
    let mut framer = Framer::default();
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        framer.push(&buffer[..length]);
        loop {
            match framer.take() {
                Ok(Some(message)) => hand_over(&hub, &wire, &message).await,
                Ok(None) => break,
                Err(error) => return hub.note(format!("{}: {error}", wire.peer)),
            }
        }
    }
}

async fn hand_over(hub: &Hub, wire: &Wire, bytes: &[u8]) {
    if bytes.iter().all(|byte| b"\r\n\0".contains(byte)) {
        return;
    }
    tracing::trace!(from = %wire.peer, text = %String::from_utf8_lossy(bytes), "received");
    match Message::parse(bytes) {
        Ok(message) => {
            let wire = wire.clone();
            hub.deliver(Incoming { message, wire }).await;
        }
        Err(error) => hub.note(format!("unreadable message from {}: {error}", wire.peer)),
    }
}
