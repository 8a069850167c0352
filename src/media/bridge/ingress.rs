//! The way in from one side: from a datagram to a packet in order, or to a counted rejection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::media::bridge::egress::clock_rate;
use crate::media::bridge::life::Life;
use crate::media::bridge::protection::Receiving;
use crate::media::bridge::{Channel, Habits, Rejected};
use crate::media::lateness::Lateness;
use crate::media::reorder::{Ordered, Place, Reorder};
use crate::media::rtcp::{Arrival, Reception, Totals};
use crate::media::rtp::{self, Header};
use crate::media::source::{Evidence, Source};
use crate::media::srtp;
use crate::media::ticks::Ticks;
use crate::sdp::{Agreement, Codec, CryptoPair, PayloadType, Protection, Ssrc};
use crate::side::Side;

/// A packet of the SSRC before the present one, so soon after the change, is a straggler.
const STRAGGLERS: Duration = Duration::from_millis(200);

pub struct Ingress {
    side: Side,
    latch: bool,
    terms: Option<Terms>,
    protection: Receiving,
    source: Source,
    /// Where the last valid RTCP came from, when it has its own port.
    rtcp_source: Option<SocketAddr>,
    voice: Option<Voice>,
    reception: Reception,
    lateness: Lateness,
    reorder: Reorder,
    life: Life,
    first_heard: Option<Instant>,
    rejected: Rejected,
    octets: u64,
    late: u64,
    digits: u32,
}

/// What the agreement says about receiving.
struct Terms {
    receive: Vec<(PayloadType, Codec)>,
    event: Option<(PayloadType, u32)>,
    allowed: bool,
    remote_rtcp: Option<SocketAddr>,
    rtcp_mux: bool,
    protection: Protection,
}

/// The stream that is heard, and the one before it.
struct Voice {
    ssrc: Ssrc,
    previous: Option<Ssrc>,
    heard: Instant,
}

/// What a payload type stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload {
    Audio(Codec),
    Event {
        clock: u32,
    },
    /// The agreement says that nothing comes: not for the other side.
    Unasked,
    Unknown,
}

/// Where a packet stands in its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is next: use it now, then what waited for it.
    Next,
    /// Like `Next`, and all before it is another story: new SSRC, or a jump.
    NewRun,
    /// Not now, or not at all.
    NotNow,
}

impl Ingress {
    /// Nothing missing is waited for longer.
    pub const MOST_PATIENCE: Duration = Lateness::MOST;

    pub fn new(side: Side, habits: &Habits) -> Self {
        Self {
            side,
            latch: habits.latch,
            terms: None,
            protection: Receiving::Clear,
            source: Source::default(),
            rtcp_source: None,
            voice: None,
            reception: Reception::new(),
            lateness: Lateness::new(),
            reorder: Reorder::new(),
            life: Life::new(habits.media_timeout),
            first_heard: None,
            rejected: Rejected::default(),
            octets: 0,
            late: 0,
            digits: 0,
        }
    }

    pub fn agree(&mut self, now: Instant, agreement: &Agreement, started: bool) {
        let known = self.terms.take();
        self.source.describe(agreement.remote_rtp);
        if known.as_ref().map(|terms| &terms.protection) != Some(&agreement.protection) {
            self.protection = Receiving::new(self.side, &agreement.protection);
            self.source.forget();
        }
        if known.is_some_and(|terms| terms.remote_rtcp != agreement.remote_rtcp) {
            self.rtcp_source = None;
        }
        self.terms = Some(Terms {
            receive: agreement.receive.clone(),
            event: agreement
                .telephone_event
                .map(|event| (event.receive_pt, event.clock)),
            allowed: agreement.direction.receives(),
            remote_rtcp: agreement.remote_rtcp,
            rtcp_mux: agreement.rtcp_mux,
            protection: agreement.protection.clone(),
        });
        self.reception
            .handle_agreement(agreement.direction.receives());
        if started {
            self.expect(now);
        }
    }

    /// Where ICE or DTLS found the peer. What comes from elsewhere is not given to us any more.
    pub fn follow(&mut self, found: Option<SocketAddr>) {
        self.source.follow(found);
    }

    /// The handshake is over.
    pub fn set_keys(&mut self, keys: &CryptoPair) {
        self.protection = Receiving::with_keys(self.side, keys);
    }

    /// From now on silence is counted, if the peer may send.
    pub fn expect(&mut self, now: Instant) {
        self.life.expect(now, self.is_allowed());
    }

