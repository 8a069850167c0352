//! A business's media by another WebRTC: str0m, a full ICE agent.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::crypto::Fingerprint;
use str0m::format::Codec as Named;
use str0m::ice::IceCreds;
use str0m::media::{Frequency, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep_until};
use webrtc_util::marshal::Marshal;

use wabridge::entropy::Entropy;
use wabridge::sim::fault::Faults;
use wabridge::sim::media::ear::{Ear, Expected};
use wabridge::sim::media::mouth::{Format, Mouth, Says, Style};
use wabridge::sim::media::{Codec, Heard};
use wabridge::sim::sdp::Described;
use wabridge::sim::sdp::webrtc::Setup;

const OPUS: u8 = 111;
const EVENT: u8 = 126;
const SSRC: u32 = 0x1020_3040;

/// Before the other side is known.
pub struct Agent {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    pub ufrag: String,
    pub password: String,
    pub fingerprint: String,
    pub setup: Setup,
}

/// With media under way.
pub struct Talking {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Heard>,
}

impl Agent {
    pub async fn open(ip: IpAddr, setup: Setup) -> Self {
        let crypto = str0m::crypto::from_feature_flags();
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut config = Rtc::builder()
            .set_crypto_provider(Arc::new(crypto))
            .set_rtp_mode(true)
            .clear_codecs()
            .clear_extension_map()
            .enable_opus(true, false)
            .set_reordering_size_audio(0);
        let codecs = config.codec_config();
        codecs.add_config(
            EVENT.into(),
            None,
            Named::Tele,
            Frequency::EIGHT_KHZ,
            None,
            Default::default(),
        );
        let mut rtc = config.build(Instant::now());
        let candidate = Candidate::host(address, Protocol::Udp).unwrap();
        rtc.add_local_candidate(candidate).unwrap();
        let mut direct = rtc.direct_api();
        direct.set_ice_controlling(true);
        let IceCreds { ufrag, pass } = direct.local_ice_credentials();
        let fingerprint = direct.local_dtls_fingerprint().to_string();
        Self {
            rtc,
            socket,
            address,
            ufrag,
            password: pass,
            fingerprint,
            setup,
        }
    }

    /// As offer or as answer, in WhatsApp's own numbering.
    pub fn description(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let lines = [
            "v=0".into(),
            format!("o=- 1 1 IN {family} {ip}"),
            "s=-".into(),
            format!("c=IN {family} {ip}"),
            "t=0 0".into(),
            format!("m=audio {port} UDP/TLS/RTP/SAVPF {OPUS} {EVENT}"),
            format!("a=candidate:1 1 udp 2130706431 {ip} {port} typ host"),
            format!("a=ice-ufrag:{}", self.ufrag),
            format!("a=ice-pwd:{}", self.password),
            format!("a=fingerprint:{}", self.fingerprint),
            format!("a=setup:{}", self.setup.name()),
            format!("a=rtpmap:{OPUS} {}", Codec::Opus.rtpmap()),
            format!("a=fmtp:{OPUS} maxaveragebitrate=20000;useinbandfec=1"),
            format!("a=rtpmap:{EVENT} telephone-event/8000"),
            "a=ptime:20".into(),
            "a=sendrecv".into(),
            "a=rtcp-mux".into(),
            format!("a=ssrc:{SSRC} cname:business"),
        ];
        lines.join("\r\n") + "\r\n"
    }

    /// The other side's description is here: checks begin, then DTLS, then speech.
    pub fn start(mut self, remote: &str, says: Says, faults: Faults) -> Talking {
        let described = Described::read(remote).unwrap();
        let peer = described.webrtc.peer().unwrap();
        let remote_ssrc = described.ssrc.unwrap();
        let told = described.rtp().unwrap();
        let mut candidates = peer.candidates.clone();
        if candidates.is_empty() {
            candidates.push(told);
        }
        let print = peer.sha256().remove(0);
        let mut direct = self.rtc.direct_api();
        direct.set_remote_ice_credentials(IceCreds {
            ufrag: peer.ufrag.clone(),
            pass: peer.password.clone(),
        });
        direct.set_remote_fingerprint(Fingerprint {
            hash_func: "sha-256".into(),
            bytes: print,
        });
        let active = match (self.setup, peer.setup) {
            (Setup::Active, _) | (Setup::Actpass, Setup::Passive) => true,
            (Setup::Passive, _) | (Setup::Actpass, _) => false,
        };
        direct.start_dtls(active).unwrap();
        let mid = "aud".into();
        direct.declare_media(mid, MediaKind::Audio);
        direct.expect_stream_rx(remote_ssrc.into(), None, mid, None);
        let stream = direct.declare_stream_tx(SSRC.into(), None, mid, None);
        stream.set_unpaced(true);
        for address in candidates {
            let candidate = Candidate::host(address, Protocol::Udp).unwrap();
            self.rtc.add_remote_candidate(candidate);
        }
        let (stop, stopped) = oneshot::channel();
        let run = Run {
            connected: false,
            sequence: 0,
            last: None,
            ear: ear(),
            mouth: mouth(says, faults),
            pending: VecDeque::new(),
            rtc: self.rtc,
            socket: self.socket,
            address: self.address,
        };
        Talking {
            stop,
            task: tokio::spawn(run.run(stopped)),
        }
    }
}

