//! Repetition intervals and the table of deadlines (RFC 3261 §17, table 4).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// RFC 3261 §17, table 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    pub t1: Duration,
    pub t2: Duration,
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl Timers {
    /// 64*T1: timers B, F, H, J, L and M.
    pub fn whole(self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: at least 32 s, so that every repetition of the final response is met.
    pub fn timer_d(self) -> Duration {
        self.whole().max(Duration::from_secs(32))
    }
}

/// A message sent again at growing intervals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    due: Instant,
    interval: Duration,
    cap: Option<Duration>,
}

impl Backoff {
    /// First repetition `interval` after `now`, then after twice that, and so on up to `cap`.
    pub fn start(now: Instant, interval: Duration, cap: Option<Duration>) -> Self {
        Self {
            due: now + interval,
            interval,
            cap,
        }
    }

    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether a repetition is due; if so the next one is set.
    pub fn fire(&mut self, now: Instant) -> bool {
        if now < self.due {
            return false;
        }
        let doubled = self.interval * 2;
        self.interval = self.cap.map_or(doubled, |cap| doubled.min(cap));
        self.due = now + self.interval;
        true
    }

    /// From the next repetition on, the interval is the cap (timer E in Proceeding).
    pub fn slow_down(&mut self) {
        if let Some(cap) = self.cap {
            self.interval = cap;
        }
    }
}

/// One deadline a key, with the earliest at hand.
#[derive(Clone, Debug)]
pub struct Deadlines<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<K: Copy + Ord> Deadlines<K> {
    /// `None` takes the key out.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_key.insert(key, at),
            None => self.by_key.remove(&key),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, key));
        }
        if let Some(at) = at {
            self.by_time.insert((at, key));
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out one key whose deadline has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (_, key) = *self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.set(key, None);
        Some(key)
    }
}

/// The earlier of two deadlines that may not exist.
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let start = Instant::now();
        let ms = |n| start + Duration::from_millis(n);
        let mut backoff = Backoff::start(
            start,
            Duration::from_millis(500),
            Some(Duration::from_secs(4)),
        );
        let mut sent = Vec::new();
        for tick in 0..160 {
            if backoff.fire(ms(tick * 100)) {
                sent.push(tick * 100);
            }
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 11500, 15500]);
    }

    #[test]
    fn a_key_has_one_deadline() {
        let start = Instant::now();
        let mut table = Deadlines::default();
        table.set(1, Some(start + Duration::from_secs(9)));
        table.set(2, Some(start + Duration::from_secs(5)));
        table.set(1, Some(start + Duration::from_secs(1)));
        assert_eq!(table.next(), Some(start + Duration::from_secs(1)));
        assert_eq!(table.pop_due(start + Duration::from_secs(3)), Some(1));
        assert_eq!(table.pop_due(start + Duration::from_secs(3)), None);
        table.set(2, None);
        assert_eq!(table.next(), None);
    }
}
