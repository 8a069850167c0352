//! A packet allocates nothing: counted over ten seconds of a call in each combination of codecs, with losses,
//! reordering, silence, digits and reports, extended ones too; with keys of the description, and with those of a handshake.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::media::bridge::{
    Bridge, BridgeSpec, Channel, Command, Digits, Dtx, Habits, StreamSpec,
};
use wabridge::media::dtls::Identity;
use wabridge::media::gain::Decibels;
use wabridge::media::rtcp::{Compound, Extended, LastReference, NtpTime, Packet, Packets};
use wabridge::media::rtp::{Header, Kind, RtpTime, SequenceNumber};
use wabridge::media::srtp;
use wabridge::media::transport::{Event, MAX_DATAGRAM, Terms, Transport};
use wabridge::sdp::{
    Agreement, Codec, CryptoPair, Direction, DtlsRole, DtlsVersion, ExtendedReports, IceMode,
    IceRole, MasterKey, OpusLimits, PayloadType, Protection, RoundTripMode, Ssrc, Suite,
    SummaryParts, TelephoneEvent,
};
use wabridge::side::{Pair, Side};

use ends::{ice_end, ice_terms, identities, terms};

#[path = "media/ends.rs"]
mod ends;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's work; the counter is a plain thread-local number.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const WHATSAPP: ([u8; 4], u16) = ([157, 240, 19, 130], 3480);
const PBX: ([u8; 4], u16) = ([10, 0, 0, 5], 14_000);
const OURS: ([u8; 4], u16) = ([203, 0, 113, 10], 20_000);
const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const PACKETS: u16 = 500;
const EXTENDED: ExtendedReports = ExtendedReports {
    receiver_round_trip: Some(RoundTripMode::All),
    summary: Some(SummaryParts {
        loss: true,
        duplicates: true,
        jitter: true,
    }),
    voip_metrics: true,
};

fn agreement(codec: Codec, crypto: Option<CryptoPair>, remote: SocketAddr) -> Agreement {
    let payload_type = PayloadType(match codec {
        Codec::Opus => 111,
        Codec::G722 => 9,
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    });
    let event = PayloadType(126);
    Agreement {
        remote_rtp: Some(remote),
        remote_rtcp: Some(remote),
        rtcp_mux: true,
        extended_reports: EXTENDED,
        codec,
        send_pt: payload_type,
        receive: vec![(payload_type, codec)],
        telephone_event: Some(TelephoneEvent {
            send_pt: event,
            receive_pt: event,
            clock: 8000,
        }),
        direction: Direction::SendRecv,
        packet_time: Duration::from_millis(20),
        protection: crypto.map_or(Protection::Clear, Protection::Sdes),
        ice: None,
        remote_ssrc: None,
        opus: OpusLimits {
            in_band_fec: true,
            ..OpusLimits::default()
        },
    }
}

fn crypto() -> CryptoPair {
    CryptoPair {
        suite: SUITE,
        send: MasterKey(vec![1; 30]),
        receive: MasterKey(vec![2; 30]),
    }
}

fn stream(ssrc: u32, keep_fed: bool) -> StreamSpec {
    StreamSpec {
        ssrc: Ssrc(ssrc),
        cname: "bridge".to_owned(),
        habits: Habits {
            keep_fed,
            latch: true,
            media_timeout: Duration::from_secs(30),
            opus_bitrate: 20_000,
            opus_complexity: 1,
            opus_fec: true,
            early_audio: Duration::from_secs(1),
            gain_from: Decibels(0),
            gain_to: Decibels(0),
            opus_dtx: Dtx::IfAsked,
            digits: Digits::InBand,
        },
    }
}

