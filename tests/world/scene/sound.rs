//! Real bridges in virtual time: what they send is kept as it left, SRTP's header in the clear.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wabridge::call::cdr::CallRef;
use wabridge::call::switchboard::{MediaCommand, MediaEvent, PortPair};
use wabridge::entropy::Entropy;
use wabridge::media::bridge::{Bridge, Channel, Report};
use wabridge::media::rtp::Kind;
use wabridge::side::{Pair, Side};

use super::webrtc::{Peer, bridge_identity};

/// Where a peer with ICE sees us.
const OURS: [u8; 4] = [198, 51, 100, 7];
const NO_PORTS: PortPair = PortPair { rtp: 0, rtcp: 0 };

pub struct Sound {
    bridges: BTreeMap<CallRef, Bridge>,
    entropy: Entropy,
    /// Everything that left toward a side.
    pub sent: Pair<Vec<Rtp>>,
    /// And what went beside it, as it left.
    pub rtcp: Pair<Vec<(Instant, Vec<u8>)>>,
    /// Who is there with ICE and DTLS, of the only call.
    pub peers: Pair<Option<Peer>>,
    ports: Pair<PortPair>,
}

/// The header of an RTP packet, with when and where it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rtp {
    pub at: Instant,
    pub to: SocketAddr,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl Sound {
    pub fn new() -> Self {
        Self {
            bridges: BTreeMap::new(),
            entropy: Entropy::from_seed([44; 32]),
            sent: Pair::default(),
            rtcp: Pair::default(),
            peers: Pair::default(),
            ports: Pair::new(NO_PORTS, NO_PORTS),
        }
    }

    /// The counters of a call that is over.
    pub fn take(&mut self, now: Instant, command: &MediaCommand) -> Option<Report> {
        match command {
            MediaCommand::Open { call, spec, ports } => {
                let bridge = Bridge::new(now, spec.clone(), self.entropy.fork());
                let bridge = bridge.with_identity(bridge_identity());
                self.bridges.insert(call.clone(), bridge);
                self.ports = *ports;
                None
            }
            MediaCommand::Bridge { call, command } => {
                let bridge = self.bridges.get_mut(call).expect("an open call");
                bridge.handle_command(now, command.clone());
                None
            }
            MediaCommand::Close { call } => {
                let bridge = self.bridges.remove(call)?;
                Some(bridge.report(now))
            }
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let bridges = self.bridges.values().filter_map(Bridge::poll_timeout);
        let peers = Side::BOTH
            .into_iter()
            .filter_map(|side| self.peers[side].as_ref());
        bridges.chain(peers.filter_map(Peer::deadline)).min()
    }

    /// A frame of G.711 from a side: 20 ms, a tone of no meaning.
    pub fn hear(&mut self, now: Instant, side: Side, from: SocketAddr, header: Rtp) {
        let mut packet = header.bytes();
        packet.extend((0..160u8).map(|n| n.wrapping_mul(7)));
        self.arrive(now, side, from, &packet);
    }

    /// A datagram from a side.
    pub fn arrive(&mut self, now: Instant, side: Side, from: SocketAddr, datagram: &[u8]) {
        for bridge in self.bridges.values_mut() {
            bridge.handle_datagram(now, side, Channel::Rtp, from, &mut datagram.to_vec());
        }
    }

    /// The peer of a side says a frame.
    pub fn speak(&mut self, now: Instant, side: Side) {
        self.peers[side].as_mut().expect("a peer").speak(now);
    }

    fn peers_work(&mut self, now: Instant) {
        for side in Side::BOTH {
            let Some(peer) = &mut self.peers[side] else {
                continue;
            };
            let from = peer.address();
            for datagram in peer.work(now) {
                self.arrive(now, side, from, &datagram);
            }
        }
    }

    /// Lets the bridges work, and takes what they send and tell.
    pub fn work(&mut self, now: Instant) -> Vec<MediaEvent> {
        self.peers_work(now);
        let mut events = Vec::new();
        for (call, bridge) in &mut self.bridges {
            if bridge
                .poll_timeout()
                .is_some_and(|deadline| deadline <= now)
            {
                bridge.handle_timeout(now);
            }
            while let Some(transmit) = bridge.poll_transmit() {
                let side = transmit.side;
                if let Some(rtp) = Rtp::read(now, transmit.to, transmit.bytes) {
                    self.sent[side].push(rtp);
                }
                if Kind::of(transmit.bytes) == Kind::Rtcp {
                    self.rtcp[side].push((now, transmit.bytes.to_vec()));
                }
                if let Some(peer) = &mut self.peers[side]
                    && peer.address() == transmit.to
                {
                    let from = SocketAddr::new(OURS.into(), self.ports[side].rtp);
                    peer.receive(now, from, transmit.bytes);
                }
            }
            while let Some(event) = bridge.poll_event() {
                let call = call.clone();
                events.push(MediaEvent::Bridge { call, event });
            }
        }
        events
    }
}

impl Rtp {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, self.payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes
    }

    /// `None` for RTCP (RFC 5761 §4), STUN and DTLS (RFC 7983).
    pub fn read(at: Instant, to: SocketAddr, bytes: &[u8]) -> Option<Self> {
        let payload_type = bytes[1] & 0x7f;
        let word = |from: usize| u32::from_be_bytes(bytes[from..from + 4].try_into().unwrap());
        (bytes[0] >> 6 == 2 && !(64..96).contains(&payload_type)).then(|| Self {
            at,
            to,
            payload_type,
            sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
            timestamp: word(4),
            ssrc: word(8),
        })
    }
}

/// What WhatsApp's relay wants of a stream (dossier 1.2, 3.3): one SSRC, no gap in sequence or timestamps, no silence of
/// more than a few frames in sending, and timestamps that keep to the clock.
pub fn assert_unbroken(stream: &[Rtp], step: u32) {
    for pair in stream.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!(after.ssrc, before.ssrc);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1), "{after:?}");
        assert_eq!(
            after.timestamp,
            before.timestamp.wrapping_add(step),
            "{after:?}"
        );
        let pause = after.at - before.at;
        assert!(
            pause <= Duration::from_millis(100),
            "{pause:?} before {after:?}"
        );
    }
    let (Some(first), Some(last)) = (stream.first(), stream.last()) else {
        panic!("nothing was sent");
    };
    let frames = last.timestamp.wrapping_sub(first.timestamp) / step;
    let told = Duration::from_millis(20) * frames;
    let slip = (last.at - first.at).abs_diff(told);
    assert!(slip <= Duration::from_millis(200), "{slip:?}");
}
