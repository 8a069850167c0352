//! The world: a clock, links that delay and lose, endpoints, and peers that are only a mailbox.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::sip::endpoint::{
    Body, Endpoint, EndpointConfig, Event, InviteId, Login, OutgoingInvite, Reply, SessionTimer,
    Timers,
};
use crate::sip::flow::{FlowId, Host, ListenerId, NextHop, Source, Target, Transport};
use crate::sip::message::{Headers, Message, Method, Name, Request, Response};
use crate::sip::uri::Uri;

pub const A: usize = 0;
pub const B: usize = 1;
/// A peer without an endpoint: the test reads and writes its messages.
pub const RAW: usize = 9;

pub struct World {
    pub now: Instant,
    pub transport: Transport,
    /// Per cent of the datagrams that are lost (UDP).
    pub loss: u32,
    pub delay: Duration,
    /// Added at random to the delay of a datagram, so that they overtake each other.
    pub jitter: Duration,
    /// Loses the next messages, sent by anybody, that this says to lose.
    pub lose: Option<fn(&Message) -> bool>,
    /// Of the ends that are added from now on.
    pub terse: BTreeSet<ListenerId>,
    pub mailbox: VecDeque<Message>,
    pub ends: BTreeMap<usize, End>,
    /// Everything sent, in order: who, to whom, what.
    pub sent: Vec<(usize, usize, Message)>,
    entropy: Entropy,
    on_the_way: BTreeMap<(Instant, u64), Parcel>,
    parcels: u64,
}

pub struct End {
    pub endpoint: Endpoint,
    pub events: VecDeque<Event>,
}

struct Parcel {
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

pub fn address(end: usize) -> SocketAddr {
    let last = u8::try_from(end + 1).unwrap();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 5060)
}

pub fn uri(end: usize) -> Uri {
    uri_over(end, Transport::Udp)
}

pub fn uri_over(end: usize, transport: Transport) -> Uri {
    let host = Host::Address(address(end).ip());
    Uri::sip(Some("user"), &host, Some(5060), transport)
}

pub fn body(text: &str) -> Option<Body> {
    Some(Body {
        content_type: "application/sdp".to_owned(),
        bytes: text.as_bytes().to_vec(),
    })
}

pub fn reply(status: u16, text: &str) -> Reply {
    Reply {
        body: body(text).filter(|body| !body.bytes.is_empty()),
        ..Reply::status(status)
    }
}

pub fn timer(ask: bool) -> SessionTimer {
    SessionTimer::On {
        ask,
        expires: Duration::from_secs(1800),
        min_se: Duration::from_secs(90),
    }
}

impl World {
    pub fn new(transport: Transport) -> Self {
        let mut world = Self {
            now: Instant::now(),
            transport,
            loss: 0,
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            lose: None,
            terse: BTreeSet::new(),
            mailbox: VecDeque::new(),
            ends: BTreeMap::new(),
            sent: Vec::new(),
            entropy: Entropy::from_seed([7; 32]),
            on_the_way: BTreeMap::new(),
            parcels: 0,
        };
        world.add(A, 1000);
        world.add(B, 1000);
        world
    }

    pub fn add(&mut self, end: usize, max_transactions: usize) {
        let config = EndpointConfig {
            timers: Timers::default(),
            user_agent: "world".to_owned(),
            sent_by: BTreeMap::from([(ListenerId(0), (Host::Address(address(end).ip()), 5060))]),
            terse: self.terse.clone(),
            max_transactions,
        };
        let end_of_it = End {
            endpoint: Endpoint::new(config, self.entropy.fork()),
            events: VecDeque::new(),
        };
        self.ends.insert(end, end_of_it);
    }

    pub fn seed(&mut self, seed: u8) {
        self.entropy = Entropy::from_seed([seed; 32]);
    }

    pub fn end(&mut self, end: usize) -> &mut Endpoint {
        &mut self.ends.get_mut(&end).unwrap().endpoint
    }