fn payload(codec: Codec) -> Vec<u8> {
    if codec != Codec::Opus {
        return vec![0x31; 160];
    }
    let mut encoder =
        opus::Encoder::new(8_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let sound: Vec<i16> = (0..160).map(|n| (n * 97 % 160 - 80) * 50).collect();
    let mut packet = [0; 400];
    let len = encoder.encode(&sound, &mut packet).unwrap();
    packet[..len].to_vec()
}

/// A peer's report: a reference time, an answer to one of ours, and how it hears us.
fn report() -> Vec<u8> {
    let report = Compound {
        ssrc: Ssrc(5),
        sender: None,
        block: None,
        cname: "peer",
        extended: Extended {
            reference_time: Some(NtpTime(1 << 40)),
            last_reference: Some(LastReference::new(
                Ssrc(2),
                NtpTime(1 << 40),
                Duration::ZERO,
            )),
            ..Extended::default()
        },
        bye: false,
    };
    let mut bytes = [0; Compound::MAX_LEN];
    let len = report.write(&mut bytes).unwrap();
    bytes[..len].to_vec()
}

/// One side's packets, ready to arrive: (ms, datagram). Every ninth is lost, every seventh late, a digit in between.
fn script(codec: Codec, protects: Option<&mut srtp::Outbound>) -> Vec<(u64, Vec<u8>)> {
    let sound = payload(codec);
    let units = if codec == Codec::Opus { 960 } else { 160 };
    let audio_type = agreement(codec, None, PBX.into()).send_pt;
    let mut protects = protects;
    let mut script = Vec::new();
    for n in 0..PACKETS {
        let digit = (200..208).contains(&n);
        let time = u32::from(if digit { 200 } else { n }) * units;
        let header = Header {
            marker: false,
            payload_type: if digit { PayloadType(126) } else { audio_type },
            sequence: SequenceNumber(n),
            timestamp: RtpTime(time),
            ssrc: Ssrc(5),
        };
        let flags = if n > 204 { 0x8a } else { 0x0a };
        let event = [5, flags, 3, 32];
        let payload = if digit { &event[..] } else { &sound };
        let mut datagram = [&header.to_bytes(), payload].concat();
        if let Some(protects) = &mut protects {
            let len = datagram.len();
            datagram.resize(len + srtp::MAX_OVERHEAD, 0);
            let len = protects.protect_rtp(&mut datagram, len).unwrap();
            datagram.truncate(len);
        }
        if n % 100 == 50 {
            let mut datagram = report();
            if let Some(protects) = &mut protects {
                let len = datagram.len();
                datagram.resize(len + srtp::MAX_OVERHEAD, 0);
                let len = protects.protect_rtcp(&mut datagram, len).unwrap();
                datagram.truncate(len);
            }
            script.push((u64::from(n) * 20, datagram));
        }
        let pause = (300..340).contains(&n);
        if n % 9 != 8 && !pause {
            let late = if n % 7 == 3 { 30 } else { 0 };
            script.push((u64::from(n) * 20 + late, datagram));
        }
    }
    script.sort_by_key(|(at, _)| *at);
    script
}

/// Allocations between the agreement and the end of a call.
fn allocations(whatsapp: Codec, pbx: Codec) -> (u64, u64) {
    let start = Instant::now();
    let mut bridge = bridge(start);
    let mut protects = srtp::Outbound::new(SUITE, &crypto().receive).unwrap();
    let from_a = script(whatsapp, Some(&mut protects));
    let agreement = agreement(whatsapp, Some(crypto()), WHATSAPP.into());
    begin(&mut bridge, start, agreement, pbx);
    count(&mut bridge, start, from_a, pbx, None)
}

fn bridge(start: Instant) -> Bridge {
    let spec = BridgeSpec {
        streams: Pair::new(stream(1, true), stream(2, false)),
    };
    Bridge::new(start, spec, Entropy::from_seed([1; 32]))
}

fn begin(bridge: &mut Bridge, start: Instant, whatsapp: Agreement, pbx: Codec) {
    for (side, agreement) in [
        (Side::A, whatsapp),
        (Side::B, agreement(pbx, None, PBX.into())),
    ] {
        let agreement = Box::new(agreement);
        bridge.handle_command(start, Command::Agree { side, agreement });
        bridge.handle_command(start, Command::Start { side });
        bridge.handle_command(start, Command::Confirm { side });
    }
}

/// Eleven seconds; `peer` answers the bridge's consent checks.
fn count(
    bridge: &mut Bridge,
    start: Instant,
    mut from_a: Vec<(u64, Vec<u8>)>,
    pbx: Codec,
    mut peer: Option<&mut Transport>,
) -> (u64, u64) {
    let mut from_b = script(pbx, None);
    let (mut a, mut b) = (from_a.iter_mut().peekable(), from_b.iter_mut().peekable());
    let (mut sent, mut extended) = (0, 0);
    let before = ALLOCATIONS.with(Cell::get);
    for millis in 0..11_000 {
        let now = start + Duration::from_millis(millis);
        while let Some((_, datagram)) = a.next_if(|(at, _)| *at == millis) {
            bridge.handle_datagram(now, Side::A, Channel::Rtp, WHATSAPP.into(), datagram);
        }
        while let Some((_, datagram)) = b.next_if(|(at, _)| *at == millis) {
            bridge.handle_datagram(now, Side::B, Channel::Rtp, PBX.into(), datagram);
        }
        if bridge.poll_timeout().is_some_and(|at| at <= now) {
            bridge.handle_timeout(now);
        }
        while let Some(transmit) = bridge.poll_transmit() {
            sent += 1;
            extended += u64::from(transmit.side == Side::B && is_extended(transmit.bytes));
            if let Some(peer) = &mut peer
                && Kind::of(transmit.bytes) == Kind::Stun
            {
                peer.handle_stun(now, OURS.into(), transmit.bytes);
            }
        }
        if let Some(peer) = &mut peer {
            let mut buffer = [0; MAX_DATAGRAM];
            while let Some((_, len)) = peer.poll_transmit(&mut buffer) {
                let datagram = &mut buffer[..len];
                bridge.handle_datagram(now, Side::A, Channel::Rtp, WHATSAPP.into(), datagram);
            }
        }
        while bridge.poll_event().is_some() {}
    }
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    assert!(extended > 1, "{extended} extended reports");
    (allocations, sent)
}

fn is_extended(bytes: &[u8]) -> bool {
    Kind::of(bytes) == Kind::Rtcp
        && Packets::of(bytes).any(|packet| matches!(packet, Ok(Packet::Extended { .. })))
}

#[test]
fn packets_allocate_nothing() {
    for whatsapp in [Codec::Opus, Codec::Pcma] {
        for pbx in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            let (allocations, sent) = allocations(whatsapp, pbx);
            assert!(sent > 900, "{whatsapp:?} to {pbx:?}: {sent} packets");
            assert_eq!(allocations, 0, "{whatsapp:?} to {pbx:?}");
        }
    }
}

