//! A peer's media with ICE and DTLS, in virtual time: it finds the bridge, makes keys with it, says what it is told to
//! and hears what it can decrypt.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use wabridge::daemon::identity::Identity;
use wabridge::entropy::Entropy;
use wabridge::media::dtls;
use wabridge::media::srtp::{Inbound, Outbound};
use wabridge::media::transport::{Event, MAX_DATAGRAM, Terms, Transport};
use wabridge::sdp::{Agreement, DtlsRole, DtlsTerms, Fingerprint, IceRole, IceTerms};

use super::sound::Rtp;

/// The bridge's certificate, and the peers'.
static IDENTITIES: LazyLock<[Identity; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Identity::generate().unwrap()));

pub fn bridge_fingerprint() -> Fingerprint {
    IDENTITIES[0].fingerprint()
}

pub fn bridge_identity() -> Arc<dtls::Identity> {
    IDENTITIES[0].for_dtls().unwrap()
}

/// For the peer's description.
pub fn peer_fingerprint() -> Fingerprint {
    IDENTITIES[1].fingerprint()
}

/// Silence, 20 ms, as any Opus decoder takes it.
const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

pub struct Peer {
    address: SocketAddr,
    /// Of its network, one way.
    delay: Duration,
    transport: Transport,
    keys: Option<(Outbound, Inbound)>,
    arriving: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    leaving: VecDeque<(Instant, Vec<u8>)>,
    bridge: Option<SocketAddr>,
    frames: u16,
    pub heard: Vec<Rtp>,
    /// When it had keys.
    pub secured: Option<Instant>,
    pub failed: bool,
}

impl Peer {
    /// The other end of what the bridge agreed to. `hears_from`: when it has the bridge's description.
    pub fn new(now: Instant, agreement: &Agreement, address: SocketAddr, delay: Duration) -> Self {
        let dtls = agreement.protection.dtls().expect("DTLS");
        let terms = Terms {
            ice: agreement.ice.as_ref().map(mirrored),
            described: None,
            dtls: DtlsTerms {
                role: match dtls.role {
                    DtlsRole::Client => DtlsRole::Server,
                    DtlsRole::Server => DtlsRole::Client,
                },
                newest: dtls.newest,
                fingerprints: vec![bridge_fingerprint()],
            },
        };
        let identity = IDENTITIES[1].for_dtls().unwrap();
        let entropy = Entropy::from_seed([45; 32]);
        let mut transport = Transport::new(now, terms, identity, entropy);
        transport.start(now);
        Self {
            address,
            delay,
            transport,
            keys: None,
            arriving: VecDeque::new(),
            leaving: VecDeque::new(),
            bridge: None,
            frames: 0,
            heard: Vec::new(),
            secured: None,
            failed: false,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A datagram of the bridge's, which is on its way now.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let arrival = now + self.delay;
        self.arriving.push_back((arrival, from, bytes.to_vec()));
    }

    pub fn deadline(&self) -> Option<Instant> {
        let arrives = self.arriving.front().map(|(at, ..)| *at);
        let leaves = self.leaving.front().map(|(at, _)| *at);
        let timeout = self.transport.poll_timeout();
        [arrives, leaves, timeout].into_iter().flatten().min()
    }

    /// Says one frame, when it has keys.
    pub fn speak(&mut self, now: Instant) {
        let Some((outbound, _)) = &mut self.keys else {
            return;
        };
        let mut packet = vec![0x80, 111];
        packet.extend(self.frames.to_be_bytes());
        packet.extend((u32::from(self.frames) * 960).to_be_bytes());
        packet.extend(849_255_537u32.to_be_bytes());
        packet.extend(OPUS_SILENCE);
        self.frames += 1;
        let length = packet.len();
        packet.resize(length + 64, 0);
        let length = outbound.protect_rtp(&mut packet, length).unwrap();
        packet.truncate(length);
        self.leaving.push_back((now + self.delay, packet));
    }

    /// Lets it work; what reaches the bridge now.
    pub fn work(&mut self, now: Instant) -> Vec<Vec<u8>> {
        while let Some((_, from, bytes)) = self.arriving.pop_front_if(|(at, ..)| *at <= now) {
            self.take(now, from, bytes);
        }
        if self.transport.poll_timeout().is_some_and(|at| at <= now) {
            self.transport.handle_timeout(now);
        }
        self.send(now);
        let mut arrived = Vec::new();
        while let Some((_, bytes)) = self.leaving.pop_front_if(|(at, _)| *at <= now) {
            arrived.push(bytes);
        }
        arrived
    }

    fn take(&mut self, now: Instant, from: SocketAddr, mut bytes: Vec<u8>) {
        self.bridge = Some(from);
        match bytes[0] {
            0..=3 => {
                self.transport.handle_stun(now, from, &bytes);
            }
            20..=63 => {
                self.transport.handle_dtls(now, from, &bytes);
            }
            _ => self.hear(now, &mut bytes),
        }
        self.learn(now);
    }

    fn hear(&mut self, now: Instant, bytes: &mut [u8]) {
        let Some(rtp) = Rtp::read(now, self.address, bytes) else {
            return;
        };
        let (_, inbound) = self.keys.as_mut().expect("no media before the keys");
        inbound.unprotect_rtp(bytes).expect("the keys fit");
        self.heard.push(rtp);
    }

    fn learn(&mut self, now: Instant) {
        while let Some(event) = self.transport.poll_event() {
            match event {
                Event::Secured { keys, .. } => {
                    let outbound = Outbound::new(keys.suite, &keys.send).unwrap();
                    let inbound = Inbound::new(keys.suite, &keys.receive).unwrap();
                    self.keys = Some((outbound, inbound));
                    self.secured = Some(now);
                }
                Event::Failed(_) => self.failed = true,
                Event::Found { .. } | Event::Moved { .. } => {}
            }
        }
    }

    fn send(&mut self, now: Instant) {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some((_, length)) = self.transport.poll_transmit(&mut buffer) {
            let bytes = buffer[..length].to_vec();
            self.leaving.push_back((now + self.delay, bytes));
        }
        self.learn(now);
    }
}

fn mirrored(ice: &IceTerms) -> IceTerms {
    IceTerms {
        role: match ice.role {
            IceRole::Controlling => IceRole::Controlled,
            IceRole::Controlled => IceRole::Controlling,
        },
        ours: ice.theirs.clone(),
        theirs: ice.ours.clone(),
    }
}
