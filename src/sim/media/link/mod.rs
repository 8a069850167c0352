//! WebRTC's way to SRTP: ICE by a lite agent, then DTLS. On purpose other parts than the bridge's: STUN is written here, DTLS
//! is OpenSSL's.
//!
//! ```text
//!   Link ─► lite ─► stun          who is asked, what is answered
//!      └──► dtls ─► identity      the handshake, the certificate
//! ```

pub mod dtls;
pub mod identity;
mod lite;
pub mod stun;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use dtls::{Keys, Role};
pub use identity::{Algorithm, Identity};

use crate::entropy::Entropy;
use crate::sim::fault::{Fault, Faults};
use crate::sim::media::crypto::Suite;
use crate::sim::sdp::webrtc::{Peer, Setup};
use dtls::{Step, Tunnel};
use lite::{Answer, Lite};
use stun::{Binding, Kind, Writer};

/// Between two checks of an agent that must not send any.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// This side, as its description tells it.
#[derive(Clone, Debug)]
pub struct Local {
    pub ufrag: String,
    pub password: String,
    pub identity: Arc<Identity>,
    /// What our description says.
    pub setup: Setup,
    /// Between a ClientHello, or the nomination when ours is the ClientHello, and our first word.
    pub delay: Duration,
    /// AES-128-GCM is preferred.
    pub gcm: bool,
    /// There is another socket at this address, of the other family.
    pub also: Option<IpAddr>,
    pub faults: Faults,
}

/// How it went.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The first check that was answered with success.
    pub checked: Option<Instant>,
    pub nominated: Option<Instant>,
    /// The first ClientHello, of either side.
    pub greeted: Option<Instant>,
    pub connected: Option<Instant>,
    pub role: Option<Role>,
    pub suite: Option<Suite>,
    /// Why there is no media.
    pub failure: Option<String>,
    /// What the business does that it should not do.
    pub oddities: BTreeSet<String>,
    /// Answers of the business to checks of ours, which we must not send: how many were 487.
    pub conflicts: u32,
}

/// A datagram that leaves for somewhere.
pub type Outgoing = (SocketAddr, Vec<u8>);

pub struct Link {
    local: Local,
    remote: Option<Peer>,
    lite: Lite,
    tunnel: Option<Tunnel>,
    facts: Facts,
    /// One ClientHello is lost, where that is the fault.
    loses: bool,
    next_check: Option<Instant>,
    outgoing: Vec<Outgoing>,
    entropy: Entropy,
}

impl Local {
    pub fn new(
        algorithm: Algorithm,
        setup: Setup,
        faults: &Faults,
        entropy: &mut Entropy,
    ) -> Result<Self, openssl::error::ErrorStack> {
        Ok(Self {
            ufrag: word(16, entropy),
            password: word(24, entropy),
            identity: Identity::shared(algorithm)?,
            setup,
            delay: Duration::ZERO,
            gcm: false,
            also: None,
            faults: faults.clone(),
        })
    }

    /// As the description tells it, which may not be true.
    pub fn fingerprint(&self) -> String {
        let mut octets = self.identity.fingerprint.clone();
        if self.faults.contains(&Fault::WrongFingerprint) {
            octets.reverse();
        }
        identity::hex(&octets)
    }
}

impl Link {
    pub fn new(local: Local, entropy: Entropy) -> Self {
        let quarrels = local.faults.contains(&Fault::RoleConflict);
        Self {
            lite: Lite::new(local.ufrag.clone(), local.password.clone(), quarrels),
            loses: local.faults.contains(&Fault::LostClientHello),
            remote: None,
            tunnel: None,
            facts: Facts::default(),
            next_check: None,
            outgoing: Vec::new(),
            local,
            entropy,
        }
    }

