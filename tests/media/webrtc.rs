//! Sides that ICE and DTLS join: the bridge between a simulated WhatsApp (ICE-lite, DTLS server), browsers and a PBX.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::media::bridge::no_audio::{NoAudio, Way};
use wabridge::media::bridge::{
    Bridge, BridgeSpec, Channel, Command, Event, NotConnected, StreamReport, StreamSpec,
};
use wabridge::media::dtls;
use wabridge::media::ice;
use wabridge::media::rtp::{Kind, Packet};
use wabridge::media::srtp;
use wabridge::media::transport::{self, MAX_DATAGRAM, Terms, Transport};
use wabridge::sdp::{
    Agreement, Codec, DtlsRole, DtlsTerms, DtlsVersion, IceMode, IceRole, Protection,
};
use wabridge::side::{Pair, Side};

use crate::ends::{self, ice_end, ice_terms, identities};
use crate::world::{OPUS, OUR_SSRC, PBX, Stream, WHATSAPP, habits, ms, pbx, whatsapp};

const OURS: ([u8; 4], u16) = ([203, 0, 113, 10], 20_000);
const STRANGER: ([u8; 4], u16) = ([198, 51, 100, 66], 6666);
const RTT: Duration = Duration::from_millis(100);

/// Our terms and the peer's. `ours`: our role in DTLS.
fn terms(peer: SocketAddr, mode: IceMode, ours: DtlsRole) -> [Terms; 2] {
    terms_of(peer, mode, ours, DtlsVersion::V1_2)
}

fn terms_of(peer: SocketAddr, mode: IceMode, ours: DtlsRole, newest: DtlsVersion) -> [Terms; 2] {
    let us = ice_end("our", IceMode::Full, Some(OURS.into()));
    let them = ice_end("their", mode, Some(peer));
    let ice = ice_terms(IceRole::Controlling, [us, them]).map(Some);
    ends::terms(ice, [peer, OURS.into()], ours, newest)
}

fn agreed(base: Agreement, terms: &Terms) -> Agreement {
    Agreement {
        protection: Protection::Dtls(terms.dtls.clone()),
        ice: terms.ice.clone(),
        rtcp_mux: true,
        ..base
    }
}

/// A peer of the bridge on one side: its transport, and its SRTP once there are keys.
struct Peer {
    address: SocketAddr,
    transport: Transport,
    srtp: Option<(srtp::Inbound, srtp::Outbound)>,
    /// RTP in the clear.
    heard: Vec<(Duration, Vec<u8>)>,
    secured: Option<Duration>,
}

struct World {
    start: Instant,
    now: Instant,
    bridge: Bridge,
    peers: Pair<Option<Peer>>,
    /// By arrival: at the bridge from this side, or at this side's peer.
    under_way: BTreeMap<(Instant, u64), Arrival>,
    sent: u64,
    events: Vec<(Duration, Event)>,
    /// Toward a side without a transport.
    plain: Vec<Vec<u8>>,
    dead: bool,
}

