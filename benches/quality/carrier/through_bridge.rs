//! The bridge in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::media::bridge::{
    Bridge, BridgeSpec, Channel, Command, Digits, Dtx, Habits, StreamSpec,
};
use wabridge::media::gain::Decibels;
use wabridge::media::rtcp::{Compound, Extended, ReportBlock};
use wabridge::media::rtp::{Kind, Packet};
use wabridge::media::srtp;
use wabridge::sdp::{
    Agreement, Codec, CryptoPair, Direction, ExtendedReports, MasterKey, OpusLimits, PayloadType,
    Protection, Ssrc, Suite,
};
use wabridge::side::{Pair, Side};

use super::{Carrier, arriving, sent};
use crate::ear::Heard;
use crate::network::Network;
use crate::rows::Path;
use crate::speech::Speech;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const OURS: Ssrc = Ssrc(0xaaaa);
/// Between two reports of the receiver.
const REPORTING: Duration = Duration::from_secs(2);
/// After the last packet.
const REST: Duration = Duration::from_millis(500);

pub struct ThroughBridge;

impl Carrier for ThroughBridge {
    fn name(&self) -> &'static str {
        "bridge"
    }

    fn receiver_conceals(&self) -> bool {
        true
    }

    fn carry(&self, path: Path, speech: &Speech, network: &mut Network) -> Vec<Heard> {
        let mut call = Call::new();
        match path {
            Path::UserToAgent => call.play(Side::A, arriving(path, speech, network), None),
            Path::AgentToUser => call.play(Side::B, arriving(path, speech, network), None),
            Path::Downlink => {
                call.play(Side::B, sent(path, speech), Some(network));
                return over_sorted(call.heard);
            }
        }
        call.heard
    }
}

/// The downlink has been passed already; what is left is the order of arrival.
fn over_sorted(mut heard: Vec<Heard>) -> Vec<Heard> {
    heard.sort_by_key(|heard| heard.at);
    heard
}

struct Call {
    start: Instant,
    now: Instant,
    bridge: Bridge,
    protects: srtp::Outbound,
    opens: srtp::Inbound,
    heard: Vec<Heard>,
    receiver: Receiver,
}

/// What WhatsApp's receiver counts for its reports.
#[derive(Default)]
struct Receiver {
    expected: u32,
    lost: u32,
    highest: u16,
    next: Duration,
}

impl Call {
    fn new() -> Self {
        let start = Instant::now();
        let stream = |ssrc, keep_fed| StreamSpec {
            ssrc,
            cname: "bridge".to_owned(),
            habits: habits(keep_fed),
        };
        let spec = BridgeSpec {
            streams: Pair::new(stream(OURS, true), stream(Ssrc(2), false)),
        };
        let mut bridge = Bridge::new(start, spec, Entropy::from_seed([1; 32]));
        for (side, codec) in [(Side::A, Codec::Opus), (Side::B, Codec::Pcmu)] {
            let agreement = agreement(side, codec);
            bridge.handle_command(start, Command::Agree { side, agreement });
            bridge.handle_command(start, Command::Start { side });
        }
        Self {
            start,
            now: start,
            bridge,
            protects: srtp::Outbound::new(SUITE, &keys().receive).expect("keys fit the suite"),
            opens: srtp::Inbound::new(SUITE, &keys().send).expect("keys fit the suite"),
            heard: Vec::new(),
            receiver: Receiver::default(),
        }
    }

    /// One side speaks. With `downlink` what WhatsApp is sent goes over it, and its receiver reports.
    fn play(&mut self, side: Side, packets: Vec<Heard>, mut downlink: Option<&mut Network>) {
        let end = packets.last().map_or(Duration::ZERO, |packet| packet.at) + REST;
        let mut packets = VecDeque::from(self.protected(side, packets));
        loop {
            let arrival = packets.front().map(|(at, _)| self.start + *at);
            let timeout = self.bridge.poll_timeout();
            let next = arrival.into_iter().chain(timeout).min();
            let Some(next) = next.filter(|next| *next <= self.start + end) else {
                break;
            };
            self.now = self.now.max(next);
            match packets.pop_front_if(|_| arrival == Some(next)) {
                Some((_, mut datagram)) => self.arrives(side, &mut datagram),
                None => self.bridge.handle_timeout(self.now),
            }
            self.drain(!side, downlink.as_deref_mut());
            if downlink.is_some() {
                self.report();
            }
        }
    }

    /// In the order of arrival; SRTP protects in the order of sending.
    fn protected(&mut self, side: Side, mut packets: Vec<Heard>) -> Vec<(Duration, Vec<u8>)> {
        packets.sort_by_key(|packet| packet.header.timestamp.0);
        let mut datagrams: Vec<_> = packets
            .into_iter()
            .map(|packet| {
                let datagram = [&packet.header.to_bytes()[..], &packet.payload].concat();
                match side {
                    Side::A => (packet.at, self.protect(datagram)),
                    Side::B => (packet.at, datagram),
                }
            })
            .collect();
        datagrams.sort_by_key(|(at, _)| *at);
        datagrams
    }

