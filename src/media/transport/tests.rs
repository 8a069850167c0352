//! Two ends in a simulated network: from `start` to keys, whatever the network does.

use std::sync::OnceLock;

use super::*;
use crate::media::link::{Datagram, Link};
use crate::sdp::{Candidate, DtlsVersion, Fingerprint, IceMode, IceRole};
use ends::{ice_end, ice_terms, identities, terms};

#[path = "../../../tests/media/ends.rs"]
mod ends;

const RTT: Duration = Duration::from_millis(100);
const OURS: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);
const THEIRS: ([u8; 4], u16) = ([198, 51, 100, 2], 3480);
const STRANGER: ([u8; 4], u16) = ([203, 0, 113, 66], 666);

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// How the two ends speak ICE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ice {
    /// WhatsApp's way: the other end is lite and knows nothing of our addresses.
    TheyAreLite,
    WeAreLite,
    /// Both full; we made the offer, or they did.
    WeControl,
    TheyControl,
    None,
}

const EVERY_ICE: [Ice; 5] = [
    Ice::TheyAreLite,
    Ice::WeAreLite,
    Ice::WeControl,
    Ice::TheyControl,
    Ice::None,
];

fn ice(kind: Ice) -> Option<[IceTerms; 2]> {
    use IceMode::{Full, Lite};
    use IceRole::{Controlled, Controlling};
    let (role, modes, we_are_known) = match kind {
        Ice::TheyAreLite => (Controlling, [Full, Lite], false),
        Ice::WeAreLite => (Controlled, [Lite, Full], true),
        Ice::WeControl => (Controlling, [Full, Full], true),
        Ice::TheyControl => (Controlled, [Full, Full], true),
        Ice::None => return None,
    };
    let a = ice_end("our", modes[0], we_are_known.then(|| OURS.into()));
    let b = ice_end("their", modes[1], Some(THEIRS.into()));
    Some(ice_terms(role, [a, b]))
}

struct World {
    ends: [Option<Transport>; 2],
    addresses: [SocketAddr; 2],
    starts: [Duration; 2],
    events: [Vec<(Duration, Event)>; 2],
    link: Link,
    now: Instant,
    log: Vec<(Duration, Datagram)>,
}

impl World {
    fn new(kind: Ice, ours: DtlsRole) -> Self {
        Self::speaking(kind, ours, DtlsVersion::V1_2)
    }

    fn speaking(kind: Ice, ours: DtlsRole, newest: DtlsVersion) -> Self {
        let ices = ice(kind).map_or([None, None], |both| both.map(Some));
        let peers = [THEIRS.into(), OURS.into()];
        let [our_terms, their_terms] = terms(ices, peers, ours, newest);
        let [a, b] = identities();
        let end = |terms, identity: &Arc<Identity>, seed| {
            let entropy = Entropy::from_seed([seed; 32]);
            Some(Transport::new(epoch(), terms, identity.clone(), entropy))
        };
        Self {
            ends: [end(our_terms, &a.0, 1), end(their_terms, &b.0, 2)],
            addresses: [OURS.into(), THEIRS.into()],
            starts: [Duration::ZERO; 2],
            events: [Vec::new(), Vec::new()],
            link: Link::new(1, RTT / 2),
            now: epoch(),
            log: Vec::new(),
        }
    }

    fn flush(&mut self) {
        let since = self.now - epoch();
        for (at, end) in self.ends.iter_mut().enumerate() {
            let Some(end) = end else {
                continue;
            };
            if self.starts[at] <= since {
                end.start(self.now);
            }
            let mut buffer = [0; MAX_DATAGRAM];
            while let Some((to, len)) = end.poll_transmit(&mut buffer) {
                let datagram = Datagram {
                    from: self.addresses[at],
                    to,
                    bytes: buffer[..len].to_vec(),
                };
                self.log.push((since, datagram.clone()));
                self.link.send(self.now, datagram);
            }
            while let Some(event) = end.poll_event() {
                self.events[at].push((since, event));
            }
        }
    }

