//! DTLS 1.3 (RFC 9147, RFC 8446), taken up where a hello of both versions is answered: the client has its keys a round
//! trip earlier, certificates are not seen by others, and what is lost is told by ACKs.
//!
//! ```text
//!  association      datagrams in and out, ACKs, alerts, what comes after the handshake
//!   client · server   whose message is expected next
//!    conversation     transcript, records, the flight that is out
//!     messages        what a message says
//!     flight · ack · record    messages to datagrams and back
//!     schedule · suite    from the shared secret to keys
//! ```
//!
//! Not here: pre-shared keys, 0-RTT, tickets (those that come are acknowledged and dropped), connection ids, certificates
//! after the handshake.

mod ack;
mod association;
mod client;
mod conversation;
mod flight;
mod messages;
mod record;
mod schedule;
mod server;
mod suite;

pub use association::{Association, Told};
pub use record::is_sealed;

use suite::CipherSuite;

/// What a hello of ours offers.
pub const SUITES: [u16; 3] = [
    CipherSuite::Aes128.code(),
    CipherSuite::Aes256.code(),
    CipherSuite::ChaCha20.code(),
];
