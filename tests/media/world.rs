//! One bridge in virtual time between a WhatsApp endpoint (side A: SDES-SRTP, Opus) and a PBX (side B: plain, G.711).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::media::bridge::{
    Bridge, BridgeSpec, Channel, Command, Digits, Dtx, Event, Habits, StreamSpec,
};
use wabridge::media::gain::Decibels;
use wabridge::media::rtcp::{Compound, Extended, ReportBlock};
use wabridge::media::rtp::{Header, Kind, Packet, RtpTime, SequenceNumber};
use wabridge::media::srtp;
use wabridge::sdp::{
    Agreement, Codec, CryptoPair, Direction, ExtendedReports, MasterKey, OpusLimits, PayloadType,
    Protection, Ssrc, Suite, TelephoneEvent,
};
use wabridge::side::{Pair, Side};

pub const WHATSAPP: ([u8; 4], u16) = ([157, 240, 19, 130], 3480);
pub const PBX: ([u8; 4], u16) = ([10, 0, 0, 5], 14_000);
pub const OUR_SSRC: Pair<Ssrc> = Pair {
    a: Ssrc(0xaaaa),
    b: Ssrc(0xbbbb),
};
pub const OPUS: PayloadType = PayloadType(111);
pub const EVENT_A: PayloadType = PayloadType(126);
pub const EVENT_B: PayloadType = PayloadType(101);
const SUITE: Suite = Suite::AesCm128HmacSha1_80;

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn habits(keep_fed: bool) -> Habits {
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
        opus_dtx: Dtx::IfAsked,
        digits: Digits::Events,
    }
}

fn crypto() -> CryptoPair {
    CryptoPair {
        suite: SUITE,
        send: MasterKey(vec![1; 30]),
        receive: MasterKey(vec![2; 30]),
    }
}

/// What is agreed with WhatsApp.
pub fn whatsapp() -> Agreement {
    Agreement {
        remote_rtp: Some(WHATSAPP.into()),
        remote_rtcp: Some(WHATSAPP.into()),
        rtcp_mux: true,
        extended_reports: ExtendedReports::default(),
        codec: Codec::Opus,
        send_pt: OPUS,
        receive: vec![(OPUS, Codec::Opus)],
        telephone_event: Some(TelephoneEvent {
            send_pt: EVENT_A,
            receive_pt: EVENT_A,
            clock: 8000,
        }),
        direction: Direction::SendRecv,
        packet_time: ms(20),
        protection: Protection::Sdes(crypto()),
        ice: None,
        remote_ssrc: None,
        opus: OpusLimits {
            max_average_bitrate: Some(20_000),
            max_playback_rate: Some(16_000),
            in_band_fec: true,
            dtx: false,
        },
    }
}

/// What is agreed with the PBX.
pub fn pbx(codec: Codec) -> Agreement {
    let payload_type = match codec {
        Codec::Pcmu => PayloadType(0),
        Codec::Pcma => PayloadType(8),
        Codec::G722 => PayloadType(9),
        Codec::Opus => PayloadType(107),
    };
    Agreement {
        remote_rtp: Some(PBX.into()),
        remote_rtcp: Some(SocketAddr::from((PBX.0, PBX.1 + 1))),
        rtcp_mux: false,
        codec,
        send_pt: payload_type,
        receive: vec![(payload_type, codec)],
        telephone_event: Some(TelephoneEvent {
            send_pt: EVENT_B,
            receive_pt: EVENT_B,
            clock: 8000,
        }),
        protection: Protection::Clear,
        ice: None,
        opus: OpusLimits::default(),
        ..whatsapp()
    }
}

/// An RTP packet that the bridge sent, in the clear.
#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Duration,
    pub to: SocketAddr,
    pub header: Header,
    pub payload: Vec<u8>,
}

/// The rows of a peer's packets.
#[derive(Clone, Debug)]
pub struct Stream {
    pub ssrc: Ssrc,
    pub payload_type: PayloadType,
    pub sequence: SequenceNumber,
    pub timestamp: RtpTime,
}

impl Stream {
    pub fn new(ssrc: u32, payload_type: PayloadType) -> Self {
        Self {
            ssrc: Ssrc(ssrc),
            payload_type,
            sequence: SequenceNumber(60_000),
            timestamp: RtpTime(4_000_000_000),
        }
    }

    pub fn pcmu(ssrc: u32) -> Self {
        Self::new(ssrc, PayloadType(0))
    }

    /// The next packet; `units` of its clock long.
    pub fn packet(&mut self, payload: &[u8], units: u32) -> Vec<u8> {
        let packet = self.at(self.payload_type, self.timestamp, payload);
        self.timestamp = self.timestamp.plus(units);
        packet
    }