    pub fn hop(&self, end: usize) -> NextHop {
        NextHop {
            listener: ListenerId(0),
            transport: self.transport,
            host: Host::Address(address(end).ip()),
            port: Some(5060),
        }
    }

    pub fn outgoing(&self, from: usize, to: usize) -> OutgoingInvite {
        OutgoingInvite {
            hop: self.hop(to),
            uri: uri_over(to, self.transport),
            from: format!("<{}>", uri(from).as_str()),
            to: format!("<{}>", uri(to).as_str()),
            contact: uri_over(from, self.transport),
            route: Vec::new(),
            headers: Headers::new(),
            body: body("offer"),
            credentials: None,
            login: Login::WhenChallenged,
            session_timer: SessionTimer::Off,
            reliable_provisionals: false,
            answer_within: None,
        }
    }

    pub fn invite(&mut self, from: usize, invite: OutgoingInvite) -> InviteId {
        let now = self.now;
        self.end(from).invite(now, invite)
    }

    /// Calls B from A and waits until B knows.
    pub fn ring(&mut self) -> (InviteId, InviteId) {
        let outgoing = self.outgoing(A, B);
        self.ring_with(outgoing)
    }

    pub fn ring_with(&mut self, outgoing: OutgoingInvite) -> (InviteId, InviteId) {
        let a = self.invite(A, outgoing);
        let b = self.wait(B, |event| match event {
            Event::Invited { invite, .. } => Some(*invite),
            _ => None,
        });
        (a, b)
    }

    /// An established call from A to B.
    pub fn call(&mut self) -> (InviteId, InviteId) {
        let outgoing = self.outgoing(A, B);
        self.call_with(outgoing, SessionTimer::Off)
    }

    pub fn call_with(
        &mut self,
        outgoing: OutgoingInvite,
        timer: SessionTimer,
    ) -> (InviteId, InviteId) {
        let (a, b) = self.ring_with(outgoing);
        self.answer(b, timer);
        self.wait(A, |event| {
            matches!(event, Event::Answered { .. }).then_some(())
        });
        let now = self.now;
        self.end(A).acknowledge(now, a, None).unwrap();
        self.wait(B, |event| {
            matches!(event, Event::Acknowledged { .. }).then_some(())
        });
        (a, b)
    }

    /// An established call from A to the scripted peer, and its INVITE.
    pub fn call_raw(&mut self) -> (InviteId, Request) {
        let outgoing = self.outgoing(A, RAW);
        self.call_raw_with(outgoing, |_| {})
    }

    pub fn call_raw_with(
        &mut self,
        outgoing: OutgoingInvite,
        edit: impl FnOnce(&mut Response),
    ) -> (InviteId, Request) {
        let a = self.invite(A, outgoing);
        let invite = self.read_request();
        self.respond(A, &invite, 200, "raw", edit);
        self.wait(A, |event| {
            matches!(event, Event::Answered { .. }).then_some(())
        });
        let now = self.now;
        self.end(A).acknowledge(now, a, None).unwrap();
        assert_eq!(self.read_request().method, Method::Ack);
        (a, invite)
    }

    pub fn answer(&mut self, b: InviteId, timer: SessionTimer) {
        let now = self.now;
        let contact = uri_over(B, self.transport);
        self.end(B)
            .answer(now, b, &contact, reply(200, "answer"), timer)
            .unwrap();
    }

    pub fn progress(&mut self, b: InviteId, reply: Reply) {
        let now = self.now;
        let contact = uri_over(B, self.transport);
        self.end(B).progress(now, b, &contact, reply).unwrap();
    }

    pub fn hang_up(&mut self, end: usize, invite: InviteId) {
        let now = self.now;
        self.end(end)
            .hang_up(now, invite, Reply::status(486), Headers::new())
            .unwrap();
    }

