//! 1.3, and what becomes of those who do not speak it.

use super::*;
use DtlsVersion::{V1_2, V1_3};

impl World {
    fn newer() -> Self {
        Self::speaking([V1_3; 2])
    }

    fn speaking(newest: [DtlsVersion; 2]) -> Self {
        Self::of(newest, [&PROFILES; 2])
    }

    fn spoken(&self) -> [DtlsVersion; 2] {
        self.engines.each_ref().map(|engine| match engine {
            Some(engine) if engine.is_newer() => V1_3,
            Some(_) | None => V1_2,
        })
    }

    /// Until so many datagrams are sent.
    fn run_until_sent(&mut self, count: usize) {
        let mut limit = self.now - epoch();
        while self.log.len() < count {
            limit += Duration::from_millis(1);
            self.run(limit);
        }
    }
}

/// Those that are said, in order.
fn told(world: &World, at: usize) -> Vec<Event> {
    let events = world.events[at].iter();
    events.map(|(_, event)| event.clone()).collect()
}

#[test]
fn a_round_trip_less_for_the_client() {
    let mut world = World::newer();
    world.link.delay = Duration::from_millis(10);
    world.run(Duration::from_secs(5));
    let times = world.assert_secured(Suite::AesCm128HmacSha1_80);
    assert_eq!(times, [20, 30].map(Duration::from_millis));
    let lengths: Vec<usize> = world.log.iter().map(|(_, sent)| sent.bytes.len()).collect();
    assert_eq!(lengths.len(), 4, "hello, flight, flight, ACK: {lengths:?}");
    assert!(
        lengths.iter().all(|length| *length <= MAX_DATAGRAM),
        "{lengths:?}"
    );
    assert!(lengths[0] < 400, "{lengths:?}");
    for engine in world.engines.iter().flatten() {
        assert_eq!(engine.poll_timeout(), None, "nothing is said again");
    }
    assert_eq!(world.spoken(), [V1_3; 2]);
}

#[test]
fn the_newest_that_both_have_is_spoken() {
    for (newest, spoken) in [
        ([V1_3, V1_3], V1_3),
        ([V1_3, V1_2], V1_2),
        ([V1_2, V1_3], V1_2),
        ([V1_2, V1_2], V1_2),
    ] {
        let mut world = World::speaking(newest);
        world.link.delay = Duration::from_millis(10);
        world.run(Duration::from_secs(5));
        world.assert_secured(Suite::AesCm128HmacSha1_80);
        assert_eq!(world.spoken(), [spoken; 2], "{newest:?}");
        assert_eq!(world.log.len(), 4);
    }
}

#[test]
fn nothing_of_1_2_is_held_once_1_3_is_settled() {
    let mut world = World::newer();
    // It waits where the fourth message of 1.2 would be, which never comes.
    for engine in world.engines.iter_mut().flatten() {
        engine.handle_datagram(world.now, &forged_message(11, 3, 100));
        assert!(engine.held_of_older() >= 100);
    }
    world.run(Duration::from_secs(1));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
    let held = world.engines.iter().flatten().map(Engine::held_of_older);
    assert_eq!(held.sum::<usize>(), 0);
}

#[test]
fn the_servers_order_of_profiles_rules_in_1_3_too() {
    let (cm, gcm) = (Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm);
    for (client, server, chosen) in [
        (&[cm, gcm][..], &[gcm, cm][..], gcm),
        (&[gcm, cm], &[cm, gcm], cm),
        (&[gcm], &[cm, gcm], gcm),
    ] {
        let mut world = World::of([V1_3; 2], [client, server]);
        world.run(Duration::from_secs(5));
        world.assert_secured(chosen);
    }
    let mut world = World::of([V1_3; 2], [&[gcm], &[cm]]);
    world.run(Duration::from_secs(5));
    let failures = [Some(Failure::Alert(40)), Some(Failure::NoCommonProfile)];
    assert_eq!(world.failures(), failures);
}

#[test]
fn a_client_refuses_another_certificate_than_the_described() {
    let mut world = World::newer();
    let [ours, _] = identities();
    let wrong = terms(DtlsRole::Client, V1_3, &ours);
    world.engines[0] = Some(engine(wrong, &ours, &PROFILES));
    world.run(Duration::from_secs(5));
    let failures = [Some(Failure::Fingerprint), Some(Failure::Alert(42))];
    assert_eq!(world.failures(), failures);
    let [(_, _), (at, _)] = [&world.events[0][0], &world.events[1][0]];
    assert_eq!(
        *at,
        RTT + RTT / 2,
        "an alert under keys is believed at once"
    );
}

