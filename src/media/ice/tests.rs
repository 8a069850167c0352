//! Two agents in a simulated network.

use std::time::{Duration, Instant};

use super::stun::{Class, MAX_LEN, Message, TransactionId, Writer};
use super::*;
use crate::entropy::Entropy;
use crate::media::link::{Datagram, Link};
use crate::sdp::{Candidate, IceCredentials, IceEnd, IceMode, IceRole, IceTerms};

const RTT: Duration = Duration::from_millis(100);
const OURS: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);
const THEIRS: ([u8; 4], u16) = ([198, 51, 100, 2], 3480);
const STRANGER: ([u8; 4], u16) = ([203, 0, 113, 66], 666);

fn credentials(name: &str) -> IceCredentials {
    IceCredentials {
        ufrag: format!("{name}fragment"),
        pwd: format!("{name} password of 24 chars"),
    }
}

fn end(name: &str, mode: IceMode, candidates: &[SocketAddr]) -> IceEnd {
    let candidate = |(address, place): (&SocketAddr, u8)| Candidate::host(*address, place);
    IceEnd {
        credentials: credentials(name),
        mode,
        candidates: candidates.iter().zip(0..).map(candidate).collect(),
        complete: true,
    }
}

fn terms(role: IceRole, ours: IceEnd, theirs: IceEnd) -> IceTerms {
    IceTerms { role, ours, theirs }
}

struct End {
    address: SocketAddr,
    agent: Agent,
    starts: Duration,
    events: Vec<(Duration, Event)>,
}

impl End {
    fn new(address: SocketAddr, terms: IceTerms, seed: u8) -> Self {
        let entropy = Entropy::from_seed([seed; 32]);
        Self {
            address,
            agent: Agent::new(epoch(), terms, entropy),
            starts: Duration::ZERO,
            events: Vec::new(),
        }
    }

    fn selected_at(&self) -> Option<Duration> {
        let (at, _) = self.events.iter().find(|(_, event)| is_selection(event))?;
        Some(*at)
    }
}

fn is_selection(event: &Event) -> bool {
    matches!(event, Event::Selected { .. })
}