    /// The other side's description is known.
    pub fn meet(&mut self, now: Instant, remote: Peer) {
        let role = role(self.local.setup, remote.setup);
        self.facts.role = Some(role);
        self.next_check = self.lite.quarrels.then_some(now);
        self.remote = Some(remote);
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where media goes.
    pub fn nominated(&self) -> Option<SocketAddr> {
        self.lite.nominated
    }

    pub fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    pub fn stun(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some(binding) = Binding::read(datagram) else {
            self.facts.oddities.insert("damaged STUN".into());
            return;
        };
        if binding.kind == Kind::Error(487) {
            self.facts.conflicts += 1;
            self.next_check = None;
        }
        let ufrag = self.remote.as_ref().map(|remote| remote.ufrag.as_str());
        let oddities = &mut self.facts.oddities;
        let answer = match self.lite.check(from, &binding, ufrag, oddities) {
            Answer::None => return,
            Answer::Said(answer) => answer,
            Answer::Nominated(answer) => {
                self.facts.nominated.get_or_insert(now);
                answer
            }
        };
        self.facts.checked.get_or_insert(now);
        self.outgoing.push((from, answer));
    }

    /// `Some` once: the keys.
    pub fn dtls(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Option<Keys> {
        // Without the answer it knows no fingerprint: what comes earlier is lost (dossier 3.2).
        self.remote.as_ref()?;
        let Some(to) = self.lite.nominated else {
            self.facts
                .oddities
                .insert("DTLS before a pair was nominated".into());
            return None;
        };
        if to != from {
            self.facts
                .oddities
                .insert("DTLS from another address than the nominated".into());
        }
        let greeted = *self.facts.greeted.get_or_insert(now);
        if now < greeted + self.local.delay && self.tunnel.is_none() {
            return None;
        }
        if std::mem::take(&mut self.loses) {
            return None;
        }
        self.step(now, Some(datagram))
    }

    /// Time goes on: our own ClientHello, repeated flights, checks that are none of our business.
    pub fn tick(&mut self, now: Instant) -> Option<Keys> {
        self.quarrel(now);
        if self.tunnel.is_some() {
            return self.step(now, None);
        }
        let nominated = self.facts.nominated?;
        let due = self.facts.role == Some(Role::Client) && now >= nominated + self.local.delay;
        if !due {
            return None;
        }
        self.facts.greeted.get_or_insert(now);
        let keys = self.step(now, None);
        if std::mem::take(&mut self.loses) {
            self.outgoing.clear();
        }
        keys
    }

    fn step(&mut self, now: Instant, datagram: Option<&[u8]>) -> Option<Keys> {
        let to = self.lite.nominated?;
        if self.tunnel.is_none() {
            self.tunnel = self.open();
        }
        let (step, outgoing) = self.tunnel.as_mut()?.step(datagram);
        self.outgoing
            .extend(outgoing.into_iter().map(|one| (to, one)));
        match step {
            Step::Nothing => None,
            Step::Connected(keys) => {
                self.facts.connected = Some(now);
                self.facts.suite = Some(keys.send.suite());
                Some(*keys)
            }
            Step::Failed(why) => {
                self.facts.failure.get_or_insert(why);
                None
            }
        }
    }

    fn open(&mut self) -> Option<Tunnel> {
        let (role, remote) = (self.facts.role?, self.remote.as_ref()?);
        let suites = match self.local.gcm {
            true => [Suite::Gcm128, Suite::Cm128Sha80],
            false => [Suite::Cm128Sha80, Suite::Gcm128],
        };
        let expected = remote.sha256();
        match Tunnel::new(role, &self.local.identity, &suites, expected) {
            Ok(tunnel) => Some(tunnel),
            Err(error) => {
                self.facts.failure = Some(error.to_string());
                None
            }
        }
    }

    /// A lite agent sends no checks; this one does, and as the controlling one.
    fn quarrel(&mut self, now: Instant) {
        let due = self.next_check.is_some_and(|at| at <= now);
        let Some(remote) = self.remote.as_ref().filter(|_| due) else {
            return;
        };
        self.next_check = Some(now + CHECK_INTERVAL);
        let username = format!("{}:{}", remote.ufrag, self.local.ufrag);
        let mut targets = remote.candidates.clone();
        targets.extend(self.lite.nominated);
        for to in targets {
            let check = Writer::check(self.entropy.bytes(), &username, 0);
            if let Ok(check) = check.finish(&remote.password) {
                self.outgoing.push((to, check));
            }
        }
    }
}

/// Who sends the ClientHello (RFC 5763 §5). Two descriptions that say the same leave it to us to guess.
fn role(ours: Setup, theirs: Setup) -> Role {
    match (ours, theirs) {
        (Setup::Active, _) | (Setup::Actpass, Setup::Passive) => Role::Client,
        (Setup::Passive, _) | (Setup::Actpass, Setup::Active | Setup::Actpass) => Role::Server,
    }
}

/// Of ice-chars.
fn word(length: usize, entropy: &mut Entropy) -> String {
    const CHARS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..length)
        .map(|_| char::from(CHARS[entropy.below(62) as usize]))
        .collect()
}
