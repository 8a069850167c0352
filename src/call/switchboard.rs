//! All calls of this process, with the SIP endpoint, the doorkeeper and the trunks' health. What comes in is led to the
//! call it belongs to; nothing is decided here.
//!
//! The daemon's signalling task feeds it and carries out what it polls; the tests in `tests/world` do the same with a
//! simulated network and clock.

mod beside;
mod leading;
mod new_calls;
mod ordering;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tracing::info;

use crate::call::admission::Admission;
use crate::call::cdr::{CallRef, Cdr};
use crate::call::charging::{Charging, PastCall};
pub use crate::call::health::Condition;
use crate::call::ledger::{LedgerCommand, LedgerEvent};
use crate::call::line::Line;
use crate::call::missed::Missed;
pub use crate::call::moment::Moment;
pub use crate::call::plane::{MediaCommand, MediaEvent, PortPair};
use crate::call::registration::Registrations;
use crate::call::trunk::{PeerId, Trunks};
use crate::call::turned_away::TurnedAwayCounts;
use crate::config::{Config, Faces};
use crate::entropy::Entropy;
use crate::sdp::Fingerprint;
use crate::side::Side;
use crate::sip::endpoint::{Endpoint, EndpointConfig, InviteId, RequestId, Timers};
use crate::sip::flow::{FlowId, Source, Transmit, TransmitTag, TransportError};

/// Port pairs kept ready; one input begins at most one call, which takes two.
const PORT_STOCK: usize = 8;

/// Server transactions at once; each takes a few kB for at most 32 s.
const MAX_TRANSACTIONS: usize = 20_000;

pub struct Switchboard {
    config: Arc<Config>,
    entropy: Entropy,
    /// Of our certificate, for every call.
    fingerprint: Fingerprint,
    endpoint: Endpoint,
    admission: Admission,
    trunks: Trunks,
    registrations: Registrations,
    condition: Condition,
    service: Service,
    ports: VecDeque<PortPair>,
    lines: BTreeMap<CallRef, Box<Line>>,
    invites: BTreeMap<InviteId, CallRef>,
    requests: BTreeMap<RequestId, Purpose>,
    deadlines: BTreeSet<(Instant, CallRef)>,
    media: VecDeque<MediaCommand>,
    ledger: VecDeque<LedgerCommand>,
    charging: Charging,
    missed: Missed,
    turned_away: TurnedAwayCounts,
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
    /// The last word to a leg that gave its place away.
    Notify(CallRef),
}

/// The world's side of the doors.
impl Switchboard {
    /// `fingerprint`: of the certificate that the media room shows in DTLS.
    pub fn new(
        now: Moment,
        config: Arc<Config>,
        fingerprint: Fingerprint,
        mut entropy: Entropy,
    ) -> Self {
        let endpoint = Endpoint::new(endpoint_config(&config), entropy.fork());
        let mut switchboard = Self {
            endpoint,
            admission: Admission::new(&config, entropy.fork()),
            trunks: Trunks::new(now.instant, &config),
            registrations: Registrations::new(now.instant, &config, entropy.fork()),
            condition: Condition::Fit,
            service: Service::Open,
            ports: VecDeque::new(),
            lines: BTreeMap::new(),
            invites: BTreeMap::new(),
            requests: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            media: VecDeque::new(),
            ledger: VecDeque::new(),
            charging: Charging::new(config.rates.as_ref()),
            missed: Missed::default(),
            turned_away: TurnedAwayCounts::default(),
            cdrs: VecDeque::new(),
            config,
            entropy,
            fingerprint,
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
            self.missed.handle_media(line.call.user_side(), &event);
            line.call.handle_media(now, event);
            self.settle_line(now, &call);
        }
        self.settle(now);
    }

    pub fn handle_ledger(&mut self, now: Moment, event: LedgerEvent) {
        let LedgerEvent::Judged { call, judgement } = event;
        if let Some(line) = self.lines.get_mut(&call) {
            line.call.handle_judgement(now, judgement);
            self.settle_line(now, &call);
        }
        self.settle(now);
    }

    /// Calls to users since [`Terms::counted_since`](crate::rates::Terms::counted_since), in the order of their answers,
    /// when this process or its rates have only begun: so that the month goes on in its tier.
    pub fn restore_usage(&mut self, call: &PastCall) {
        self.charging.restore(call);
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
        self.charging.follow(config.rates.as_ref());
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
        let nothing_to_tell = self.media.is_empty() && self.ledger.is_empty();
        self.lines.is_empty() && nothing_to_tell && self.cdrs.is_empty()
    }

    /// Nothing that was sent waits for its answer either: BYE, CANCEL, REGISTER.
    pub fn is_quiet(&self) -> bool {
        self.is_idle() && self.endpoint.is_quiet()
    }

    /// The last thing before the process leaves: PBXs that we registered with are told that we are gone.
    pub fn sign_off(&mut self, now: Moment) {
        self.unregister(now);
        self.settle(now);
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

    pub fn poll_ledger(&mut self) -> Option<LedgerCommand> {
        self.ledger.pop_front()
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

fn endpoint_config(config: &Config) -> EndpointConfig {
    let sent_by = config
        .listeners
        .iter()
        .map(|(id, listener)| (*id, listener.advertise.clone()));
    let mut listeners = config.listeners.iter();
    let facing_whatsapp = listeners
        .by_ref()
        .filter(|(_, listener)| listener.faces == Faces::WhatsApp);
    EndpointConfig {
        timers: Timers::default(),
        user_agent: format!("wabridge/{}", env!("CARGO_PKG_VERSION")),
        sent_by: sent_by.collect(),
        terse: facing_whatsapp.map(|(id, _)| *id).collect(),
        max_transactions: MAX_TRANSACTIONS,
    }
}
