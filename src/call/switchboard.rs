//! All calls of this process, with the SIP endpoint, the doorkeeper and the trunks' health. What comes in is led to the
//! call it belongs to; nothing is decided here.
//!
//! The daemon's signalling task feeds it and carries out what it polls; the tests in `tests/world` do the same with a
//! simulated network and clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use tracing::{debug, info};

use crate::call::admission::{Admission, Verdict};
use crate::call::cdr::{CallRef, Cdr};
use crate::call::ending::{Cause, Ending, Party};
pub use crate::call::health::Condition;
use crate::call::health::Fitness;
use crate::call::in_dialog;
use crate::call::line::{Line, Rooms};
pub use crate::call::moment::Moment;
use crate::call::placing::credentials;
pub use crate::call::plane::{MediaCommand, MediaEvent, PortPair};
use crate::call::probing;
use crate::call::reception::{Reception, Supplies};
use crate::call::record::Record;
use crate::call::registration::Registrations;
use crate::call::sip_leg::rejection;
use crate::call::trunk::{PeerId, Trunks};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::party::PhoneNumber;
use crate::side::Side;
use crate::sip::endpoint::{
    Endpoint, EndpointConfig, Event, Failure, InviteId, PendingId, Reply, RequestId, Timers,
};
use crate::sip::flow::{FlowId, Source, Transmit, TransmitTag, TransportError};
use crate::sip::message::{Headers, Method, Request, Response};

/// Port pairs kept ready; one input begins at most one call, which takes two.
const PORT_STOCK: usize = 8;

/// Server transactions at once; each takes a few kB for at most 32 s.
const MAX_TRANSACTIONS: usize = 20_000;

pub struct Switchboard {
    config: Arc<Config>,
    entropy: Entropy,
    endpoint: Endpoint,
    admission: Admission,
    trunks: Trunks,
    registrations: Registrations,
    condition: Condition,
    service: Service,
    ports: VecDeque<PortPair>,
    lines: BTreeMap<CallRef, Line>,
    invites: BTreeMap<InviteId, CallRef>,
    requests: BTreeMap<RequestId, Purpose>,
    deadlines: BTreeSet<(Instant, CallRef)>,
    media: VecDeque<MediaCommand>,
    cdrs: VecDeque<Cdr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Service {
    Open,
    Draining,
}

/// Why a request of ours was sent.
enum Purpose {
    Probe(PeerId),
    Register(PeerId),
    Refresh(CallRef, Side),
}

/// The world's side of the doors.
impl Switchboard {
    pub fn new(now: Moment, config: Arc<Config>, mut entropy: Entropy) -> Self {
        let endpoint = Endpoint::new(endpoint_config(&config), entropy.fork());
        let mut switchboard = Self {
            endpoint,
            admission: Admission::new(&config, entropy.fork()),
            trunks: Trunks::new(now.instant, &config),
            registrations: Registrations::new(now.instant, &config),
            condition: Condition::Fit,
            service: Service::Open,
            ports: VecDeque::new(),
            lines: BTreeMap::new(),
            invites: BTreeMap::new(),
            requests: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            media: VecDeque::new(),
            cdrs: VecDeque::new(),
            config,
            entropy,
        };
        switchboard.handle_timeout(now);
        switchboard
    }

    pub fn handle_received(&mut self, now: Moment, source: Source, bytes: &[u8]) {
        self.endpoint.handle_received(now.instant, source, bytes);
        self.settle(now);
    }

    pub fn handle_flow_closed(&mut self, now: Moment, flow: FlowId) {
        self.endpoint.handle_flow_closed(now.instant, flow);
        self.settle(now);
    }

    pub fn handle_transmit_failed(&mut self, now: Moment, tag: TransmitTag, error: TransportError) {
        self.endpoint
            .handle_transmit_failed(now.instant, tag, error);
        self.settle(now);
    }

    pub fn handle_media(&mut self, now: Moment, event: MediaEvent) {
        let call = event.call().clone();
        if let Some(line) = self.lines.get_mut(&call) {
            line.call.handle_media(now, event);
            self.settle_line(now, &call);
        }
        self.settle(now);
    }

    /// Bound and ready port pairs; the daemon keeps the stock full (`ports_wanted`) before each handled input.
    pub fn handle_ports(&mut self, ports: &[PortPair]) {
        self.ports.extend(ports);
    }

    pub fn ports_wanted(&self) -> usize {
        PORT_STOCK.saturating_sub(self.ports.len())
    }

