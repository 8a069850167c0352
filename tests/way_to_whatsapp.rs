//! The bridge's way to WhatsApp (ICE, DTLS) against the simulated WhatsApp's, which is made of other parts, over a network
//! with a round trip of 100 ms: each of its ways, and in which time there are keys.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::media::dtls::Identity;
use wabridge::media::transport::{Event, MAX_DATAGRAM, Terms, Transport};
use wabridge::sdp::{
    Candidate, CryptoPair, DtlsRole, DtlsTerms, DtlsVersion, Fingerprint, IceCredentials, IceEnd,
    IceMode, IceRole, IceTerms, Suite,
};
use wabridge::sim::fault::{Fault, Faults};
use wabridge::sim::media::crypto::{Key, Suite as KeySuite};
use wabridge::sim::media::link::{Algorithm, Keys, Link, Local};
use wabridge::sim::sdp::webrtc::{Peer, Setup};

const RTT: Duration = Duration::from_millis(100);
const STEP: Duration = Duration::from_millis(1);
const OURS: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);
const THEIRS: ([u8; 4], u16) = ([198, 51, 100, 2], 3480);
/// A second candidate of WhatsApp's, where nobody is.
const NOBODY: ([u8; 4], u16) = ([203, 0, 113, 9], 3480);

/// What WhatsApp does, and we.
#[derive(Clone)]
struct Case {
    role: DtlsRole,
    certificate: Algorithm,
    delay: Duration,
    gcm: bool,
    faults: Faults,
    candidates: Vec<SocketAddr>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            role: DtlsRole::Client,
            certificate: Algorithm::Ecdsa,
            delay: Duration::ZERO,
            gcm: false,
            faults: Faults::new(),
            candidates: vec![THEIRS.into()],
        }
    }
}

/// What came of it, and when.
#[derive(Default)]
struct Outcome {
    keys: Option<(CryptoPair, Duration)>,
    their_keys: Option<Keys>,
    failure: Option<String>,
    oddities: BTreeSet<String>,
}

struct World {
    ours: Transport,
    theirs: Link,
    now: Instant,
    began: Instant,
    /// When it arrives, from where, to where.
    under_way: Vec<(Instant, SocketAddr, SocketAddr, Vec<u8>)>,
    outcome: Outcome,
}

fn end(credentials: (&str, &str), mode: IceMode, candidates: &[SocketAddr]) -> IceEnd {
    let numbered = candidates.iter().zip(0..);
    IceEnd {
        credentials: IceCredentials {
            ufrag: credentials.0.into(),
            pwd: credentials.1.into(),
        },
        mode,
        candidates: numbered
            .map(|(at, number)| Candidate::host(*at, number))
            .collect(),
        complete: true,
    }
}