/// The client has its keys already, and hears that they are of no use.
#[test]
fn a_server_refuses_another_certificate_than_the_described() {
    let mut world = World::newer();
    let [_, theirs] = identities();
    let wrong = terms(DtlsRole::Server, V1_3, &theirs);
    world.engines[1] = Some(engine(wrong, &theirs, &PROFILES));
    world.run(Duration::from_secs(5));
    assert_eq!(told(&world, 1), [Event::Failed(Failure::Fingerprint)]);
    let client = told(&world, 0);
    let [Event::Secured(_), Event::Failed(Failure::Alert(42))] = &client[..] else {
        panic!("{client:?}");
    };
}

/// It would stay with its keys for ever, and ask for an answer that never comes.
#[test]
fn a_client_hears_that_it_is_refused_when_that_was_lost() {
    let mut world = World::newer();
    world.link.delay = Duration::from_millis(10);
    let [_, theirs] = identities();
    let wrong = terms(DtlsRole::Server, V1_3, &theirs);
    world.engines[1] = Some(engine(wrong, &theirs, &PROFILES));
    world.run_until_sent(3);
    world.swallow = 1;
    world.run(Duration::from_secs(5));
    let client = &world.events[0][..];
    let [
        (_, Event::Secured(_)),
        (at, Event::Failed(Failure::Alert(42))),
    ] = client
    else {
        panic!("{client:?}");
    };
    assert!(*at < Duration::from_millis(100), "{at:?}");
    assert_eq!(told(&world, 1), [Event::Failed(Failure::Fingerprint)]);
    let sent = world.log.len();
    let hello = world.log[0].1.clone();
    for _ in 0..20 {
        world.link.send(world.now, hello.clone());
        world.run(world.now - epoch() + Duration::from_secs(1));
    }
    assert!(world.log.len() <= sent + 5, "not for ever");
}

#[test]
fn a_certificate_without_its_key_is_refused_by_either_in_1_3() {
    for at in [0, 1] {
        let mut world = World::newer();
        let both = identities();
        let (shown, peer) = (&both[at], &both[1 - at]);
        let impostor = Arc::new(identity().showing(shown));
        let terms = terms(ROLES[at], V1_3, peer);
        world.engines[at] = Some(engine(terms, &impostor, &PROFILES));
        world.run(Duration::from_secs(5));
        let failed = |failure| Some(Event::Failed(failure));
        assert_eq!(told(&world, 1 - at).pop(), failed(Failure::Signature));
        assert_eq!(told(&world, at).pop(), failed(Failure::Alert(51)));
        assert_eq!(told(&world, 1 - at).len(), 1, "no keys before");
    }
}

/// Whatever is turned on the way: it is not noticed only where it was not read, and said again.
#[test]
fn a_turned_bit_gives_the_same_keys_or_none_in_1_3() {
    let mut plain = World::newer();
    plain.run(Duration::from_secs(1));
    let lengths: Vec<usize> = plain.log.iter().map(|(_, sent)| sent.bytes.len()).collect();
    let mut refused = 0;
    for (which, length) in lengths.into_iter().enumerate() {
        for byte in (0..length).step_by(3) {
            let mut world = World::newer();
            world.turned = Some([which, byte]);
            world.run(Duration::from_secs(5));
            match world.keys() {
                [Some(_), Some(_)] => {
                    world.assert_secured(Suite::AesCm128HmacSha1_80);
                    // What hides the newer version is not changed unnoticed.
                    assert_eq!(world.spoken(), [V1_3; 2], "{which} {byte}");
                }
                [None, None] => refused += 1,
                one => panic!("{which} {byte}: {one:?}"),
            }
        }
    }
    assert!(refused > 30, "{refused}");
}

#[test]
fn every_lost_datagram_costs_a_few_dozen_milliseconds_in_1_3() {
    for lost in 0..4 {
        let mut world = World::newer();
        world.link.delay = Duration::from_millis(5);
        world.run_until_sent(lost);
        world.swallow = 1;
        world.run(Duration::from_secs(5));
        let times = world.assert_secured(Suite::AesCm128HmacSha1_80);
        let latest = times.into_iter().max().unwrap();
        assert!(latest <= Duration::from_millis(80), "{lost}: {latest:?}");
        for engine in world.engines.iter().flatten() {
            assert_eq!(engine.poll_timeout(), None);
        }
    }
}