/// WhatsApp's end of ICE and DTLS, and what the bridge is told of it.
fn webrtc(now: Instant) -> (Arc<Identity>, Terms, Transport) {
    let ours = ice_end("ours", IceMode::Full, Some(OURS.into()));
    let theirs = ice_end("them", IceMode::Lite, Some(WHATSAPP.into()));
    let ice = ice_terms(IceRole::Controlling, [ours, theirs]).map(Some);
    let peers = [WHATSAPP.into(), OURS.into()];
    let [of_bridge, of_peer] = terms(ice, peers, DtlsRole::Client, DtlsVersion::V1_3);
    let [(identity, _), (peers_identity, _)] = identities();
    let entropy = Entropy::from_seed([2; 32]);
    let mut peer = Transport::new(now, of_peer, peers_identity.clone(), entropy);
    peer.start(now);
    (identity.clone(), of_bridge, peer)
}

/// Until both have keys: those of the peer.
fn connect(bridge: &mut Bridge, peer: &mut Transport, now: Instant) -> CryptoPair {
    let mut buffer = [0; MAX_DATAGRAM];
    loop {
        while let Some(transmit) = bridge.poll_transmit() {
            match Kind::of(transmit.bytes) {
                Kind::Stun => peer.handle_stun(now, OURS.into(), transmit.bytes),
                Kind::Dtls => peer.handle_dtls(now, OURS.into(), transmit.bytes),
                Kind::Rtp | Kind::Rtcp | Kind::Unknown => false,
            };
        }
        while let Some((_, len)) = peer.poll_transmit(&mut buffer) {
            let datagram = &mut buffer[..len];
            bridge.handle_datagram(now, Side::A, Channel::Rtp, WHATSAPP.into(), datagram);
        }
        while let Some(event) = peer.poll_event() {
            match event {
                Event::Secured { keys, .. } => return keys,
                Event::Found { .. } | Event::Moved { .. } => {}
                Event::Failed(failure) => panic!("{failure}"),
            }
        }
    }
}

#[test]
fn packets_and_consent_checks_of_a_dtls_side_allocate_nothing() {
    for (whatsapp, pbx) in [(Codec::Opus, Codec::Pcmu), (Codec::Opus, Codec::Opus)] {
        let start = Instant::now();
        let (identity, terms, mut peer) = webrtc(start);
        let mut bridge = bridge(start).with_identity(identity);
        let agreement = Agreement {
            protection: Protection::Dtls(terms.dtls),
            ice: terms.ice,
            ..agreement(whatsapp, None, WHATSAPP.into())
        };
        begin(&mut bridge, start, agreement, pbx);
        let keys = connect(&mut bridge, &mut peer, start);
        let mut protects = srtp::Outbound::new(keys.suite, &keys.send).unwrap();
        // The last flight and the first packets.
        while let Some(len) = {
            let mut buffer = [0; MAX_DATAGRAM];
            peer.poll_transmit(&mut buffer).map(|(_, len)| {
                let datagram = &mut buffer[..len];
                bridge.handle_datagram(start, Side::A, Channel::Rtp, WHATSAPP.into(), datagram);
                len
            })
        } {
            assert!(len > 0);
        }
        let from_a = script(whatsapp, Some(&mut protects));
        let (allocations, sent) = count(&mut bridge, start, from_a, pbx, Some(&mut peer));
        let report = bridge.report(start).sides.a;
        assert!(
            report.dtls_after.is_some() && report.packets_received > 300,
            "{report:?}"
        );
        assert!(sent > 900, "{whatsapp:?} to {pbx:?}: {sent} packets");
        assert_eq!(allocations, 0, "{whatsapp:?} to {pbx:?}");
    }
}
