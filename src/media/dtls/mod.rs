//! DTLS 1.2 and 1.3 as SRTP needs them (RFC 6347, RFC 9147, RFC 5764): a handshake that proves the peer to have the
//! certificate which the description named, and ends in SRTP keys. No data is carried.
//!
//! ```text
//!  engine             the door: datagrams and time in, datagrams and keys out
//!   client · server   whose message is expected next
//!    conversation     what both have: transcript, records, the flight that is out
//!     messages        what a message says
//!     flight · reassembly · record    messages to datagrams and back
//!     secrets · exchange · certificate · suite    cryptography, all of it by aws-lc
//!   v13               takes over where the hellos settle on 1.3
//!  farewell           the alert when it comes to nothing, said again to who missed it
//!  party · timer      of both versions, as are reassembly, exchange and certificate
//! ```
//!
//! One ClientHello offers both versions, and the first answer settles which is spoken: whoever has 1.2 alone reads it as a
//! hello of 1.2. That nobody between made the choice is proven in 1.3 by the transcript, and in 1.2 by what the server's
//! random ends in (RFC 8446 §4.1.3), which its signature covers.
//!
//! Written here because what is to be had does not fit: a crate without timers of one's own makes a lost hello cost a
//! second, and one that knows no RSA cannot be exchanged for another once an RSA peer has shown itself, since its first
//! alert ends the peer's side of the call. The surface is small on purpose: ECDHE, AES-GCM, certificates on both sides,
//! use_srtp.
//!
//! Not here: DTLS 1.0, resumption, renegotiation, cookies as a server (the peer's address is proven by ICE before its first
//! hello is read), application data.

mod certificate;
mod client;
mod conversation;
mod engine;
mod exchange;
mod farewell;
mod flight;
mod identity;
mod messages;
mod party;
mod reassembly;
mod record;
mod secrets;
mod server;
mod suite;
mod timer;
mod v13;
mod wire;

pub use engine::{Engine, Event};
pub use identity::{Identity, IdentityError};

/// Room that `Engine::poll_transmit` needs.
pub const MAX_DATAGRAM: usize = 1200;

/// Why there are no keys. Said once; the engine has nothing but its alert for the peer after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    #[error("the certificate is not the one that the description named")]
    Fingerprint,
    #[error("the peer showed no certificate")]
    NoCertificate,
    #[error("the certificate cannot be read, or has a key that is neither RSA nor ECDSA")]
    Certificate,
    #[error("the peer does not have the key of its certificate")]
    Signature,
    #[error("no common version of DTLS")]
    NoCommonVersion,
    #[error("both speak a newer version, and the hellos were changed on their way to hide it")]
    Downgraded,
    #[error("no common cipher suite or group")]
    NoCommonSuite,
    #[error("no common SRTP profile")]
    NoCommonProfile,
    #[error("the key exchange failed")]
    KeyExchange,
    #[error("the handshake was tampered with")]
    Finished,
    #[error("a handshake message is malformed or out of place")]
    Malformed,
    #[error("the peer gave up (alert {0})")]
    Alert(u8),
    #[error("the peer does not answer")]
    TimedOut,
    #[error("the cryptographic library refused")]
    Library,
}

impl Failure {
    /// What the peer is told (RFC 5246 §7.2.2, RFC 8446 §6.2).
    fn alert(self) -> Option<u8> {
        match self {
            Self::Fingerprint | Self::Certificate => Some(42),
            Self::NoCertificate | Self::NoCommonSuite | Self::NoCommonProfile => Some(40),
            Self::Signature | Self::Finished => Some(51),
            Self::NoCommonVersion => Some(70),
            Self::KeyExchange | Self::Downgraded => Some(47),
            Self::Malformed => Some(50),
            Self::Library => Some(80),
            Self::Alert(_) | Self::TimedOut => None,
        }
    }
}

#[cfg(test)]
mod tests;