    /// A packet in the row of numbers with a timestamp of its own.
    pub fn at(&mut self, payload_type: PayloadType, timestamp: RtpTime, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            marker: false,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.next();
        [&header.to_bytes(), payload].concat()
    }
}

/// A datagram and where it comes from.
type Arrival = (Side, Channel, SocketAddr, Vec<u8>);

pub struct World {
    start: Instant,
    pub now: Instant,
    pub bridge: Bridge,
    /// By arrival, in the order they were scheduled.
    arrivals: BTreeMap<(Instant, u64), Arrival>,
    scheduled: u64,
    pub heard: Pair<Vec<Heard>>,
    pub rtcp: Pair<Vec<(Duration, Vec<u8>)>>,
    pub events: Vec<Event>,
    /// What the bridge told of missing audio, kept apart: most stories have one side speak.
    pub audio_news: Vec<(Duration, Event)>,
    opens: srtp::Inbound,
    protects: srtp::Outbound,
}

impl World {
    pub fn new() -> Self {
        Self::with(habits(true), habits(false))
    }

    pub fn with(a: Habits, b: Habits) -> Self {
        let start = Instant::now();
        let stream = |ssrc, habits| StreamSpec {
            ssrc,
            cname: "bridge".to_owned(),
            habits,
        };
        let spec = BridgeSpec {
            streams: Pair::new(stream(OUR_SSRC.a, a), stream(OUR_SSRC.b, b)),
        };
        Self {
            start,
            now: start,
            bridge: Bridge::new(start, spec, Entropy::from_seed([7; 32])),
            arrivals: BTreeMap::new(),
            scheduled: 0,
            heard: Pair::default(),
            rtcp: Pair::default(),
            events: Vec::new(),
            audio_news: Vec::new(),
            opens: srtp::Inbound::new(SUITE, &crypto().send).unwrap(),
            protects: srtp::Outbound::new(SUITE, &crypto().receive).unwrap(),
        }
    }

    /// An answered call: WhatsApp with Opus, the PBX with `codec`.
    pub fn answered(codec: Codec) -> Self {
        let mut world = Self::new();
        world.agree(Side::A, whatsapp());
        world.agree(Side::B, pbx(codec));
        world.start();
        world
    }

    pub fn start(&mut self) {
        self.command(Command::Start { side: Side::A });
        self.command(Command::Start { side: Side::B });
    }

    pub fn agree(&mut self, side: Side, agreement: Agreement) {
        self.command(Command::Agree {
            side,
            agreement: Box::new(agreement),
        });
    }

    pub fn command(&mut self, command: Command) {
        self.bridge.handle_command(self.now, command);
        self.drain();
    }

    /// Since the beginning.
    pub fn time(&self) -> Duration {
        self.now - self.start
    }

    /// A plain RTP packet of the PBX comes at `at`.
    pub fn pbx_sends(&mut self, at: Duration, packet: Vec<u8>) {
        self.arrives(at, Side::B, Channel::Rtp, PBX.into(), packet);
    }

    /// An RTP packet of WhatsApp comes at `at`; it is protected here, so packets are to be given in sending order.
    pub fn whatsapp_sends(&mut self, at: Duration, mut packet: Vec<u8>) {
        let len = packet.len();
        packet.resize(len + srtp::MAX_OVERHEAD, 0);
        let len = self.protects.protect_rtp(&mut packet, len).unwrap();
        packet.truncate(len);
        self.arrives(at, Side::A, Channel::Rtp, WHATSAPP.into(), packet);
    }

    /// WhatsApp's receiver tells at `at` what share of our packets it lost.
    pub fn whatsapp_reports(&mut self, at: Duration, lost: f32) {
        let block = ReportBlock {
            ssrc: OUR_SSRC.a,
            fraction_lost: (lost * 256.0) as u8,
            cumulative_lost: 0,
            highest_sequence: 0,
            jitter: 0,
            last_sr: 0,
            delay_since_last_sr: 0,
        };
        let compound = Compound {
            ssrc: Ssrc(3),
            sender: None,
            block: Some(block),
            cname: "user",
            extended: Extended::default(),
            bye: false,
        };
        let mut packet = vec![0; Compound::MAX_LEN + srtp::MAX_OVERHEAD];
        let len = compound.write(&mut packet).unwrap();
        let len = self.protects.protect_rtcp(&mut packet, len).unwrap();
        packet.truncate(len);
        self.arrives(at, Side::A, Channel::Rtp, WHATSAPP.into(), packet);
    }