    fn run(&mut self, limit: Duration) {
        loop {
            self.flush();
            let starts = self.starts.iter().map(|at| epoch() + *at);
            let starts = starts.filter(|at| *at > self.now);
            let timers = self
                .ends
                .iter()
                .flatten()
                .filter_map(Transport::poll_timeout);
            let next = timers.chain(starts).chain(self.link.deadline()).min();
            let Some(next) = next.filter(|next| *next <= epoch() + limit) else {
                self.now = epoch() + limit;
                return;
            };
            self.now = self.now.max(next);
            while let Some(datagram) = self.link.receive(self.now) {
                self.deliver(&datagram);
            }
            for end in self.ends.iter_mut().flatten() {
                end.handle_timeout(self.now);
            }
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let at = self.addresses.iter().position(|at| *at == datagram.to);
        if let Some(end) = at.and_then(|at| self.ends[at].as_mut()) {
            give(end, self.now, datagram.from, &datagram.bytes);
        }
    }

    fn keys(&self, at: usize) -> Option<(Duration, &CryptoPair)> {
        self.events[at].iter().find_map(|(at, event)| match event {
            Event::Secured { keys, .. } => Some((*at, keys)),
            _ => None,
        })
    }

    /// When both had keys, the same ones.
    fn secured(&self, about: &str) -> Duration {
        let [Some((first, ours)), Some((second, theirs))] = [self.keys(0), self.keys(1)] else {
            panic!("{about}: {:?}", self.events);
        };
        assert!(
            ours.send == theirs.receive && ours.receive == theirs.send,
            "{about}"
        );
        for (at, peer) in [(0, 1), (1, 0)] {
            let end = self.ends[at].as_ref().unwrap();
            assert_eq!(end.target(), Some(self.addresses[peer]), "{about}");
        }
        first.max(second)
    }

    fn failure(&self, at: usize) -> Option<Failure> {
        self.events[at].iter().find_map(|(_, event)| match event {
            Event::Failed(failure) => Some(*failure),
            _ => None,
        })
    }
}

fn give(end: &mut Transport, now: Instant, from: SocketAddr, bytes: &[u8]) {
    match crate::media::rtp::Kind::of(bytes) {
        crate::media::rtp::Kind::Stun => end.handle_stun(now, from, bytes),
        _ => end.handle_dtls(now, from, bytes),
    };
}

fn is_dtls(datagram: &Datagram) -> bool {
    crate::media::rtp::Kind::of(&datagram.bytes) == crate::media::rtp::Kind::Dtls
}

#[test]
fn every_kind_of_ice_in_either_role_within_three_round_trips() {
    for kind in EVERY_ICE {
        for role in [DtlsRole::Client, DtlsRole::Server] {
            let mut world = World::new(kind, role);
            world.run(Duration::from_secs(3));
            let about = format!("{kind:?} {role:?}");
            let after = world.secured(&about);
            assert!(
                after <= RTT * 3 + Duration::from_millis(50),
                "{about}: {after:?}"
            );
        }
    }
}

#[test]
fn a_round_trip_less_where_our_hello_is_of_1_3() {
    for kind in EVERY_ICE {
        for role in [DtlsRole::Client, DtlsRole::Server] {
            let mut world = World::speaking(kind, role, DtlsVersion::V1_3);
            world.run(Duration::from_secs(3));
            let about = format!("{kind:?} {role:?}");
            let both = world.secured(&about);
            let limit = RTT * 3 + Duration::from_millis(50);
            assert!(both <= limit, "{about}: {both:?}");
            let client = usize::from(role == DtlsRole::Server);
            let (of_client, _) = world.keys(client).unwrap();
            assert_eq!(both - of_client, RTT / 2, "{about}");
        }
    }
}

#[test]
fn a_peer_that_refuses_us_after_there_were_keys_is_told() {
    let mut world = World::speaking(Ice::WeControl, DtlsRole::Client, DtlsVersion::V1_3);
    let mut terms = world.ends[1].as_ref().unwrap().terms.clone();
    terms.dtls.fingerprints = vec![identities()[1].1.clone()];
    let (identity, entropy) = (identities()[1].0.clone(), Entropy::from_seed([2; 32]));
    world.ends[1] = Some(Transport::new(epoch(), terms, identity, entropy));
    world.run(Duration::from_secs(3));
    assert!(world.keys(0).is_some() && world.keys(1).is_none());
    let refused = Failure::Dtls(dtls::Failure::Alert(42));
    assert_eq!(world.failure(0), Some(refused));
    let ours = Failure::Dtls(dtls::Failure::Fingerprint);
    assert_eq!(world.failure(1), Some(ours));
    assert_eq!(world.ends[0].as_ref().unwrap().target(), None);
}

#[test]
fn a_peer_that_missed_why_it_is_refused_is_told_again() {
    let mut world = World::speaking(Ice::WeControl, DtlsRole::Client, DtlsVersion::V1_3);
    let mut terms = world.ends[1].as_ref().unwrap().terms.clone();
    terms.dtls.fingerprints = vec![identities()[1].1.clone()];
    let (identity, entropy) = (identities()[1].0.clone(), Entropy::from_seed([2; 32]));
    world.ends[1] = Some(Transport::new(epoch(), terms, identity, entropy));
    let mut ms = 0;
    while world.failure(1).is_none() {
        ms += 1;
        world.run(Duration::from_millis(ms));
    }
    // The alert, and whatever else is under way.
    world.link = Link::new(1, RTT / 2);
    world.run(Duration::from_secs(3));
    assert!(world.keys(0).is_some());
    let refused = Failure::Dtls(dtls::Failure::Alert(42));
    assert_eq!(world.failure(0), Some(refused));
}

#[test]
fn lite_peer_without_candidates_is_where_its_description_says() {
    let mut world = World::new(Ice::TheyAreLite, DtlsRole::Client);
    let mut terms = world.ends[0].as_ref().unwrap().terms.clone();
    terms.ice.as_mut().unwrap().theirs.candidates.clear();
    let (identity, entropy) = (identities()[0].0.clone(), Entropy::from_seed([1; 32]));
    world.ends[0] = Some(Transport::new(epoch(), terms, identity, entropy));
    world.run(Duration::from_secs(3));
    assert_eq!(world.secured("described"), RTT * 3);
}

#[test]
fn times_are_told_from_the_start_on() {
    let mut world = World::new(Ice::TheyAreLite, DtlsRole::Client);
    world.starts = [Duration::from_millis(500); 2];
    world.run(Duration::from_secs(3));
    let times = world.ends[0].as_ref().unwrap().times();
    assert_eq!(times.found_after, Some(RTT));
    assert_eq!(times.secured_after, Some(RTT * 3));
    let (at, _) = world.keys(0).unwrap();
    assert_eq!(at, Duration::from_millis(800));
}

/// What is found waits, and what is told to start is there in two round trips.
#[test]
fn a_held_hello_leaves_when_the_peer_has_our_description() {
    let mut world = World::new(Ice::TheyAreLite, DtlsRole::Client);
    world.starts[0] = Duration::from_secs(1);
    world.ends[0].as_mut().unwrap().check(epoch());
    world.run(Duration::from_millis(999));
    let events = &world.events[0];
    assert!(
        matches!(events[..], [(at, Event::Found { .. })] if at == RTT),
        "{events:?}"
    );
    assert!(!world.log.iter().any(|(_, sent)| is_dtls(sent)), "held");
    world.run(Duration::from_secs(3));
    let (at, _) = world.keys(0).unwrap();
    assert_eq!(at, Duration::from_secs(1) + RTT * 2);
}

/// Whose hello the peer sends has nothing to wait for.
#[test]
fn a_server_waits_for_nothing_but_the_peer() {
    let mut world = World::new(Ice::TheyAreLite, DtlsRole::Server);
    world.starts[0] = Duration::from_secs(10);
    world.ends[0].as_mut().unwrap().check(epoch());
    world.run(Duration::from_secs(3));
    assert!(world.secured("a server") <= RTT * 3 + Duration::from_millis(50));
}

#[test]
fn no_hello_before_the_nomination_and_none_elsewhere() {
    let mut world = World::new(Ice::TheyAreLite, DtlsRole::Client);
    world.run(Duration::from_secs(3));
    let first = world
        .log
        .iter()
        .position(|(_, sent)| is_dtls(sent))
        .unwrap();
    let nomination = world.log[..first].iter().rposition(|(_, sent)| {
        ice::stun::Message::parse(&sent.bytes).is_ok_and(|message| message.use_candidate)
    });
    assert_eq!(nomination, Some(first - 1), "right before it");
    assert!(
        world
            .log
            .iter()
            .all(|(_, sent)| world.addresses.contains(&sent.to))
    );
}

#[test]
fn all_of_200_tries_connect_at_each_loss() {
    for (loss, limit) in [
        (0, RTT * 3 + Duration::from_millis(50)),
        (5, RTT * 5),
        (20, RTT * 9),
    ] {
        let mut times = Vec::new();
        for seed in 0..200 {
            let role = match seed % 2 {
                0 => DtlsRole::Client,
                _ => DtlsRole::Server,
            };
            let kind = EVERY_ICE[usize::from(seed) % EVERY_ICE.len()];
            let mut world = World::new(kind, role);
            world.link = Link::new(seed, RTT / 2);
            world.link.loss = loss;
            world.run(Duration::from_secs(20));
            times.push(world.secured(&format!("{loss} %, {kind:?} {role:?} {seed}")));
        }
        times.sort();
        let [p50, p95, most] = [times[100], times[190], times[199]];
        println!(
            "loss {loss} %: keys on both sides after p50 {p50:?}, p95 {p95:?}, at most {most:?}"
        );
        assert!(p95 <= limit, "{loss} %: {p95:?}");
    }
}

#[test]
fn reordering_does_not_hurt() {
    for seed in 0..50 {
        let mut world = World::new(Ice::TheyAreLite, DtlsRole::Client);
        world.link = Link::new(seed, RTT / 4);
        world.link.jitter = RTT / 2;
        world.link.loss = 3;
        world.run(Duration::from_secs(10));
        world.secured("reordered");
    }
}

#[test]
fn late_peer_is_reached_at_once() {
    for kind in EVERY_ICE {
        for seconds in [1, 2, 4] {
            let mut world = World::new(kind, DtlsRole::Client);
            let theirs = world.ends[1].take();
            world.run(Duration::from_secs(seconds));
            world.ends[1] = theirs;
            world.starts[1] = Duration::from_secs(seconds);
            world.run(Duration::from_secs(seconds + 4));
            let after = world.secured("late") - Duration::from_secs(seconds);
            let limit = RTT * 3 + Duration::from_millis(450);
            assert!(after <= limit, "{kind:?}, {seconds} s: {after:?}");
        }
    }
}

/// CVE-2023-49786: a hello of somebody else, before ours or instead of the peer's.
#[test]
fn hellos_from_elsewhere_change_nothing() {
    let stranger = |fingerprint: &Fingerprint| {
        let identity = identities()[0].0.clone();
        let entropy = Entropy::from_seed([9; 32]);
        let terms = DtlsTerms {
            role: DtlsRole::Client,
            newest: DtlsVersion::V1_2,
            fingerprints: vec![fingerprint.clone()],
        };
        Engine::new(epoch(), terms, identity, PROFILES.to_vec(), entropy)
    };
    for kind in EVERY_ICE {
        let mut world = World::new(kind, DtlsRole::Server);
        let mut engine = stranger(&identities()[0].1);
        let mut hello = [0; MAX_DATAGRAM];
        let len = engine.poll_transmit(&mut hello).unwrap();
        for ms in 0..600 {
            world.run(Duration::from_millis(ms));
            let (now, from) = (world.now, STRANGER.into());
            let end = world.ends[0].as_mut().unwrap();
            assert!(!end.handle_dtls(now, from, &hello[..len]), "{kind:?}");
            assert!(!end.is_peer(from));
        }
        assert!(world.log.iter().all(|(_, sent)| sent.to != STRANGER.into()));
        let after = world.secured(&format!("{kind:?}"));
        assert!(
            after <= RTT * 3 + Duration::from_millis(50),
            "{kind:?}: {after:?}"
        );
    }
}

#[test]
fn hello_that_overtakes_our_own_check_is_not_lost() {
    let mut world = World::new(Ice::TheyControl, DtlsRole::Server);
    world.run(RTT * 3);
    let hellos = world
        .log
        .iter()
        .filter(|(_, sent)| is_dtls(sent) && sent.from == THEIRS.into());
    let first = hellos.map(|(at, _)| *at).next().unwrap();
    let answered = world
        .log
        .iter()
        .find(|(_, sent)| is_dtls(sent) && sent.from == OURS.into());
    assert!(answered.unwrap().0 <= first + RTT / 2 + Duration::from_millis(1));
}

#[test]
fn wrong_certificate_fails_on_both_sides_and_names_why() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let mut world = World::new(Ice::WeControl, role);
        let terms = Terms {
            dtls: DtlsTerms {
                role,
                newest: DtlsVersion::V1_2,
                fingerprints: vec![identities()[0].1.clone()],
            },
            ..world.ends[0].as_ref().unwrap().terms.clone()
        };
        let entropy = Entropy::from_seed([1; 32]);
        let identity = identities()[0].0.clone();
        world.ends[0] = Some(Transport::new(epoch(), terms, identity, entropy));
        world.run(Duration::from_secs(10));
        let fault = Failure::Dtls(dtls::Failure::Fingerprint);
        assert_eq!(world.failure(0), Some(fault));
        assert_eq!(
            world.failure(1),
            Some(Failure::Dtls(dtls::Failure::Alert(42)))
        );
        let end = world.ends[0].as_ref().unwrap();
        assert_eq!((end.target(), end.poll_timeout()), (None, None));
        assert!(!end.is_peer(THEIRS.into()));
    }
}

