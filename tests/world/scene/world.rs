//! The clock, the links and the stations around one switchboard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use wabridge::call::cdr::Cdr;
use wabridge::call::ledger::LedgerEvent;
use wabridge::call::switchboard::{MediaEvent, Moment, PortPair, Switchboard};
use wabridge::config::Config;
use wabridge::entropy::Entropy;
use wabridge::media::bridge;
use wabridge::side::Side;
use wabridge::sip::flow::{
    FlowId, Host, ListenerId, NextHop, Source, Target, Transmit, TransmitTag, Transport,
    TransportError,
};

use super::config::{BACKUP_PBX, MAIN_PBX, PBX_LISTENER, WHATSAPP_LISTENER};
use super::ledger::Ledger;
use super::media::Plane;
use super::sound::{Rtp, Sound};
use super::webrtc::{Peer, bridge_fingerprint};
use super::wire::Sip;

pub const WHATSAPP: &str = "whatsapp";
pub const PBX: &str = "pbx";
pub const BACKUP: &str = "backup";
/// Anyone else; by default an address that is nobody's.
pub const STRANGER: &str = "stranger";

const UDP_FLOW: FlowId = FlowId(2);
/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(70);

pub struct World {
    pub board: Switchboard,
    pub plane: Plane,
    pub ledger: Ledger,
    pub cdrs: Vec<Cdr>,
    /// Port pairs the machine has left.
    pub ports_left: usize,
    sound: Option<Sound>,
    start: Instant,
    now: Instant,
    wall: SystemTime,
    agenda: BTreeMap<(Instant, u64), Happening>,
    serial: u64,
    stations: BTreeMap<&'static str, Station>,
    chance: Entropy,
    transcript: Vec<String>,
}

enum Happening {
    ToBridge(Source, Vec<u8>),
    ToStation(&'static str, Vec<u8>),
    Media(MediaEvent),
    Ledger(LedgerEvent),
    Failed(TransmitTag, TransportError),
}

pub struct Station {
    pub address: SocketAddr,
    pub link: Link,
    pub reach: Reach,
    /// Answers OPTIONS by itself with this status.
    pub options: Option<u16>,
    /// Everything that ever arrived, repeats and 100s too.
    pub received: Vec<Sip>,
    listener: ListenerId,
    transport: Transport,
    flow: FlowId,
    inbox: VecDeque<Sip>,
    seen: BTreeSet<Vec<u8>>,
    last_arrival: [Option<Instant>; 2],
}

#[derive(Clone, Copy)]
pub struct Link {
    pub delay: Duration,
    /// Added to the delay at random: reorders datagrams, never a stream.
    pub jitter: Duration,
    /// Percent of datagrams; a stream loses none.
    pub loss: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    Up,
    /// Takes everything, says nothing.
    Silent,
    /// Cannot be connected to.
    Refused,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// With the usual configuration changed.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = super::config::config();
        change(&mut config);
        let start = Instant::now();
        let wall: jiff::Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let moment = Moment {
            instant: start,
            wall: wall.into(),
        };
        let entropy = Entropy::from_seed([42; 32]);
        let fingerprint = bridge_fingerprint();
        let mut world = Self {
            board: Switchboard::new(moment, Arc::new(config), fingerprint, entropy),
            plane: Plane::new(),
            ledger: Ledger::new(),
            cdrs: Vec::new(),
            ports_left: 1000,
            sound: None,
            start,
            now: start,
            wall: wall.into(),
            agenda: BTreeMap::new(),
            serial: 0,
            stations: stations(),
            chance: Entropy::from_seed([43; 32]),
            transcript: Vec::new(),
        };
        world.input(|_, _| ());
        world
    }

