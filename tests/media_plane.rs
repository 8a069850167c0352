//! The media plane on real sockets: two calls on two workers, a WhatsApp leg and a PBX leg each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use wabridge::call::cdr::CallRef;
use wabridge::call::plane::{MediaCommand, MediaEvent, PortPair};
use wabridge::daemon::plane::{MediaPlane, PlaneSettings};
use wabridge::entropy::Entropy;
use wabridge::media::bridge::{BridgeSpec, Command, Digits, Dtx, Event, Habits, StreamSpec};
use wabridge::media::gain::Decibels;
use wabridge::media::rtp::{Header, Packet, RtpTime, SequenceNumber};
use wabridge::net::ports::{PortRange, PortStock};
use wabridge::sdp::{
    Agreement, Codec, Direction, ExtendedReports, OpusLimits, PayloadType, Protection, Ssrc,
};
use wabridge::side::{Pair, Side};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const REST: Duration = Duration::from_millis(1);
const PACKETS: u16 = 25;

fn plane(first_port: u16) -> MediaPlane {
    let range = PortRange {
        address: LOCALHOST,
        ports: first_port..=first_port + 9,
        rest: REST,
    };
    let settings = PlaneSettings {
        workers: 2,
        pinned: false,
    };
    let stock = PortStock::new(range).unwrap();
    MediaPlane::start(settings, stock, Entropy::from_seed([3; 32])).unwrap()
}

fn stream(ssrc: u32, keep_fed: bool) -> StreamSpec {
    StreamSpec {
        ssrc: Ssrc(ssrc),
        cname: "bridge".to_owned(),
        habits: Habits {
            keep_fed,
            latch: true,
            media_timeout: Duration::ZERO,
            opus_bitrate: 20_000,
            opus_complexity: 0,
            opus_fec: false,
            early_audio: Duration::from_secs(1),
            gain_from: Decibels(0),
            gain_to: Decibels(0),
            opus_dtx: Dtx::IfAsked,
            digits: Digits::Events,
        },
    }
}

fn agreement(remote: SocketAddr) -> Box<Agreement> {
    Box::new(Agreement {
        remote_rtp: Some(remote),
        remote_rtcp: None,
        rtcp_mux: false,
        extended_reports: ExtendedReports::default(),
        codec: Codec::Pcmu,
        send_pt: PayloadType(0),
        receive: vec![(PayloadType(0), Codec::Pcmu)],
        telephone_event: None,
        direction: Direction::SendRecv,
        packet_time: Duration::from_millis(20),
        protection: Protection::Clear,
        ice: None,
        remote_ssrc: None,
        opus: OpusLimits::default(),
    })
}

struct Call {
    name: CallRef,
    ours: Pair<PortPair>,
    peers: Pair<UdpSocket>,
}

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind((LOCALHOST, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

/// Opens a call whose A side is kept fed, and starts it.
fn open(plane: &mut MediaPlane, name: &str) -> Call {
    let now = Instant::now();
    let ports = plane.bind_ports(now, 2);
    let call = Call {
        name: CallRef(name.to_owned()),
        ours: Pair::new(ports[0], ports[1]),
        peers: Pair::new(peer(), peer()),
    };
    let spec = BridgeSpec {
        streams: Pair::new(stream(1, true), stream(2, false)),
    };
    plane.handle_command(
        now,
        MediaCommand::Open {
            call: call.name.clone(),
            ports: call.ours,
            spec,
        },
    );
    for side in Side::BOTH {
        let agreement = agreement(call.peers[side].local_addr().unwrap());
        tell(plane, &call, Command::Agree { side, agreement });
        tell(plane, &call, Command::Start { side });
    }
    call
}

fn tell(plane: &mut MediaPlane, call: &Call, command: Command) {
    let call = call.name.clone();
    plane.handle_command(Instant::now(), MediaCommand::Bridge { call, command });
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2_048];
    let (len, _) = socket.recv_from(&mut buffer).unwrap();
    buffer[..len].to_vec()
}

fn speak(call: &Call, side: Side, code: u8) {
    for n in 0..PACKETS {
        let header = Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: SequenceNumber(n),
            timestamp: RtpTime(u32::from(n) * 160),
            ssrc: Ssrc(9),
        };
        let datagram = [&header.to_bytes()[..], &[code; 160]].concat();
        let to = (LOCALHOST, call.ours[side].rtp);
        call.peers[side].send_to(&datagram, to).unwrap();
    }
}

#[tokio::test]
async fn two_calls_carry_their_own_sound() {
    let mut plane = plane(42_000);
    let calls = [open(&mut plane, "one"), open(&mut plane, "two")];
    for call in &calls {
        let first = receive(&call.peers.a);
        let first = Packet::parse(&first).unwrap();
        assert_eq!(first.payload, [0xff; 160], "our packet goes first");
    }
    for (call, code) in calls.iter().zip([0x21, 0x42]) {
        speak(call, Side::A, code);
        for _ in 0..PACKETS {
            let datagram = receive(&call.peers.b);
            let packet = Packet::parse(&datagram).unwrap();
            assert_eq!(packet.payload, [code; 160]);
            assert_eq!(packet.header.ssrc, Ssrc(2));
        }
        let event = plane.event().await;
        let expected = MediaEvent::Bridge {
            call: call.name.clone(),
            event: Event::FirstMedia { side: Side::A },
        };
        assert_eq!(event, expected);
    }
    assert_eq!(plane.calls(), 2);
    for call in &calls {
        let close = MediaCommand::Close {
            call: call.name.clone(),
        };
        plane.handle_command(Instant::now(), close);
        let MediaEvent::Closed {
            call: closed,
            report,
        } = plane.event().await
        else {
            panic!("the call was closed");
        };
        assert_eq!(closed, call.name);
        assert_eq!(report.sides.a.packets_received, u64::from(PACKETS));
        assert_eq!(report.sides.b.packets_sent, u64::from(PACKETS));
        assert!(report.sides.a.frames_filled > 0);
    }
    assert_eq!(plane.calls(), 0);
}

#[tokio::test]
async fn ports_come_back_after_their_rest() {
    let mut plane = plane(42_020);
    for round in 0..10 {
        let call = open(&mut plane, &format!("call {round}"));
        let close = MediaCommand::Close { call: call.name };
        plane.handle_command(Instant::now(), close);
        assert!(matches!(plane.event().await, MediaEvent::Closed { .. }));
        tokio::time::sleep(2 * REST).await;
    }
}

#[tokio::test]
async fn call_without_ports_fails_and_still_closes_once() {
    let mut plane = plane(42_040);
    let call = CallRef("nowhere".to_owned());
    let pair = PortPair { rtp: 2, rtcp: 3 };
    let open = MediaCommand::Open {
        call: call.clone(),
        ports: Pair::new(pair, pair),
        spec: BridgeSpec {
            streams: Pair::new(stream(1, true), stream(2, false)),
        },
    };
    plane.handle_command(Instant::now(), open);
    assert!(matches!(plane.event().await, MediaEvent::Failed { .. }));
    let close = MediaCommand::Close { call: call.clone() };
    plane.handle_command(Instant::now(), close);
    assert!(
        matches!(plane.event().await, MediaEvent::Closed { call: closed, .. } if closed == call)
    );
}
