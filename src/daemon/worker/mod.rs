//! A media worker: an OS thread that carries some of the calls, with its own epoll. Its calls never migrate, and no
//! packet crosses a lock, a channel or another thread.

mod carried;
mod deadlines;
mod load;
mod poller;
mod valve;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::call::cdr::CallRef;
use crate::call::plane::MediaEvent;
use crate::entropy::Entropy;
use crate::media::bridge::{Bridge, BridgeSpec, Command, Relief, Report};
use crate::media::dtls::Identity;
use crate::net::ports::BoundPair;
use crate::side::Pair;

use carried::{Carried, SocketName};
use deadlines::Deadlines;
use load::Meter;
pub use load::{Expectation, Load};
use poller::{Batch, Poller, Ready, Waker};
use valve::{Turn, Valve};

/// Commands that may wait for a worker.
const JOBS: usize = 4_096;
/// Events that may wait for the signalling task beside its channel; further digits and alarms are dropped, ends never.
const BACKLOG: usize = 4_096;
/// When the signalling task does not take events, they are offered again so often.
const RETRY: Duration = Duration::from_millis(10);
/// Longest datagram that is read whole; a longer one is no media.
const DATAGRAM: usize = 2_048;

/// What a worker is told.
pub enum Job {
    Open(Box<Opening>),
    Bridge { call: CallRef, command: Command },
    Close { call: CallRef },
}

/// A call that begins.
pub struct Opening {
    pub call: CallRef,
    pub sockets: Pair<BoundPair>,
    pub spec: BridgeSpec,
    pub entropy: Entropy,
    pub identity: Option<Arc<Identity>>,
}

/// The signalling task's end of a worker. Dropping it ends the thread.
pub struct Handle {
    jobs: Option<SyncSender<Job>>,
    waker: Waker,
    pub load: Load,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Gives the job back if the queue is full or the thread is gone.
    pub fn send(&self, job: Job) -> Result<(), Job> {
        let Some(jobs) = &self.jobs else {
            return Err(job);
        };
        jobs.try_send(job).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(job)
            | std::sync::mpsc::TrySendError::Disconnected(job) => job,
        })?;
        self.waker.wake();
        Ok(())
    }

    pub fn is_gone(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.jobs = None;
        self.waker.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("media worker had panicked");
        }
    }
}

/// Starts worker `number`; with `core`, on that core only.
pub fn start(number: usize, core: Option<usize>, events: Sender<MediaEvent>) -> io::Result<Handle> {
    let (jobs, queue) = sync_channel(JOBS);
    let poller = Poller::new()?;
    let waker = poller.waker();
    let meter = Meter::new(Instant::now());
    let load = meter.load();
    let worker = Worker {
        poller,
        meter,
        valve: Valve::default(),
        jobs: queue,
        out: Outlet {
            events,
            backlog: VecDeque::new(),
        },
        slots: Vec::new(),
        free: Vec::new(),
        by_call: HashMap::new(),
        deadlines: Deadlines::default(),
    };
    let thread = std::thread::Builder::new()
        .name(format!("media-{number}"))
        .spawn(move || {
            core.into_iter().for_each(pin);
            worker.run();
        })?;
    Ok(Handle {
        jobs: Some(jobs),
        waker,
        load,
        thread: Some(thread),
    })
}

fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    if core < rustix::thread::CpuSet::MAX_CPU {
        set.set(core);
    }
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        tracing::warn!(core, %error, "media worker is not pinned");
    }
}

struct Worker {
    poller: Poller,
    meter: Meter,
    valve: Valve,
    jobs: Receiver<Job>,
    out: Outlet,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    by_call: HashMap<CallRef, usize>,
    deadlines: Deadlines,
}

struct Slot {
    call: CallRef,
    state: State,
}

enum State {
    Carried(Box<Carried>),
    /// It failed, and that was told; the report waits for `Close`.
    Failed(Box<Report>),
}

/// Events on their way to the signalling task.
struct Outlet {
    events: Sender<MediaEvent>,
    backlog: VecDeque<MediaEvent>,
}

