//! Where the peer is: as ICE finds it, or as its description says.

use std::net::SocketAddr;
use std::time::Instant;

use super::Terms;
use crate::entropy::Entropy;
use crate::media::ice::{Agent, Event, Failure};
use crate::sdp::{Candidate, IceTerms};

pub enum Path {
    Checked(Box<Agent>),
    /// A peer without ICE, at its word. There is no latching here: who may speak DTLS has to be known before.
    Described(Described),
}

pub struct Described {
    remote: Option<SocketAddr>,
    state: State,
    rejected: u64,
}

enum State {
    Waiting,
    Found(Option<Event>),
}

impl Path {
    pub fn new(now: Instant, terms: &Terms, entropy: Entropy) -> Self {
        match &terms.ice {
            Some(ice) => {
                let ice = with_described(ice.clone(), terms.described);
                Self::Checked(Box::new(Agent::new(now, ice, entropy)))
            }
            None => Self::Described(Described {
                remote: terms.described,
                state: State::Waiting,
                rejected: 0,
            }),
        }
    }

    /// The same session, described anew.
    pub fn learn(&mut self, now: Instant, terms: &Terms) {
        if let (Self::Checked(agent), Some(ice)) = (self, &terms.ice) {
            let ice = with_described(ice.clone(), terms.described);
            agent.learn(now, ice.theirs.candidates);
        }
    }

    pub fn start(&mut self, now: Instant) {
        match self {
            Self::Checked(agent) => agent.start(now),
            Self::Described(described) => described.start(),
        }
    }

    pub fn handle_stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        match self {
            Self::Checked(agent) => agent.handle_datagram(now, from, datagram),
            Self::Described(described) => described.rejected += 1,
        }
    }

    /// How many datagrams were not the peer's.
    pub fn rejected(&self) -> u64 {
        match self {
            Self::Checked(agent) => agent.counts().rejected,
            Self::Described(described) => described.rejected,
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
            Self::Described(described) => match &mut described.state {
                State::Waiting => None,
                State::Found(event) => event.take(),
            },
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
            Self::Described(described) => described.remote == Some(from),
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

/// A peer that names no candidate of use, and checks nobody if it is lite, may still be where its media lines say.
fn with_described(mut ice: IceTerms, described: Option<SocketAddr>) -> IceTerms {
    let candidates = &mut ice.theirs.candidates;
    if candidates.is_empty() {
        candidates.extend(described.map(|address| Candidate::host(address, 0)));
    }
    ice
}

impl Described {
    fn start(&mut self) {
        match self.state {
            State::Waiting => {
                let event = match self.remote {
                    Some(remote) => Event::Selected { remote },
                    None => Event::Failed(Failure::NothingReached),
                };
                self.state = State::Found(Some(event));
            }
            State::Found(_) => {}
        }
    }
}
