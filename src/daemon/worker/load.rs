//! How busy a worker is: the share of each second that it does not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// Read from any thread.
#[derive(Clone, Default)]
pub struct Load(Arc<AtomicU32>);

impl Load {
    /// 0.0-1.0, of the last full second.
    pub fn share(&self) -> f32 {
        self.0.load(Ordering::Relaxed) as f32 / 1000.0
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
        self.load
            .0
            .store((share * 1000.0) as u32, Ordering::Relaxed);
        self.window = now;
        self.busy = Duration::ZERO;
        Some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
