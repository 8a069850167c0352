//! What 20 ms of a call cost in the bridge, both ways, without sockets: `cargo bench --bench bridge`. WhatsApp's side is
//! Opus over SRTP; protecting its packets (about 0.1 µs) is in the figure.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use wabridge::entropy::Entropy;
use wabridge::media::bridge::{
    Bridge, BridgeSpec, Channel, Command, Digits, Dtx, Habits, StreamSpec,
};
use wabridge::media::gain::Decibels;
use wabridge::media::rtp::{Header, RtpTime, SequenceNumber};
use wabridge::media::srtp;
use wabridge::sdp::{
    Agreement, Codec, CryptoPair, Direction, ExtendedReports, MasterKey, OpusLimits, PayloadType,
    Protection, Ssrc, Suite,
};
use wabridge::side::{Pair, Side};

const FRAME: Duration = Duration::from_millis(20);
const SUITE: Suite = Suite::AesCm128HmacSha1_80;

fn peer(side: Side) -> SocketAddr {
    match side {
        Side::A => ([157, 240, 19, 130], 3480).into(),
        Side::B => ([10, 0, 0, 5], 14_000).into(),
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
    let payload_type = payload_type(codec);
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
        packet_time: FRAME,
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

fn payload_type(codec: Codec) -> PayloadType {
    PayloadType(match codec {
        Codec::Opus => 111,
        Codec::G722 => 9,
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    })
}

fn habits(keep_fed: bool, opus_complexity: u8) -> Habits {
    Habits {
        keep_fed,
        latch: true,
        media_timeout: Duration::ZERO,
        opus_bitrate: 20_000,
        opus_complexity,
        opus_fec: true,
        early_audio: Duration::from_secs(1),
        gain_from: Decibels(0),
        gain_to: Decibels(0),
        opus_dtx: Dtx::IfAsked,
        digits: Digits::Events,
    }
}

/// A voice of one second, as payloads of `codec`.
fn voice(codec: Codec) -> Vec<Vec<u8>> {
    let sample = |n: usize| {
        let t = n as f64 / 8000.0;
        let turn = |hertz: f64| (t * hertz * std::f64::consts::TAU).sin();
        ((turn(130.0) + turn(390.0) + turn(1100.0)) * turn(2.0) * 5000.0) as i16
    };
    let sound: Vec<i16> = (0..8_000).map(sample).collect();
    let mut encoder =
        opus::Encoder::new(8_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    sound
        .chunks_exact(160)
        .map(|frame| match codec {
            Codec::Opus => encoder.encode_vec(frame, 400).unwrap(),
            Codec::G722 | Codec::Pcmu | Codec::Pcma => {
                frame.iter().map(|s| (s >> 8) as u8 | 0x80).collect()
            }
        })
        .collect()
}

/// A call that has been going on, and how to go on with it.
struct Call {
    bridge: Bridge,
    now: Instant,
    codecs: Pair<Codec>,
    voices: Pair<Vec<Vec<u8>>>,
    protects: srtp::Outbound,
    frame: u32,
    buffer: [u8; 512],
}

impl Call {
    fn new(pbx: Codec, complexity: u8) -> Self {
        let now = Instant::now();
        let stream = |ssrc, habits| StreamSpec {
            ssrc: Ssrc(ssrc),
            cname: "bridge".to_owned(),
            habits,
        };
        let spec = BridgeSpec {
            streams: Pair::new(
                stream(1, habits(true, complexity)),
                stream(2, habits(false, complexity)),
            ),
        };
        let mut bridge = Bridge::new(now, spec, Entropy::from_seed([1; 32]));
        let codecs = Pair::new(Codec::Opus, pbx);
        for side in Side::BOTH {
            let agreement = agreement(side, codecs[side]);
            bridge.handle_command(now, Command::Agree { side, agreement });
            bridge.handle_command(now, Command::Start { side });
        }
        Self {
            bridge,
            now,
            codecs,
            voices: codecs.map(voice),
            protects: srtp::Outbound::new(SUITE, &keys().receive).unwrap(),
            frame: 0,
            buffer: [0; 512],
        }
    }

    fn go_on(&mut self) {
        self.now += FRAME;
        self.frame += 1;
        for side in Side::BOTH {
            let len = self.packet(side);
            let datagram = &mut self.buffer[..len];
            self.bridge
                .handle_datagram(self.now, side, Channel::Rtp, peer(side), datagram);
            while self.bridge.poll_transmit().is_some() {}
        }
        while self.bridge.poll_timeout().is_some_and(|at| at <= self.now) {
            self.bridge.handle_timeout(self.now);
            while self.bridge.poll_transmit().is_some() {}
        }
    }

    fn packet(&mut self, side: Side) -> usize {
        let codec = self.codecs[side];
        let units = if codec == Codec::Opus { 960 } else { 160 };
        let header = Header {
            marker: false,
            payload_type: payload_type(codec),
            sequence: SequenceNumber(self.frame as u16),
            timestamp: RtpTime(self.frame.wrapping_mul(units)),
            ssrc: Ssrc(5),
        };
        let payload = &self.voices[side][self.frame as usize % 50];
        let len = Header::LEN + payload.len();
        self.buffer[..Header::LEN].copy_from_slice(&header.to_bytes());
        self.buffer[Header::LEN..len].copy_from_slice(payload);
        match side {
            Side::A => self.protects.protect_rtp(&mut self.buffer, len).unwrap(),
            Side::B => len,
        }
    }
}

fn twenty_milliseconds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("20 ms of a call");
    for (name, pbx, complexity) in [
        ("Opus and PCMU, complexity 0", Codec::Pcmu, 0),
        ("Opus and PCMU, complexity 5", Codec::Pcmu, 5),
        ("Opus and PCMU, complexity 9", Codec::Pcmu, 9),
        ("Opus and G.722, complexity 5", Codec::G722, 5),
        ("Opus passed through", Codec::Opus, 5),
    ] {
        let mut call = Call::new(pbx, complexity);
        group.bench_function(name, |bencher| bencher.iter(|| call.go_on()));
    }
}

criterion_group!(benches, twenty_milliseconds);
criterion_main!(benches);