#[test]
fn one_failure_is_told_and_no_second_one() {
    let mut world = World::new(Ice::TheyAreLite, DtlsRole::Client);
    let end = world.ends[0].as_mut().unwrap();
    end.terms.dtls.fingerprints = vec![identities()[0].1.clone()];
    world.run(Duration::from_secs(5));
    let fault = Failure::Dtls(dtls::Failure::Fingerprint);
    assert_eq!(world.failure(0), Some(fault));
    // Whoever it is from: time has passed, and consent with it.
    let mut buffer = [0; ice::stun::MAX_LEN];
    let (class, transaction) = (ice::stun::Class::Request, ice::stun::TransactionId([9; 12]));
    let forged = ice::stun::Writer::begin(&mut buffer, class, transaction);
    let len = forged.finish("guessed").unwrap();
    let end = world.ends[0].as_mut().unwrap();
    let later = world.now + Duration::from_secs(60);
    assert!(!end.handle_stun(later, STRANGER.into(), &buffer[..len]));
    assert_eq!(end.poll_event(), None);
}

#[test]
fn lost_consent_ends_it() {
    let mut world = World::new(Ice::TheyAreLite, DtlsRole::Client);
    world.run(Duration::from_secs(100));
    world.secured("before");
    world.ends[1] = None;
    world.run(Duration::from_secs(140));
    assert_eq!(
        world.failure(0),
        Some(Failure::Ice(ice::Failure::ConsentLost))
    );
    assert_eq!(world.ends[0].as_ref().unwrap().target(), None);
}