    fn protect(&mut self, mut datagram: Vec<u8>) -> Vec<u8> {
        let len = datagram.len();
        datagram.resize(len + srtp::MAX_OVERHEAD, 0);
        let len = self.protects.protect_rtp(&mut datagram, len);
        datagram.truncate(len.expect("there is room"));
        datagram
    }

    fn arrives(&mut self, side: Side, datagram: &mut [u8]) {
        self.bridge
            .handle_datagram(self.now, side, Channel::Rtp, peer(side), datagram);
    }

    fn drain(&mut self, to: Side, mut downlink: Option<&mut Network>) {
        while let Some(transmit) = self.bridge.poll_transmit() {
            let mut bytes = transmit.bytes.to_vec();
            if transmit.side != to || Kind::of(&bytes) != Kind::Rtp {
                continue;
            }
            if to == Side::A {
                let len = self.opens.unprotect_rtp(&mut bytes);
                bytes.truncate(len.expect("the bridge protects what it sends"));
            }
            let packet = Packet::parse(&bytes).expect("the bridge sends RTP");
            let left = self.now - self.start;
            let at = match &mut downlink {
                Some(network) => network.pass(left),
                None => Some(left),
            };
            self.receiver.count(packet.header.sequence.0, at.is_some());
            if let Some(at) = at {
                self.heard.push(Heard {
                    at,
                    header: packet.header,
                    payload: packet.payload.to_vec(),
                });
            }
        }
    }

    fn report(&mut self) {
        let Some(block) = self.receiver.report(self.now - self.start) else {
            return;
        };
        let compound = Compound {
            ssrc: Ssrc(5),
            sender: None,
            block: Some(block),
            cname: "user",
            extended: Extended::default(),
            bye: false,
        };
        let mut buffer = [0; 600];
        let len = compound.write(&mut buffer).expect("there is room");
        let len = self.protects.protect_rtcp(&mut buffer, len);
        let len = len.expect("there is room");
        let datagram = &mut buffer[..len];
        self.bridge
            .handle_datagram(self.now, Side::A, Channel::Rtp, peer(Side::A), datagram);
    }
}

impl Receiver {
    fn count(&mut self, sequence: u16, came: bool) {
        self.expected += 1;
        self.lost += u32::from(!came);
        self.highest = sequence;
    }

    fn report(&mut self, now: Duration) -> Option<ReportBlock> {
        if now < self.next || self.expected == 0 {
            return None;
        }
        let fraction = self.lost * 256 / self.expected;
        *self = Self {
            next: now + REPORTING,
            ..Self::default()
        };
        Some(ReportBlock {
            ssrc: OURS,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: 0,
            highest_sequence: self.highest.into(),
            jitter: 0,
            last_sr: 0,
            delay_since_last_sr: 0,
        })
    }
}

fn peer(side: Side) -> SocketAddr {
    match side {
        Side::A => ([157, 240, 19, 130], 3480).into(),
        Side::B => ([10, 0, 0, 5], 14_000).into(),
    }
}

fn habits(keep_fed: bool) -> Habits {
    Habits {
        keep_fed,
        latch: true,
        media_timeout: Duration::ZERO,
        opus_bitrate: 20_000,
        opus_complexity: 5,
        opus_fec: true,
        early_audio: Duration::from_secs(1),
        gain_from: Decibels(0),
        gain_to: Decibels(0),
        opus_dtx: Dtx::Never,
        digits: Digits::Events,
    }
}

fn keys() -> CryptoPair {
    CryptoPair {
        suite: SUITE,
        send: MasterKey(vec![1; 30]),
        receive: MasterKey(vec![2; 30]),
    }
}

fn agreement(side: Side, codec: Codec) -> Box<Agreement> {
    let payload_type = PayloadType(if side == Side::A { 111 } else { 0 });
    Box::new(Agreement {
        remote_rtp: Some(peer(side)),
        remote_rtcp: Some(peer(side)),
        rtcp_mux: true,
        extended_reports: ExtendedReports::default(),
        codec,
        send_pt: payload_type,
        receive: vec![(payload_type, codec)],
        telephone_event: None,
        direction: Direction::SendRecv,
        packet_time: Duration::from_millis(20),
        protection: match side {
            Side::A => Protection::Sdes(keys()),
            Side::B => Protection::Clear,
        },
        ice: None,
        remote_ssrc: None,
        opus: OpusLimits {
            in_band_fec: true,
            ..OpusLimits::default()
        },
    })
}