#[test]
fn every_try_succeeds_under_loss_and_reordering_in_1_3() {
    let mut times = Vec::new();
    for (newest, loss) in [([V1_3, V1_3], 5), ([V1_3, V1_3], 20), ([V1_3, V1_2], 20)] {
        for seed in 0..100 {
            let mut world = World::speaking(newest);
            world.link = Link::new(seed, RTT / 2);
            world.link.loss = loss;
            world.link.jitter = Duration::from_millis(40);
            world.run(Duration::from_secs(10));
            times.extend(world.assert_secured(Suite::AesCm128HmacSha1_80));
            assert_eq!(world.spoken()[0], world.spoken()[1]);
        }
    }
    times.sort();
    let p95 = times[times.len() * 95 / 100];
    assert!(p95 < RTT * 6, "{p95:?}");
}

/// Every datagram twice, and once more after everything.
#[test]
fn what_is_replayed_changes_nothing() {
    let mut world = World::newer();
    for count in 1..=4 {
        world.run_until_sent(count);
        let (_, last) = world.log[world.log.len() - 1].clone();
        world.link.send(world.now, last);
    }
    world.run(Duration::from_secs(3));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
    let sent = world.log.len();
    let log: Vec<Datagram> = world.log.iter().map(|(_, sent)| sent.clone()).collect();
    for datagram in log {
        world.link.send(world.now, datagram);
    }
    world.run(Duration::from_secs(6));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
    assert!(world.log.len() <= sent + 1, "no answer to old records");
}

#[test]
fn silence_ends_after_half_a_minute_in_1_3() {
    let mut world = World::newer();
    world.engines[1] = None;
    world.run(Duration::from_secs(40));
    let failed = Event::Failed(Failure::TimedOut);
    assert_eq!(world.events[0], [(Duration::from_secs(30), failed)]);
    // And if the server falls silent after its flight: there are keys, and who hears nothing stops asking.
    let mut world = World::newer();
    world.run(RTT + Duration::from_millis(1));
    world.engines[1] = None;
    world.run(Duration::from_secs(100));
    assert!(matches!(told(&world, 0)[..], [Event::Secured(_)]));
    assert!(world.log.len() < 110, "{}", world.log.len());
    let client = world.engines[0].as_ref().unwrap();
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn forged_records_and_noise_change_nothing_in_1_3() {
    let mut world = World::newer();
    let mut entropy = Entropy::from_seed([9; 32]);
    for ms in 0..400 {
        world.run(Duration::from_millis(ms));
        for engine in world.engines.iter_mut().flatten() {
            engine.handle_datagram(world.now, &FORGED_ALERT);
            let mut noise = [0; 80];
            entropy.fill(&mut noise);
            engine.handle_datagram(world.now, &noise);
            // Sealed by nobody's keys, with and without a length, with a connection id; an ACK for everything in the clear.
            for first in [0x2e, 0x2f, 0x2c, 0x22, 0x23, 0x3e] {
                noise[0] = first;
                noise[3..5].copy_from_slice(&[0, 75]);
                engine.handle_datagram(world.now, &noise);
            }
            let mut ack = vec![26, 254, 253, 0, 0, 0, 0, 0, 0, 0, 1, 0, 34, 0, 32];
            for sequence in 0..2_u64 {
                ack.extend([0_u64, sequence].iter().flat_map(|word| word.to_be_bytes()));
            }
            engine.handle_datagram(world.now, &ack);
        }
    }
    world.run(Duration::from_secs(5));
    world.assert_secured(Suite::AesCm128HmacSha1_80);
    assert_eq!(world.spoken(), [V1_3; 2]);
}

impl World {
    /// Of peers with long certificates, so that the server's flight needs two datagrams.
    fn of_rsa() -> Self {
        let mut world = Self::newer();
        let rsa = rsa_identity();
        for at in [0, 1] {
            let terms = terms(ROLES[at], V1_3, &rsa);
            world.engines[at] = Some(engine(terms, &rsa, &PROFILES));
        }
        world
    }
}

/// Half of the peer's flight has come, and then an alert that anybody could have written, and nothing for seconds.
#[test]
fn a_forged_alert_does_not_shorten_a_handshake_under_keys() {
    // The second datagram of the server's flight, and the CertificateVerify of the client's.
    for (at, lost, half_is_there) in [(0, [2, 20], 20), (1, [3, 1000], 30)] {
        let mut world = World::of_rsa();
        world.link.delay = Duration::from_millis(10);
        world.turned = Some(lost);
        for ms in [half_is_there - 1, half_is_there] {
            world.run(Duration::from_millis(ms));
            let engine = world.engines[at].as_mut().unwrap();
            engine.handle_datagram(world.now, &FORGED_ALERT);
        }
        let peer = world.engines[1 - at].take();
        world.run(Duration::from_secs(10));
        assert!(world.events[at].is_empty(), "{at}: {:?}", world.events[at]);
        world.engines[1 - at] = peer;
        world.run(Duration::from_secs(20));
        world.assert_secured(Suite::AesCm128HmacSha1_80);
        assert_eq!(world.spoken(), [V1_3; 2]);
    }
}

/// Whoever strikes 1.3 from the client's hello is found out by what the server's random ends in.
#[test]
fn a_hidden_version_is_noticed() {
    let mut world = World::newer();
    world.run(Duration::ZERO);
    let hello = world.log[0].1.bytes.clone();
    let at = hello
        .windows(2)
        .position(|pair| pair == [0xfe, 0xfc])
        .unwrap();
    world.turned = None;
    let mut world = World::newer();
    // 1.3 becomes a version that nobody has; a bit is enough.
    world.turned = Some([0, at + 1]);
    world.run(Duration::from_secs(5));
    assert_eq!(told(&world, 0), [Event::Failed(Failure::Downgraded)]);
    assert_eq!(told(&world, 1), [Event::Failed(Failure::Alert(47))]);
}

#[test]
fn a_client_of_1_3_alone_gets_nothing_from_a_server_of_1_2() {
    let mut world = World::speaking([V1_3, V1_2]);
    world.run(Duration::ZERO);
    let hello = world.log[0].1.bytes.clone();
    let list = [0xfe, 0xfc, 0xfe, 0xfd];
    let at = hello
        .windows(4)
        .position(|versions| versions == list)
        .unwrap();
    let mut alone = World::speaking([V1_3, V1_2]);
    alone.turned = Some([0, at + 3]);
    alone.run(Duration::from_secs(5));
    assert_eq!(told(&alone, 1), [Event::Failed(Failure::NoCommonVersion)]);
}

fn rsa_identity() -> Arc<Identity> {
    let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key);
    let der = der.unwrap().as_ref().to_vec();
    let signing = rcgen::KeyPair::try_from(der).unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["test".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&signing).unwrap();
    Arc::new(Identity::of_rsa(certificate.der().to_vec(), key))
}

