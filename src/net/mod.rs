//! SIP's sockets: UDP, TCP and TLS flows, name resolution, connection limits, the RTP port range.
//!
//! Only bytes of whole messages and their [`Source`](crate::sip::flow::Source) go up; nothing here reads a header.
//! [`Network`] is the door: `open`, then `next` for what happened and `send` for what is to leave. `send` never waits:
//! what cannot be sent comes back as [`NetEvent::TransmitFailed`].
//!
//! ```text
//!  network ─┬─ udp        one socket a listener; its messages are whole as they come
//!           ├─ accept ─┬─ stream     one task a connection: framer, queue, keep-alive, idle time
//!           ├─ connect ┘             the same, after resolve (RFC 3263), connect and TLS
//!           ├─ back_off   hops that could not be reached, and when they are tried again
//!           ├─ tls        certificates that change while running, trust, server names
//!           └─ limits     how many connections, how many from one address
//! ```
//!
//! A flow belongs to one task. A peer that does not read fills its own bounded queue and loses its connection; a peer
//! that floods waits, since every flow hands its messages to one bounded queue in turn.

mod accept;
mod back_off;
mod connect;
mod limits;
mod network;
mod notice;
mod open;
pub mod ports;
mod resolve;
mod stream;
mod tls;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

pub use limits::Counters;
pub use network::{ListenerState, Network};
pub use tls::{CertificateFacts, TlsError};

use crate::sip::flow::{FlowId, Source, TransmitTag, TransportError};

/// The largest datagram read or written, in bytes: as much as UDP can carry over IPv4.
pub const MAX_DATAGRAM: usize = 65_507;

/// What the network has to say.
#[derive(Debug)]
pub enum NetEvent {
    /// One whole message.
    Received { source: Source, bytes: Vec<u8> },
    /// Nothing comes from this flow any more and nothing can be sent on it.
    FlowClosed { flow: FlowId },
    /// The message of this tag did not leave.
    TransmitFailed {
        tag: TransmitTag,
        error: TransportError,
    },
}

/// How long things may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the accepted connection to its first byte.
    pub first_byte: Duration,
    /// From a message's first byte to its last.
    pub message: Duration,
    /// Between two bytes from the peer, keep-alives included. Longer than calls are: a call's BYE comes back on it.
    pub idle: Duration,
    /// One message written; a peer that reads slower loses its connection.
    pub write: Duration,
    /// Resolution of a name, all records.
    pub resolve: Duration,
    /// One address tried by TCP, and the same again for TLS.
    pub connect: Duration,
    /// Between two CRLF keep-alives on connections we opened (RFC 5626 §4.4.1: 95 to 120 s).
    pub keep_alive: Duration,
    /// From our keep-alive to the answer of a peer that has answered one before (RFC 5626 §4.4.1).
    pub pong: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            message: Duration::from_secs(20),
            idle: Duration::from_secs(2 * 3600),
            write: Duration::from_secs(10),
            resolve: Duration::from_secs(6),
            connect: Duration::from_secs(4),
            keep_alive: Duration::from_secs(100),
            pong: Duration::from_secs(10),
        }
    }
}

/// How much may be open and waiting at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// Accepted connections.
    pub connections: usize,
    /// Accepted connections from one address (IPv6: one /64).
    pub connections_per_address: usize,
    /// Connections of our own.
    pub outbound: usize,
    /// Messages that wait to be written on one connection.
    pub queue: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 256,
            outbound: 1024,
            queue: 256,
        }
    }
}

/// Why the network cannot be opened as configured. The operator's fault or the machine's, never a peer's.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error("listener {listener}: cannot bind {address}: {error}")]
    Bind {
        listener: String,
        address: SocketAddr,
        error: io::Error,
    },
    #[error("listener {listener}: {error}")]
    Tls { listener: String, error: TlsError },
    #[error("listener {listener} has transport TLS but no certificate")]
    NoCertificate { listener: String },
}