    /// SIGHUP: new calls follow the new configuration, running ones keep theirs. Listeners are the daemon's: they stay
    /// as they were at the start.
    pub fn handle_config(&mut self, now: Moment, config: Arc<Config>) {
        info!("new configuration");
        self.trunks.reconfigure(now.instant, &config);
        self.registrations.reconfigure(now.instant, &config);
        self.admission.reconfigure(&config);
        self.config = config;
        self.settle(now);
    }

    /// Listener down, certificate expired, workers full: said by the daemon, told by OPTIONS and 503.
    pub fn handle_condition(&mut self, _now: Moment, condition: Condition) {
        if self.condition != condition {
            info!(?condition, "condition changed");
            self.condition = condition;
        }
    }

    /// SIGTERM: no new calls; `is_idle` when the last one is gone.
    pub fn drain(&mut self, _now: Moment) {
        info!(calls = self.lines.len(), "draining");
        self.service = Service::Draining;
    }

    /// Second SIGTERM: every call is ended now.
    pub fn end_all(&mut self, now: Moment) {
        self.service = Service::Draining;
        let calls: Vec<CallRef> = self.lines.keys().cloned().collect();
        for call in calls {
            if let Some(line) = self.lines.get_mut(&call) {
                line.call.shut_down(now);
                self.settle_line(now, &call);
            }
        }
        self.settle(now);
    }

    /// No call, and nothing left to be polled about one.
    pub fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.media.is_empty() && self.cdrs.is_empty()
    }

    /// Calls that are not over.
    pub fn calls(&self) -> usize {
        self.lines.len()
    }

    pub fn handle_timeout(&mut self, now: Moment) {
        self.endpoint.handle_timeout(now.instant);
        self.probe(now);
        self.register(now);
        while let Some((deadline, call)) = self.deadlines.first().cloned() {
            if deadline > now.instant {
                break;
            }
            self.deadlines.remove(&(deadline, call.clone()));
            if let Some(line) = self.lines.get_mut(&call) {
                line.call.handle_timeout(now);
                self.settle_line(now, &call);
            }
        }
        self.settle(now);
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    pub fn poll_media(&mut self) -> Option<MediaCommand> {
        self.media.pop_front()
    }

    pub fn poll_cdr(&mut self) -> Option<Cdr> {
        self.cdrs.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let calls = self.deadlines.first().map(|(deadline, _)| *deadline);
        [
            self.endpoint.poll_timeout(),
            self.trunks.poll_timeout(),
            self.registrations.poll_timeout(),
            calls,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Where our media sockets are bound.
    pub fn media_address(&self) -> IpAddr {
        self.config.media.bind
    }
}

/// Events to calls.
impl Switchboard {
    /// Leads every event of the endpoint where it belongs, until there is none.
    fn settle(&mut self, now: Moment) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Invited {
                    invite,
                    source,
                    request,
                } => self.invited(now, invite, source, request),
                Event::Requested {
                    pending, request, ..
                } => self.requested(now, pending, &request),
                Event::Completed { request, outcome } => self.completed(now, request, outcome),
                Event::RefreshDue { invite } => self.refresh(now, invite),
                Event::Cancelled { invite, .. }
                | Event::Acknowledged { invite, .. }
                | Event::NeverAcknowledged { invite }
                | Event::Progress { invite, .. }
                | Event::Answered { invite, .. }
                | Event::Failed { invite, .. }
                | Event::Reoffered { invite, .. }
                | Event::ReofferAcknowledged { invite, .. }
                | Event::InDialog { invite, .. }
                | Event::Ended { invite, .. } => self.lead(now, invite, event),
            }
        }
    }

    fn lead(&mut self, now: Moment, invite: InviteId, event: Event) {
        let Some((call, side)) = self.whose(invite) else {
            return self.orphan(now, invite, event);
        };
        self.with_line(now, &call, |line, rooms| {
            line.handle_event(now, side, event, rooms);
        });
    }

    /// The leg that a usage is now; `None` for one that its call gave up.
    fn whose(&self, invite: InviteId) -> Option<(CallRef, Side)> {
        let call = self.invites.get(&invite)?;
        let side = self.lines.get(call)?.side_of(invite)?;
        Some((call.clone(), side))
    }