    pub fn station(&mut self, name: &'static str) -> &mut Station {
        self.stations.get_mut(name).expect("a station")
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub fn moment(&self) -> Moment {
        Moment {
            instant: self.now,
            wall: self.wall + self.elapsed(),
        }
    }

    /// Moves the calendar, not the clock.
    pub fn set_wall(&mut self, text: &str) {
        let wall: jiff::Timestamp = text.parse().unwrap();
        self.wall = SystemTime::from(wall) - self.elapsed();
    }

    /// A station says something.
    pub fn send(&mut self, name: &'static str, message: &Sip) {
        self.send_bytes(name, message.bytes());
    }

    pub fn send_bytes(&mut self, name: &'static str, bytes: Vec<u8>) {
        let station = &self.stations[name];
        let source = Source {
            flow: station.flow,
            listener: station.listener,
            transport: station.transport,
            local: "10.0.0.1:5060".parse().unwrap(),
            remote: station.address,
        };
        self.note(name, "->", &bytes);
        if let Some(at) = self.arrival(name, 0) {
            self.plan(at, Happening::ToBridge(source, bytes));
        }
    }

    /// The next new message at a station, which must be this one.
    pub fn expect(&mut self, name: &'static str, what: &str) -> Sip {
        let until = self.now + PATIENCE;
        while self.stations[name].inbox.is_empty() {
            assert!(
                self.step(until),
                "{name} waits for {what} in vain:\n{}",
                self.tell()
            );
        }
        let message = self.station(name).inbox.pop_front().expect("a message");
        assert!(
            message.is(what),
            "{name} waits for {what}, but got\n{message}\n{}",
            self.tell()
        );
        message
    }

    /// Nothing new comes to this station for so long.
    pub fn expect_nothing(&mut self, name: &'static str, duration: Duration) {
        self.run(duration);
        let inbox = &self.stations[name].inbox;
        assert!(
            inbox.is_empty(),
            "{name} wants silence, but got\n{:?}\n{}",
            inbox[0],
            self.tell()
        );
    }

    /// The next new message at a station, left there.
    pub fn peek(&mut self, name: &'static str) -> Option<Sip> {
        let until = self.now + PATIENCE;
        while self.stations[name].inbox.is_empty() && self.step(until) {}
        self.stations[name].inbox.front().cloned()
    }

    pub fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.step(until) {}
        self.now = until;
    }

    /// From now on calls have real bridges.
    pub fn play_real_sound(&mut self) {
        self.sound = Some(Sound::new());
    }

    /// A packet from a side's phone.
    pub fn hear(&mut self, side: Side, from: SocketAddr, header: Rtp) {
        let now = self.now;
        let sound = self.sound.as_mut().expect("real sound");
        sound.hear(now, side, from, header);
        self.bridges_work();
    }

    /// A datagram from a side's phone, as it is.
    pub fn arrive(&mut self, side: Side, from: SocketAddr, datagram: &[u8]) {
        let now = self.now;
        let sound = self.sound.as_mut().expect("real sound");
        sound.arrive(now, side, from, datagram);
        self.bridges_work();
    }

    /// The side has our description, and ICE and DTLS of its own: what it agreed to, from there.
    pub fn meet(&mut self, side: Side, address: SocketAddr, delay: Duration) {
        let agreement = self.plane.last_agreement(side);
        let peer = Peer::new(self.now, agreement, address, delay);
        self.sound.as_mut().expect("real sound").peers[side] = Some(peer);
        self.bridges_work();
    }

    pub fn peer(&self, side: Side) -> &Peer {
        let sound = self.sound.as_ref().expect("real sound");
        sound.peers[side].as_ref().expect("a peer")
    }

    /// It says frames for so long.
    pub fn speak(&mut self, side: Side, duration: Duration) {
        for _ in 0..duration.as_millis() / 20 {
            let now = self.now;
            self.sound.as_mut().expect("real sound").speak(now, side);
            self.bridges_work();
            self.run(Duration::from_millis(20));
        }
    }

    /// What left toward a side so far.
    pub fn sent(&self, side: Side) -> &[Rtp] {
        &self.sound.as_ref().expect("real sound").sent[side]
    }

    /// The RTCP among it, as it left.
    pub fn rtcp(&self, side: Side) -> &[(Instant, Vec<u8>)] {
        &self.sound.as_ref().expect("real sound").rtcp[side]
    }

    fn bridges_work(&mut self) {
        let now = self.now;
        let events = self.sound.as_mut().map(|sound| sound.work(now));
        for event in events.unwrap_or_default() {
            self.media(event);
        }
    }

    pub fn media_event(&mut self, event: bridge::Event) {
        let call = self.plane.open.first().expect("an open call").clone();
        self.media(MediaEvent::Bridge { call, event });
    }

    pub fn media(&mut self, event: MediaEvent) {
        self.input(|board, now| board.handle_media(now, event));
    }

    pub fn reconfigure(&mut self, config: Config) {
        self.input(|board, now| board.handle_config(now, Arc::new(config)));
    }

    /// The connection breaks; the station has another one, from another port.
    pub fn reconnect(&mut self, name: &'static str) {
        let station = self.station(name);
        let old = station.flow;
        station.flow = FlowId(old.0 + 1000);
        station.address.set_port(station.address.port() + 1);
        self.input(|board, now| board.handle_flow_closed(now, old));
    }