#[test]
fn peers_with_rsa_certificates_in_either_role() {
    let rsa = rsa_identity();
    for at in [0, 1] {
        let mut world = World::newer();
        let other = &identities()[1 - at];
        world.engines[at] = Some(engine(terms(ROLES[at], V1_3, other), &rsa, &PROFILES));
        let towards = terms(ROLES[1 - at], V1_3, &rsa);
        world.engines[1 - at] = Some(engine(towards, other, &PROFILES));
        world.run(Duration::from_secs(5));
        world.assert_secured(Suite::AesCm128HmacSha1_80);
        assert_eq!(world.spoken(), [V1_3; 2]);
        assert!(world.log.len() >= 5, "longer than a datagram");
    }
}

/// Datagrams that are lost, repeated, cut, changed, and mixed with parts of others: nobody breaks, and who have keys have
/// the same ones.
#[test]
fn whatever_the_network_makes_of_it() {
    let mut secured = 0;
    for seed in 0..=255 {
        let mut entropy = Entropy::from_seed([seed; 32]);
        let mut world = World::speaking([[V1_3, V1_3], [V1_3, V1_2]][usize::from(seed % 2)]);
        world.link.delay = Duration::from_millis(5);
        let mut last = Vec::new();
        for ms in 0..600 {
            world.run(Duration::from_millis(ms));
            let fresh = world.log.len() > last.len();
            last = world.log.clone();
            let Some((_, datagram)) = last.last().filter(|_| fresh || ms % 16 == 0) else {
                continue;
            };
            let mut datagram = datagram.clone();
            let at = entropy.below(datagram.bytes.len() as u32) as usize;
            match entropy.below(6) {
                0 => datagram.bytes.truncate(at),
                1 => datagram.bytes[at] = entropy.below(256) as u8,
                2 => datagram.bytes.rotate_left(at),
                3 => datagram.bytes.extend_from_within(at..),
                4 => drop(datagram.bytes.drain(..at)),
                _ => world.swallow = 1,
            }
            let to = usize::from(datagram.to == SERVER.into());
            if let Some(engine) = &mut world.engines[to] {
                engine.handle_datagram(world.now, &datagram.bytes);
            }
        }
        world.run(Duration::from_secs(40));
        if let [Some((_, client)), Some((_, server))] = world.keys() {
            assert!(client.send == server.receive && client.receive == server.send);
            secured += 1;
        }
        for engine in world.engines.iter().flatten() {
            assert_eq!(engine.poll_timeout(), None, "{seed}: an end");
        }
    }
    assert!(secured > 100, "{secured}");
}