    /// No call waits for this usage any more: what is open is closed.
    fn orphan(&mut self, now: Moment, invite: InviteId, event: Event) {
        let gone = Reply {
            status: 481,
            ..Reply::default()
        };
        let done = match event {
            Event::Answered { .. } => self
                .endpoint
                .acknowledge(now.instant, invite, None)
                .and_then(|()| {
                    let endpoint = &mut self.endpoint;
                    endpoint.hang_up(now.instant, invite, gone, Headers::default())
                }),
            Event::Reoffered { pending, .. } | Event::InDialog { pending, .. } => {
                self.endpoint.respond(now.instant, pending, gone)
            }
            Event::Invited { .. }
            | Event::Cancelled { .. }
            | Event::Acknowledged { .. }
            | Event::NeverAcknowledged { .. }
            | Event::Progress { .. }
            | Event::Failed { .. }
            | Event::ReofferAcknowledged { .. }
            | Event::Ended { .. }
            | Event::RefreshDue { .. }
            | Event::Requested { .. }
            | Event::Completed { .. } => Ok(()),
        };
        if let Err(error) = done {
            debug!(%error, "nobody's usage");
        }
    }

    fn refresh(&mut self, now: Moment, invite: InviteId) {
        let Some((call, side)) = self.whose(invite) else {
            return;
        };
        let request = self.with_line(now, &call, |line, rooms| line.refresh(now, side, rooms));
        if let Some(request) = request.flatten() {
            self.requests.insert(request, Purpose::Refresh(call, side));
        }
    }

    fn completed(
        &mut self,
        now: Moment,
        request: RequestId,
        outcome: Result<Box<Response>, Failure>,
    ) {
        match self.requests.remove(&request) {
            Some(Purpose::Probe(peer)) => {
                let alive = probing::is_alive(&outcome);
                self.trunks
                    .handle_outcome(now.instant, &peer, request, alive);
            }
            Some(Purpose::Register(peer)) => {
                self.registrations
                    .handle_outcome(now.instant, &peer, request, &outcome);
            }
            Some(Purpose::Refresh(call, side)) => {
                self.with_line(now, &call, |line, rooms| {
                    line.refreshed(now, side, outcome, rooms);
                });
            }
            // INFO of ours: whether it was taken changes nothing.
            None => {}
        }
    }

    /// Works on a line and takes up what it and its call have to say.
    fn with_line<T>(
        &mut self,
        now: Moment,
        call: &CallRef,
        work: impl FnOnce(&mut Line, &mut Rooms<'_>) -> T,
    ) -> Option<T> {
        let line = self.lines.get_mut(call)?;
        let mut rooms = Rooms {
            endpoint: &mut self.endpoint,
            trunks: &mut self.trunks,
            entropy: &mut self.entropy,
        };
        let result = work(line, &mut rooms);
        line.settle(now, &mut rooms);
        for invite in line.invites() {
            self.invites.entry(*invite).or_insert_with(|| call.clone());
        }
        while let Some(command) = line.call.poll_media() {
            self.media.push_back(command);
        }
        self.cdrs.extend(line.call.poll_cdr());
        if let Some(before) = std::mem::replace(&mut line.deadline, line.call.poll_timeout()) {
            self.deadlines.remove(&(before, call.clone()));
        }
        if let Some(deadline) = line.deadline {
            self.deadlines.insert((deadline, call.clone()));
        }
        if line.call.is_over() {
            self.forget(call);
        }
        Some(result)
    }

    fn settle_line(&mut self, now: Moment, call: &CallRef) {
        self.with_line(now, call, |_, _| ());
    }

    fn forget(&mut self, call: &CallRef) {
        if let Some(line) = self.lines.remove(call) {
            for invite in line.invites() {
                self.invites.remove(invite);
            }
        }
    }
}

/// New calls.
impl Switchboard {
    fn invited(&mut self, now: Moment, invite: InviteId, source: Source, request: Box<Request>) {
        match self
            .admission
            .judge(now.instant, &self.config, source, &request)
        {
            Verdict::LetIn { number, context } => {
                let reception = Reception {
                    now,
                    config: self.config.clone(),
                    call: self.new_call_ref(now),
                    invite,
                    listener: source.listener,
                    request,
                    context,
                    number,
                };
                self.receive(reception);
            }
            Verdict::Challenged { reply } => self.reject(now, invite, reply),
            Verdict::Refused { reply, why } => {
                info!(source = %source.remote, status = reply.status, why, "INVITE not let in");
                self.reject(now, invite, reply);
            }
        }
    }

    fn receive(&mut self, reception: Reception) {
        let now = reception.now;
        let call = reception.call.clone();
        match self.line(&reception) {
            Ok(line) => {
                self.lines.insert(call.clone(), line);
                self.settle_line(now, &call);
            }
            Err(ending) => self.refuse(reception, ending),
        }
    }