impl World {
    fn new(case: &Case) -> Self {
        let mut entropy = Entropy::from_seed([1; 32]);
        let setup = match case.role {
            DtlsRole::Client => Setup::Actpass,
            DtlsRole::Server => Setup::Active,
        };
        let local = Local::new(case.certificate, setup, &case.faults, &mut entropy).unwrap();
        let local = Local {
            delay: case.delay,
            gcm: case.gcm,
            ..local
        };
        let made = rcgen::generate_simple_self_signed(vec!["bridge".to_owned()]).unwrap();
        let der = made.cert.der().to_vec();
        let identity = Identity::new(der.clone(), &made.signing_key.serialize_der()).unwrap();
        let secret = ("fragment", "a password of 24 letters");
        let peer = Peer {
            ufrag: secret.0.into(),
            password: secret.1.into(),
            fingerprints: vec![("sha-256".into(), sha256(&der))],
            setup: match case.role {
                DtlsRole::Client => Setup::Active,
                DtlsRole::Server => Setup::Passive,
            },
            candidates: vec![OURS.into()],
        };
        let shown = match case.faults.contains(&Fault::WrongFingerprint) {
            true => der,
            false => local.identity.certificate.to_der().unwrap(),
        };
        let terms = Terms {
            ice: Some(IceTerms {
                role: IceRole::Controlling,
                ours: end(secret, IceMode::Full, &[OURS.into()]),
                theirs: end(
                    (&local.ufrag, &local.password),
                    IceMode::Lite,
                    &case.candidates,
                ),
            }),
            described: Some(THEIRS.into()),
            dtls: DtlsTerms {
                role: case.role,
                newest: DtlsVersion::V1_3,
                fingerprints: vec![Fingerprint::of(&shown)],
            },
        };
        let now = Instant::now();
        let mut ours = Transport::new(now, terms, Arc::new(identity), entropy.fork());
        ours.start(now);
        let mut theirs = Link::new(local, entropy);
        theirs.meet(now, peer);
        Self {
            ours,
            theirs,
            now,
            began: now,
            under_way: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn run(mut self, most: Duration) -> Outcome {
        while self.now < self.began + most {
            self.flush();
            self.now += STEP;
            self.deliver();
            self.ours.handle_timeout(self.now);
            if let Some(keys) = self.theirs.tick(self.now) {
                self.outcome.their_keys = Some(keys);
            }
            self.learn();
            let done = self.outcome.keys.is_some() && self.outcome.their_keys.is_some();
            if done || self.outcome.failure.is_some() {
                break;
            }
        }
        self.outcome.oddities = self.theirs.facts().oddities.clone();
        self.outcome
    }

    fn flush(&mut self) {
        let arrives = self.now + RTT / 2;
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some((to, length)) = self.ours.poll_transmit(&mut buffer) {
            let datagram = buffer[..length].to_vec();
            self.under_way.push((arrives, OURS.into(), to, datagram));
        }
        for (to, datagram) in self.theirs.take_outgoing() {
            self.under_way.push((arrives, THEIRS.into(), to, datagram));
        }
    }

    fn deliver(&mut self) {
        let arrived = |one: &mut (Instant, SocketAddr, SocketAddr, Vec<u8>)| one.0 <= self.now;
        let arrived: Vec<_> = self.under_way.extract_if(.., arrived).collect();
        for (_, from, to, datagram) in arrived {
            let is_stun = datagram[0] <= 3;
            if to == SocketAddr::from(OURS) {
                let _ = match is_stun {
                    true => self.ours.handle_stun(self.now, from, &datagram),
                    false => self.ours.handle_dtls(self.now, from, &datagram),
                };
            } else if to == SocketAddr::from(THEIRS) {
                match is_stun {
                    true => self.theirs.stun(self.now, from, &datagram),
                    false => {
                        let keys = self.theirs.dtls(self.now, from, &datagram);
                        self.outcome.their_keys = keys.or(self.outcome.their_keys.take());
                    }
                }
            }
        }
    }

    fn learn(&mut self) {
        while let Some(event) = self.ours.poll_event() {
            match event {
                Event::Found { .. } | Event::Moved { .. } => {}
                Event::Secured { keys, .. } => {
                    self.outcome.keys = Some((keys, self.now - self.began));
                }
                Event::Failed(failure) => self.outcome.failure = Some(failure.to_string()),
            }
        }
    }
}

fn sha256(der: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(der).to_vec()
}

/// Both have the same keys; how long it took.
#[track_caller]
fn secured(case: &Case) -> Duration {
    let outcome = World::new(case).run(Duration::from_secs(20));
    let oddities: Vec<_> = outcome.oddities.into_iter().collect();
    assert_eq!((outcome.failure, oddities), (None, vec![]));
    let (ours, took) = outcome.keys.expect("keys here");
    let theirs = outcome.their_keys.expect("keys there");
    let suite = |key: &Key| match key.suite() {
        KeySuite::Gcm128 => Suite::AeadAes128Gcm,
        _ => Suite::AesCm128HmacSha1_80,
    };
    assert_eq!(ours.suite, suite(&theirs.send));
    assert_eq!(ours.send.0, theirs.receive.bytes());
    assert_eq!(ours.receive.0, theirs.send.bytes());
    println!("{took:?}");
    took
}

/// One round trip for the check, one for the nomination, two for the handshake.
const AT_ONCE: Duration = Duration::from_millis(450);

#[test]
fn whatsapp_as_the_dossier_says() {
    assert!(secured(&Case::default()) < AT_ONCE);
    let answer_is_passive = Case {
        role: DtlsRole::Server,
        ..Case::default()
    };
    // WhatsApp's own ClientHello waits for the nomination.
    assert!(secured(&answer_is_passive) < AT_ONCE + RTT);
}

#[test]
fn whatsapp_has_rsa_or_prefers_gcm() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let rsa = Case {
            certificate: Algorithm::Rsa,
            role,
            ..Case::default()
        };
        assert!(secured(&rsa) < AT_ONCE + RTT);
        let gcm = Case {
            gcm: true,
            role,
            ..Case::default()
        };
        assert!(secured(&gcm) < AT_ONCE + RTT);
    }
}

/// However long it does not listen, the keys are there soon after it does.
#[test]
fn whatsapp_is_late() {
    for seconds in [1, 2, 4] {
        let delay = Duration::from_secs(seconds);
        let case = Case {
            delay,
            ..Case::default()
        };
        let took = secured(&case);
        assert!(took < delay + AT_ONCE + Duration::from_secs(1), "{took:?}");
    }
}

#[test]
fn the_first_client_hello_is_lost() {
    let case = Case {
        faults: Faults::from([Fault::LostClientHello]),
        ..Case::default()
    };
    assert!(secured(&case) < AT_ONCE + 2 * RTT);
}

/// It checks as the controlling agent and answers our first checks with 487: we stay what we are.
#[test]
fn a_conflict_of_roles() {
    let case = Case {
        faults: Faults::from([Fault::RoleConflict]),
        ..Case::default()
    };
    assert!(secured(&case) < Duration::from_secs(1));
}

#[test]
fn one_candidate_is_nobodys() {
    let case = Case {
        candidates: vec![NOBODY.into(), THEIRS.into()],
        ..Case::default()
    };
    assert!(secured(&case) < AT_ONCE + RTT);
}

#[test]
fn a_wrong_fingerprint_is_refused_in_words() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let case = Case {
            faults: Faults::from([Fault::WrongFingerprint]),
            role,
            ..Case::default()
        };
        let outcome = World::new(&case).run(Duration::from_secs(20));
        assert!(outcome.keys.is_none());
        let why = outcome.failure.expect("a failure");
        assert!(why.contains("certificate"), "{why}");
    }
}
