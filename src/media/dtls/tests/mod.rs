//! A client and a server in a simulated network.

mod newer;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::*;
use crate::entropy::Entropy;
use crate::media::link::{Datagram, Link};
use crate::sdp::{CryptoPair, DtlsRole, DtlsTerms, DtlsVersion, Fingerprint, Suite};

const RTT: Duration = Duration::from_millis(100);
const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);
const SERVER: ([u8; 4], u16) = ([198, 51, 100, 2], 3480);
const PROFILES: [Suite; 2] = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm];

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(vec!["test".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der();
    Identity::new(made.cert.der().to_vec(), &key).unwrap()
}

pub fn identities() -> [Arc<Identity>; 2] {
    static BOTH: OnceLock<[Arc<Identity>; 2]> = OnceLock::new();
    let make = || Arc::new(identity());
    BOTH.get_or_init(|| [make(), make()]).clone()
}

/// `peer`: who is expected.
pub fn terms(role: DtlsRole, newest: DtlsVersion, peer: &Identity) -> DtlsTerms {
    DtlsTerms {
        role,
        newest,
        fingerprints: vec![fingerprint_of(peer)],
    }
}

fn engine(terms: DtlsTerms, identity: &Arc<Identity>, profiles: &[Suite]) -> Engine {
    let seed = match terms.role {
        DtlsRole::Client => 1,
        DtlsRole::Server => 2,
    };
    let entropy = Entropy::from_seed([seed; 32]);
    Engine::new(epoch(), terms, identity.clone(), profiles.to_vec(), entropy)
}

const ROLES: [DtlsRole; 2] = [DtlsRole::Client, DtlsRole::Server];

fn fingerprint_of(identity: &Identity) -> Fingerprint {
    Fingerprint::of(identity.certificate())
}

struct World {
    /// Client and server.
    engines: [Option<Engine>; 2],
    events: [Vec<(Duration, Event)>; 2],
    link: Link,
    now: Instant,
    log: Vec<(Duration, Datagram)>,
    /// How many of the next datagrams are lost.
    swallow: usize,
    /// Of which datagram and which byte of it a bit is turned.
    turned: Option<[usize; 2]>,
}

impl World {
    fn new() -> Self {
        Self::with(&PROFILES, &PROFILES)
    }

    fn with(client: &[Suite], server: &[Suite]) -> Self {
        Self::of([DtlsVersion::V1_2; 2], [client, server])
    }

    fn of(newest: [DtlsVersion; 2], profiles: [&[Suite]; 2]) -> Self {
        let [ours, theirs] = identities();
        let terms = [
            terms(DtlsRole::Client, newest[0], &theirs),
            terms(DtlsRole::Server, newest[1], &ours),
        ];
        let [client, server] = terms;
        Self {
            engines: [
                Some(engine(client, &ours, profiles[0])),
                Some(engine(server, &theirs, profiles[1])),
            ],
            events: [Vec::new(), Vec::new()],
            link: Link::new(1, RTT / 2),
            now: epoch(),
            log: Vec::new(),
            swallow: 0,
            turned: None,
        }
    }

    fn flush(&mut self) {
        let since = self.now - epoch();
        for (at, engine) in self.engines.iter_mut().enumerate() {
            let Some(engine) = engine else {
                continue;
            };
            let ends: [SocketAddr; 2] = [CLIENT.into(), SERVER.into()];
            let mut buffer = [0; MAX_DATAGRAM];
            while let Some(len) = engine.poll_transmit(&mut buffer) {
                let mut datagram = Datagram {
                    from: ends[at],
                    to: ends[1 - at],
                    bytes: buffer[..len].to_vec(),
                };
                self.log.push((since, datagram.clone()));
                if let Some([which, byte]) = self.turned
                    && which + 1 == self.log.len()
                    && let Some(byte) = datagram.bytes.get_mut(byte)
                {
                    *byte ^= 1;
                }
                if self.swallow > 0 {
                    self.swallow -= 1;
                } else {
                    self.link.send(self.now, datagram);
                }
            }
            while let Some(event) = engine.poll_event() {
                self.events[at].push((since, event));
            }
        }
    }

    fn run(&mut self, limit: Duration) {
        loop {
            self.flush();
            let engines = self.engines.iter().flatten();
            let timers = engines.filter_map(Engine::poll_timeout);
            let next = timers.chain(self.link.deadline()).min();
            let Some(next) = next.filter(|next| *next <= epoch() + limit) else {
                self.now = epoch() + limit;
                return;
            };
            self.now = self.now.max(next);
            while let Some(datagram) = self.link.receive(self.now) {
                self.deliver(&datagram);
            }
            for engine in self.engines.iter_mut().flatten() {
                engine.handle_timeout(self.now);
            }
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let at = usize::from(datagram.to == SERVER.into());
        if let Some(engine) = &mut self.engines[at] {
            engine.handle_datagram(self.now, &datagram.bytes);
        }
    }

    fn keys(&self) -> [Option<(Duration, &CryptoPair)>; 2] {
        self.events.each_ref().map(|events| match &events[..] {
            [(at, Event::Secured(keys))] => Some((*at, keys)),
            _ => None,
        })
    }

    fn assert_secured(&self, suite: Suite) -> [Duration; 2] {
        let [Some((client_at, client)), Some((server_at, server))] = self.keys() else {
            panic!("{:?}", self.events);
        };
        assert_eq!(client.suite, suite);
        assert_eq!(server.suite, suite);
        assert!(client.send == server.receive && client.receive == server.send);
        assert!(client.send != client.receive);
        [client_at, server_at]
    }

    fn failures(&self) -> [Option<Failure>; 2] {
        self.events.each_ref().map(|events| match &events[..] {
            [(_, Event::Failed(failure))] => Some(*failure),
            _ => None,
        })
    }
}

#[test]
fn two_round_trips_and_four_datagrams() {
    let mut world = World::new();
    world.link.delay = Duration::from_millis(10);
    world.run(Duration::from_secs(5));
    let times = world.assert_secured(Suite::AesCm128HmacSha1_80);
    assert_eq!(times, [40, 30].map(Duration::from_millis));
    assert_eq!(world.log.len(), 4, "{:?}", world.log);
}

#[test]
fn the_servers_order_of_profiles_rules() {
    let (cm, gcm) = (Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm);
    for (client, server, chosen) in [
        (&[cm, gcm][..], &[gcm, cm][..], gcm),
        (&[gcm, cm], &[cm, gcm], cm),
        (&[gcm], &[cm, gcm], gcm),
    ] {
        let mut world = World::with(client, server);
        world.run(Duration::from_secs(5));
        world.assert_secured(chosen);
    }
}

#[test]
fn no_common_profile_is_told_to_both() {
    let mut world = World::with(&[Suite::AeadAes128Gcm], &[Suite::AesCm128HmacSha1_80]);
    world.run(Duration::from_secs(5));
    assert_eq!(
        world.failures(),
        [Some(Failure::Alert(40)), Some(Failure::NoCommonProfile)]
    );
    let (at, _) = world.events[0][0];
    assert_eq!(
        at,
        RTT + Duration::from_secs(2),
        "it might have been anyone's word"
    );
}

#[test]
fn another_certificate_than_the_described_is_refused_by_either() {
    for at in [0, 1] {
        let mut world = World::new();
        let [ours, theirs] = identities();
        let own = [&ours, &theirs][at];
        let wrong = terms(ROLES[at], DtlsVersion::V1_2, own);
        world.engines[at] = Some(engine(wrong, own, &PROFILES));
        world.run(Duration::from_secs(5));
        let failures = world.failures();
        assert_eq!(failures[at], Some(Failure::Fingerprint));
        assert_eq!(failures[1 - at], Some(Failure::Alert(42)));
    }
}

#[test]
fn a_certificate_without_its_key_is_refused_by_either() {
    for at in [0, 1] {
        let mut world = World::new();
        let [ours, theirs] = identities();
        let (shown, peer) = if at == 0 {
            (&ours, &theirs)
        } else {
            (&theirs, &ours)
        };
        let impostor = Arc::new(identity().showing(shown));
        let terms = terms(ROLES[at], DtlsVersion::V1_2, peer);
        world.engines[at] = Some(engine(terms, &impostor, &PROFILES));
        world.run(Duration::from_secs(5));
        let failures = world.failures();
        assert_eq!(failures[1 - at], Some(Failure::Signature));
        assert_eq!(failures[at], Some(Failure::Alert(51)));
    }
}

/// Whatever is turned on the way: it is not noticed only where it was not read, and said again.
#[test]
fn a_turned_bit_gives_the_same_keys_or_none() {
    let mut plain = World::new();
    plain.run(Duration::from_secs(1));
    let lengths: Vec<usize> = plain.log.iter().map(|(_, sent)| sent.bytes.len()).collect();
    let mut refused = 0;
    for (which, length) in lengths.into_iter().enumerate() {
        for byte in (0..length).step_by(5) {
            let mut world = World::new();
            world.turned = Some([which, byte]);
            world.run(Duration::from_secs(5));
            match world.keys() {
                [None, None] => refused += 1,
                _ => {
                    world.assert_secured(Suite::AesCm128HmacSha1_80);
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn one_of_several_fingerprints_suffices() {
    let mut world = World::new();
    let [ours, theirs] = identities();
    let mut terms = terms(DtlsRole::Client, DtlsVersion::V1_2, &ours);
    terms.fingerprints.push(fingerprint_of(&theirs));
    world.engines[0] = Some(engine(terms, &ours, &PROFILES));
    world.run(Duration::from_secs(5));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
}

#[test]
fn every_lost_datagram_costs_a_few_dozen_milliseconds() {
    for lost in 0..4 {
        let mut world = World::new();
        world.link.delay = Duration::from_millis(5);
        let mut limit = Duration::ZERO;
        while world.log.len() < lost {
            limit += Duration::from_millis(1);
            world.run(limit);
        }
        world.swallow = 1;
        world.run(Duration::from_secs(5));
        let times = world.assert_secured(Suite::AesCm128HmacSha1_80);
        let latest = times.into_iter().max().unwrap();
        assert!(latest <= Duration::from_millis(80), "{lost}: {latest:?}");
    }
}

#[test]
fn every_try_succeeds_under_loss_and_reordering() {
    let mut times = Vec::new();
    for loss in [5, 20] {
        for seed in 0..100 {
            let mut world = World::new();
            world.link = Link::new(seed, RTT / 2);
            world.link.loss = loss;
            world.link.jitter = Duration::from_millis(40);
            world.run(Duration::from_secs(10));
            times.extend(world.assert_secured(Suite::AesCm128HmacSha1_80));
        }
    }
    times.sort();
    let p95 = times[times.len() * 95 / 100];
    assert!(p95 < RTT * 6, "{p95:?}");
}

#[test]
fn a_late_server_is_reached_at_once() {
    for seconds in [1, 2, 4] {
        let mut world = World::new();
        let server = world.engines[1].take();
        world.run(Duration::from_secs(seconds));
        world.engines[1] = server;
        world.run(Duration::from_secs(10));
        let [at, _] = world.assert_secured(Suite::AesCm128HmacSha1_80);
        let after = at - Duration::from_secs(seconds);
        assert!(after <= RTT * 2 + Duration::from_millis(400), "{after:?}");
    }
}

#[test]
fn silence_ends_after_half_a_minute() {
    let mut world = World::new();
    world.engines[1] = None;
    world.run(Duration::from_secs(40));
    let failed = Event::Failed(Failure::TimedOut);
    assert_eq!(world.events[0], [(Duration::from_secs(30), failed)]);
    assert!((60..100).contains(&world.log.len()), "{}", world.log.len());
}

/// A fatal alert that anybody could have written.
const FORGED_ALERT: [u8; 15] = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];

#[test]
fn forged_alerts_and_noise_change_nothing() {
    let mut world = World::new();
    let mut entropy = Entropy::from_seed([9; 32]);
    for ms in 0..400 {
        world.run(Duration::from_millis(ms));
        for engine in world.engines.iter_mut().flatten() {
            engine.handle_datagram(world.now, &FORGED_ALERT);
            let mut noise = [0; 60];
            entropy.fill(&mut noise);
            engine.handle_datagram(world.now, &noise);
            // Application data, ChangeCipherSpec and Finished of nobody's keys.
            for content in [20, 22, 23] {
                noise[..5].copy_from_slice(&[content, 254, 253, 0, 1]);
                noise[11..13].copy_from_slice(&[0, 47]);
                engine.handle_datagram(world.now, &noise);
            }
        }
    }
    world.run(Duration::from_secs(5));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
}

/// A handshake message in the clear, which anybody could have written.
fn forged_message(kind: u8, sequence: u16, length: usize) -> Vec<u8> {
    let head = reassembly::header(kind, length, sequence, 0..length);
    let record = [&head[..], &vec![7; length]].concat();
    let mut out = [0; 200];
    let mut sealer = record::Sealer::default();
    let content = record::Content::Handshake;
    let len = sealer.write(&mut out, record::Epoch::Clear, content, &[&record]);
    out[..len.unwrap()].to_vec()
}

#[test]
fn an_alert_that_was_not_the_peers_does_not_lengthen_the_handshake() {
    let mut world = World::new();
    world.engines[1] = None;
    world.run(Duration::from_secs(29));
    if let Some(client) = &mut world.engines[0] {
        client.handle_datagram(world.now, &FORGED_ALERT);
        client.handle_datagram(world.now, &COOKIE_WANTED);
    }
    world.run(Duration::from_secs(90));
    let failed = Event::Failed(Failure::TimedOut);
    assert_eq!(world.events[0], [(Duration::from_secs(30), failed)]);
}

#[test]
fn a_finished_that_overtakes_what_makes_its_keys_is_not_lost() {
    let mut world = World::new();
    world.run(RTT);
    let of_client = |(_, sent): &&(Duration, Datagram)| sent.from == CLIENT.into();
    let flight = world.log.iter().rfind(of_client).unwrap().1.clone();
    let sealed = flight
        .bytes
        .windows(5)
        .position(|head| head == [22, 254, 253, 0, 1]);
    let (before, finished) = flight.bytes.split_at(sealed.unwrap());
    let Some(server) = &mut world.engines[1] else {
        panic!();
    };
    for datagram in [finished, before] {
        server.handle_datagram(world.now, datagram);
    }
    assert!(matches!(server.poll_event(), Some(Event::Secured(_))));
}

#[test]
fn once_there_are_keys_a_forged_message_takes_nobodys_place() {
    let finished = messages::kind::FINISHED;
    let whole = |sequence| forged_message(finished, sequence, 12);
    // Of one byte: the rest never comes.
    let begun = |sequence| {
        let mut message = whole(sequence);
        message[12] -= 11;
        message[24] = 1;
        message.truncate(26);
        message
    };
    for forge in [&whole as &dyn Fn(u16) -> Vec<u8>, &begun] {
        let mut world = World::new();
        // The client's flight is out, and the server's Finished is its sixth message.
        world.run(RTT + Duration::from_millis(1));
        if let Some(client) = &mut world.engines[0] {
            client.handle_datagram(world.now, &forge(5));
        }
        world.run(Duration::from_secs(5));
        world.assert_secured(Suite::AesCm128HmacSha1_80);
    }
    // It comes before the keys, and waits where the client's Finished will.
    let mut world = World::new();
    world.run(RTT + Duration::from_millis(1));
    if let Some(server) = &mut world.engines[1] {
        server.handle_datagram(world.now, &whole(4));
    }
    world.run(Duration::from_secs(5));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
}

#[test]
fn after_the_handshake_a_new_hello_is_not_answered() {
    let mut world = World::new();
    world.run(Duration::from_secs(1));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
    let hello = world.log[0].1.bytes.clone();
    let sent = world.log.len();
    for engine in world.engines.iter_mut().flatten() {
        engine.handle_datagram(world.now, &hello);
        assert_eq!(engine.poll_timeout(), None);
    }
    world.run(Duration::from_secs(3));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
    assert!(world.log.len() <= sent + 1, "at most the last flight again");
}

/// A HelloVerifyRequest.
const COOKIE_WANTED: [u8; 32] = [
    22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 19, // record
    3, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 7, // message
    254, 255, 4, 1, 2, 3, 4,
];

#[test]
fn a_cookie_is_returned_once() {
    let [ours, theirs] = identities();
    let terms = terms(DtlsRole::Client, DtlsVersion::V1_2, &theirs);
    let mut client = engine(terms, &ours, &PROFILES);
    let mut buffer = [0; MAX_DATAGRAM];
    let first = client.poll_transmit(&mut buffer).unwrap();
    client.handle_datagram(epoch(), &COOKIE_WANTED);
    let second = client.poll_transmit(&mut buffer).unwrap();
    assert_eq!(second, first + 4, "the same with the cookie");
    assert!(buffer[..second].windows(5).any(|w| w == [4, 1, 2, 3, 4]));
}

#[test]
fn an_identity_is_a_certificate_with_its_own_key() {
    let make = |algorithm| {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["test".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate.der().to_vec(), key.serialize_der())
    };
    let (certificate, key) = make(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (_, other) = make(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (_, ed25519) = make(&rcgen::PKCS_ED25519);
    let fault = |certificate: &[u8], key: &[u8]| Identity::new(certificate.to_vec(), key).err();
    assert_eq!(fault(&certificate, &key), None);
    assert_eq!(fault(&certificate, &other), Some(IdentityError::Mismatch));
    assert_eq!(fault(&certificate, &ed25519), Some(IdentityError::Key));
    assert_eq!(fault(&key, &key), Some(IdentityError::Certificate));
}
