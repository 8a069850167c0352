//! Interactive Connectivity Establishment for one component (RFC 8445), with consent freshness (RFC 7675): which address
//! of the peer is reachable and really the peer's.
//!
//! ```text
//!  agent      the door: datagrams and time in, checks and events out
//!   pair      one address of the peer, and how far its check has come
//!   consent   the peer still wants what we send
//!   stun      messages
//! ```
//!
//! * Full agent: regular nomination. The controlling side takes the first pair that works, tells the peer, and counts
//!   the pair as selected while it does: the way is proven, and what follows the nomination follows it on the wire.
//! * Lite agent, for a public address: answers only.
//! * A peer without candidates, or behind NAT, is found by its checks (peer-reflexive).
//!
//! Not here, on purpose: STUN and TURN servers (our address is given), trickling (WhatsApp does not, dossier
//! 3.2), restarts (another agent), more than one component (RTCP is multiplexed), and TCP.

mod agent;
mod consent;
mod pair;
pub mod stun;

use std::net::SocketAddr;

pub use agent::Agent;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Send here from now on, until another is selected.
    Selected { remote: SocketAddr },
    /// Nothing may be sent any more.
    Failed(Failure),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    #[error("no check was answered")]
    NothingReached,
    #[error("checks were answered, but no pair was nominated")]
    NothingNominated,
    /// RFC 7675 §5.1.
    #[error("the peer's consent was not renewed")]
    ConsentLost,
}

/// What was sent and heard, for the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub checks_sent: u64,
    pub checks_answered: u64,
    pub checks_received: u64,
    /// Not STUN, of another session, not authentic, or an answer from where nothing was asked.
    pub rejected: u64,
}

#[cfg(test)]
mod tests;
