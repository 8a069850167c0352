//! All streams of all calls on one thread: a timer of 1 ms for sending, epoll for receiving.
//!
//! Streams that are listened to are received at once, the others each millisecond: waking this thread for every packet
//! would cost the sender, whose figure it is, more than the packet.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::Failure;
use crate::stream::{DATAGRAM, Stream};

/// Streams are spread over the milliseconds of a frame.
const SLOTS: usize = 20;
const TICK: Duration = Duration::from_millis(1);
/// epoll's word for the timer.
const TIMER: u64 = u64::MAX;

pub struct Engine {
    door: Door,
    thread: JoinHandle<Played>,
}

/// What the thread leaves behind.
pub struct Played {
    pub streams: Vec<Stream>,
    /// Of each millisecond's tick while measuring: what the machine did to us, not the bridge.
    pub lateness: Vec<Duration>,
}

/// The way in for the signalling.
#[derive(Clone)]
pub struct Door {
    streams: Arc<Mutex<Sender<Stream>>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    phase: AtomicU8,
    running: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    SettingUp,
    Measuring,
    Measured,
    /// Only receiving.
    Quiet,
    Over,
}

impl Shared {
    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::SettingUp,
            1 => Phase::Measuring,
            2 => Phase::Measured,
            3 => Phase::Quiet,
            _ => Phase::Over,
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }
}

impl Door {
    /// Sends from now on.
    pub fn add(&self, stream: Stream) {
        let sender = self.streams.lock().expect("nobody panics with it");
        // The engine outlives the signalling.
        let _ = sender.send(stream);
    }

    pub fn begin_measuring(&self) {
        self.shared.enter(Phase::Measuring);
    }

    pub fn end_measuring(&self) {
        self.shared.enter(Phase::Measured);
    }

    pub fn stop_sending(&self) {
        self.shared.enter(Phase::Quiet);
    }
}

impl Engine {
    pub fn start(calls: usize) -> Result<Self, Failure> {
        let (sender, streams) = channel();
        let shared = Arc::new(Shared::default());
        let mut wheel = Wheel::new(streams, shared.clone(), 2 * calls)?;
        let thread = std::thread::Builder::new()
            .name("streams".into())
            .spawn(move || {
                wheel.run();
                Played {
                    streams: wheel.streams,
                    lateness: wheel.lateness,
                }
            })?;
        let door = Door {
            streams: Arc::new(Mutex::new(sender)),
            shared,
        };
        Ok(Self { door, thread })
    }

    pub fn door(&self) -> Door {
        self.door.clone()
    }

    pub async fn wait_for_streams(&self, wanted: usize) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.door.shared.running.load(Ordering::Acquire) < wanted {
            if Instant::now() > deadline {
                return Err("not every call has both its streams after 10 s".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub fn finish(self) -> Played {
        self.door.shared.enter(Phase::Over);
        self.thread.join().expect("the engine does not panic")
    }
}

struct Wheel {
    /// What is awaited.
    epoll: OwnedFd,
    /// What is looked at each millisecond.
    patient: OwnedFd,
    timer: OwnedFd,
    arriving: Receiver<Stream>,
    shared: Arc<Shared>,
    streams: Vec<Stream>,
    /// Indices of streams that send in this millisecond of each frame.
    slots: [Vec<usize>; SLOTS],
    began: Instant,
    ticks: u32,
    lateness: Vec<Duration>,
}

impl Wheel {
    fn new(
        arriving: Receiver<Stream>,
        shared: Arc<Shared>,
        capacity: usize,
    ) -> Result<Self, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let tick = Timespec {
            tv_sec: 0,
            tv_nsec: TICK.as_nanos() as i64,
        };
        let every = Itimerspec {
            it_interval: tick,
            it_value: tick,
        };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every)?;
        let data = epoll::EventData::new_u64(TIMER);
        epoll::add(&epoll, &timer, data, epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            patient: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            timer,
            arriving,
            shared,
            streams: Vec::with_capacity(capacity),
            slots: Default::default(),
            began: Instant::now(),
            ticks: 0,
            lateness: Vec::new(),
        })
    }

    fn run(&mut self) {
        let mut events = Vec::with_capacity(256);
        while self.shared.phase() != Phase::Over {
            events.clear();
            if epoll::wait(&self.epoll, spare_capacity(&mut events), None).is_err() {
                continue;
            }
            for event in &events {
                match event.data.u64() {
                    TIMER => self.handle_timer(),
                    index => self.receive(index as usize),
                }
            }
        }
    }

    /// Catches up when the machine was slow.
    fn handle_timer(&mut self) {
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
        self.take_arrivals();
        self.receive_patiently();
        loop {
            let due = self.began + TICK * (self.ticks + 1);
            let Some(late) = Instant::now().checked_duration_since(due) else {
                return;
            };
            self.ticks += 1;
            if self.shared.phase() == Phase::Measuring {
                self.lateness.push(late);
            }
            if self.shared.phase() < Phase::Quiet {
                self.send(self.ticks as usize % SLOTS);
            }
        }
    }

    fn send(&mut self, slot: usize) {
        let measuring = self.shared.phase() == Phase::Measuring;
        for index in &self.slots[slot] {
            self.streams[*index].send(Instant::now(), measuring);
        }
    }

    fn take_arrivals(&mut self) {
        while let Ok(stream) = self.arriving.try_recv() {
            let index = self.streams.len();
            let data = epoll::EventData::new_u64(index as u64);
            let poller = match stream.recording {
                Some(_) => &self.epoll,
                None => &self.patient,
            };
            if epoll::add(poller, &stream.socket, data, epoll::EventFlags::IN).is_ok() {
                self.slots[index % SLOTS].push(index);
                self.streams.push(stream);
            }
        }
        let running = self.streams.len();
        self.shared.running.store(running, Ordering::Release);
    }

    fn receive_patiently(&mut self) {
        let mut events = Vec::with_capacity(1_024);
        let at_once = Timespec::default();
        loop {
            events.clear();
            let ready = epoll::wait(&self.patient, spare_capacity(&mut events), Some(&at_once));
            if ready.is_err() || events.is_empty() {
                return;
            }
            for event in &events {
                let data = event.data;
                self.receive(data.u64() as usize);
            }
        }
    }

    fn receive(&mut self, index: usize) {
        let measuring = self.shared.phase() == Phase::Measuring;
        let stream = &mut self.streams[index];
        let mut buffer = [0; DATAGRAM];
        if let Ok(length) = stream.socket.recv(&mut buffer) {
            stream.handle_datagram(Instant::now(), &mut buffer[..length], measuring);
        }
    }
}
