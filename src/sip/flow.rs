//! How messages reach peers. A flow is a way to reach, never an identity.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// One connection, or one UDP socket. Never reused within a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowId(pub u64);

/// A configured listener: where requests come in, and whose name and certificate our own requests carry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u16);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// 5060, or 5061 for TLS (RFC 3261 §19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// As in a Via header: `UDP`, `TCP`, `TLS`.
    pub fn token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// Where a message came from, as the world saw it: nothing here was said by the message itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    pub flow: FlowId,
    pub listener: ListenerId,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

/// A host as written: a name, or an address without brackets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

impl fmt::Display for Host {
    /// IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A place to be resolved and connected to (RFC 3263). `net` keeps one connection a hop and reuses it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NextHop {
    /// Whose socket, name and TLS settings are used.
    pub listener: ListenerId,
    pub transport: Transport,
    pub host: Host,
    pub port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The flow that a message came on. When it is closed: `fallback`, if there is one.
    Flow {
        flow: FlowId,
        remote: SocketAddr,
        fallback: Option<NextHop>,
    },
    Hop(NextHop),
}

/// Names a transmit, so that its failure finds its transaction again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransmitTag(pub u64);

/// Bytes of one whole message to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    pub tag: TransmitTag,
    pub target: Target,
    pub bytes: Vec<u8>,
}

/// Why bytes could not be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransportError {
    #[error("the connection is closed")]
    Closed,
    #[error("{0} does not resolve")]
    NotResolved(String),
    #[error("cannot connect: {0}")]
    NotConnected(String),
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("the send queue is full")]
    QueueFull,
    #[error("the message is {0} bytes, too large for UDP")]
    TooLarge(usize),
}
