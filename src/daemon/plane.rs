//! The media plane: the workers that carry all calls' media, as one value for the signalling task.
//!
//! Commands go to a call's worker through a bounded queue and an eventfd; events come back through a bounded channel
//! that tokio can await. Neither is touched by a packet.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{Receiver, channel};

use crate::call::cdr::CallRef;
use crate::call::plane::{MediaCommand, MediaEvent, PortPair};
use crate::daemon::worker::{self, Expectation, Handle, Job, Opening};
use crate::entropy::Entropy;
use crate::media::bridge::{BridgeSpec, Report};
use crate::media::dtls::Identity;
use crate::net::ports::{BoundPair, PortStock};
use crate::side::{Pair, Side};
use crate::web::metrics;

/// Events that may wait for the signalling task; a worker keeps more by itself.
const EVENTS: usize = 1_024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlaneSettings {
    /// OS threads that carry media, at least one.
    pub workers: usize,
    /// Pin worker `n` to core `n` modulo the cores there are.
    pub pinned: bool,
}

pub struct MediaPlane {
    stock: PortStock,
    entropy: Entropy,
    identity: Option<Arc<Identity>>,
    workers: Vec<Worker>,
    calls: HashMap<CallRef, Home>,
    events: Receiver<MediaEvent>,
    /// What the plane itself has to tell.
    own_events: VecDeque<MediaEvent>,
}

struct Worker {
    handle: Handle,
    calls: usize,
    expectation: Expectation,
    /// Commands that its full queue did not take.
    waiting: VecDeque<Job>,
}

/// Where a call is carried.
enum Home {
    Worker {
        index: usize,
        ports: Pair<u16>,
    },
    /// It was refused: only its `Close` is still to come.
    Nowhere,
}

/// Why a call is not carried. Ours to answer for: neither side did anything wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
enum Refused {
    #[error("the RTP ports of this call are not in stock")]
    NoPorts,
    #[error("no media worker takes another call")]
    Busy,
}

impl MediaPlane {
    pub fn start(settings: PlaneSettings, stock: PortStock, entropy: Entropy) -> io::Result<Self> {
        let (sender, events) = channel(EVENTS);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = (0..settings.workers.max(1))
            .map(|number| {
                let core = settings.pinned.then_some(number % cores);
                worker::start(number, core, sender.clone()).map(Worker::new)
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            stock,
            entropy,
            identity: None,
            workers,
            calls: HashMap::new(),
            events,
            own_events: VecDeque::new(),
        })
    }

