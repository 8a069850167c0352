//! When what is not answered is said again.
//!
//! The RFCs' first second is a clipped word (RFC 6347 §4.2.4.1; RFC 9147 §5.8.2 allows shorter ones); here repetition
//! begins after 50 ms, as a browser's does.

use std::time::{Duration, Instant};

/// Between the first two times.
const FIRST_INTERVAL: Duration = Duration::from_millis(50);
const LONGEST_INTERVAL: Duration = Duration::from_millis(400);
/// Sent anew because the peer asks for it, no sooner than this.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Default)]
pub enum Timer {
    #[default]
    Off,
    Running {
        due: Instant,
        interval: Duration,
    },
}

impl Timer {
    pub fn start(now: Instant, interval: Duration) -> Self {
        Self::Running {
            due: now + interval,
            interval,
        }
    }

    /// Whether it is time; the next time is a little later than this one was.
    pub fn is_due(&mut self, now: Instant) -> bool {
        match *self {
            Self::Running { due, interval } if due <= now => {
                *self = Self::start(now, (interval * 3 / 2).min(LONGEST_INTERVAL));
                true
            }
            Self::Off | Self::Running { .. } => false,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Off => None,
            Self::Running { due, .. } => Some(*due),
        }
    }
}

/// When a flight is sent again: by the clock until it is answered, and when the peer asks.
#[derive(Default)]
pub struct Repetition {
    sent: Option<Instant>,
    timer: Timer,
}

impl Repetition {
    /// It is sent now, and again by the clock.
    pub fn begin(&mut self, now: Instant) {
        self.sent = Some(now);
        self.timer = Timer::start(now, FIRST_INTERVAL);
    }

    /// It is sent now, and again only when the peer asks.
    pub fn begin_silent(&mut self, now: Instant) {
        self.sent = Some(now);
        self.timer = Timer::Off;
    }

    /// The peer asks: whether it is sent again, which it was not a moment ago.
    pub fn is_asked(&mut self, now: Instant) -> bool {
        let early = |sent| now.saturating_duration_since(sent) < SHORTEST_INTERVAL;
        let again = !self.sent.is_some_and(early);
        if again {
            self.sent = Some(now);
        }
        again
    }

    /// Whether the clock wants it sent again.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.timer.is_due(now);
        if due {
            self.sent = Some(now);
        }
        due
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.timer.deadline()
    }
}
