//! A network for tests: two ends, a delay, and what may go wrong, the same in every run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::entropy::Entropy;

pub struct Link {
    /// One way.
    pub delay: Duration,
    /// Added to it, evenly between nothing and this: what reorders.
    pub jitter: Duration,
    /// Of a hundred datagrams.
    pub loss: u32,
    entropy: Entropy,
    /// By arrival; a counter keeps those of one moment apart.
    under_way: BTreeMap<(Instant, u64), Datagram>,
    sent: u64,
}

#[derive(Clone, Debug)]
pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Link {
    pub fn new(seed: u8, delay: Duration) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            loss: 0,
            entropy: Entropy::from_seed([seed; 32]),
            under_way: BTreeMap::new(),
            sent: 0,
        }
    }

    pub fn send(&mut self, now: Instant, datagram: Datagram) {
        if self.entropy.below(100) < self.loss {
            return;
        }
        let jitter = self.entropy.below(self.jitter.as_micros() as u32 + 1);
        let arrival = now + self.delay + Duration::from_micros(jitter.into());
        self.sent += 1;
        self.under_way.insert((arrival, self.sent), datagram);
    }

    pub fn deadline(&self) -> Option<Instant> {
        let ((at, _), _) = self.under_way.first_key_value()?;
        Some(*at)
    }

    pub fn receive(&mut self, now: Instant) -> Option<Datagram> {
        self.deadline().filter(|at| *at <= now)?;
        let (_, datagram) = self.under_way.pop_first()?;
        Some(datagram)
    }
}