impl Talking {
    pub async fn heard(self) -> Heard {
        let _ = self.stop.send(());
        self.task.await.unwrap()
    }
}

fn ear() -> Ear {
    // What str0m hands over is in clear.
    let expected = Expected {
        payloads: vec![(OPUS, Codec::Opus)],
        telephone_event: Some((EVENT, 8_000)),
        key: None,
    };
    Ear::new(expected).unwrap()
}

fn mouth(says: Says, faults: Faults) -> Mouth {
    let style = Style {
        says,
        dtx: false,
        ptime: Duration::from_millis(20),
        ssrc: SSRC,
        faults,
    };
    let format = Format {
        codec: Codec::Opus,
        pt: OPUS,
        telephone_event: Some((EVENT, 8_000)),
    };
    Mouth::new(style, format, Entropy::from_seed([9; 32])).unwrap()
}

struct Run {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    connected: bool,
    /// Extended, from below the first rollover.
    sequence: u64,
    last: Option<u16>,
    ear: Ear,
    mouth: Mouth,
    pending: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Run {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Heard {
        let mut tick = interval(Duration::from_millis(20));
        let mut buffer = [0; 2_048];
        loop {
            let due = self.poll();
            for (to, datagram) in self.pending.drain(..) {
                let _ = self.socket.send_to(&datagram, to).await;
            }
            tokio::select! {
                _ = &mut stopped => return self.ear.into_heard(),
                Ok((length, from)) = self.socket.recv_from(&mut buffer) => {
                    self.receive(from, &buffer[..length]);
                }
                _ = tick.tick() => self.speak(),
                () = sleep_until(due.into()) => {
                    self.rtc.handle_input(Input::Timeout(Instant::now())).unwrap();
                }
            }
        }
    }

    fn receive(&mut self, source: SocketAddr, datagram: &[u8]) {
        let now = Instant::now();
        let receive = Receive::new(Protocol::Udp, source, self.address, datagram);
        if let Ok(receive) = receive {
            // A handshake that fails is seen at the far side.
            let _ = self.rtc.handle_input(Input::Receive(now, receive));
        }
    }

    fn poll(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    let datagram = transmit.contents.to_vec();
                    self.pending.push_back((transmit.destination, datagram));
                }
                Ok(Output::Timeout(due)) => return due,
                Ok(Output::Event(Event::Connected)) => self.connected = true,
                Ok(Output::Event(Event::RtpPacket(packet))) => self.hear(&packet),
                Ok(Output::Event(_)) => {}
                Err(_) => return Instant::now() + Duration::from_secs(1),
            }
        }
    }

    fn hear(&mut self, packet: &str0m::rtp::RtpPacket) {
        let header = &packet.header;
        let packet = rtp::packet::Packet {
            header: rtp::header::Header {
                version: 2,
                marker: header.marker,
                payload_type: *header.payload_type,
                sequence_number: header.sequence_number,
                timestamp: header.timestamp,
                ssrc: *header.ssrc,
                ..Default::default()
            },
            payload: packet.payload.to_vec().into(),
        };
        self.ear.rtp(Instant::now(), &packet.marshal().unwrap());
    }

    fn speak(&mut self) {
        if !self.connected {
            return;
        }
        for packet in self.mouth.tick() {
            let header = &packet.header;
            let step = match self.last.replace(header.sequence_number) {
                Some(last) => header.sequence_number.wrapping_sub(last),
                None => 1,
            };
            self.sequence += u64::from(step);
            let write = RtpWrite::new(
                header.payload_type.into(),
                self.sequence.into(),
                header.timestamp,
                Instant::now(),
                packet.payload.to_vec(),
            );
            let mut direct = self.rtc.direct_api();
            let stream = direct.stream_tx(&SSRC.into()).unwrap();
            stream.write_rtp(write.marker(header.marker));
        }
    }
}