/// Of a datagram: the side, whom it is for, where it comes from, and what it is.
type Arrival = (Side, To, SocketAddr, Vec<u8>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum To {
    Bridge,
    Peer,
}

impl World {
    fn new() -> Self {
        let start = Instant::now();
        let stream = |ssrc, keep_fed| StreamSpec {
            ssrc,
            cname: "bridge".to_owned(),
            habits: habits(keep_fed),
        };
        let spec = BridgeSpec {
            streams: Pair::new(stream(OUR_SSRC.a, true), stream(OUR_SSRC.b, false)),
        };
        let bridge = Bridge::new(start, spec, Entropy::from_seed([7; 32]));
        Self {
            start,
            now: start,
            bridge: bridge.with_identity(identities()[0].0.clone()),
            peers: Pair::default(),
            under_way: BTreeMap::new(),
            sent: 0,
            events: Vec::new(),
            plain: Vec::new(),
            dead: false,
        }
    }

    /// A call from WhatsApp as it is answered, the PBX with `codec`.
    fn answered(codec: Codec) -> Self {
        let mut world = Self::new();
        world.join(Side::A, WHATSAPP.into(), IceMode::Lite, DtlsRole::Client);
        world.agree(Side::B, pbx(codec));
        world.start_both();
        world
    }

    fn join(&mut self, side: Side, at: SocketAddr, mode: IceMode, role: DtlsRole) {
        self.join_with(side, at, terms(at, mode, role));
    }

    fn join_with(&mut self, side: Side, at: SocketAddr, [ours, theirs]: [Terms; 2]) {
        let entropy = Entropy::from_seed([8; 32]);
        let identity = identities()[1].0.clone();
        self.peers[side] = Some(Peer {
            address: at,
            transport: Transport::new(self.now, theirs, identity, entropy),
            srtp: None,
            heard: Vec::new(),
            secured: None,
        });
        let base = match side {
            Side::A => whatsapp(),
            Side::B => pbx(Codec::Opus),
        };
        self.agree(side, agreed(base, &ours));
    }

    fn agree(&mut self, side: Side, agreement: Agreement) {
        let agreement = Box::new(agreement);
        self.bridge
            .handle_command(self.now, Command::Agree { side, agreement });
        self.drain();
    }

    fn start_both(&mut self) {
        for side in Side::BOTH {
            for command in [Command::Start { side }, Command::Confirm { side }] {
                self.bridge.handle_command(self.now, command);
            }
            if let Some(peer) = &mut self.peers[side] {
                peer.transport.start(self.now);
            }
        }
        self.drain();
    }

    fn post(&mut self, side: Side, to: To, from: SocketAddr, bytes: Vec<u8>) {
        self.sent += 1;
        let key = (self.now + RTT / 2, self.sent);
        self.under_way.insert(key, (side, to, from, bytes));
    }

    /// An RTP packet of the peer, protected.
    fn peer_sends(&mut self, side: Side, mut packet: Vec<u8>) {
        let peer = self.peers[side].as_mut().unwrap();
        let (_, protects) = peer.srtp.as_mut().unwrap();
        let len = packet.len();
        packet.resize(len + srtp::MAX_OVERHEAD, 0);
        let len = protects.protect_rtp(&mut packet, len).unwrap();
        packet.truncate(len);
        let from = peer.address;
        self.post(side, To::Bridge, from, packet);
    }

    fn drain(&mut self) {
        let at = self.now - self.start;
        let mut posts = Vec::new();
        while let Some(transmit) = self.bridge.poll_transmit() {
            let (side, bytes) = (transmit.side, transmit.bytes.to_vec());
            match &self.peers[side] {
                Some(peer) => {
                    assert_eq!(transmit.to, peer.address);
                    posts.push((side, To::Peer, OURS.into(), bytes));
                }
                None if Kind::of(&bytes) == Kind::Rtp => self.plain.push(bytes),
                None => {}
            }
        }
        while let Some(event) = self.bridge.poll_event() {
            self.events.push((at, event));
        }
        for side in Side::BOTH {
            let Some(peer) = &mut self.peers[side] else {
                continue;
            };
            let mut buffer = [0; MAX_DATAGRAM];
            while let Some((to, len)) = peer.transport.poll_transmit(&mut buffer) {
                assert_eq!(to, OURS.into());
                posts.push((side, To::Bridge, peer.address, buffer[..len].to_vec()));
            }
            while let Some(event) = peer.transport.poll_event() {
                if let transport::Event::Secured { keys, .. } = event {
                    let inbound = srtp::Inbound::new(keys.suite, &keys.receive).unwrap();
                    let outbound = srtp::Outbound::new(keys.suite, &keys.send).unwrap();
                    peer.srtp = Some((inbound, outbound));
                    peer.secured = Some(at);
                }
            }
        }
        if !self.dead {
            for (side, to, from, bytes) in posts {
                self.post(side, to, from, bytes);
            }
        }
    }

    fn run(&mut self, until: Duration) {
        let until = self.start + until;
        loop {
            let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let peers = [&self.peers.a, &self.peers.b].into_iter().flatten();
            let peers = peers.filter_map(|peer| peer.transport.poll_timeout());
            let timers = peers.chain(self.bridge.poll_timeout()).chain(arrival);
            let Some(next) = timers.min().filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if arrival.is_some_and(|at| at <= self.now) {
                let (_, (side, to, from, bytes)) = self.under_way.pop_first().unwrap();
                self.deliver(side, to, from, bytes);
            } else {
                self.bridge.handle_timeout(self.now);
                for side in Side::BOTH {
                    if let Some(peer) = &mut self.peers[side] {
                        peer.transport.handle_timeout(self.now);
                    }
                }
            }
            self.drain();
        }
        self.now = until;
    }

    fn deliver(&mut self, side: Side, to: To, from: SocketAddr, mut bytes: Vec<u8>) {
        if to == To::Bridge {
            return self
                .bridge
                .handle_datagram(self.now, side, Channel::Rtp, from, &mut bytes);
        }
        let at = self.now - self.start;
        let peer = self.peers[side].as_mut().unwrap();
        match Kind::of(&bytes) {
            Kind::Stun => assert!(peer.transport.handle_stun(self.now, from, &bytes)),
            Kind::Dtls => assert!(peer.transport.handle_dtls(self.now, from, &bytes)),
            Kind::Rtp => {
                let (opens, _) = peer.srtp.as_mut().expect("media before keys");
                let len = opens.unprotect_rtp(&mut bytes).unwrap();
                bytes.truncate(len);
                peer.heard.push((at, bytes));
            }
            Kind::Rtcp => {
                let (opens, _) = peer.srtp.as_mut().expect("RTCP before keys");
                opens.unprotect_rtcp(&mut bytes).unwrap();
            }
            Kind::Unknown => panic!("unknown datagram"),
        }
    }

    fn report(&self, side: Side) -> StreamReport {
        self.bridge.report(self.now).sides[side].clone()
    }

    fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, event)| wanted(event))
    }
}