    /// Everything is over: no media open, no message unread, nothing left to do; the CDRs.
    pub fn finish(mut self) -> Vec<Cdr> {
        self.run(Duration::from_secs(120));
        assert!(self.plane.open.is_empty(), "media is open\n{}", self.tell());
        assert!(self.board.is_idle(), "a call is left\n{}", self.tell());
        assert!(
            self.ledger.is_at_rest(),
            "the ledger has a call\n{}",
            self.tell()
        );
        for (name, station) in &self.stations {
            assert!(
                station.inbox.is_empty(),
                "{name} has unread\n{:?}\n{}",
                station.inbox[0],
                self.tell()
            );
        }
        self.cdrs
    }

    /// `finish` of a world with one call.
    pub fn finish_one(self) -> Cdr {
        let transcript = self.tell();
        let cdrs = self.finish();
        assert_eq!(cdrs.len(), 1, "one CDR\n{transcript}");
        let [cdr] = <[Cdr; 1]>::try_from(cdrs).expect("one");
        cdr
    }

    /// Hands something to the switchboard and carries out what it wants, as the daemon does.
    pub fn input(&mut self, hand: impl FnOnce(&mut Switchboard, Moment)) {
        self.stock_ports();
        let now = self.moment();
        hand(&mut self.board, now);
        self.drain();
    }

    fn stock_ports(&mut self) {
        let wanted = self.board.ports_wanted().min(self.ports_left);
        let first = 20_000 + u16::try_from(self.ports_left).expect("few") * 2;
        let pairs: Vec<PortPair> = (0..u16::try_from(wanted).expect("few"))
            .map(|n| PortPair {
                rtp: first - n * 2,
                rtcp: first - n * 2 + 1,
            })
            .collect();
        self.ports_left -= wanted;
        self.board.handle_ports(&pairs);
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.board.poll_transmit() {
            self.route(transmit);
        }
        while let Some(command) = self.board.poll_media() {
            let (now, sound) = (self.now, self.sound.as_mut());
            if let Some(report) = sound.and_then(|sound| sound.take(now, &command)) {
                self.plane.report = Some(report);
            }
            if let Some(call) = self.plane.take(command)
                && let Some(report) = self.plane.report.clone()
            {
                let report = Box::new(report);
                let at = self.now + Duration::from_millis(5);
                self.plan(at, Happening::Media(MediaEvent::Closed { call, report }));
            }
        }
        while let Some(command) = self.board.poll_ledger() {
            if let Some(event) = self.ledger.take(command) {
                let at = self.now + Duration::from_millis(2);
                self.plan(at, Happening::Ledger(event));
            }
        }
        while let Some(cdr) = self.board.poll_cdr() {
            self.cdrs.push(cdr);
        }
    }

    fn route(&mut self, transmit: Transmit) {
        let name = self.whereto(&transmit.target);
        match name {
            Some(name) => {
                self.note(name, "<-", &transmit.bytes);
                match self.stations[name].reach {
                    Reach::Up => {
                        if let Some(at) = self.arrival(name, 1) {
                            self.plan(at, Happening::ToStation(name, transmit.bytes));
                        }
                    }
                    Reach::Silent => {}
                    Reach::Refused => self.fail(transmit.tag, "connection refused"),
                }
            }
            None => {
                self.note("nowhere", "<-", &transmit.bytes);
                self.fail(transmit.tag, "no such host");
            }
        }
    }

    fn fail(&mut self, tag: TransmitTag, why: &str) {
        let at = self.now + Duration::from_millis(20);
        let error = TransportError::NotConnected(why.to_owned());
        self.plan(at, Happening::Failed(tag, error));
    }