#[test]
fn nothing_but_answers_before_the_start() {
    let mut world = World::new(Ice::TheyControl, DtlsRole::Server);
    world.starts[0] = Duration::from_secs(2);
    world.run(Duration::from_millis(1_999));
    let ours = world
        .log
        .iter()
        .filter(|(_, sent)| sent.from == OURS.into());
    for (_, sent) in ours {
        let message = ice::stun::Message::parse(&sent.bytes).unwrap();
        assert_eq!(message.class, ice::stun::Class::Success);
    }
    world.run(Duration::from_secs(4));
    let after = world.secured("started") - world.starts[0];
    assert!(after <= RTT * 3 + Duration::from_millis(50), "{after:?}");
}

#[test]
fn new_credentials_find_a_new_way_and_keep_the_keys() {
    let mut world = World::new(Ice::WeControl, DtlsRole::Client);
    world.run(Duration::from_secs(1));
    world.secured("first");
    let log = world.log.len();
    world.addresses[1] = ([198, 51, 100, 77], 5000).into();
    let moved = world.addresses[1];
    let renew = |end: &mut Transport, ours: &str, theirs: &str, at: Option<SocketAddr>| {
        let mut terms = end.terms.clone();
        let ice = terms.ice.as_mut().unwrap();
        ice.ours.credentials.ufrag = ours.to_owned();
        ice.theirs.credentials.ufrag = theirs.to_owned();
        if let Some(at) = at {
            ice.theirs.candidates = vec![Candidate::host(at, 0)];
        }
        assert!(end.agree(epoch() + Duration::from_secs(1), &terms));
    };
    let [Some(ours), Some(theirs)] = &mut world.ends else {
        panic!();
    };
    renew(ours, "new-a", "new-b", Some(moved));
    renew(theirs, "new-b", "new-a", None);
    world.run(Duration::from_secs(2));
    assert_eq!(world.ends[0].as_ref().unwrap().target(), Some(moved));
    let [_, _, (_, last)] = &world.events[0][..] else {
        panic!("{:?}", world.events[0]);
    };
    assert_eq!(*last, Event::Moved { remote: moved });
    assert!(world.log[log..].iter().all(|(_, sent)| !is_dtls(sent)));
}

