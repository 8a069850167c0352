//! Our DTLS against dimpl's, which speaks 1.3: both ends, each version and both together, with and without its cookie, for
//! every cipher suite, through loss and disorder. The keys that dimpl exports are ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::crypto::Dtls13CipherSuite;
use dimpl::{Config, ConfigBuilder, Dtls, DtlsCertificate, NamedGroup, Output, ProtocolVersion};
use wabridge::entropy::Entropy;
use wabridge::media::dtls::{Engine, Event, Failure, Identity, MAX_DATAGRAM};
use wabridge::sdp::{CryptoPair, DtlsRole, DtlsTerms, DtlsVersion, Fingerprint, Suite};

const DELAY: Duration = Duration::from_millis(10);

/// A certificate in DER, and its key.
fn made() -> (Vec<u8>, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["peer".to_owned()]).unwrap();
    (made.cert.der().to_vec(), made.signing_key.serialize_der())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Speaks {
    Old,
    New,
    Both,
}

struct World {
    start: Instant,
    now: Instant,
    ours: Engine,
    theirs: Dtls,
    /// When its timer is due.
    due: Option<Instant>,
    entropy: Entropy,
    loss: u32,
    jitter_ms: u32,
    /// By arrival: for us or for them.
    under_way: BTreeMap<(Instant, u64), (To, Vec<u8>)>,
    sent: u64,
    events: Vec<(Duration, Event)>,
    /// First bytes of sealed records: of those to us and to them.
    sealed: [BTreeSet<u8>; 2],
    /// What dimpl exports.
    exported: Option<Vec<u8>>,
    seen: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum To {
    Us,
    Them,
}

impl World {
    fn new(role: DtlsRole, newest: DtlsVersion, speaks: Speaks, config: ConfigBuilder) -> Self {
        let start = Instant::now();
        let ((our_certificate, our_key), (certificate, private_key)) = (made(), made());
        let terms = DtlsTerms {
            role,
            newest,
            fingerprints: vec![Fingerprint::of(&certificate)],
        };
        let identity = Arc::new(Identity::new(our_certificate, &our_key).unwrap());
        let profiles = vec![Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm];
        let entropy = Entropy::from_seed([5; 32]);
        let config: Arc<Config> = Arc::new(config.build().unwrap());
        let certificate = DtlsCertificate {
            certificate,
            private_key,
        };
        let mut theirs = match speaks {
            Speaks::Old => Dtls::new_12(config, certificate, start),
            Speaks::New => Dtls::new_13(config, certificate, start),
            Speaks::Both => Dtls::new_auto(config, certificate, start),
        };
        theirs.set_active(role == DtlsRole::Server);
        theirs.handle_timeout(start).unwrap();
        Self {
            start,
            now: start,
            ours: Engine::new(start, terms, identity, profiles, entropy),
            theirs,
            due: None,
            entropy: Entropy::from_seed([6; 32]),
            loss: 0,
            jitter_ms: 0,
            under_way: BTreeMap::new(),
            sent: 0,
            events: Vec::new(),
            sealed: Default::default(),
            exported: None,
            seen: None,
        }
    }

    fn post(&mut self, to: To, bytes: Vec<u8>) {
        self.sent += 1;
        self.sealed[usize::from(to == To::Them)].extend(bytes.first());
        if self.entropy.below(100) < self.loss {
            return;
        }
        let jitter = Duration::from_millis(self.entropy.below(self.jitter_ms + 1).into());
        let key = (self.now + DELAY + jitter, self.sent);
        self.under_way.insert(key, (to, bytes));
    }

    fn drain(&mut self) {
        let mut posts = Vec::new();
        let mut buffer = [0; 4096];
        while let Some(len) = self.ours.poll_transmit(&mut buffer[..MAX_DATAGRAM]) {
            posts.push((To::Them, buffer[..len].to_vec()));
        }
        while let Some(event) = self.ours.poll_event() {
            self.events.push((self.now - self.start, event));
        }
        loop {
            match self.theirs.poll_output(&mut buffer) {
                Output::Packet(packet) => posts.push((To::Us, packet.to_vec())),
                Output::KeyingMaterial(material, _) => self.exported = Some(material.to_vec()),
                Output::PeerCert(certificate) => self.seen = Some(certificate.to_vec()),
                Output::Timeout(due) => {
                    self.due = Some(due);
                    break;
                }
                _ => {}
            }
        }
        for (to, bytes) in posts {
            self.post(to, bytes);
        }
    }

