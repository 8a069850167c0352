//! The way to one peer and the keys for it: ICE finds the peer, DTLS proves who it is, and SRTP has its keys. A stream
//! whose keys are in its description, or that has none, has no such thing.
//!
//! ```text
//!  Waiting ─check─► Checking ─a way is found─► Found ─start─► Handshaking ─keys─► Secured
//!                       └────────────┬───────────┴─────────────────┴─────────────────┴─► Failed
//! ```
//!
//! * Nothing but answers to the peer's checks leaves before `check` or `start`, and no ClientHello before `start`: an
//!   ICE-lite peer answers checks before it has our description, but a hello it would lose (dossier 3.2).
//! * A ClientHello is sent only once there is a way, and along it; and one is read only from where the peer is known to
//!   be: from anywhere else it would be whose came first (CVE-2023-49786 and its kin).
//! * A hello that is faster than our own check is kept and read when its way is proven: a peer that repeats after a
//!   second would cost that second.

mod path;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::media::dtls::{self, Engine, Identity};
use crate::media::ice;
use crate::sdp::{CryptoPair, DtlsRole, DtlsTerms, IceTerms, Suite};

use path::Path;

/// The profile that everyone has comes first.
const PROFILES: [Suite; 2] = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm];
/// Of a hello that is kept: as long as a datagram may be.
const LONGEST_HELLO: usize = 1500;

/// Room that `Transport::poll_transmit` needs.
pub const MAX_DATAGRAM: usize = dtls::MAX_DATAGRAM;

/// What a description says of one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// `None`: the peer is where its description says.
    pub ice: Option<IceTerms>,
    pub described: Option<SocketAddr>,
    pub dtls: DtlsTerms,
}

impl Terms {
    /// Another ICE session has other credentials (RFC 8839 §4.4.1.1.1); a peer without ICE is looked for anew.
    fn is_restarted_by(&self, new: &Self) -> bool {
        let session = |ice: &IceTerms| {
            [&ice.ours, &ice.theirs].map(|end| (end.credentials.clone(), end.mode))
        };
        match (&self.ice, &new.ice) {
            (Some(known), Some(new)) => session(known) != session(new),
            (Some(_), None) | (None, Some(_)) | (None, None) => true,
        }
    }

    /// Whether the peer says that it is there. One that takes back the address in use has moved without a word.
    fn names(&self, at: SocketAddr) -> bool {
        let mut candidates = self.ice.iter().flat_map(|ice| &ice.theirs.candidates);
        self.described == Some(at) || candidates.any(|candidate| candidate.address == at)
    }
}

pub struct Transport {
    terms: Terms,
    identity: Arc<Identity>,
    entropy: Entropy,
    path: Path,
    hello: Hello,
    state: State,
    times: Times,
    events: VecDeque<Event>,
}

/// Whether a ClientHello of ours may leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hello {
    Held,
    Free,
}

enum State {
    Waiting {
        early: Option<Early>,
    },
    Checking {
        early: Option<Early>,
    },
    /// Our hello is held.
    Found {
        remote: SocketAddr,
    },
    Handshaking {
        remote: SocketAddr,
        engine: Box<Engine>,
    },
    /// The engine is there for a peer that missed our last words.
    Secured {
        remote: SocketAddr,
        engine: Box<Engine>,
    },
    /// With an engine that may have an alert to send, and to send again.
    Failed(Option<(SocketAddr, Box<Engine>)>),
}

/// A hello from where the peer is said to be, before that is proven.
struct Early {
    from: SocketAddr,
    datagram: Vec<u8>,
}