/// RFC 8839 §4.4.1.2.2: who describes itself again names the selected candidate alone, and nothing begins anew.
#[test]
fn the_same_credentials_go_on_with_the_same_way() {
    let mut world = World::new(Ice::WeControl, DtlsRole::Client);
    let mut terms = world.ends[0].as_ref().unwrap().terms.clone();
    let named = terms.clone();
    let theirs = &mut terms.ice.as_mut().unwrap().theirs;
    theirs.candidates.push(Candidate::host(STRANGER.into(), 1));
    let (identity, entropy) = (identities()[0].0.clone(), Entropy::from_seed([1; 32]));
    world.ends[0] = Some(Transport::new(epoch(), terms, identity, entropy));
    world.run(Duration::from_secs(1));
    world.secured("first");
    let log = world.log.len();
    let (end, terms) = (world.ends[0].as_mut().unwrap(), named);
    assert!(end.agree(epoch() + Duration::from_secs(1), &terms));
    assert_eq!(end.target(), Some(THEIRS.into()));
    world.run(Duration::from_millis(3_500));
    assert_eq!(world.log.len(), log, "no check leaves but those of consent");
    world.run(Duration::from_secs(60));
    assert_eq!(world.failure(0), None);
    assert_eq!(
        world.ends[0].as_ref().unwrap().target(),
        Some(THEIRS.into())
    );
}