    /// Authentic RTP from where the peer is, or nothing.
    pub fn accept_rtp<'d>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'d mut [u8],
    ) -> Option<rtp::Packet<'d>> {
        if self.terms.is_none() || self.protection.is_awaited() {
            self.rejected.before_agreement += 1;
            return None;
        }
        if !self.source.may_be(now, from) {
            self.rejected.wrong_source += 1;
            return None;
        }
        let octets = datagram.len() as u64;
        let authenticated = self.protection.authenticates();
        let len = self.open_with(|protection| protection.open_rtp(datagram))?;
        let Ok(packet) = rtp::Packet::parse(datagram.get(..len)?) else {
            self.rejected.not_rtp += 1;
            return None;
        };
        self.believe(now, from, &packet.header, authenticated)?;
        self.octets += octets;
        self.first_heard.get_or_insert(now);
        self.life.heard(now);
        Some(packet)
    }

    /// Authentic RTCP from where the peer is, as its length in the clear.
    pub fn accept_rtcp(
        &mut self,
        now: Instant,
        channel: Channel,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Option<usize> {
        if self.terms.is_none() || self.protection.is_awaited() {
            self.rejected.before_agreement += 1;
            return None;
        }
        if !self.is_rtcp_source(from) {
            self.rejected.wrong_source += 1;
            return None;
        }
        let len = self.open_with(|protection| protection.open_rtcp(datagram))?;
        if channel == Channel::Rtcp {
            self.rtcp_source = Some(from);
        }
        self.life.heard(now);
        Some(len)
    }

    /// Puts an accepted packet in its place.
    pub fn place(&mut self, now: Instant, packet: &rtp::Packet<'_>) -> Standing {
        let header = &packet.header;
        if self.is_straggler(now, header.ssrc) {
            self.late += 1;
            return Standing::NotNow;
        }
        let clock = match self.payload(header.payload_type) {
            Payload::Audio(codec) => Some(clock_rate(codec)),
            Payload::Event { .. } | Payload::Unasked | Payload::Unknown => None,
        };
        let (run, overtaken) = match self.reception.handle_packet(now, header, clock) {
            Arrival::FirstOfSource | Arrival::Restarted => (Standing::NewRun, false),
            Arrival::InOrder | Arrival::AfterGap { .. } => (Standing::Next, false),
            Arrival::Reordered => (Standing::Next, true),
            Arrival::Duplicate | Arrival::Suspect => return Standing::NotNow,
        };
        if run == Standing::NewRun {
            self.reorder.reset();
            self.lateness.restart();
        }
        self.hear_voice(now, header.ssrc);
        let patience = self.patience(now, header, clock, overtaken);
        match self.reorder.place(header, packet.payload, patience) {
            Place::Now => run,
            Place::Kept => Standing::NotNow,
            Place::Late => {
                self.late += 1;
                self.reception.handle_discard(header);
                Standing::NotNow
            }
        }
    }

    /// What waited, when its turn has come.
    pub fn next_in_order(&mut self, now: Instant) -> Option<(Payload, Ordered<'_>)> {
        let ordered = self.reorder.pop(now)?;
        let payload = match &self.terms {
            Some(terms) => terms.payload(ordered.header.payload_type),
            None => Payload::Unknown,
        };
        Some((payload, ordered))
    }

    pub fn payload(&self, payload_type: PayloadType) -> Payload {
        match &self.terms {
            Some(terms) => terms.payload(payload_type),
            None => Payload::Unknown,
        }
    }

    /// The peer may send, by the last agreement.
    pub fn is_allowed(&self) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.allowed)
    }

    pub fn opens(&self) -> bool {
        self.protection.is_usable()
    }

    pub fn target(&self) -> Option<SocketAddr> {
        self.source.target(self.latch)
    }

    /// Where our RTCP goes: beside RTP, or to the port learnt or described, or to the one after RTP's (RFC 3550 §11). A
    /// second handshake for a second port (RFC 5764 §5.1.2) is not made.
    pub fn rtcp_target(&self) -> Option<(Channel, SocketAddr)> {
        let terms = self.terms.as_ref()?;
        if terms.rtcp_mux {
            return Some((Channel::Rtp, self.target()?));
        }
        if terms.protection.dtls().is_some() {
            return None;
        }
        let learnt = self.rtcp_source.filter(|_| self.latch);
        let next_port = || {
            let rtp = self.target()?;
            Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?))
        };
        let to = learnt.or(terms.remote_rtcp).or_else(next_port)?;
        Some((Channel::Rtcp, to))
    }

    pub fn deadline(&self) -> Option<Instant> {
        [self.reorder.deadline(), self.life.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Once in each silence: for how long nothing came.
    pub fn take_starvation(&mut self, now: Instant) -> Option<Duration> {
        self.life.take_starvation(now)
    }

    pub fn reception(&mut self) -> &mut Reception {
        &mut self.reception
    }

    pub fn totals(&self) -> Totals {
        self.reception.totals()
    }

    pub fn rejected(&mut self) -> &mut Rejected {
        &mut self.rejected
    }

    pub fn count_digit(&mut self) {
        self.digits += 1;
    }

    pub fn counts(&self) -> Counts {
        Counts {
            digits: self.digits,
            rejected: self.rejected,
            octets: self.octets,
            late: self.late,
            first_heard: self.first_heard,
        }
    }

    /// A straggler is waited for so long at present.
    pub fn waits_at_most(&mut self, now: Instant) -> Duration {
        self.lateness.expected(now)
    }

    /// Until when what is missing before this packet may come: it was sent a packet earlier, and may be as late as
    /// others were.
    fn patience(
        &mut self,
        now: Instant,
        header: &Header,
        clock: Option<u32>,
        overtaken: bool,
    ) -> Instant {
        let late = clock.map_or(Duration::ZERO, |clock| {
            self.lateness
                .handle_packet(now, header.timestamp, clock, overtaken)
        });
        let earlier = late + Ticks::FRAME.duration();
        now + self.lateness.expected(now).saturating_sub(earlier)
    }

    fn believe(
        &mut self,
        now: Instant,
        from: SocketAddr,
        header: &Header,
        authenticated: bool,
    ) -> Option<()> {
        let evidence = if authenticated {
            Evidence::Authenticated
        } else if self.source.locked().is_none()
            && self.payload(header.payload_type) == Payload::Unknown
        {
            self.rejected.unknown_payload_type += 1;
            return None;
        } else {
            Evidence::Plain(header)
        };
        if !self.source.handle_packet(now, from, evidence) {
            self.rejected.wrong_source += 1;
            return None;
        }
        Some(())
    }

    fn open_with(
        &mut self,
        open: impl FnOnce(&mut Receiving) -> Result<usize, srtp::Error>,
    ) -> Option<usize> {
        match open(&mut self.protection) {
            Ok(len) => Some(len),
            Err(srtp::Error::Replayed) => {
                self.rejected.replayed += 1;
                None
            }
            Err(srtp::Error::Malformed) => {
                self.rejected.not_rtp += 1;
                None
            }
            Err(_) => {
                self.rejected.authentication += 1;
                None
            }
        }
    }

    /// RTCP comes from the host that RTP comes from, or is described.
    fn is_rtcp_source(&self, from: SocketAddr) -> bool {
        let described = self.terms.as_ref().and_then(|terms| terms.remote_rtcp);
        let hosts = [self.source.locked(), self.target(), described];
        hosts
            .into_iter()
            .flatten()
            .any(|peer| peer.ip() == from.ip())
    }

    fn is_straggler(&self, now: Instant, ssrc: Ssrc) -> bool {
        self.voice.as_ref().is_some_and(|voice| {
            voice.previous == Some(ssrc) && now.saturating_duration_since(voice.heard) < STRAGGLERS
        })
    }

    fn hear_voice(&mut self, now: Instant, ssrc: Ssrc) {
        let previous = match &self.voice {
            Some(voice) if voice.ssrc == ssrc => voice.previous,
            Some(voice) => Some(voice.ssrc),
            None => None,
        };
        self.voice = Some(Voice {
            ssrc,
            previous,
            heard: now,
        });
    }
}

/// For the report.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub rejected: Rejected,
    pub octets: u64,
    pub late: u64,
    pub digits: u32,
    pub first_heard: Option<Instant>,
}

impl Terms {
    fn payload(&self, payload_type: PayloadType) -> Payload {
        if let Some((event, clock)) = self.event
            && event == payload_type
        {
            return Payload::Event { clock };
        }
        self.receive
            .iter()
            .find(|(known, _)| *known == payload_type)
            .map_or(Payload::Unknown, |(_, codec)| match self.allowed {
                true => Payload::Audio(*codec),
                false => Payload::Unasked,
            })
    }
}