    pub fn arrives(
        &mut self,
        at: Duration,
        side: Side,
        channel: Channel,
        from: SocketAddr,
        datagram: Vec<u8>,
    ) {
        self.scheduled += 1;
        let key = (self.start + at, self.scheduled);
        self.arrivals.insert(key, (side, channel, from, datagram));
    }

    /// Lets everything happen up to `until`.
    pub fn run(&mut self, until: Duration) {
        let until = self.start + until;
        loop {
            let arrival = self.arrivals.first_key_value().map(|((at, _), _)| *at);
            let timeout = self.bridge.poll_timeout();
            let Some(next) = arrival
                .into_iter()
                .chain(timeout)
                .min()
                .filter(|n| *n <= until)
            else {
                break;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, (side, channel, from, mut datagram)) = self.arrivals.pop_first().unwrap();
                self.bridge
                    .handle_datagram(self.now, side, channel, from, &mut datagram);
            } else {
                self.bridge.handle_timeout(self.now);
                let again = self.bridge.poll_timeout();
                assert!(again.is_none_or(|again| again > self.now), "deadline stays");
            }
            self.drain();
        }
        self.now = self.now.max(until);
    }

    fn drain(&mut self) {
        let at = self.time();
        while let Some(transmit) = self.bridge.poll_transmit() {
            let (side, to) = (transmit.side, transmit.to);
            let mut bytes = transmit.bytes.to_vec();
            let kind = Kind::of(&bytes);
            if side == Side::A {
                let opened = match kind {
                    Kind::Rtcp => self.opens.unprotect_rtcp(&mut bytes),
                    _ => self.opens.unprotect_rtp(&mut bytes),
                };
                bytes.truncate(opened.unwrap());
            }
            if kind == Kind::Rtcp {
                self.rtcp[side].push((at, bytes));
                continue;
            }
            let packet = Packet::parse(&bytes).unwrap();
            self.heard[side].push(Heard {
                at,
                to,
                header: packet.header,
                payload: packet.payload.to_vec(),
            });
        }
        while let Some(event) = self.bridge.poll_event() {
            match event {
                Event::NoAudio { .. } | Event::AudioAgain { .. } => {
                    self.audio_news.push((at, event));
                }
                other => self.events.push(other),
            }
        }
    }

    /// One SSRC; numbers go up, and timestamps with them, from packet to packet of audio: when Opus passes through, a
    /// number is missing where the PBX's packet was.
    pub fn assert_whatsapp_rows_are_whole(&self) {
        let mut audio: Option<Header> = None;
        for pair in self.heard.a.windows(2) {
            let (one, next) = (pair[0].header, pair[1].header);
            assert_eq!(next.ssrc, OUR_SSRC.a);
            assert!((1..=8).contains(&next.sequence.ahead_of(one.sequence)));
            let wait = pair[1].at - pair[0].at;
            assert!(wait <= ms(220), "gap of {wait:?} at {:?}", pair[1].at);
        }
        for heard in self
            .heard
            .a
            .iter()
            .filter(|h| h.header.payload_type != EVENT_A)
        {
            if let Some(last) = audio.replace(heard.header) {
                let packets = i32::from(heard.header.sequence.ahead_of(last.sequence));
                let step = heard.header.timestamp.ahead_of(last.timestamp);
                assert_eq!(step, 960 * packets, "at {:?}", heard.at);
            }
        }
    }

    /// WhatsApp's rule: one SSRC, numbers and timestamps in one row, never more than `longest` without a packet.
    pub fn assert_whatsapp_is_fed(&self, longest: Duration) {
        let heard = &self.heard.a;
        let first = heard.first().expect("packets to WhatsApp");
        assert_eq!(first.at, Duration::ZERO, "our packet goes first");
        let events = |heard: &Heard| heard.header.payload_type == EVENT_A;
        for pair in heard.windows(2) {
            let (one, next) = (&pair[0].header, &pair[1].header);
            assert_eq!(next.ssrc, OUR_SSRC.a);
            assert_eq!(next.sequence.ahead_of(one.sequence), 1);
            assert!(
                pair[1].at - pair[0].at <= longest,
                "gap at {:?}",
                pair[1].at
            );
        }
        let audio: Vec<&Heard> = heard.iter().filter(|heard| !events(heard)).collect();
        for pair in audio.windows(2) {
            let skipped = i32::from(pair[1].header.sequence.ahead_of(pair[0].header.sequence));
            let step = pair[1].header.timestamp.ahead_of(pair[0].header.timestamp);
            assert_eq!(step, 960 * skipped, "timestamps at {:?}", pair[1].at);
        }
        let last = heard.last().expect("packets to WhatsApp");
        assert!(
            self.time() - last.at <= longest,
            "nothing since {:?}",
            last.at
        );
    }
}