/// It should have restarted ICE (RFC 8839 §4.4.1.1.1).
#[test]
fn who_takes_back_its_address_is_looked_for_anew() {
    let mut world = World::new(Ice::WeControl, DtlsRole::Client);
    world.run(Duration::from_secs(1));
    world.secured("first");
    let moved = ([198, 51, 100, 77], 5000).into();
    world.addresses[1] = moved;
    let end = world.ends[0].as_mut().unwrap();
    let mut terms = end.terms.clone();
    let theirs = &mut terms.ice.as_mut().unwrap().theirs;
    theirs.candidates = vec![Candidate::host(moved, 0)];
    terms.described = Some(moved);
    assert!(end.agree(epoch() + Duration::from_secs(1), &terms));
    world.run(Duration::from_secs(2));
    assert_eq!(world.ends[0].as_ref().unwrap().target(), Some(moved));
}

/// As in a 183 without candidates and the 200 after it.
#[test]
fn candidates_that_are_told_later_are_asked_too() {
    let mut world = World::new(Ice::TheyAreLite, DtlsRole::Client);
    let mut terms = world.ends[0].as_ref().unwrap().terms.clone();
    let known = std::mem::take(&mut terms.ice.as_mut().unwrap().theirs.candidates);
    terms.described = None;
    let (identity, entropy) = (identities()[0].0.clone(), Entropy::from_seed([1; 32]));
    let mut end = Transport::new(epoch(), terms.clone(), identity, entropy);
    end.start(epoch());
    terms.ice.as_mut().unwrap().theirs.candidates = known;
    assert!(end.agree(epoch(), &terms));
    world.ends[0] = Some(end);
    world.run(Duration::from_secs(3));
    assert_eq!(world.secured("told later"), RTT * 3);
}

#[test]
fn other_fingerprints_need_another_transport() {
    let mut world = World::new(Ice::WeControl, DtlsRole::Client);
    let end = world.ends[0].as_mut().unwrap();
    let mut terms = end.terms.clone();
    assert!(end.agree(epoch(), &terms));
    terms.dtls.fingerprints.push(identities()[0].1.clone());
    assert!(!end.agree(epoch(), &terms));
}