/// Whether the plane is still there.
#[derive(PartialEq, Eq)]
enum Plane {
    There,
    Gone,
}

impl Worker {
    fn run(mut self) {
        let mut batch = Batch::new();
        let mut buffer = [0; DATAGRAM];
        loop {
            let now = Instant::now();
            if let Some(busy) = self.meter.sleeps(now) {
                self.turn_valve(busy);
                self.tell_relief();
                self.settle();
            }
            if let Err(error) = self.poller.wait(&mut batch, self.patience(now)) {
                tracing::error!(%error, "media worker cannot wait for packets");
                return;
            }
            self.meter.wakes(Instant::now());
            if self.take_ready(&batch, &mut buffer) == Plane::Gone {
                return;
            }
            self.take_deadlines();
            self.out.flush();
        }
    }

    fn turn_valve(&mut self, busy: f32) {
        let busy_percent = (busy * 100.0).round() as u32;
        match self.valve.turn(busy) {
            Turn::Unmoved => return,
            Turn::Moved => {}
            Turn::Opened => {
                tracing::warn!(
                    busy_percent,
                    "media worker is busy: some calls are encoded with less effort"
                );
            }
            Turn::Shut => {
                tracing::info!(
                    busy_percent,
                    "media worker is at ease: every call is encoded with full effort"
                );
            }
        }
        for index in 0..self.slots.len() {
            self.relieve(index);
        }
    }

    fn tell_relief(&self) {
        let carries = |slot: &Option<Slot>| match slot {
            Some(Slot {
                state: State::Carried(_),
                ..
            }) => true,
            Some(Slot {
                state: State::Failed(_),
                ..
            })
            | None => false,
        };
        let carried = self.slots.iter().enumerate();
        let relieved = carried
            .filter(|(index, slot)| carries(slot) && self.valve.relieves(*index, self.slots.len()))
            .count();
        self.meter
            .load()
            .tell_relief(self.valve.open(), relieved as u32);
    }

