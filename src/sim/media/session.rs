//! One party's media: two sockets and a task that ticks, speaks and listens until it is told to stop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtcp::packet::Packet as RtcpPacket;
use rtcp::sender_report::SenderReport;
use rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtp::packet::Packet;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use webrtc_srtp::context::Context;
use webrtc_util::marshal::Marshal;

use crate::entropy::Entropy;
use crate::sim::fault::Fault;
use crate::sim::media::crypto::Key;
use crate::sim::media::ear::{Ear, Expected, Heard, is_rtcp};
use crate::sim::media::link::{Keys, Link, Local};
use crate::sim::media::mouth::{Format, Mouth, Style};
use crate::sim::sdp::Direction;
use crate::sim::sdp::webrtc::Peer;

/// When the faults of a moment strike, in media heard.
const STRIKE: Duration = Duration::from_secs(3);

/// What offer and answer settled, from this party's view.
#[derive(Clone, Debug)]
pub struct Settled {
    pub remote: SocketAddr,
    pub remote_rtcp: SocketAddr,
    pub format: Format,
    pub expected: Expected,
    pub send_key: Option<Key>,
    pub direction: Direction,
    /// ICE finds the address, and DTLS the keys.
    pub peer: Option<Peer>,
}

/// How this party behaves for the whole call.
#[derive(Clone, Debug)]
pub struct Party {
    pub style: Style,
    pub cname: String,
    /// Nothing is sent before the far side's first valid packet (WhatsApp).
    pub waits: bool,
    /// Send to where packets come from.
    pub latches: bool,
    pub report_interval: Duration,
    /// The longest time without a valid packet: after the answer, and later.
    pub patience: Option<(Duration, Duration)>,
    /// RTCP counts as life.
    pub rtcp_is_life: bool,
    /// Media by ICE and DTLS.
    pub link: Option<Local>,
}

#[derive(Debug)]
pub enum Order {
    Settle(Box<Settled>),
    /// The call is answered: packets may leave, and the far side's time runs.
    Answered,
    Dial(String),
    Stop,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// The first valid packet.
    FirstPacket,
    /// No valid packet for so long; `ever` tells whether there was one before.
    Starved { ever: bool },
}

/// The handle of a running session.
pub struct Session {
    pub rtp_port: u16,
    pub rtcp_port: u16,
    /// Of the other address family.
    pub also: Option<SocketAddr>,
    orders: mpsc::Sender<Order>,
    pub news: mpsc::Receiver<News>,
    task: JoinHandle<Heard>,
}

impl Session {
    /// Binds an even port and the next one. Sends nothing before it is told.
    pub async fn open(bind: IpAddr, party: Party, entropy: Entropy) -> io::Result<Self> {
        let (rtp, rtcp) = bind_pair(bind).await?;
        let (orders, order_queue) = mpsc::channel(16);
        let (news_queue, news) = mpsc::channel(16);
        let (rtp_port, rtcp_port) = (rtp.local_addr()?.port(), rtcp.local_addr()?.port());
        let run = Run::new(rtp, rtcp, party, entropy, news_queue).await?;
        let also = run.second.as_ref().map(UdpSocket::local_addr).transpose()?;
        Ok(Self {
            rtp_port,
            rtcp_port,
            also,
            orders,
            news,
            task: tokio::spawn(run.run(order_queue)),
        })
    }

    pub async fn order(&self, order: Order) {
        let _ = self.orders.send(order).await;
    }

    pub async fn stop(self) -> Heard {
        let _ = self.orders.send(Order::Stop).await;
        self.task.await.unwrap_or_default()
    }
}

/// RFC 3550 §11: even port for RTP.
async fn bind_pair(bind: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    for _ in 0..100 {
        let first = UdpSocket::bind((bind, 0)).await?;
        let port = first.local_addr()?.port();
        if !port.is_multiple_of(2) {
            continue;
        }
        if let Ok(second) = UdpSocket::bind((bind, port + 1)).await {
            return Ok((first, second));
        }
    }
    Err(io::Error::other("no two neighbouring UDP ports are free"))
}

