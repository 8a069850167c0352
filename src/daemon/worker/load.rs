//! How busy a worker is, the share of each second that it does not wait, and what it does against it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// What a call takes that is too young to have been measured: one that is transcoded.
const YOUNG_CALL: f32 = 0.005;

/// Read from any thread.
#[derive(Clone, Default)]
pub struct Load(Arc<Shared>);

#[derive(Default)]
struct Shared {
    thousandths: AtomicU32,
    /// Windows that have been measured.
    windows: AtomicU64,
    /// Of the relief valve.
    open_thousandths: AtomicU32,
    relieved: AtomicU32,
}

impl Load {
    /// 0.0-1.0, of the last full second.
    pub fn share(&self) -> f32 {
        self.0.thousandths.load(Ordering::Relaxed) as f32 / 1000.0
    }

    /// The share of the calls that the relief valve is open for, and how many calls that are: of the last full second.
    pub fn relief(&self) -> (f32, u32) {
        let open = self.0.open_thousandths.load(Ordering::Relaxed) as f32 / 1000.0;
        (open, self.0.relieved.load(Ordering::Relaxed))
    }

    pub fn tell_relief(&self, open: f32, relieved: u32) {
        let thousandths = (open * 1000.0).ceil() as u32;
        self.0
            .open_thousandths
            .store(thousandths, Ordering::Relaxed);
        self.0.relieved.store(relieved, Ordering::Relaxed);
    }

    fn windows(&self) -> u64 {
        self.0.windows.load(Ordering::Relaxed)
    }

    fn tell(&self, share: f32) {
        let thousandths = (share * 1000.0) as u32;
        self.0.thousandths.store(thousandths, Ordering::Relaxed);
        self.0.windows.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a worker will be busy with: what was measured, and what it was given since.
#[derive(Default)]
pub struct Expectation {
    windows: u64,
    young: u32,
}

impl Expectation {
    pub fn add_call(&mut self, load: &Load) {
        self.forget_measured(load);
        self.young += 1;
    }

    pub fn share(&self, load: &Load) -> f32 {
        // A call that began in the midst of the last window is not whole in its figure.
        let young = match load.windows().saturating_sub(self.windows) {
            0 | 1 => self.young,
            _ => 0,
        };
        load.share() + young as f32 * YOUNG_CALL
    }

    fn forget_measured(&mut self, load: &Load) {
        let windows = load.windows();
        if windows.saturating_sub(self.windows) > 1 {
            self.young = 0;
        }
        if self.young == 0 {
            self.windows = windows;
        }
    }
}

/// Kept by the worker itself.
pub struct Meter {
    load: Load,
    window: Instant,
    busy: Duration,
    woke: Instant,
}

impl Meter {
    pub fn new(now: Instant) -> Self {
        Self {
            load: Load::default(),
            window: now,
            busy: Duration::ZERO,
            woke: now,
        }
    }

    pub fn load(&self) -> Load {
        self.load.clone()
    }

    /// It has nothing to do, and that is known.
    pub fn is_idle(&self) -> bool {
        self.load.share() == 0.0
    }

    pub fn window_end(&self) -> Instant {
        self.window + WINDOW
    }

    pub fn wakes(&mut self, now: Instant) {
        self.woke = now;
    }

    /// At the end of each window: the share of it.
    pub fn sleeps(&mut self, now: Instant) -> Option<f32> {
        self.busy += now.saturating_duration_since(self.woke);
        self.woke = now;
        let passed = now.saturating_duration_since(self.window);
        if passed < WINDOW {
            return None;
        }
        let share = self.busy.as_secs_f32() / passed.as_secs_f32();
        self.load.tell(share);
        self.window = now;
        self.busy = Duration::ZERO;
        Some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn young_calls_count_until_they_are_measured() {
        let load = Load::default();
        let mut expectation = Expectation::default();
        load.tell(0.3);
        for _ in 0..20 {
            expectation.add_call(&load);
        }
        assert!((expectation.share(&load) - 0.4).abs() < 0.001);
        load.tell(0.35);
        assert!((expectation.share(&load) - 0.45).abs() < 0.001);
        load.tell(0.4);
        assert!((expectation.share(&load) - 0.4).abs() < 0.001);
    }

    #[test]
    fn share_of_the_last_second() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        let load = meter.load();
        for n in 0..10 {
            let at = start + Duration::from_millis(100) * n;
            meter.wakes(at + Duration::from_millis(75));
            meter.sleeps(at + Duration::from_millis(100));
        }
        assert!((load.share() - 0.25).abs() < 0.002, "{}", load.share());
    }
}