    /// Runs until that event comes to that end; events before it are passed over.
    pub fn wait<T>(&mut self, end: usize, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let gives_up = self.now + Duration::from_secs(3600);
        loop {
            self.drain();
            while let Some(event) = self.ends.get_mut(&end).unwrap().events.pop_front() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            assert!(
                self.step(gives_up),
                "the event never came; messages:\n{}",
                self.ladder()
            );
        }
    }

    /// That event, if it came to that end already; events before it are passed over.
    pub fn wait_if_any<T>(
        &mut self,
        end: usize,
        wanted: impl Fn(&Event) -> Option<T>,
    ) -> Option<T> {
        self.drain();
        let events = &mut self.ends.get_mut(&end).unwrap().events;
        std::iter::from_fn(|| events.pop_front()).find_map(|event| wanted(&event))
    }

    /// Runs for that long.
    pub fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while self.step(until) {}
        self.now = until;
    }

    /// Runs until nothing is left, and checks that nothing is.
    pub fn run_out(&mut self) {
        self.run(1200);
        for end in self.ends.values() {
            assert!(
                end.endpoint.is_idle(),
                "something is left:\n{}",
                self.ladder()
            );
            assert_eq!(end.endpoint.poll_timeout(), None);
        }
    }

    /// Events of that end that no one has looked at, by their names.
    pub fn events(&mut self, end: usize) -> Vec<String> {
        self.drain();
        let events = std::mem::take(&mut self.ends.get_mut(&end).unwrap().events);
        events.iter().map(name).collect()
    }

    /// The start lines of everything sent.
    pub fn ladder(&self) -> String {
        let line = |(from, to, message): &(usize, usize, Message)| {
            format!("{from}->{to} {}", start_line(message))
        };
        self.sent.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// How often a message with this start went from one to the other (`INVITE`, `200 BYE`).
    pub fn count(&self, from: usize, to: usize, start: &str) -> usize {
        let meant = |(f, t, message): &&(usize, usize, Message)| {
            *f == from && *t == to && start_line(message) == start
        };
        self.sent.iter().filter(meant).count()
    }

    /// The last request of that method that the end sent.
    pub fn last_request(&self, from: usize, method: &str) -> &Request {
        let found = self
            .sent
            .iter()
            .rev()
            .find_map(|(f, _, message)| match message {
                Message::Request(request) if *f == from && request.method.as_str() == method => {
                    Some(request)
                }
                _ => None,
            });
        found.unwrap_or_else(|| panic!("no {method} was sent:\n{}", self.ladder()))
    }

    pub fn last_response(&self, from: usize) -> &Response {
        let found = self
            .sent
            .iter()
            .rev()
            .find_map(|(f, _, message)| match message {
                Message::Response(response) if *f == from => Some(response),
                _ => None,
            });
        found.expect("no response was sent")
    }

    /// The next message that the scripted peer gets.
    pub fn read(&mut self) -> Message {
        let gives_up = self.now + Duration::from_secs(3600);
        loop {
            if let Some(message) = self.mailbox.pop_front() {
                return message;
            }
            assert!(self.step(gives_up), "nothing came:\n{}", self.ladder());
        }
    }

    pub fn read_request(&mut self) -> Request {
        match self.read() {
            Message::Request(request) => request,
            Message::Response(response) => panic!("no request but {response:?}"),
        }
    }

    pub fn read_response(&mut self) -> Response {
        match self.read() {
            Message::Response(response) => response,
            Message::Request(request) => panic!("no response but {request:?}"),
        }
    }

    /// Hands bytes of the scripted peer to an end at once.
    pub fn write(&mut self, to: usize, bytes: &[u8]) {
        let source = self.source(RAW, to);
        let now = self.now;
        self.end(to).handle_received(now, source, bytes);
        self.drain();
    }

    /// The scripted peer's response to a request.
    pub fn respond(
        &mut self,
        to: usize,
        request: &Request,
        status: u16,
        tag: &str,
        edit: impl FnOnce(&mut Response),
    ) {
        let mut response = Response::reply_to(request, status, None);
        if status > 100 {
            response.headers.add_to_tag(tag);
            let contact = format!("<{}>", uri_over(RAW, self.transport).as_str());
            response.headers.push(Name::Contact, contact);
        }
        edit(&mut response);
        self.write(to, &response.write());
    }

    pub fn source(&self, from: usize, to: usize) -> Source {
        let flow = match self.transport {
            Transport::Udp => FlowId(1),
            Transport::Tcp | Transport::Tls => FlowId(flow_between(from, to)),
        };
        Source {
            flow,
            listener: ListenerId(0),
            transport: self.transport,
            local: address(to),
            remote: address(from),
        }
    }

    /// One happening, unless it is after `until`. False when nothing happens any more.
    fn step(&mut self, until: Instant) -> bool {
        self.drain();
        let parcel = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        let deadlines = self
            .ends
            .values()
            .filter_map(|end| end.endpoint.poll_timeout());
        let Some(next) = parcel.into_iter().chain(deadlines).min() else {
            return false;
        };
        if next > until {
            return false;
        }
        self.now = self.now.max(next);
        if parcel == Some(next) {
            self.deliver();
        } else {
            let now = self.now;
            for end in self.ends.values_mut() {
                end.endpoint.handle_timeout(now);
            }
        }
        self.drain();
        true
    }

    fn deliver(&mut self) {
        let Some((_, parcel)) = self.on_the_way.pop_first() else {
            return;
        };
        let source = self.source(parcel.from, parcel.to);
        let now = self.now;
        match self.ends.get_mut(&parcel.to) {
            Some(end) => end.endpoint.handle_received(now, source, &parcel.bytes),
            None => self
                .mailbox
                .push_back(Message::parse(&parcel.bytes).unwrap()),
        }
    }

    pub fn drain(&mut self) {
        let mut transmits = Vec::new();
        for (id, end) in &mut self.ends {
            while let Some(transmit) = end.endpoint.poll_transmit() {
                transmits.push((*id, transmit));
            }
            while let Some(event) = end.endpoint.poll_event() {
                end.events.push_back(event);
            }
        }
        for (from, transmit) in transmits {
            self.send(from, &transmit.target, transmit.bytes);
        }
    }

    fn send(&mut self, from: usize, target: &Target, bytes: Vec<u8>) {
        let remote = match target {
            Target::Flow { remote, .. } => *remote,
            Target::Hop(NextHop {
                host: Host::Address(host),
                port,
                ..
            }) => SocketAddr::new(*host, port.unwrap_or(5060)),
            Target::Hop(hop) => panic!("{hop:?} does not resolve here"),
        };
        let to = (0..10).find(|end| address(*end) == remote);
        let to = to.unwrap_or_else(|| panic!("nobody is at {remote}"));
        let message = Message::parse(&bytes).unwrap();
        let lost = self.lose.is_some_and(|lose| lose(&message));
        self.sent.push((from, to, message));
        let unlucky = self.transport == Transport::Udp && self.entropy.below(100) < self.loss;
        if lost || unlucky {
            return;
        }
        self.parcels += 1;
        let jitter = self
            .jitter
            .mul_f64(f64::from(self.entropy.below(1000)) / 1000.0);
        let at = self.now + self.delay + jitter;
        self.on_the_way
            .insert((at, self.parcels), Parcel { from, to, bytes });
    }
}

fn flow_between(from: usize, to: usize) -> u64 {
    let (low, high) = (from.min(to), from.max(to));
    u64::try_from(100 + low * 10 + high).unwrap()
}

/// `INVITE`, `200 INVITE`.
pub fn start_line(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => {
            let method = response.headers.cseq().unwrap().method;
            format!("{} {method}", response.status)
        }
    }
}

fn name(event: &Event) -> String {
    let text = format!("{event:?}");
    let end = text.find([' ', '{', '(']).unwrap_or(text.len());
    text[..end].to_owned()
}
