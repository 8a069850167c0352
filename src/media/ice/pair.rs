//! One address of the peer joined with our socket, and how far its check has come (RFC 8445 §6.1.2).
//!
//! There is one socket a component, with at most one address of a family, so a pair is told by the peer's address alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::stun::TransactionId;
use crate::sdp::IceRole;

/// Between the first two requests of a check; RFC 8445 §14.3 wants 500 ms, which is a third of a clipped word a loss.
const FIRST_INTERVAL: Duration = Duration::from_millis(50);
/// Between later ones: the peer may not have our description yet, and the first check after it has shall come soon.
const LONGEST_INTERVAL: Duration = Duration::from_millis(200);

/// RFC 8445 §5.1.2.1 for the best of our candidates: host type, the first address, component 1.
pub const HOST_PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;
/// Of a candidate that our check from one of this priority makes known (§7.1.1): the same but for its type,
/// peer-reflexive.
pub fn reflexive(priority: u32) -> u32 {
    (110 << 24) | (priority & 0x00ff_ffff)
}

pub struct Pair {
    pub remote: SocketAddr,
    /// Of our candidate, the one of the same family.
    pub local_priority: u32,
    pub remote_priority: u32,
    pub progress: Progress,
    /// When an authentic check of the peer last came this way.
    pub heard: Option<Instant>,
}

pub enum Progress {
    Waiting {
        due: Instant,
    },
    Checking(Request),
    /// The check was answered: the way is open in both directions.
    Valid,
}

/// A request that is repeated until it is answered.
pub struct Request {
    pub transaction: TransactionId,
    /// In which role it was asked: a conflict is told only to this one.
    pub role: IceRole,
    due: Instant,
    interval: Duration,
}

impl Request {
    /// To be sent at once.
    pub fn new(now: Instant, role: IceRole, transaction: TransactionId) -> Self {
        Self {
            transaction,
            role,
            due: now,
            interval: FIRST_INTERVAL,
        }
    }

    /// Says whether to send it now.
    pub fn take_due(&mut self, now: Instant) -> bool {
        if self.due > now {
            return false;
        }
        self.due = now + self.interval;
        self.interval = (self.interval * 3 / 2).min(LONGEST_INTERVAL);
        true
    }

    pub fn hurry(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    pub fn due(&self) -> Instant {
        self.due
    }
}

impl Pair {
    /// RFC 8445 §6.1.2.3.
    pub fn priority(&self, ours: IceRole) -> u64 {
        let (controlling, controlled) = match ours {
            IceRole::Controlling => (self.local_priority, self.remote_priority),
            IceRole::Controlled => (self.remote_priority, self.local_priority),
        };
        let lower = u64::from(controlling.min(controlled));
        let higher = u64::from(controlling.max(controlled));
        (lower << 32) + 2 * higher + u64::from(controlling > controlled)
    }

    pub fn is_valid(&self) -> bool {
        match self.progress {
            Progress::Valid => true,
            Progress::Waiting { .. } | Progress::Checking(_) => false,
        }
    }

    /// The peer showed itself here: check now (RFC 8445 §7.3.1.4).
    pub fn trigger(&mut self, now: Instant) {
        match &mut self.progress {
            Progress::Waiting { due } => *due = (*due).min(now),
            Progress::Checking(request) => request.hurry(now),
            Progress::Valid => {}
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.progress {
            Progress::Waiting { due } => Some(*due),
            Progress::Checking(request) => Some(request.due()),
            Progress::Valid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_fast_and_then_steadily() {
        let start = Instant::now();
        let mut request = Request::new(start, IceRole::Controlling, TransactionId([0; 12]));
        let mut sent = Vec::new();
        for ms in 0..1_000 {
            if request.take_due(start + Duration::from_millis(ms)) {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 50, 125, 238, 407, 607, 807]);
    }

    #[test]
    fn both_sides_give_a_pair_the_same_priority() {
        let pair = |remote_priority| Pair {
            remote: ([192, 0, 2, 1], 4000).into(),
            local_priority: HOST_PRIORITY,
            remote_priority,
            progress: Progress::Valid,
            heard: None,
        };
        let (low, high) = (pair(1000), pair(HOST_PRIORITY));
        assert!(low.priority(IceRole::Controlling) < high.priority(IceRole::Controlling));
        let tie = |role| high.priority(role);
        assert_eq!(tie(IceRole::Controlling), tie(IceRole::Controlled));
        assert_eq!(
            low.priority(IceRole::Controlling),
            low.priority(IceRole::Controlled) + 1
        );
    }
}