    fn settle(&mut self) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some(Slot {
                state: State::Carried(carried),
                ..
            }) = slot
            {
                carried.settle(&self.poller, index);
            }
        }
    }

    fn relieve(&mut self, index: usize) {
        let relief = match self.valve.relieves(index, self.slots.len()) {
            true => Relief::Full,
            false => Relief::None,
        };
        self.with(index, |carried| carried.relieve(relief));
    }

    fn patience(&self, now: Instant) -> Option<Duration> {
        let deadlines = [self.deadlines.earliest(), self.measuring()];
        let until = deadlines.into_iter().flatten().min();
        let patience = until.map(|until| until.saturating_duration_since(now));
        match self.out.backlog.is_empty() {
            true => patience,
            false => Some(patience.unwrap_or(RETRY).min(RETRY)),
        }
    }

    /// Who falls asleep with the last call would seem as busy as before for as long: it is measured until it is known to
    /// be idle, and the valve is shut.
    fn measuring(&self) -> Option<Instant> {
        let is_known = self.meter.is_idle() && self.valve.open() == 0.0;
        (!is_known).then(|| self.meter.window_end())
    }

    /// Sockets first and commands last, so that a slot is not used anew in the midst of one batch.
    fn take_ready(&mut self, batch: &Batch, buffer: &mut [u8]) -> Plane {
        let mut woken = false;
        for ready in batch.ready() {
            match ready {
                Ready::Woken => woken = true,
                Ready::Socket(number) => {
                    let name = SocketName::from_number(number);
                    self.with(name.slot, |carried| {
                        carried.receive(name.side, name.socket, buffer);
                    });
                }
            }
        }
        if woken {
            self.poller.take_wake();
            return self.take_jobs();
        }
        Plane::There
    }

    fn take_deadlines(&mut self) {
        let now = Instant::now();
        while let Some(slot) = self.deadlines.due(now) {
            self.with(slot, |carried| carried.handle_timeout(now));
            if self.deadlines.due(now) == Some(slot) {
                // Due again at once: let the sockets have their turn first.
                return;
            }
        }
    }

    fn take_jobs(&mut self) -> Plane {
        loop {
            match self.jobs.try_recv() {
                Ok(job) => self.take_job(job),
                Err(TryRecvError::Empty) => return Plane::There,
                Err(TryRecvError::Disconnected) => return Plane::Gone,
            }
        }
    }

    fn take_job(&mut self, job: Job) {
        match job {
            Job::Open(opening) => {
                let Opening {
                    call,
                    sockets,
                    spec,
                    entropy,
                    identity,
                } = *opening;
                let mut bridge = Bridge::new(Instant::now(), spec, entropy);
                if let Some(identity) = identity {
                    bridge = bridge.with_identity(identity);
                }
                let carried = Carried::new(bridge, sockets);
                self.open(call, carried);
            }
            Job::Bridge { call, command } => {
                if let Some(slot) = self.by_call.get(&call).copied() {
                    let now = Instant::now();
                    self.with(slot, |carried| carried.handle_command(now, command));
                }
            }
            Job::Close { call } => self.close(call),
        }
    }

    fn open(&mut self, call: CallRef, carried: Carried) {
        let index = self.free.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(None);
        }
        self.deadlines.reserve(self.slots.len());
        let registered = carried.register(&self.poller, index);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(Slot {
                call: call.clone(),
                state: State::Carried(Box::new(carried)),
            });
        }
        self.by_call.insert(call, index);
        self.relieve(index);
        if let Err(error) = registered {
            self.fail(index, format!("media sockets cannot be watched: {error}"));
        }
    }

    fn close(&mut self, call: CallRef) {
        let Some(index) = self.by_call.remove(&call) else {
            return;
        };
        self.deadlines.set(index, None);
        let slot = self.slots.get_mut(index).and_then(Option::take);
        self.free.push(index);
        let report = match slot.map(|slot| slot.state) {
            Some(State::Carried(carried)) => report_of(&carried),
            Some(State::Failed(report)) => report,
            None => Box::default(),
        };
        self.out.tell(MediaEvent::Closed { call, report });
    }

    /// Lets a call do something. A panic in it is the end of that call and of no other.
    fn with(&mut self, index: usize, work: impl FnOnce(&mut Carried)) {
        let Some(Some(Slot {
            call,
            state: State::Carried(carried),
        })) = self.slots.get_mut(index)
        else {
            return;
        };
        let out = &mut self.out;
        let worked = catch_unwind(AssertUnwindSafe(|| {
            work(carried);
            while let Some(event) = carried.poll_event() {
                let call = call.clone();
                out.tell(MediaEvent::Bridge { call, event });
            }
            carried.poll_timeout()
        }));
        match worked {
            Ok(deadline) => self.deadlines.set(index, deadline),
            Err(_) => self.fail(index, "the media bridge panicked".to_owned()),
        }
    }

    fn fail(&mut self, index: usize, error: String) {
        self.deadlines.set(index, None);
        let Some(Some(slot)) = self.slots.get_mut(index) else {
            return;
        };
        let failed = State::Failed(Box::default());
        if let State::Carried(carried) = std::mem::replace(&mut slot.state, failed) {
            slot.state = State::Failed(report_of(&carried));
        }
        let call = slot.call.clone();
        self.out.tell(MediaEvent::Failed { call, error });
    }
}

/// Of a bridge that may be broken.
fn report_of(carried: &Carried) -> Box<Report> {
    let now = Instant::now();
    let report = catch_unwind(AssertUnwindSafe(|| Box::new(carried.report(now))));
    report.unwrap_or_default()
}

