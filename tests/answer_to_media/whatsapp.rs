//! WhatsApp's media at one call: what ICE and DTLS come to, then a packet every 20 ms.
//!
//! Its handshake is OpenSSL's, which by itself repeats what was lost after one second, then two, four ... What stacks of
//! WebRTC do is done here: a flight is repeated after 50 ms, and then less and less often.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{MissedTickBehavior, interval};
use wabridge::media::rtp::{Header, Kind, RtpTime, SequenceNumber};
use wabridge::sdp::{PayloadType, Ssrc};
use wabridge::sim::media::link::{Keys, Link};
use wabridge::sim::sdp::webrtc::Peer;
use webrtc_srtp::context::Context;

/// An Opus frame of 20 ms in which nothing happens.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// What happened, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    /// There are keys.
    Ready(Instant),
    /// The first packet of the bridge's that they open.
    Heard(Instant),
}

const FIRST_REPEAT: Duration = Duration::from_millis(50);
const LONGEST_REPEAT: Duration = Duration::from_millis(400);

pub struct WhatsApp {
    pub socket: UdpSocket,
    pub link: Link,
    /// When it gets the bridge's description.
    pub meets: (Instant, Option<Peer>),
    pub facts: UnboundedSender<Fact>,
}

/// What was said last in the handshake.
struct Flight {
    datagrams: Vec<(SocketAddr, Vec<u8>)>,
    due: Instant,
    interval: Duration,
}

struct Media {
    send: Context,
    receive: Context,
    sequence: u16,
}

impl WhatsApp {
    /// Until it is aborted.
    pub async fn run(mut self) {
        let mut media = None;
        let mut flight: Option<Flight> = None;
        let mut buffer = [0; 2_048];
        let mut tick = interval(Duration::from_millis(20));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (at, mut peer) = (self.meets.0, self.meets.1.take());
        loop {
            let met = peer.is_none();
            let keys = tokio::select! {
                () = tokio::time::sleep_until(at.into()), if !met => {
                    peer.take().into_iter().for_each(|peer| self.link.meet(Instant::now(), peer));
                    None
                }
                Ok((length, from)) = self.socket.recv_from(&mut buffer) => {
                    self.take(from, &buffer[..length], &mut media)
                }
                _ = tick.tick() => {
                    self.speak(&mut media);
                    self.repeat(&mut flight);
                    self.link.tick(Instant::now())
                }
            };
            let outgoing = self.link.take_outgoing();
            self.send(&outgoing);
            flight = Flight::of(outgoing).or(flight);
            if let (Some(keys), None) = (keys, &media) {
                // From now on the last words are repeated when they are asked for again.
                flight = None;
                media = Some(Media::new(&keys));
                let _ = self.facts.send(Fact::Ready(Instant::now()));
                self.speak(&mut media);
            }
        }
    }

    /// Several protocols on one port (RFC 7983 §7). Its own hello follows the answer to a nomination at once.
    fn take(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        media: &mut Option<Media>,
    ) -> Option<Keys> {
        let now = Instant::now();
        match Kind::of(datagram) {
            Kind::Stun => {
                self.link.stun(now, from, datagram);
                self.link.tick(now)
            }
            Kind::Dtls => self.link.dtls(now, from, datagram),
            Kind::Rtp => {
                let opened = media
                    .as_mut()
                    .map(|media| media.receive.decrypt_rtp(datagram));
                if let Some(Ok(_)) = opened {
                    let _ = self.facts.send(Fact::Heard(now));
                }
                None
            }
            Kind::Rtcp | Kind::Unknown => None,
        }
    }

    fn send(&self, outgoing: &[(SocketAddr, Vec<u8>)]) {
        for (to, datagram) in outgoing {
            let _ = self.socket.try_send_to(datagram, *to);
        }
    }

    fn repeat(&self, flight: &mut Option<Flight>) {
        let now = Instant::now();
        if let Some(flight) = flight.as_mut().filter(|flight| flight.due <= now) {
            flight.due = now + flight.interval;
            flight.interval = (flight.interval * 2).min(LONGEST_REPEAT);
            self.send(&flight.datagrams);
        }
    }

    fn speak(&self, media: &mut Option<Media>) {
        if let (Some(media), Some(to)) = (media, self.link.nominated()) {
            let _ = self.socket.try_send_to(&media.packet(), to);
        }
    }
}

impl Flight {
    fn of(outgoing: Vec<(SocketAddr, Vec<u8>)>) -> Option<Self> {
        let is_dtls = |(_, datagram): &(SocketAddr, Vec<u8>)| Kind::of(datagram) == Kind::Dtls;
        let datagrams: Vec<_> = outgoing.into_iter().filter(is_dtls).collect();
        (!datagrams.is_empty()).then(|| Self {
            datagrams,
            due: Instant::now() + FIRST_REPEAT,
            interval: FIRST_REPEAT * 2,
        })
    }
}

impl Media {
    fn new(keys: &Keys) -> Self {
        Self {
            send: keys.send.context().unwrap(),
            receive: keys.receive.context().unwrap(),
            sequence: 0,
        }
    }

    fn packet(&mut self) -> Vec<u8> {
        let header = Header {
            marker: false,
            payload_type: PayloadType(111),
            sequence: SequenceNumber(self.sequence),
            timestamp: RtpTime(u32::from(self.sequence) * 960),
            ssrc: Ssrc(7),
        };
        self.sequence += 1;
        let clear = [&header.to_bytes()[..], &SILENCE].concat();
        self.send.encrypt_rtp(&clear).unwrap().to_vec()
    }
}