    fn run(&mut self, until: Duration) {
        let until = self.start + until;
        self.drain();
        loop {
            let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let timers = [self.ours.poll_timeout(), self.due, arrival];
            let next = timers
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= until);
            let Some(next) = next else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            if arrival.is_some_and(|at| at <= self.now) {
                let (_, (to, bytes)) = self.under_way.pop_first().unwrap();
                match to {
                    To::Us => self.ours.handle_datagram(self.now, &bytes),
                    To::Them => {
                        self.theirs.handle_timeout(self.now).unwrap();
                        // What it refuses is not ours to judge; that it has keys in the end is.
                        let _ = self.theirs.handle_packet(&bytes);
                    }
                }
            } else {
                self.ours.handle_timeout(self.now);
                self.theirs.handle_timeout(self.now).unwrap();
            }
            self.drain();
        }
    }

    fn keys(&self) -> (Duration, &CryptoPair) {
        match &self.events[..] {
            [(at, Event::Secured(keys))] => (*at, keys),
            events => panic!("{events:?}"),
        }
    }

    /// As RFC 5764 §4.2 has it: client key, server key, client salt, server salt.
    fn assert_exported(&self, role: DtlsRole) {
        let (_, keys) = self.keys();
        let (client, server) = match role {
            DtlsRole::Client => (&keys.send.0, &keys.receive.0),
            DtlsRole::Server => (&keys.receive.0, &keys.send.0),
        };
        let (client_key, client_salt) = client.split_at(16);
        let (server_key, server_salt) = server.split_at(16);
        let expected = [client_key, server_key, client_salt, server_salt].concat();
        assert_eq!(self.exported.as_deref(), Some(&expected[..]));
        assert!(self.seen.is_some(), "it has seen our certificate");
    }
}

const ROLES: [DtlsRole; 2] = [DtlsRole::Client, DtlsRole::Server];

fn impatient() -> ConfigBuilder {
    Config::builder()
        .flight_start_rto(Duration::from_millis(100))
        .flight_retries(12)
        .use_server_cookie(false)
}

#[test]
fn either_end_in_either_version() {
    use DtlsVersion::{V1_2, V1_3};
    let (old, new) = (ProtocolVersion::DTLS1_2, ProtocolVersion::DTLS1_3);
    for role in ROLES {
        for (newest, speaks, spoken) in [
            (V1_3, Speaks::New, new),
            (V1_3, Speaks::Both, new),
            (V1_3, Speaks::Old, old),
            (V1_2, Speaks::Old, old),
            (V1_2, Speaks::Both, old),
        ] {
            let mut world = World::new(role, newest, speaks, impatient());
            world.run(Duration::from_secs(5));
            world.assert_exported(role);
            assert_eq!(
                world.theirs.protocol_version(),
                Some(spoken),
                "{role:?}, {speaks:?}"
            );
            let (after, _) = world.keys();
            let trips = match (role, spoken == new) {
                (DtlsRole::Client, true) => 2,
                (DtlsRole::Client, false) => 4,
                (DtlsRole::Server, _) => 3,
            };
            assert_eq!(after, DELAY * trips, "{role:?}, {speaks:?}");
        }
    }
}

#[test]
fn its_cookie_is_returned() {
    for (speaks, trips) in [(Speaks::New, 4), (Speaks::Both, 4), (Speaks::Old, 6)] {
        let config = impatient().use_server_cookie(true);
        let mut world = World::new(DtlsRole::Client, DtlsVersion::V1_3, speaks, config);
        world.run(Duration::from_secs(5));
        world.assert_exported(DtlsRole::Client);
        assert_eq!(world.keys().0, DELAY * trips, "{speaks:?}");
    }
}