    /// Checks what a new call needs of us, then puts it together.
    fn line(&mut self, reception: &Reception) -> Result<Line, Ending> {
        if let Some((cause, why)) = self.fitness().refusal() {
            return Err(Ending::new(cause, Party::Bridge).because(why));
        }
        if self.is_full(&reception.number) {
            return Err(Ending::new(Cause::NumberFull, Party::Bridge));
        }
        let mut supplies = Supplies {
            ports: &mut self.ports,
            trunks: &self.trunks,
            entropy: &mut self.entropy,
        };
        reception.receive(&mut supplies)
    }

    /// A call that was let in gets its CDR, also when it goes nowhere.
    fn refuse(&mut self, reception: Reception, ending: Ending) {
        let now = reception.now;
        info!(
            call = %reception.call,
            cause = ending.cause.row().token,
            detail = ending.detail,
            "call refused"
        );
        self.reject(now, reception.invite, rejection(&ending));
        let parties = reception.parties();
        let cdr = Record::refused(now, reception.call, parties, ending);
        self.cdrs.push_back(cdr);
    }

    fn reject(&mut self, now: Moment, invite: InviteId, reply: Reply) {
        let nothing = Headers::default();
        if let Err(error) = self.endpoint.hang_up(now.instant, invite, reply, nothing) {
            debug!(%error, "INVITE is over already");
        }
    }

    fn is_full(&self, number: &PhoneNumber) -> bool {
        let Some(number) = self.config.numbers.get(number) else {
            return false;
        };
        let lines = self.lines.values();
        let busy = lines.filter(|line| line.number() == &number.number && line.call.is_live());
        busy.count() >= number.concurrent_calls as usize
    }

    /// Milliseconds since 1970 in twelve hex digits, so that it sorts by time, then 64 random bits.
    fn new_call_ref(&mut self, now: Moment) -> CallRef {
        let since = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        CallRef(format!(
            "{:012x}-{}",
            since.as_millis(),
            self.entropy.hex(8)
        ))
    }

    fn fitness(&self) -> Fitness {
        match (self.service, &self.condition) {
            (Service::Draining, _) => Fitness::Draining,
            (Service::Open, Condition::Unfit { reason }) => Fitness::Unfit(reason.clone()),
            (Service::Open, Condition::Fit) if self.lines.len() >= self.config.limits.calls => {
                Fitness::Full
            }
            (Service::Open, Condition::Fit) if !self.trunks.is_any_up() => Fitness::NoTrunkUp,
            (Service::Open, Condition::Fit) => Fitness::Fit,
        }
    }
}

/// What is no call.
impl Switchboard {
    fn requested(&mut self, now: Moment, pending: PendingId, request: &Request) {
        let reply = match request.method {
            Method::Options => self.fitness().reply(),
            Method::Other(_) => Reply {
                status: 501,
                ..Reply::default()
            },
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Register
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish => in_dialog::not_allowed(),
        };
        if let Err(error) = self.endpoint.respond(now.instant, pending, reply) {
            debug!(%error, "request not answered");
        }
    }

    fn probe(&mut self, now: Moment) {
        for id in self.trunks.handle_timeout(now.instant) {
            let Some((_, peer)) = id.find(&self.config) else {
                continue;
            };
            let Some(options) = probing::options(&self.config, peer) else {
                continue;
            };
            let credentials = credentials(peer);
            let hop = peer.hop.clone();
            let request = self
                .endpoint
                .request(now.instant, hop, options, credentials);
            self.trunks.probed(now.instant, &id, request);
            self.requests.insert(request, Purpose::Probe(id));
        }
    }

    fn register(&mut self, now: Moment) {
        for (id, expires) in self.registrations.handle_timeout(now.instant) {
            let Some((_, peer)) = id.find(&self.config) else {
                continue;
            };
            let Some(register) = probing::register(&self.config, peer, expires) else {
                continue;
            };
            let credentials = credentials(peer);
            let hop = peer.hop.clone();
            let request = self
                .endpoint
                .request(now.instant, hop, register, credentials);
            self.registrations.asked(&id, request);
            self.requests.insert(request, Purpose::Register(id));
        }
    }
}

fn endpoint_config(config: &Config) -> EndpointConfig {
    let sent_by = config
        .listeners
        .iter()
        .map(|(id, listener)| (*id, listener.advertise.clone()));
    EndpointConfig {
        timers: Timers::default(),
        user_agent: format!("wabridge/{}", env!("CARGO_PKG_VERSION")),
        sent_by: sent_by.collect(),
        max_transactions: MAX_TRANSACTIONS,
    }
}
