//! Where the peer is: as ICE finds it, or as its description says.

use std::net::SocketAddr;
use std::time::Instant;

use super::Terms;
use crate::entropy::Entropy;
use crate::media::ice::{Agent, Event, Failure};

pub enum Path {
    Checked(Box<Agent>),
    /// A peer without ICE, at its word. There is no latching here: who may speak DTLS has to be known before.
    Described(Described),
}

pub enum Described {
    Waiting(Option<SocketAddr>),
    /// The event is still to be told.
    Told(Option<SocketAddr>, Option<Event>),
}

impl Path {
    pub fn new(now: Instant, terms: &Terms, entropy: Entropy) -> Self {
        match &terms.ice {
            Some(ice) => Self::Checked(Box::new(Agent::new(now, ice.clone(), entropy))),
            None => Self::Described(Described::Waiting(terms.described)),
        }
    }

    pub fn start(&mut self, now: Instant) {
        match self {
            Self::Checked(agent) => agent.start(now),
            Self::Described(Described::Waiting(remote)) => {
                let event = match *remote {
                    Some(remote) => Event::Selected { remote },
                    None => Event::Failed(Failure::NothingReached),
                };
                *self = Self::Described(Described::Told(*remote, Some(event)));
            }
            Self::Described(Described::Told(..)) => {}
        }
    }

    pub fn handle_stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        match self {
            Self::Checked(agent) => agent.handle_datagram(now, from, datagram),
            Self::Described(_) => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Checked(agent) => agent.handle_timeout(now),
            Self::Described(_) => {}
        }
    }

    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        match self {
            Self::Checked(agent) => agent.poll_transmit(buffer),
            Self::Described(_) => None,
        }
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Checked(agent) => agent.poll_event(),
            Self::Described(Described::Told(_, event)) => event.take(),
            Self::Described(Described::Waiting(_)) => None,
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Checked(agent) => agent.poll_timeout(),
            Self::Described(_) => None,
        }
    }

    /// Whether the peer is proven, or described, to be there.
    pub fn is_peer(&self, from: SocketAddr) -> bool {
        match self {
            Self::Checked(agent) => agent.is_peer(from),
            Self::Described(Described::Waiting(remote) | Described::Told(remote, _)) => {
                *remote == Some(from)
            }
        }
    }

    /// Whether something authentic came from there, which is not yet a proof that it can be reached.
    pub fn has_heard(&self, from: SocketAddr) -> bool {
        match self {
            Self::Checked(agent) => agent.has_heard(from),
            Self::Described(_) => false,
        }
    }
}