impl Outlet {
    fn tell(&mut self, event: MediaEvent) {
        self.flush();
        let dispensable = match event {
            MediaEvent::Bridge { .. } => true,
            MediaEvent::Closed { .. } | MediaEvent::Failed { .. } => false,
        };
        if self.backlog.is_empty() || !dispensable || self.backlog.len() < BACKLOG {
            self.backlog.push_back(event);
        }
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(TrySendError::Closed(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::bridge::{Digits, Dtx, Habits, StreamSpec};
    use crate::media::gain::Decibels;
    use crate::sdp::Ssrc;
    use tokio::sync::mpsc::channel;

    fn worker(events: Sender<MediaEvent>) -> Worker {
        let (_, jobs) = sync_channel(1);
        Worker {
            poller: Poller::new().unwrap(),
            meter: Meter::new(Instant::now()),
            valve: Valve::default(),
            jobs,
            out: Outlet {
                events,
                backlog: VecDeque::new(),
            },
            slots: Vec::new(),
            free: Vec::new(),
            by_call: HashMap::new(),
            deadlines: Deadlines::default(),
        }
    }

    fn name(number: u32) -> CallRef {
        CallRef(format!("call-{number}"))
    }

    fn open(worker: &mut Worker, number: u32) {
        let socket = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let pair = || BoundPair {
            rtp: socket(),
            rtcp: socket(),
        };
        let stream = StreamSpec {
            ssrc: Ssrc(number),
            cname: "test".to_owned(),
            habits: Habits {
                keep_fed: false,
                latch: true,
                media_timeout: Duration::ZERO,
                opus_bitrate: 20_000,
                opus_complexity: 0,
                opus_fec: false,
                early_audio: Duration::from_secs(1),
                gain_from: Decibels(0),
                gain_to: Decibels(0),
                opus_dtx: Dtx::IfAsked,
                digits: Digits::Events,
            },
        };
        worker.take_job(Job::Open(Box::new(Opening {
            call: name(number),
            sockets: Pair::new(pair(), pair()),
            spec: BridgeSpec {
                streams: Pair::new(stream.clone(), stream),
            },
            entropy: Entropy::from_seed([1; 32]),
            identity: None,
        })));
    }

    #[test]
    fn panic_ends_its_call_and_no_other() {
        let (sender, mut events) = channel(8);
        let mut worker = worker(sender);
        open(&mut worker, 1);
        open(&mut worker, 2);
        worker.with(0, |_| panic!("on purpose"));
        assert!(matches!(
            events.try_recv(),
            Ok(MediaEvent::Failed { call, .. }) if call == name(1)
        ));
        worker.with(0, |_| unreachable!("it is not carried any more"));
        let mut alive = false;
        worker.with(1, |_| alive = true);
        assert!(alive);
        for number in [1, 2] {
            worker.take_job(Job::Close { call: name(number) });
            assert!(matches!(
                events.try_recv(),
                Ok(MediaEvent::Closed { call, .. }) if call == name(number)
            ));
        }
        assert!(events.try_recv().is_err());
    }

    #[test]
    fn who_falls_idle_is_measured_until_that_is_known() {
        let (sender, _events) = channel(1);
        let mut worker = worker(sender);
        let load = worker.meter.load();
        let mut now = Instant::now();
        assert_eq!(worker.patience(now), None, "never busy");
        open(&mut worker, 0);
        worker.meter.wakes(now);
        now += Duration::from_secs(2);
        let busy = worker.meter.sleeps(now).unwrap();
        worker.turn_valve(busy);
        worker.tell_relief();
        assert!(load.share() > 0.99, "{}", load.share());
        assert_eq!(load.relief(), (1.0, 1));
        worker.take_job(Job::Close { call: name(0) });
        let mut seconds = 0;
        while let Some(patience) = worker.patience(now) {
            now += patience;
            worker.meter.wakes(now);
            if let Some(busy) = worker.meter.sleeps(now) {
                worker.turn_valve(busy);
                worker.tell_relief();
                seconds += 1;
            }
        }
        assert_eq!((load.share(), load.relief()), (0.0, (0.0, 0)));
        assert!((1..10).contains(&seconds), "{seconds}");
    }

    #[test]
    fn ends_are_told_however_slow_the_listener() {
        let (sender, mut events) = channel(1);
        let mut worker = worker(sender);
        for number in 0..10 {
            open(&mut worker, number);
            worker.take_job(Job::Close { call: name(number) });
        }
        let mut told = 0;
        while let Ok(MediaEvent::Closed { call, .. }) = events.try_recv() {
            assert_eq!(call, name(told));
            told += 1;
            worker.out.flush();
        }
        assert_eq!(told, 10);
    }
}