/// From the first of `check` and `start` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    started: Option<Instant>,
    /// Until there was a way.
    pub found_after: Option<Duration>,
    /// Until there were keys.
    pub secured_after: Option<Duration>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// There is a way, so long after the first of `check` and `start`.
    Found { remote: SocketAddr, after: Duration },
    /// There are keys, so long after `start`.
    Secured { keys: CryptoPair, after: Duration },
    /// The peer is elsewhere now.
    Moved { remote: SocketAddr },
    /// Nothing may be sent, and nothing will come.
    Failed(Failure),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    #[error("ICE: {0}")]
    Ice(#[from] ice::Failure),
    #[error("DTLS: {0}")]
    Dtls(#[from] dtls::Failure),
}

impl Transport {
    pub fn new(now: Instant, terms: Terms, identity: Arc<Identity>, mut entropy: Entropy) -> Self {
        Self {
            path: Path::new(now, &terms, entropy.fork()),
            terms,
            identity,
            entropy,
            hello: Hello::Held,
            state: State::Waiting { early: None },
            times: Times::default(),
            events: VecDeque::with_capacity(4),
        }
    }

    /// The peer has our description: all may leave.
    pub fn start(&mut self, now: Instant) {
        self.hello = Hello::Free;
        if let State::Found { remote } = self.state {
            self.shake_hands(now, remote);
        }
        self.check(now);
    }

    /// Our description is on its way to the peer: checks may leave.
    pub fn check(&mut self, now: Instant) {
        if let State::Waiting { early } = &mut self.state {
            self.state = State::Checking {
                early: early.take(),
            };
            self.times.started = Some(now);
            self.path.start(now);
            self.follow_path(now);
        }
    }

    /// The peer's description changed. The same keys may find another way (RFC 8842 §6); says whether they may.
    pub fn agree(&mut self, now: Instant, terms: &Terms) -> bool {
        if self.terms.dtls != terms.dtls || matches!(self.state, State::Failed(_)) {
            return false;
        }
        if self.terms != *terms {
            let known = std::mem::replace(&mut self.terms, terms.clone());
            let is_left = |at| known.names(at) && !terms.names(at);
            if known.is_restarted_by(terms) || self.target().is_some_and(is_left) {
                self.path = Path::new(now, terms, self.entropy.fork());
                if self.times.started.is_some() {
                    self.path.start(now);
                }
            } else {
                self.path.learn(now, terms);
            }
            self.follow_path(now);
        }
        true
    }

    /// Says whether the datagram was the peer's.
    pub fn handle_stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let rejected = self.path.rejected();
        self.path.handle_stun(now, from, datagram);
        self.follow_path(now);
        self.path.rejected() == rejected
    }

    /// Says whether the datagram could be the peer's.
    pub fn handle_dtls(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let proven = self.path.is_peer(from);
        match &mut self.state {
            State::Waiting { early } | State::Checking { early } if !proven => {
                keep_early(early, self.path.has_heard(from), from, datagram)
            }
            State::Waiting { early } => keep_early(early, true, from, datagram),
            State::Checking { .. } => self.begin_as_server(now, from, datagram),
            // The last one for a peer that missed its alert.
            State::Handshaking { engine, .. }
            | State::Secured { engine, .. }
            | State::Failed(Some((_, engine)))
                if proven =>
            {
                engine.handle_datagram(now, datagram);
                self.follow_engine(now);
                true
            }
            State::Found { .. }
            | State::Handshaking { .. }
            | State::Secured { .. }
            | State::Failed(_) => false,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        self.path.handle_timeout(now);
        self.follow_path(now);
        if let State::Handshaking { engine, .. } | State::Secured { engine, .. } = &mut self.state {
            engine.handle_timeout(now);
            self.follow_engine(now);
        }
    }

    /// Writes the next datagram into `buffer`, which has room for `MAX_DATAGRAM` bytes; says where it goes and how long
    /// it is. A nomination comes before the hello that follows it.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        if let Some(check) = self.path.poll_transmit(buffer) {
            return Some(check);
        }
        match &mut self.state {
            State::Handshaking { remote, engine }
            | State::Secured { remote, engine }
            | State::Failed(Some((remote, engine))) => {
                Some((*remote, engine.poll_transmit(buffer)?))
            }
            State::Waiting { .. }
            | State::Checking { .. }
            | State::Found { .. }
            | State::Failed(None) => None,
        }
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let engine = match &self.state {
            State::Handshaking { engine, .. } | State::Secured { engine, .. } => {
                engine.poll_timeout()
            }
            State::Waiting { .. } | State::Checking { .. } | State::Found { .. } => None,
            State::Failed(_) => return None,
        };
        [self.path.poll_timeout(), engine]
            .into_iter()
            .flatten()
            .min()
    }

    /// Where to send.
    pub fn target(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Found { remote }
            | State::Handshaking { remote, .. }
            | State::Secured { remote, .. } => Some(*remote),
            State::Waiting { .. } | State::Checking { .. } | State::Failed(_) => None,
        }
    }

    /// Whether the peer is known to be there. Asked of every packet.
    pub fn is_peer(&self, from: SocketAddr) -> bool {
        match self.state {
            State::Failed(_) => false,
            State::Waiting { .. }
            | State::Checking { .. }
            | State::Found { .. }
            | State::Handshaking { .. }
            | State::Secured { .. } => self.target() == Some(from) || self.path.is_peer(from),
        }
    }

    pub fn times(&self) -> Times {
        self.times
    }

    fn follow_path(&mut self, now: Instant) {
        while let Some(event) = self.path.poll_event() {
            match event {
                ice::Event::Selected { remote } => self.follow_to(now, remote),
                ice::Event::Failed(_) if matches!(self.state, State::Failed(_)) => {}
                ice::Event::Failed(failure) => self.fail(failure.into(), None),
            }
        }
        self.read_early(now);
    }

    fn follow_to(&mut self, now: Instant, selected: SocketAddr) {
        match &mut self.state {
            State::Waiting { .. } | State::Failed(_) => {}
            State::Checking { .. } => self.begin(now, selected),
            State::Found { remote } | State::Handshaking { remote, .. } => *remote = selected,
            State::Secured { remote, .. } => {
                if *remote != selected {
                    *remote = selected;
                    self.events.push_back(Event::Moved { remote: selected });
                }
            }
        }
    }

    fn begin(&mut self, now: Instant, remote: SocketAddr) {
        let State::Checking { early } = &mut self.state else {
            return;
        };
        let early = early.take();
        let started = self.times.started.unwrap_or(now);
        let after = now.saturating_duration_since(started);
        self.times.found_after = Some(after);
        self.events.push_back(Event::Found { remote, after });
        match (self.terms.dtls.role, self.hello) {
            (DtlsRole::Client, Hello::Held) => self.state = State::Found { remote },
            (DtlsRole::Client, Hello::Free) | (DtlsRole::Server, _) => {
                self.shake_hands(now, remote);
            }
        }
        if let Some(early) = early.filter(|early| self.path.is_peer(early.from)) {
            self.handle_dtls(now, early.from, &early.datagram);
        }
    }

    fn shake_hands(&mut self, now: Instant, remote: SocketAddr) {
        let (identity, entropy) = (self.identity.clone(), self.entropy.fork());
        let terms = self.terms.dtls.clone();
        let engine = Engine::new(now, terms, identity, PROFILES.to_vec(), entropy);
        self.state = State::Handshaking {
            remote,
            engine: Box::new(engine),
        };
    }

    /// The way is proven, though the peer has not nominated it yet.
    fn begin_as_server(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        match self.terms.dtls.role {
            DtlsRole::Client => false,
            DtlsRole::Server => {
                self.begin(now, from);
                self.handle_dtls(now, from, datagram)
            }
        }
    }

    fn read_early(&mut self, now: Instant) {
        let State::Checking { early } = &mut self.state else {
            return;
        };
        let proven = |early: &mut Early| self.path.is_peer(early.from);
        if let Some(Early { from, datagram }) = early.take_if(proven) {
            self.begin_as_server(now, from, &datagram);
        }
    }

    fn follow_engine(&mut self, now: Instant) {
        while let State::Handshaking { engine, .. } | State::Secured { engine, .. } =
            &mut self.state
            && let Some(event) = engine.poll_event()
        {
            self.take_up(now, event);
        }
    }

    fn take_up(&mut self, now: Instant, event: dtls::Event) {
        let state = std::mem::replace(&mut self.state, State::Failed(None));
        let (State::Handshaking { remote, engine } | State::Secured { remote, engine }) = state
        else {
            return;
        };
        match event {
            dtls::Event::Secured(keys) => {
                self.state = State::Secured { remote, engine };
                self.tell_keys(now, keys);
            }
            dtls::Event::Failed(failure) => self.fail(failure.into(), Some((remote, engine))),
        }
    }

    fn tell_keys(&mut self, now: Instant, keys: CryptoPair) {
        let started = self.times.started.unwrap_or(now);
        let after = now.saturating_duration_since(started);
        self.times.secured_after = Some(after);
        self.events.push_back(Event::Secured { keys, after });
    }

    fn fail(&mut self, failure: Failure, last: Option<(SocketAddr, Box<Engine>)>) {
        self.state = State::Failed(last);
        self.events.push_back(Event::Failed(failure));
    }
}

/// The last one counts: a peer repeats its hello.
fn keep_early(early: &mut Option<Early>, wanted: bool, from: SocketAddr, datagram: &[u8]) -> bool {
    if wanted && datagram.len() <= LONGEST_HELLO {
        *early = Some(Early {
            from,
            datagram: datagram.to_vec(),
        });
    }
    wanted
}

#[cfg(test)]
mod tests;