struct Run {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Another port, for the faults that need one.
    stranger: UdpSocket,
    /// Of the other address family.
    second: Option<UdpSocket>,
    link: Option<Link>,
    party: Party,
    entropy: Entropy,
    news: mpsc::Sender<News>,
    settled: Option<Settled>,
    ear: Option<Ear>,
    mouth: Option<Mouth>,
    srtp: Option<Context>,
    answered: Option<Instant>,
    last_life: Option<Instant>,
    starved: bool,
    held_up: Duration,
    early: Option<Instant>,
    sent: (u32, u32),
}

impl Run {
    async fn new(
        rtp: UdpSocket,
        rtcp: UdpSocket,
        party: Party,
        mut entropy: Entropy,
        news: mpsc::Sender<News>,
    ) -> io::Result<Self> {
        let stranger = UdpSocket::bind((rtp.local_addr()?.ip(), 0)).await?;
        let second = match party.link.as_ref().and_then(|link| link.also) {
            Some(ip) => Some(UdpSocket::bind((ip, 0)).await?),
            None => None,
        };
        let link = party.link.clone();
        Ok(Self {
            rtp,
            rtcp,
            stranger,
            second,
            link: link.map(|local| Link::new(local, entropy.fork())),
            party,
            entropy,
            news,
            settled: None,
            ear: None,
            mouth: None,
            srtp: None,
            answered: None,
            last_life: None,
            starved: false,
            held_up: Duration::ZERO,
            early: None,
            sent: (0, 0),
        })
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) -> Heard {
        let mut tick = interval(self.party.style.ptime);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut report = interval(self.party.report_interval);
        report.reset();
        let [mut buffer, mut elsewhere, mut control, mut other] = [[0; 2_048]; 4];
        let translated = self.has(Fault::WrongSourcePort) || self.has(Fault::Rebinding);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None | Some(Order::Stop) => break,
                    Some(order) => self.handle_order(order),
                },
                Ok((length, from)) = self.rtp.recv_from(&mut buffer) => {
                    self.handle_datagram(from, &buffer[..length]).await;
                }
                Ok((length, from)) = self.stranger.recv_from(&mut elsewhere), if translated => {
                    self.handle_datagram(from, &elsewhere[..length]).await;
                }
                Ok((length, from)) = receive(self.second.as_ref(), &mut other) => {
                    self.handle_datagram(from, &other[..length]).await;
                }
                Ok((length, _)) = self.rtcp.recv_from(&mut control) => {
                    self.handle_control(&control[..length]);
                }
                due = tick.tick() => {
                    self.note_lateness(due.elapsed());
                    self.drive().await;
                    self.speak().await;
                }
                _ = report.tick() => self.report().await,
            }
        }
        let mut heard = self.ear.map(Ear::into_heard).unwrap_or_default();
        heard.held_up = self.held_up;
        heard.early = self.early;
        heard.link = self.link.map(|link| link.facts().clone());
        heard
    }

    fn has(&self, fault: Fault) -> bool {
        self.party.style.faults.contains(&fault)
    }

    /// Whether the moment has come for a fault that begins in the middle of the call.
    fn struck(&self, fault: Fault) -> bool {
        let first = self.ear.as_ref().and_then(|ear| ear.heard().first);
        self.has(fault) && first.is_some_and(|first| first.elapsed() > STRIKE)
    }

    fn note_lateness(&mut self, late: Duration) {
        if self.answered.is_some() {
            self.held_up = self.held_up.max(late);
        }
    }

    fn handle_order(&mut self, order: Order) {
        match order {
            Order::Settle(settled) => self.settle(*settled),
            Order::Answered => {
                self.answered.get_or_insert_with(Instant::now);
            }
            Order::Dial(digits) => {
                if let Some(mouth) = &mut self.mouth {
                    mouth.dial(&digits);
                }
            }
            Order::Stop => {}
        }
    }

    fn settle(&mut self, mut settled: Settled) {
        if let (Some(link), Some(peer)) = (&mut self.link, settled.peer.take()) {
            link.meet(Instant::now(), peer);
            // The rest waits for the keys.
            self.settled = Some(settled);
            return;
        }
        self.begin(settled);
    }

    fn unlock(&mut self, keys: Keys) {
        let Some(mut settled) = self.settled.take() else {
            return;
        };
        settled.send_key = Some(keys.send);
        settled.expected.key = Some(keys.receive);
        self.begin(settled);
        self.follow_nomination();
    }

    fn follow_nomination(&mut self) {
        let nominated = self.link.as_ref().and_then(Link::nominated);
        if let (Some(settled), Some(to)) = (&mut self.settled, nominated) {
            (settled.remote, settled.remote_rtcp) = (to, to);
        }
    }

    fn begin(&mut self, settled: Settled) {
        let key_is_new = self.settled.as_ref().map(|old| &old.send_key) != Some(&settled.send_key);
        if key_is_new {
            self.srtp = settled.send_key.as_ref().and_then(|key| self.context(key));
        }
        let expected = settled.expected.clone();
        match &mut self.ear {
            Some(ear) => drop(ear.change(expected)),
            None => self.ear = Ear::new(expected).ok(),
        }
        match &mut self.mouth {
            Some(mouth) => drop(mouth.change(settled.format)),
            None => {
                let style = self.party.style.clone();
                self.mouth = Mouth::new(style, settled.format, self.entropy.fork()).ok();
            }
        }
        self.settled = Some(settled);
    }

    fn context(&mut self, key: &Key) -> Option<Context> {
        let wrong = self.has(Fault::WrongKey);
        let key = match wrong {
            true => Key::random(key.suite(), &mut self.entropy),
            false => key.clone(),
        };
        key.context().ok()
    }

    /// Several protocols on one port (RFC 7983 §7).
    async fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8]) {
        if self.struck(Fault::Gone) {
            return;
        }
        match (datagram.first(), &mut self.link) {
            (Some(0..=3), Some(link)) => {
                link.stun(Instant::now(), from, datagram);
                self.follow_nomination();
                self.flush().await;
            }
            (Some(20..=63), Some(link)) => {
                let keys = link.dtls(Instant::now(), from, datagram);
                if let Some(keys) = keys {
                    self.unlock(keys);
                }
                self.flush().await;
            }
            _ if is_rtcp(datagram) => self.handle_control(datagram),
            _ => self.handle_rtp(from, datagram),
        }
    }

    async fn drive(&mut self) {
        let keys = self
            .link
            .as_mut()
            .and_then(|link| link.tick(Instant::now()));
        if let Some(keys) = keys {
            self.unlock(keys);
        }
        self.flush().await;
    }

    async fn flush(&mut self) {
        let outgoing = self.link.as_mut().map(Link::take_outgoing);
        for (to, datagram) in outgoing.unwrap_or_default() {
            let _ = self.socket_to(to).send_to(&datagram, to).await;
        }
    }

    fn socket_to(&self, to: SocketAddr) -> &UdpSocket {
        let is_ours = self
            .rtp
            .local_addr()
            .is_ok_and(|own| own.is_ipv4() == to.is_ipv4());
        match &self.second {
            Some(second) if !is_ours => second,
            _ if self.has(Fault::WrongSourcePort) || self.struck(Fault::Rebinding) => {
                &self.stranger
            }
            _ => &self.rtp,
        }
    }

    fn handle_rtp(&mut self, from: SocketAddr, datagram: &[u8]) {
        if self.answered.is_none() {
            self.early.get_or_insert_with(Instant::now);
        }
        let (Some(ear), Some(settled)) = (&mut self.ear, &mut self.settled) else {
            return;
        };
        if from != settled.remote && !self.party.latches {
            ear.note_wrong_source();
        }
        let now = Instant::now();
        let Some(samples) = ear.rtp(now, datagram) else {
            return;
        };
        if self.party.latches && ear.heard().packets == 1 {
            settled.remote = from;
        }
        if let Some(mouth) = &mut self.mouth {
            mouth.echo(&samples);
        }
        if ear.heard().packets == 1 {
            let _ = self.news.try_send(News::FirstPacket);
        }
        self.last_life = Some(now);
        self.starved = false;
    }

    fn handle_control(&mut self, datagram: &[u8]) {
        let Some(ear) = &mut self.ear else { return };
        if ear.rtcp(datagram) && self.party.rtcp_is_life {
            self.last_life = Some(Instant::now());
        }
    }

    async fn speak(&mut self) {
        self.watch();
        if self.answered.is_none() || self.struck(Fault::Gone) {
            return;
        }
        let (Some(mouth), Some(settled)) = (&mut self.mouth, &self.settled) else {
            return;
        };
        let may = !self.party.waits || self.ear.as_ref().is_some_and(|ear| ear.heard().packets > 0);
        if !may {
            return;
        }
        if !settled.direction.sends() {
            return mouth.rest();
        }
        let to = settled.remote;
        for packet in mouth.tick() {
            self.send(&packet, to).await;
        }
        if self.party.style.faults.contains(&Fault::Injection) {
            self.inject(to).await;
        }
    }

    async fn send(&mut self, packet: &Packet, to: SocketAddr) {
        let Ok(clear) = packet.marshal() else { return };
        let bytes = match &mut self.srtp {
            Some(srtp) => srtp.encrypt_rtp(&clear),
            None => Ok(clear),
        };
        let Ok(bytes) = bytes else { return };
        self.sent.0 += 1;
        self.sent.1 += packet.payload.len() as u32;
        let _ = self.socket_to(to).send_to(&bytes, to).await;
    }

    /// Noise under another SSRC, in clear, from another port.
    async fn inject(&mut self, to: SocketAddr) {
        let mut datagram = vec![0x80, 0];
        datagram.extend_from_slice(&self.entropy.bytes::<{ 10 + 160 }>());
        let _ = self.stranger.send_to(&datagram, to).await;
    }

    /// The far side's silence.
    fn watch(&mut self) {
        let (Some((first, later)), Some(answered)) = (self.party.patience, self.answered) else {
            return;
        };
        let (since, patience) = match self.last_life {
            Some(life) => (life.max(answered), later),
            None => (answered, first),
        };
        if !self.starved && since.elapsed() > patience {
            self.starved = true;
            let ever = self.last_life.is_some();
            let _ = self.news.try_send(News::Starved { ever });
        }
    }

    async fn report(&mut self) {
        let (Some(mouth), Some(settled)) = (&self.mouth, &self.settled) else {
            return;
        };
        if self.sent.0 == 0 {
            return;
        }
        let (ssrc, timestamp) = mouth.position();
        let packets = sender_report(ssrc, timestamp, self.sent, &self.party.cname);
        let to = settled.remote_rtcp;
        let muxed = to == settled.remote;
        let Ok(clear) = rtcp::packet::marshal(&packets) else {
            return;
        };
        let bytes = match &mut self.srtp {
            Some(srtp) => srtp.encrypt_rtcp(&clear),
            None => Ok(clear),
        };
        let Ok(bytes) = bytes else { return };
        let socket = if muxed {
            self.socket_to(to)
        } else {
            &self.rtcp
        };
        let _ = socket.send_to(&bytes, to).await;
    }
}

/// Never, without a socket.
async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

fn sender_report(
    ssrc: u32,
    rtp_time: u32,
    (packet_count, octet_count): (u32, u32),
    cname: &str,
) -> [Box<dyn RtcpPacket + Send + Sync>; 2] {
    let report = SenderReport {
        ssrc,
        ntp_time: ntp_now(),
        rtp_time,
        packet_count,
        octet_count,
        ..SenderReport::default()
    };
    let description = SourceDescription {
        chunks: vec![SourceDescriptionChunk {
            source: ssrc,
            items: vec![SourceDescriptionItem {
                sdes_type: SdesType::SdesCname,
                text: Bytes::from(cname.to_owned()),
            }],
        }],
    };
    [Box::new(report), Box::new(description)]
}

/// Seconds since 1900 in 32.32 bits.
fn ntp_now() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since.as_secs() + 2_208_988_800;
    (seconds << 32) | ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000)
}