    /// With what all calls are in DTLS.
    #[must_use]
    pub fn with_identity(mut self, identity: Arc<Identity>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Binds up to `wanted` more port pairs, ready for `MediaCommand::Open`.
    pub fn bind_ports(&mut self, now: Instant, wanted: usize) -> Vec<PortPair> {
        let pair = |rtp| PortPair { rtp, rtcp: rtp + 1 };
        let bound = self.stock.bind(now, wanted);
        bound.into_iter().map(pair).collect()
    }

    /// Never blocks. An `Open` that cannot be carried out is told as `MediaEvent::Failed`; every `Close` is answered by
    /// one `MediaEvent::Closed`.
    pub fn handle_command(&mut self, now: Instant, command: MediaCommand) {
        match command {
            MediaCommand::Open { call, ports, spec } => {
                let ports = ports.map(|pair| pair.rtp);
                if let Err(refused) = self.open(now, &call, ports, spec) {
                    let error = refused.to_string();
                    self.calls.insert(call.clone(), Home::Nowhere);
                    self.own_events
                        .push_back(MediaEvent::Failed { call, error });
                }
            }
            MediaCommand::Bridge { call, command } => {
                if let Some(Home::Worker { index, .. }) = self.calls.get(&call) {
                    self.pass(*index, Job::Bridge { call, command });
                }
            }
            MediaCommand::Close { call } => match self.calls.get(&call) {
                Some(Home::Worker { index, .. }) => self.pass(*index, Job::Close { call }),
                Some(Home::Nowhere) | None => {
                    let report = Box::<Report>::default();
                    self.own_events
                        .push_back(MediaEvent::Closed { call, report });
                }
            },
        }
    }

    /// The next event. Cancel-safe: for `tokio::select!`.
    pub async fn event(&mut self) -> MediaEvent {
        let event = match self.own_events.pop_front() {
            Some(event) => event,
            None => match self.events.recv().await {
                Some(event) => event,
                // All workers are gone, and with them whatever they could tell.
                None => std::future::pending().await,
            },
        };
        self.workers.iter_mut().for_each(Worker::flush);
        if let MediaEvent::Closed { call, .. } = &event {
            self.forget(call);
        }
        event
    }

    /// How busy the worker is that the next call would go to, 0.0-1.0 and above: for admission and OPTIONS.
    pub fn utilisation(&self) -> f32 {
        let shares = self.workers.iter().map(Worker::expected);
        shares.min_by(f32::total_cmp).unwrap_or(1.0)
    }

    /// All of them, by their number.
    pub fn workers(&self) -> Vec<metrics::Worker> {
        self.workers.iter().map(Worker::state).collect()
    }

    /// Workers whose thread ended before its time; the calls they carried are silent.
    pub fn workers_gone(&self) -> usize {
        let gone = |worker: &&Worker| worker.handle.is_gone();
        self.workers.iter().filter(gone).count()
    }

    /// Calls open now.
    pub fn calls(&self) -> usize {
        self.workers.iter().map(|worker| worker.calls).sum()
    }

    fn open(
        &mut self,
        now: Instant,
        call: &CallRef,
        ports: Pair<u16>,
        spec: BridgeSpec,
    ) -> Result<(), Refused> {
        let sockets = self.take_sockets(now, ports)?;
        let job = Job::Open(Box::new(Opening {
            call: call.clone(),
            sockets,
            spec,
            entropy: self.entropy.fork(),
            identity: self.identity.clone(),
        }));
        let taken = self.least_loaded().and_then(|(index, worker)| {
            worker.handle.send(job).ok()?;
            worker.calls += 1;
            worker.expectation.add_call(&worker.handle.load);
            Some(index)
        });
        let Some(index) = taken else {
            self.release(now, ports);
            return Err(Refused::Busy);
        };
        self.calls
            .insert(call.clone(), Home::Worker { index, ports });
        Ok(())
    }

    fn take_sockets(&mut self, now: Instant, ports: Pair<u16>) -> Result<Pair<BoundPair>, Refused> {
        match (self.stock.take(ports.a), self.stock.take(ports.b)) {
            (Some(a), Some(b)) => Ok(Pair::new(a, b)),
            (a, b) => {
                let taken = [(a, ports.a), (b, ports.b)];
                for (_, port) in taken.into_iter().filter(|(pair, _)| pair.is_some()) {
                    self.stock.release(now, port);
                }
                Err(Refused::NoPorts)
            }
        }
    }

    /// By what its calls take, and by their number where that says nothing.
    fn least_loaded(&mut self) -> Option<(usize, &mut Worker)> {
        let workers = self.workers.iter_mut().enumerate();
        workers.min_by(|(_, one), (_, other)| {
            one.expected()
                .total_cmp(&other.expected())
                .then(one.calls.cmp(&other.calls))
        })
    }

    fn pass(&mut self, index: usize, job: Job) {
        if let Some(worker) = self.workers.get_mut(index) {
            worker.waiting.push_back(job);
            worker.flush();
        }
    }

    fn forget(&mut self, call: &CallRef) {
        if let Some(Home::Worker { index, ports }) = self.calls.remove(call) {
            self.release(Instant::now(), ports);
            if let Some(worker) = self.workers.get_mut(index) {
                worker.calls = worker.calls.saturating_sub(1);
            }
        }
    }

    fn release(&mut self, now: Instant, ports: Pair<u16>) {
        for side in Side::BOTH {
            self.stock.release(now, ports[side]);
        }
    }
}

impl Worker {
    fn new(handle: Handle) -> Self {
        Self {
            handle,
            calls: 0,
            expectation: Expectation::default(),
            waiting: VecDeque::new(),
        }
    }

    fn state(&self) -> metrics::Worker {
        let (relief, relieved) = self.handle.load.relief();
        metrics::Worker {
            is_up: !self.handle.is_gone(),
            busy: self.handle.load.share(),
            calls: self.calls,
            relief,
            relieved,
        }
    }

    fn expected(&self) -> f32 {
        self.expectation.share(&self.handle.load)
    }

    fn flush(&mut self) {
        while let Some(job) = self.waiting.pop_front() {
            if let Err(job) = self.handle.send(job) {
                self.waiting.push_front(job);
                return;
            }
        }
    }
}