fn epoch() -> Instant {
    use std::sync::OnceLock;
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

struct World {
    ends: [End; 2],
    link: Link,
    now: Instant,
    /// Everything that was sent.
    log: Vec<(Duration, Datagram)>,
    /// Nothing to or from this address passes.
    dead: Option<SocketAddr>,
}

impl World {
    fn new(a: End, b: End) -> Self {
        Self {
            ends: [a, b],
            link: Link::new(1, RTT / 2),
            now: epoch(),
            log: Vec::new(),
            dead: None,
        }
    }

    fn since_start(&self) -> Duration {
        self.now - epoch()
    }

    fn flush(&mut self) {
        let (now, since) = (self.now, self.since_start());
        for end in &mut self.ends {
            let mut buffer = [0; MAX_LEN];
            while let Some((to, len)) = end.agent.poll_transmit(&mut buffer) {
                let datagram = Datagram {
                    from: end.address,
                    to,
                    bytes: buffer[..len].to_vec(),
                };
                self.log.push((since, datagram.clone()));
                if self.dead != Some(to) && self.dead != Some(end.address) {
                    self.link.send(now, datagram);
                }
            }
            while let Some(event) = end.agent.poll_event() {
                end.events.push((since, event));
            }
        }
    }

    /// Until nothing happens any more before `limit`.
    fn run(&mut self, limit: Duration) {
        loop {
            for end in &mut self.ends {
                if epoch() + end.starts <= self.now {
                    end.agent.start(self.now);
                }
            }
            self.flush();
            let starts = self.ends.iter().map(|end| epoch() + end.starts);
            let starts = starts.filter(|at| *at > self.now);
            let timers = self.ends.iter().filter_map(|end| end.agent.poll_timeout());
            let next = timers.chain(starts).chain(self.link.deadline()).min();
            let Some(next) = next.filter(|next| *next <= epoch() + limit) else {
                self.now = epoch() + limit;
                return;
            };
            self.now = self.now.max(next);
            while let Some(datagram) = self.link.receive(self.now) {
                self.deliver(&datagram);
            }
            for end in &mut self.ends {
                end.agent.handle_timeout(self.now);
            }
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let now = self.now;
        for end in &mut self.ends {
            if end.address == datagram.to {
                end.agent
                    .handle_datagram(now, datagram.from, &datagram.bytes);
            }
        }
    }

    fn both_selected(&self) -> bool {
        let [a, b] = &self.ends;
        a.agent.selected() == Some(b.address) && b.agent.selected() == Some(a.address)
    }
}

/// We, full, against a lite peer, which knows nothing of our addresses.
fn against_lite(candidates: &[SocketAddr]) -> World {
    let ours = end("our", IceMode::Full, &[]);
    let theirs = end("their", IceMode::Lite, candidates);
    let [a, b] = [IceRole::Controlling, IceRole::Controlled];
    World::new(
        End::new(OURS.into(), terms(a, ours.clone(), theirs.clone()), 1),
        End::new(THEIRS.into(), terms(b, theirs, ours), 2),
    )
}

fn full_full(roles: [IceRole; 2], candidates: [&[SocketAddr]; 2]) -> World {
    let [of_a, of_b] = candidates;
    equals(IceMode::Full, roles, [of_a, of_b])
}

fn equals(mode: IceMode, roles: [IceRole; 2], candidates: [&[SocketAddr]; 2]) -> World {
    let ([a, b], [of_a, of_b]) = (roles, candidates);
    let (ours, theirs) = (end("our", mode, of_a), end("their", mode, of_b));
    World::new(
        End::new(OURS.into(), terms(a, ours.clone(), theirs.clone()), 1),
        End::new(THEIRS.into(), terms(b, theirs, ours), 2),
    )
}

fn nominations(world: &World) -> Vec<(Duration, SocketAddr)> {
    let nominates = |datagram: &Datagram| {
        Message::parse(&datagram.bytes).is_ok_and(|message| message.use_candidate)
    };
    let log = world.log.iter();
    log.filter(|(_, datagram)| nominates(datagram))
        .map(|(at, datagram)| (*at, datagram.to))
        .collect()
}

#[test]
fn a_lite_peer_is_selected_after_one_round_trip_and_told_at_once() {
    let mut world = against_lite(&[THEIRS.into()]);
    world.run(Duration::from_secs(1));
    assert!(world.both_selected());
    assert_eq!(world.ends[0].selected_at(), Some(RTT));
    assert_eq!(world.ends[1].selected_at(), Some(RTT * 3 / 2));
    let first = nominations(&world)[0];
    assert_eq!(first, (RTT, THEIRS.into()), "regular nomination");
    let quiet = world.log.last().unwrap().0;
    assert!(quiet <= RTT * 5 / 2, "nothing is repeated once answered");
    assert_eq!(world.ends[1].agent.counts().checks_sent, 0);
}

#[test]
fn the_first_pair_that_works_is_taken_and_kept() {
    let v6: SocketAddr = "[2001:db8::1]:3480".parse().unwrap();
    let unreachable: SocketAddr = ([198, 51, 100, 3], 3480).into();
    let mut world = against_lite(&[v6, unreachable, THEIRS.into()]);
    world.run(Duration::from_secs(20));
    assert!(world.both_selected());
    assert_eq!(world.ends[0].events.len(), 1);
    let selected = world.ends[0].selected_at().unwrap();
    assert_eq!(selected, RTT + Duration::from_millis(10), "paced by 5 ms");
}

/// RFC 8445 §5.1.2.1, §6.1.2.2: each address of the peer pairs with ours of its family, whose priority is the check's. Where
/// each side likes another family best, it goes by the controlling one.
#[test]
fn pairs_are_of_one_family_and_checks_have_the_priority_of_theirs() {
    let (v6, theirs_v6): (SocketAddr, SocketAddr) = (
        "[2001:db8::1]:4000".parse().unwrap(),
        "[2001:db8::2]:3480".parse().unwrap(),
    );
    let ours = end("our", IceMode::Full, &[OURS.into(), v6]);
    let theirs = end("their", IceMode::Lite, &[theirs_v6, THEIRS.into()]);
    let terms = terms(IceRole::Controlling, ours, theirs);
    let mut agent = Agent::new(epoch(), terms, Entropy::from_seed([3; 32]));
    agent.start(epoch());
    agent.handle_timeout(epoch() + Duration::from_millis(5));
    let mut buffer = [0; MAX_LEN];
    let mut asked = Vec::new();
    while let Some((to, len)) = agent.poll_transmit(&mut buffer) {
        let message = Message::parse(&buffer[..len]).unwrap();
        asked.push((to, message.priority.unwrap() >> 8));
    }
    let reflexive = 110 << 16;
    assert_eq!(
        asked,
        [
            (THEIRS.into(), reflexive + 65_535),
            (theirs_v6, reflexive + 65_534)
        ]
    );
}

#[test]
fn peer_without_candidates_is_found_by_its_checks() {
    let [ours, theirs] = [OURS.into(), THEIRS.into()];
    for candidates in [[&[][..], &[theirs][..]], [&[ours], &[]]] {
        let mut world = full_full([IceRole::Controlling, IceRole::Controlled], candidates);
        world.run(Duration::from_secs(1));
        assert!(world.both_selected());
        assert!(
            world
                .ends
                .iter()
                .all(|end| end.selected_at() <= Some(RTT * 2))
        );
    }
}

#[test]
fn role_conflict_is_settled_by_the_larger_number() {
    for role in [IceRole::Controlling, IceRole::Controlled] {
        for number in (0..20).filter(|number| *number != 10) {
            let mut world = full_full([role; 2], [&[OURS.into()], &[THEIRS.into()]]);
            world.ends[0].agent.set_tie_breaker(number);
            world.ends[1].agent.set_tie_breaker(10);
            world.run(Duration::from_secs(2));
            assert!(world.both_selected(), "{role:?} {number}");
            let roles = world.ends.each_ref().map(|end| end.agent.role());
            assert_ne!(roles[0], roles[1], "{role:?} {number}");
            let controlling = if number > 10 { 0 } else { 1 };
            assert_eq!(
                roles[controlling],
                IceRole::Controlling,
                "{role:?} {number}"
            );
            assert!(world.ends[0].selected_at() <= Some(RTT * 4));
        }
    }
}

#[test]
fn equal_numbers_do_not_conflict_for_ever() {
    for role in [IceRole::Controlling, IceRole::Controlled] {
        let both = [&[OURS.into()][..], &[THEIRS.into()]];
        let mut world = full_full([role, role], both);
        for end in &mut world.ends {
            end.agent.set_tie_breaker(7);
        }
        world.run(Duration::from_secs(2));
        assert!(world.both_selected(), "{role:?}");
        let [a, b] = world.ends.each_ref().map(|end| end.agent.role());
        assert_ne!(a, b);
    }
}

#[test]
fn a_peer_with_many_candidates_is_still_found_by_its_checks() {
    let nowhere = |host| SocketAddr::from(([10, 0, 0, host], 9));
    let many: Vec<SocketAddr> = (1..=32).map(nowhere).collect();
    let roles = [IceRole::Controlled, IceRole::Controlling];
    let mut world = full_full(roles, [&[OURS.into()], &many]);
    world.run(Duration::from_secs(2));
    assert!(world.both_selected());
}

#[test]
fn a_nominated_pair_that_never_answers_is_not_asked_for_ever() {
    let roles = [IceRole::Controlled, IceRole::Controlling];
    let mut world = full_full(roles, [&[OURS.into()], &[THEIRS.into()]]);
    world.run(Duration::from_secs(1));
    let mut buffer = [0; MAX_LEN];
    let len = nomination(&mut buffer, &credentials("their"), &credentials("our")).unwrap();
    let ours = &mut world.ends[0].agent;
    ours.handle_datagram(world.now, STRANGER.into(), &buffer[..len]);
    world.run(Duration::from_secs(60));
    assert!(world.both_selected());
    let asked = world
        .log
        .iter()
        .filter(|(_, sent)| sent.to == STRANGER.into());
    let times: Vec<u64> = asked.map(|(at, _)| at.as_secs()).collect();
    assert!(
        times.len() > 5 && times.iter().all(|at| *at < 8),
        "{times:?}"
    );
}

#[test]
fn two_lite_agents_believe_their_descriptions() {
    let roles = [IceRole::Controlling, IceRole::Controlled];
    let mut world = equals(IceMode::Lite, roles, [&[OURS.into()], &[THEIRS.into()]]);
    world.run(Duration::from_secs(60));
    assert!(world.both_selected());
    assert!(world.log.is_empty());
}

#[test]
fn lite_agents_believe_what_is_described_later_too() {
    let roles = [IceRole::Controlling, IceRole::Controlled];
    let mut world = equals(IceMode::Lite, roles, [&[OURS.into()], &[]]);
    world.run(Duration::from_secs(1));
    assert!(!world.both_selected());
    let (now, candidates) = (world.now, vec![Candidate::host(THEIRS.into(), 0)]);
    world.ends[0].agent.learn(now, candidates);
    world.run(Duration::from_secs(1));
    assert!(world.both_selected());
}

#[test]
fn late_peer_is_reached_within_a_quarter_second_of_its_coming() {
    for seconds in [1, 2, 4] {
        let mut world = against_lite(&[THEIRS.into()]);
        world.dead = Some(THEIRS.into());
        world.run(Duration::from_secs(seconds));
        world.dead = None;
        world.run(Duration::from_secs(seconds + 2));
        assert!(world.both_selected());
        let after = world.ends[0].selected_at().unwrap() - Duration::from_secs(seconds);
        assert!(after <= RTT + Duration::from_millis(200), "{after:?}");
    }
}

#[test]
fn nothing_leaves_before_the_start_but_answers() {
    let mut world = full_full(
        [IceRole::Controlling, IceRole::Controlled],
        [&[OURS.into()], &[THEIRS.into()]],
    );
    world.ends[1].starts = Duration::from_secs(3);
    world.run(Duration::from_millis(2_900));
    let from_b = world
        .log
        .iter()
        .filter(|(_, sent)| sent.from == THEIRS.into());
    let classes = from_b.map(|(_, sent)| Message::parse(&sent.bytes).unwrap().class);
    assert!(classes.into_iter().all(|class| class == Class::Success));
    assert!(world.ends[1].agent.selected().is_none());
    world.run(Duration::from_secs(4));
    assert!(world.both_selected());
}

#[test]
fn every_try_connects_under_loss() {
    let mut times = Vec::new();
    for loss in [5, 20] {
        for seed in 0..200 {
            let mut world = full_full(
                [IceRole::Controlling, IceRole::Controlled],
                [&[], &[THEIRS.into()]],
            );
            world.link = Link::new(seed, RTT / 2);
            world.link.loss = loss;
            world.link.jitter = Duration::from_millis(30);
            world.run(Duration::from_secs(5));
            assert!(world.both_selected(), "loss {loss} %, seed {seed}");
            times.push(world.ends[0].selected_at().unwrap());
        }
    }
    times.sort();
    let p95 = times[times.len() * 95 / 100];
    assert!(p95 < RTT * 4, "{p95:?}");
}

#[test]
fn silence_fails_with_its_reason() {
    let mut world = against_lite(&[THEIRS.into()]);
    world.dead = Some(THEIRS.into());
    world.run(Duration::from_secs(40));
    let failed = Event::Failed(Failure::NothingReached);
    assert_eq!(world.ends[0].events, [(Duration::from_secs(30), failed)]);
    assert_eq!(world.ends[0].agent.poll_timeout(), None);
    let asked = world.ends[0].agent.counts().checks_sent;
    assert!((100..200).contains(&asked), "{asked} checks in 30 s");
}

#[test]
fn consent_is_renewed_while_answered_and_lost_when_not() {
    let mut world = against_lite(&[THEIRS.into()]);
    world.run(Duration::from_secs(600));
    assert!(world.both_selected());
    let checks = world.ends[0].agent.counts().checks_sent;
    assert!((100..160).contains(&checks), "{checks} in ten minutes");
    world.dead = Some(THEIRS.into());
    world.run(Duration::from_secs(640));
    let (at, last) = *world.ends[0].events.last().unwrap();
    assert_eq!(last, Event::Failed(Failure::ConsentLost));
    assert!((620..=630).contains(&at.as_secs()), "{at:?}");
    assert!(!world.ends[0].agent.is_peer(THEIRS.into()));
}

#[test]
fn a_peer_that_nominates_another_pair_is_followed_once_the_pair_is_proven() {
    let moved: SocketAddr = ([198, 51, 100, 9], 9999).into();
    let mut world = full_full(
        [IceRole::Controlled, IceRole::Controlling],
        [&[OURS.into()], &[THEIRS.into()]],
    );
    world.run(Duration::from_secs(1));
    assert_eq!(world.ends[0].agent.selected(), Some(THEIRS.into()));
    world.ends[1].address = moved;
    world.run(Duration::from_secs(20));
    assert_eq!(
        world.ends[0].agent.selected(),
        Some(THEIRS.into()),
        "a check is no nomination"
    );
    let mut buffer = [0; MAX_LEN];
    let len = nomination(&mut buffer, &credentials("their"), &credentials("our")).unwrap();
    let now = world.now;
    world.ends[0]
        .agent
        .handle_datagram(now, moved, &buffer[..len]);
    assert_eq!(
        world.ends[0].agent.selected(),
        Some(THEIRS.into()),
        "not proven yet"
    );
    world.run(Duration::from_secs(21));
    assert_eq!(world.ends[0].agent.selected(), Some(moved));
}

/// As a telephone that goes from network to network.
#[test]
fn a_peer_that_moves_ever_again_is_followed() {
    let mut world = full_full(
        [IceRole::Controlled, IceRole::Controlling],
        [&[OURS.into()], &[THEIRS.into()]],
    );
    world.run(Duration::from_secs(1));
    for number in 1..=40_u16 {
        let moved = (THEIRS.0, 10_000 + number).into();
        world.ends[1].address = moved;
        let elapsed = Duration::from_secs(10 * u64::from(number));
        world.run(elapsed);
        let mut buffer = [0; MAX_LEN];
        let len = nomination(&mut buffer, &credentials("their"), &credentials("our")).unwrap();
        let ours = &mut world.ends[0].agent;
        ours.handle_datagram(world.now, moved, &buffer[..len]);
        world.run(elapsed + Duration::from_secs(1));
        assert_eq!(world.ends[0].agent.selected(), Some(moved), "{number}");
    }
}

/// Of candidates that a description names many are nobody's; who has been heard is somebody.
#[test]
fn where_the_peer_was_heard_it_is_asked_first() {
    let nowhere = |host| SocketAddr::from(([10, 0, 0, host], 9));
    let many: Vec<SocketAddr> = (1..=16).map(nowhere).collect();
    let ours = end("our", IceMode::Full, &[OURS.into()]);
    let theirs = end("their", IceMode::Full, &many);
    let terms = terms(IceRole::Controlled, ours, theirs);
    let mut agent = Agent::new(epoch(), terms, Entropy::from_seed([3; 32]));
    let mut buffer = [0; MAX_LEN];
    let len = nomination(&mut buffer, &credentials("their"), &credentials("our")).unwrap();
    agent.handle_datagram(epoch(), THEIRS.into(), &buffer[..len]);
    assert!(agent.poll_transmit(&mut buffer).is_some(), "the answer");
    agent.start(epoch());
    let mut asked = Vec::new();
    while let Some((to, _)) = agent.poll_transmit(&mut buffer) {
        asked.push(to);
    }
    assert_eq!(asked, [nowhere(1), THEIRS.into()]);
}

/// RFC 7675 §5.1: each check has its own transaction, and its answer is worth one renewal.
#[test]
fn copies_of_answers_do_not_keep_consent() {
    let mut world = against_lite(&[THEIRS.into()]);
    world.run(Duration::from_secs(20));
    let answers = world.log.iter().filter(|(_, sent)| sent.to == OURS.into());
    let answers: Vec<Datagram> = answers.map(|(_, sent)| sent.clone()).collect();
    world.dead = Some(THEIRS.into());
    for second in 21..60 {
        world.run(Duration::from_secs(second));
        for answer in &answers {
            let ours = &mut world.ends[0].agent;
            ours.handle_datagram(world.now, answer.from, &answer.bytes);
        }
    }
    let (at, last) = *world.ends[0].events.last().unwrap();
    assert_eq!(last, Event::Failed(Failure::ConsentLost));
    assert!(at <= Duration::from_secs(50), "{at:?}");
}

/// 487 is heeded where the question went, and nowhere else.
#[test]
fn a_role_conflict_from_elsewhere_changes_nothing() {
    let ours = end("our", IceMode::Full, &[OURS.into()]);
    let theirs = end("their", IceMode::Full, &[THEIRS.into()]);
    let terms = terms(IceRole::Controlling, ours, theirs);
    let mut agent = Agent::new(epoch(), terms, Entropy::from_seed([3; 32]));
    agent.start(epoch());
    let mut buffer = [0; MAX_LEN];
    let (_, len) = agent.poll_transmit(&mut buffer).unwrap();
    let asked = Message::parse(&buffer[..len]).unwrap().transaction;
    let writer = Writer::begin(&mut buffer, Class::Error, asked);
    let writer = writer.error(487, "Role Conflict");
    let len = writer.finish(&credentials("their").pwd).unwrap();
    agent.handle_datagram(epoch(), STRANGER.into(), &buffer[..len]);
    assert_eq!(agent.role(), IceRole::Controlling);
    assert_eq!(agent.counts().rejected, 1);
    agent.handle_datagram(epoch(), THEIRS.into(), &buffer[..len]);
    assert_eq!(agent.role(), IceRole::Controlled);
}

fn controlled(mode: IceMode) -> Agent {
    let ours = end("our", mode, &[OURS.into()]);
    let theirs = end("their", IceMode::Full, &[THEIRS.into()]);
    let terms = terms(IceRole::Controlled, ours, theirs);
    Agent::new(epoch(), terms, Entropy::from_seed([3; 32]))
}

fn nomination(
    buffer: &mut [u8],
    sender: &IceCredentials,
    receiver: &IceCredentials,
) -> Option<usize> {
    Writer::begin(buffer, Class::Request, TransactionId([9; 12]))
        .username(&receiver.ufrag, &sender.ufrag)
        .priority(1)
        .role(IceRole::Controlling, u64::MAX)
        .use_candidate()
        .finish(&receiver.pwd)
}

#[test]
fn forged_stun_is_counted_and_changes_nothing() {
    for mode in [IceMode::Full, IceMode::Lite] {
        let mut agent = controlled(mode);
        agent.start(epoch());
        let mut buffer = [0; MAX_LEN];
        while agent.poll_transmit(&mut buffer).is_some() {}
        let (wrong_pwd, wrong_ufrag) = (
            IceCredentials {
                pwd: "guessed".to_owned(),
                ..credentials("our")
            },
            IceCredentials {
                ufrag: "someone".to_owned(),
                ..credentials("our")
            },
        );
        for receiver in [wrong_pwd, wrong_ufrag] {
            let len = nomination(&mut buffer, &credentials("their"), &receiver).unwrap();
            agent.handle_datagram(epoch(), STRANGER.into(), &buffer[..len]);
        }
        for class in [Class::Success, Class::Error] {
            let writer = Writer::begin(&mut buffer, class, TransactionId([9; 12]));
            let len = writer.error(487, "").finish("guessed").unwrap();
            agent.handle_datagram(epoch(), THEIRS.into(), &buffer[..len]);
        }
        agent.handle_datagram(epoch(), STRANGER.into(), &[0; 20]);
        let writer = Writer::begin(&mut buffer, Class::Indication, TransactionId([9; 12]));
        let len = writer.finish("guessed").unwrap();
        agent.handle_datagram(epoch(), STRANGER.into(), &buffer[..len]);
        assert_eq!(agent.counts().rejected, 6);
        assert_eq!(agent.counts().checks_received, 0);
        assert!(
            agent.poll_transmit(&mut buffer).is_none(),
            "nothing answers it"
        );
        assert!(agent.poll_event().is_none() && agent.selected().is_none());
        assert!(!agent.is_peer(STRANGER.into()) && agent.role() == IceRole::Controlled);
    }
}

#[test]
fn an_answer_from_elsewhere_proves_nothing() {
    let mut world = against_lite(&[THEIRS.into()]);
    world.ends[0].agent.start(epoch());
    let mut buffer = [0; MAX_LEN];
    let (_, len) = world.ends[0].agent.poll_transmit(&mut buffer).unwrap();
    world.ends[1]
        .agent
        .handle_datagram(epoch(), OURS.into(), &buffer[..len]);
    let (_, len) = world.ends[1].agent.poll_transmit(&mut buffer).unwrap();
    let ours = &mut world.ends[0].agent;
    ours.handle_datagram(epoch(), STRANGER.into(), &buffer[..len]);
    assert_eq!(ours.selected(), None);
    ours.handle_datagram(epoch(), THEIRS.into(), &buffer[..len]);
    assert_eq!(ours.selected(), Some(THEIRS.into()));
}

#[test]
fn a_flood_of_authentic_checks_is_bounded() {
    let mut agent = controlled(IceMode::Full);
    agent.start(epoch());
    let mut buffer = [0; MAX_LEN];
    let len = nomination(&mut buffer, &credentials("their"), &credentials("our")).unwrap();
    for port in 1..1000 {
        let from = (STRANGER.0, port).into();
        agent.handle_datagram(epoch(), from, &buffer[..len]);
    }
    let mut sent = 0;
    while agent.poll_transmit(&mut [0; MAX_LEN]).is_some() {
        sent += 1;
    }
    assert!(sent <= 48, "{sent} messages wait");
}