    fn whereto(&self, target: &Target) -> Option<&'static str> {
        match target {
            Target::Hop(hop) => self.at_hop(hop),
            Target::Flow {
                flow,
                remote,
                fallback,
            } => self
                .stations
                .iter()
                .find(|(_, station)| {
                    station.flow == *flow
                        && (station.transport.is_reliable() || station.address == *remote)
                })
                .map(|(name, _)| *name)
                .or_else(|| self.at_hop(fallback.as_ref()?)),
        }
    }

    fn at_hop(&self, hop: &NextHop) -> Option<&'static str> {
        match &hop.host {
            Host::Name(name) => (name == "wa.meta.vc").then_some(WHATSAPP),
            Host::Address(address) => self
                .stations
                .iter()
                .find(|(_, station)| station.address.ip() == *address)
                .map(|(name, _)| *name),
        }
    }

    /// When something sent now arrives; `None` when the link loses it.
    fn arrival(&mut self, name: &'static str, way: usize) -> Option<Instant> {
        let now = self.now;
        let ticket = self.chance.below(100);
        let station = self.stations.get_mut(name).expect("a station");
        let jitter = u32::try_from(station.link.jitter.as_micros()).expect("short");
        let extra = Duration::from_micros(self.chance.below(jitter.max(1)).into());
        let at = now + station.link.delay + extra;
        if station.transport.is_reliable() {
            let at = station.last_arrival[way].map_or(at, |last| at.max(last));
            station.last_arrival[way] = Some(at);
            return Some(at);
        }
        (ticket >= station.link.loss).then_some(at)
    }

    fn plan(&mut self, at: Instant, happening: Happening) {
        self.serial += 1;
        self.agenda.insert((at, self.serial), happening);
    }

    /// The next thing that happens, if it does before `until`.
    fn step(&mut self, until: Instant) -> bool {
        let planned = self.agenda.keys().next().map(|(at, _)| *at);
        let alarm = self.board.poll_timeout();
        let frame = self.sound.as_ref().and_then(Sound::deadline);
        let Some(next) = planned.into_iter().chain(alarm).chain(frame).min() else {
            return false;
        };
        if next > until {
            return false;
        }
        self.serial += 1;
        assert!(self.serial < 2_000_000, "nothing ends\n{}", self.tell());
        self.now = self.now.max(next);
        if planned.is_some_and(|at| at <= self.now) {
            let (_, happening) = self.agenda.pop_first().expect("planned");
            self.happen(happening);
        } else if frame.is_some_and(|at| at <= self.now) {
            self.bridges_work();
        } else {
            self.input(|board, now| board.handle_timeout(now));
        }
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToBridge(source, bytes) => {
                self.input(|board, now| board.handle_received(now, source, &bytes));
            }
            Happening::Media(event) => self.input(|board, now| board.handle_media(now, event)),
            Happening::Ledger(event) => self.input(|board, now| board.handle_ledger(now, event)),
            Happening::Failed(tag, error) => {
                self.input(|board, now| board.handle_transmit_failed(now, tag, error));
            }
            Happening::ToStation(name, bytes) => self.receive(name, bytes),
        }
    }

    fn receive(&mut self, name: &'static str, bytes: Vec<u8>) {
        let message = Sip::parse(&bytes);
        let station = self.station(name);
        station.received.push(message.clone());
        let is_new = station.seen.insert(bytes);
        let probe = message.is("OPTIONS") && message.tag("To").is_none();
        match station.options {
            Some(status) if probe => {
                let to = format!("{};tag=probe", message.header("To"));
                let reply = message.reply(status, "Probed").set("To", to);
                self.send(name, &reply);
            }
            _ if probe || message.is("100") => {}
            _ if is_new => station.inbox.push_back(message),
            _ => {}
        }
    }

    fn note(&mut self, name: &str, way: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let start = text.lines().next().unwrap_or_default();
        let cseq = text
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("cseq"));
        let elapsed = self.elapsed().as_secs_f64();
        let cseq = cseq.unwrap_or_default();
        self.transcript
            .push(format!("{elapsed:8.3} {name:8} {way} {start}  [{cseq}]"));
    }

    fn tell(&self) -> String {
        let skipped = self.transcript.len().saturating_sub(60);
        self.transcript[skipped..].join("\n")
    }
}

fn stations() -> BTreeMap<&'static str, Station> {
    let pbx = |address: &str| {
        let address = SocketAddr::new(address.parse().unwrap(), 5060);
        station(address, PBX_LISTENER, Transport::Udp, UDP_FLOW)
    };
    BTreeMap::from([
        (
            WHATSAPP,
            station(
                "69.171.251.112:47237".parse().unwrap(),
                WHATSAPP_LISTENER,
                Transport::Tls,
                FlowId(100),
            ),
        ),
        (
            STRANGER,
            station(
                "203.0.113.66:1234".parse().unwrap(),
                WHATSAPP_LISTENER,
                Transport::Tls,
                FlowId(200),
            ),
        ),
        (PBX, pbx(MAIN_PBX)),
        (BACKUP, pbx(BACKUP_PBX)),
    ])
}

fn station(
    address: SocketAddr,
    listener: ListenerId,
    transport: Transport,
    flow: FlowId,
) -> Station {
    Station {
        address,
        link: Link {
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            loss: 0,
        },
        reach: Reach::Up,
        options: Some(200),
        received: Vec::new(),
        listener,
        transport,
        flow,
        inbox: VecDeque::new(),
        seen: BTreeSet::new(),
        last_arrival: [None; 2],
    }
}

impl Station {
    /// Over a connection of its own in place of UDP.
    pub fn speak(&mut self, listener: ListenerId, transport: Transport) {
        self.listener = listener;
        self.transport = transport;
        self.flow = FlowId(300);
    }

    /// How often such a message arrived, repeats counted.
    pub fn count(&self, what: &str) -> usize {
        self.received
            .iter()
            .filter(|message| message.is(what))
            .count()
    }
}
