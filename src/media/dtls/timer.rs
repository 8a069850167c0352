//! When what is not answered is said again.
//!
//! The RFCs' first second is a clipped word (RFC 6347 §4.2.4.1; RFC 9147 §5.8.2 allows shorter ones); here repetition
//! begins after 50 ms, as a browser's does.

use std::time::{Duration, Instant};

/// Between the first two times.
pub const FIRST_INTERVAL: Duration = Duration::from_millis(50);
const LONGEST_INTERVAL: Duration = Duration::from_millis(400);
/// Sent anew because the peer asks for it, no sooner than this.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);

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
