//! Real bridges in virtual time: what they send is kept as it left, SRTP's header in the clear.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wabridge::call::cdr::CallRef;
use wabridge::call::switchboard::{MediaCommand, MediaEvent};
use wabridge::entropy::Entropy;
use wabridge::media::bridge::{Bridge, Channel};
use wabridge::side::{Pair, Side};

pub struct Sound {
    bridges: BTreeMap<CallRef, Bridge>,
    entropy: Entropy,
    /// Everything that left toward a side.
    pub sent: Pair<Vec<Rtp>>,
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
        }
    }

    pub fn take(&mut self, now: Instant, command: &MediaCommand) {
        match command {
            MediaCommand::Open { call, spec, .. } => {
                let bridge = Bridge::new(now, spec.clone(), self.entropy.fork());
                self.bridges.insert(call.clone(), bridge);
            }
            MediaCommand::Bridge { call, command } => {
                let bridge = self.bridges.get_mut(call).expect("an open call");
                bridge.handle_command(now, command.clone());
            }
            MediaCommand::Close { call } => {
                self.bridges.remove(call);
            }
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.bridges.values().filter_map(Bridge::poll_timeout).min()
    }

    /// A frame of G.711 from a side: 20 ms, a tone of no meaning.
    pub fn hear(&mut self, now: Instant, side: Side, from: SocketAddr, header: Rtp) {
        let mut packet = vec![0x80, header.payload_type];
        packet.extend(header.sequence.to_be_bytes());
        packet.extend(header.timestamp.to_be_bytes());
        packet.extend(header.ssrc.to_be_bytes());
        packet.extend((0..160u8).map(|n| n.wrapping_mul(7)));
        for bridge in self.bridges.values_mut() {
            bridge.handle_datagram(now, side, Channel::Rtp, from, &mut packet.clone());
        }
    }

    /// Lets the bridges work, and takes what they send and tell.
    pub fn work(&mut self, now: Instant) -> Vec<MediaEvent> {
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
    /// `None` for RTCP (RFC 5761 §4).
    fn read(at: Instant, to: SocketAddr, bytes: &[u8]) -> Option<Self> {
        let payload_type = bytes[1] & 0x7f;
        let word = |from: usize| u32::from_be_bytes(bytes[from..from + 4].try_into().unwrap());
        (!(64..96).contains(&payload_type)).then(|| Self {
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