#[test]
fn whatsapp_is_fed_from_the_moment_there_are_keys() {
    let mut world = World::answered(Codec::Pcmu);
    world.run(Duration::from_secs(2));
    let (found, secured) = (RTT, RTT * 3);
    let side = Side::A;
    for (at, event) in [
        (found, Event::IceConnected { side, after: found }),
        (
            secured,
            Event::DtlsConnected {
                side,
                after: secured,
            },
        ),
    ] {
        assert!(world.events.contains(&(at, event)), "{:?}", world.events);
    }
    let peer = world.peers.a.as_ref().unwrap();
    let (first, packet) = &peer.heard[0];
    assert_eq!(*first, RTT * 3 + RTT / 2, "sent at three round trips");
    assert_eq!(Packet::parse(packet).unwrap().header.ssrc, OUR_SSRC.a);
    for pair in peer.heard.windows(2) {
        assert!(pair[1].0 - pair[0].0 <= ms(220));
    }
    let report = world.report(Side::A);
    assert_eq!(report.ice_after, Some(found));
    assert_eq!(report.dtls_after, Some(secured));
    assert_eq!(world.report(Side::B).ice_after, None);
}

#[test]
fn sound_passes_both_ways() {
    let mut world = World::answered(Codec::Opus);
    world.run(Duration::from_secs(1));
    let (mut user, mut pbx) = (
        Stream::new(5, OPUS),
        Stream::new(6, wabridge::sdp::PayloadType(107)),
    );
    let voice = [0x48, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    for n in 0..50 {
        world.peer_sends(Side::A, user.packet(&voice, 960));
        let packet = pbx.packet(&voice, 960);
        world.post(Side::B, To::Bridge, PBX.into(), packet);
        world.run(Duration::from_secs(1) + ms(20) * (n + 1));
    }
    world.run(Duration::from_secs(3));
    let passed = |packets: &[Vec<u8>]| {
        let voice = packets.iter().filter(|packet| packet.ends_with(&voice));
        voice.count()
    };
    assert_eq!(passed(&world.plain), 50);
    let peer = world.peers.a.as_ref().unwrap();
    let heard: Vec<Vec<u8>> = peer
        .heard
        .iter()
        .map(|(_, packet)| packet.clone())
        .collect();
    assert!(passed(&heard) >= 48, "{}", passed(&heard));
    assert!(world.has(|event| *event == Event::FirstMedia { side: Side::A }));
}

/// With 1.3: our hello takes one round trip, and the peer's one and a half as ever.
#[test]
fn sound_passes_both_ways_by_dtls_1_3() {
    for (role, secured) in [(DtlsRole::Client, RTT * 2), (DtlsRole::Server, RTT * 3)] {
        let mut world = World::new();
        let newer = terms_of(WHATSAPP.into(), IceMode::Lite, role, DtlsVersion::V1_3);
        world.join_with(Side::A, WHATSAPP.into(), newer);
        world.agree(Side::B, pbx(Codec::Opus));
        world.start_both();
        world.run(Duration::from_secs(1));
        let after = world.report(Side::A).dtls_after.unwrap();
        assert!(after <= secured, "{role:?}: {after:?}");
        let (mut user, mut pbx) = (
            Stream::new(5, OPUS),
            Stream::new(6, wabridge::sdp::PayloadType(107)),
        );
        let voice = [0x48, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        for n in 0..50 {
            world.peer_sends(Side::A, user.packet(&voice, 960));
            world.post(Side::B, To::Bridge, PBX.into(), pbx.packet(&voice, 960));
            world.run(Duration::from_secs(1) + ms(20) * (n + 1));
        }
        world.run(Duration::from_secs(3));
        let passed = |packets: &mut dyn Iterator<Item = &Vec<u8>>| {
            packets.filter(|packet| packet.ends_with(&voice)).count()
        };
        assert_eq!(passed(&mut world.plain.iter()), 50, "{role:?}");
        let peer = world.peers.a.as_ref().unwrap();
        let heard = passed(&mut peer.heard.iter().map(|(_, packet)| packet));
        assert!(heard >= 48, "{role:?}: {heard}");
    }
}

#[test]
fn two_dtls_sides_are_bridged() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let mut world = World::new();
        world.join(Side::A, WHATSAPP.into(), IceMode::Lite, DtlsRole::Client);
        world.join(Side::B, PBX.into(), IceMode::Full, role);
        world.start_both();
        world.run(Duration::from_secs(1));
        let mut user = Stream::new(5, OPUS);
        let voice = [0x48, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        for n in 0..20 {
            world.peer_sends(Side::A, user.packet(&voice, 960));
            world.run(Duration::from_secs(1) + ms(20) * (n + 1));
        }
        world.run(Duration::from_secs(2));
        let pbx = world.peers.b.as_ref().unwrap();
        let heard = pbx
            .heard
            .iter()
            .filter(|(_, packet)| packet.ends_with(&voice));
        assert_eq!(heard.count(), 20, "{role:?}");
    }
}

#[test]
fn forged_datagrams_are_counted_and_change_nothing() {
    let mut world = World::answered(Codec::Pcmu);
    let hello = {
        let [_, theirs] = terms(STRANGER.into(), IceMode::Lite, DtlsRole::Server);
        let identity = identities()[1].0.clone();
        let entropy = Entropy::from_seed([9; 32]);
        let profiles = vec![wabridge::sdp::Suite::AesCm128HmacSha1_80];
        let now = world.now;
        let terms = DtlsTerms {
            role: DtlsRole::Client,
            ..theirs.dtls
        };
        let mut engine = dtls::Engine::new(now, terms, identity, profiles, entropy);
        let mut buffer = [0; MAX_DATAGRAM];
        let len = engine.poll_transmit(&mut buffer).unwrap();
        buffer[..len].to_vec()
    };
    let stun = {
        let mut buffer = [0; ice::stun::MAX_LEN];
        let (class, id) = (ice::stun::Class::Request, ice::stun::TransactionId([1; 12]));
        let writer = ice::stun::Writer::begin(&mut buffer, class, id);
        let writer = writer.username("ourfragment", "x").use_candidate();
        let len = writer.finish("guessed").unwrap();
        buffer[..len].to_vec()
    };
    for n in 0..100 {
        for bytes in [&hello, &stun, &Stream::pcmu(n).packet(&[1; 160], 160)] {
            for from in [STRANGER, WHATSAPP] {
                // Even from the peer's address, before and after there are keys.
                if from == WHATSAPP && *bytes == hello {
                    continue;
                }
                world.post(Side::A, To::Bridge, from.into(), bytes.clone());
            }
        }
        world.run(ms(10) * n);
    }
    world.run(Duration::from_secs(2));
    assert!(world.peers.a.as_ref().unwrap().secured.unwrap() <= RTT * 3);
    let rejected = world.report(Side::A).rejected;
    let (elsewhere, early, unkeyed) = (
        rejected.wrong_source,
        rejected.before_agreement,
        rejected.authentication,
    );
    assert_eq!(elsewhere + early + unkeyed, 200, "{rejected:?}");
    // From elsewhere it is refused unseen before there are keys, and for want of them afterwards.
    assert!(
        elsewhere >= 10 && early >= 10 && unkeyed >= 140,
        "{rejected:?}"
    );
    assert_eq!(rejected.forged_setup, 300, "{rejected:?}");
    assert_eq!(world.report(Side::A).packets_received, 0);
    assert!(world.has(|event| matches!(event, Event::DtlsConnected { .. })));
    assert!(
        !world.has(|event| matches!(event, Event::NotConnected { .. } | Event::FirstMedia { .. }))
    );
}

#[test]
fn lost_consent_ends_the_stream() {
    let mut world = World::answered(Codec::Pcmu);
    world.run(Duration::from_secs(10));
    world.dead = true;
    world.run(Duration::from_secs(60));
    let cause = NotConnected::ConsentLost;
    let side = Side::A;
    let lost = world.events.iter().find(|(_, event)| {
        *event
            == Event::NotConnected {
                side,
                cause: cause.clone(),
            }
    });
    let (at, _) = lost.expect("told");
    assert!((30..=40).contains(&at.as_secs()), "{at:?}");
    let sent = world.report(Side::A).packets_sent;
    world.run(Duration::from_secs(70));
    assert_eq!(
        world.report(Side::A).packets_sent,
        sent,
        "nothing is sent any more"
    );
}

#[test]
fn the_cause_of_silence_is_named() {
    let mut world = World::answered(Codec::Pcmu);
    world.dead = true;
    world.under_way.clear();
    world.run(Duration::from_secs(12));
    for way in [Way::From, Way::To] {
        let told = |event: &Event| matches!(event, Event::NoAudio { side: Side::A, way: w, cause: NoAudio::NotReached, .. } if *w == way);
        assert!(world.has(told), "{way:?}: {:?}", world.events);
    }
}

#[test]
fn wrong_certificate_is_told() {
    let mut world = World::new();
    let [mut ours, _] = terms(WHATSAPP.into(), IceMode::Lite, DtlsRole::Client);
    world.join(Side::A, WHATSAPP.into(), IceMode::Lite, DtlsRole::Client);
    ours.dtls.fingerprints = vec![identities()[0].1.clone()];
    world.agree(Side::A, agreed(whatsapp(), &ours));
    world.start_both();
    world.run(Duration::from_secs(4));
    let cause = NotConnected::NoKeys(dtls::Failure::Fingerprint.to_string());
    let side = Side::A;
    assert!(world.has(|event| *event
        == Event::NotConnected {
            side,
            cause: cause.clone()
        }));
    assert_eq!(world.report(Side::A).packets_sent, 0);
}

#[test]
fn hold_and_resume_keep_keys_and_way() {
    let mut world = World::answered(Codec::Pcmu);
    world.run(Duration::from_secs(1));
    let [ours, _] = terms(WHATSAPP.into(), IceMode::Lite, DtlsRole::Client);
    let events = world.events.len();
    for direction in [
        wabridge::sdp::Direction::SendOnly,
        wabridge::sdp::Direction::SendRecv,
    ] {
        world.agree(
            Side::A,
            Agreement {
                direction,
                ..agreed(whatsapp(), &ours)
            },
        );
        world.run(world.now - world.start + Duration::from_secs(1));
    }
    assert!(world.events[events..].iter().all(|(_, event)| !matches!(
        event,
        Event::IceConnected { .. } | Event::DtlsConnected { .. } | Event::NotConnected { .. }
    )));
    let last = world.peers.a.as_ref().unwrap().heard.last().unwrap().0;
    assert!(last >= Duration::from_millis(2_700), "{last:?}");
}