#[test]
fn every_cipher_suite_that_both_have() {
    for role in ROLES {
        for suite in [
            Dtls13CipherSuite::AES_128_GCM_SHA256,
            Dtls13CipherSuite::AES_256_GCM_SHA384,
            Dtls13CipherSuite::CHACHA20_POLY1305_SHA256,
        ] {
            let config = impatient().dtls13_cipher_suites(&[suite]);
            let mut world = World::new(role, DtlsVersion::V1_3, Speaks::New, config);
            world.run(Duration::from_secs(5));
            world.assert_exported(role);
        }
    }
}

/// P-384 is in no hello of ours; it has to be asked for by a HelloRetryRequest. We ask where it sends no half that we have.
#[test]
fn every_group_that_both_have() {
    for role in ROLES {
        for groups in [
            &[NamedGroup::X25519][..],
            &[NamedGroup::Secp256r1],
            &[NamedGroup::Secp384r1],
        ] {
            let config = impatient().kx_groups(groups);
            let mut world = World::new(role, DtlsVersion::V1_3, Speaks::New, config);
            world.run(Duration::from_secs(5));
            world.assert_exported(role);
        }
    }
}

#[test]
fn small_datagrams() {
    for role in ROLES {
        let config = impatient().mtu(300);
        let mut world = World::new(role, DtlsVersion::V1_3, Speaks::New, config);
        world.run(Duration::from_secs(5));
        world.assert_exported(role);
    }
}

#[test]
fn loss_and_disorder_are_survived() {
    for role in ROLES {
        for seed in 0..40 {
            let mut world = World::new(role, DtlsVersion::V1_3, Speaks::New, impatient().mtu(600));
            world.entropy = Entropy::from_seed([seed; 32]);
            (world.loss, world.jitter_ms) = (10, 15);
            world.run(Duration::from_secs(20));
            world.assert_exported(role);
        }
    }
}

#[test]
fn another_certificate_is_refused() {
    for role in ROLES {
        let mut world = World::new(role, DtlsVersion::V1_3, Speaks::New, impatient());
        let (certificate, key) = made();
        let terms = DtlsTerms {
            role,
            newest: DtlsVersion::V1_3,
            fingerprints: vec![Fingerprint::of(&certificate)],
        };
        let identity = Arc::new(Identity::new(certificate, &key).unwrap());
        let profiles = vec![Suite::AesCm128HmacSha1_80];
        let entropy = Entropy::from_seed([5; 32]);
        world.ours = Engine::new(world.now, terms, identity, profiles, entropy);
        world.run(Duration::from_secs(5));
        let told: Vec<Event> = world
            .events
            .iter()
            .map(|(_, event)| event.clone())
            .collect();
        assert_eq!(told, [Event::Failed(Failure::Fingerprint)], "{role:?}");
    }
}

/// Each of its KeyUpdates wants one of ours. One that is not acknowledged would be an error of its timer.
#[test]
fn keys_are_updated_as_often_as_it_wants() {
    for role in ROLES {
        let config = impatient().aead_encryption_limit(10);
        let mut world = World::new(role, DtlsVersion::V1_3, Speaks::New, config);
        world.run(Duration::from_secs(1));
        world.assert_exported(role);
        for n in 1..=100 {
            world
                .theirs
                .send_application_data(b"nothing to us")
                .unwrap();
            // Where it looks whether its keys have served long enough.
            world.theirs.handle_timeout(world.now).unwrap();
            world.run(Duration::from_secs(1) + Duration::from_millis(100) * n);
        }
        world.run(Duration::from_secs(60));
        world.assert_exported(role);
        // Epochs 3 to 6 at least, by their last two bits.
        for (of_whom, first_bytes) in ["theirs", "ours"].iter().zip(&world.sealed) {
            let sealed = first_bytes.iter().filter(|first| **first & 0xe0 == 0x20);
            let epochs: BTreeSet<u8> = sealed.map(|first| first & 3).collect();
            assert_eq!(epochs, BTreeSet::from([0, 1, 2, 3]), "{role:?}, {of_whom}");
        }
    }
}
