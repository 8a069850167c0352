//! How many connections may be open, overall and from one address, and what was refused.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets connections in. Cloning shares the count.
#[derive(Clone)]
pub(super) struct Admission {
    connections: usize,
    per_address: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_origin: HashMap<IpAddr, usize>,
}

/// A place taken by one connection; dropping it frees the place.
pub(super) struct Permit {
    origin: IpAddr,
    open: Arc<Mutex<Open>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("too many connections")]
    Total,
    #[error("too many connections from this address")]
    Address,
}

impl Admission {
    pub(super) fn new(connections: usize, per_address: usize) -> Self {
        Self {
            connections,
            per_address,
            open: Arc::default(),
        }
    }

    pub(super) fn admit(&self, address: IpAddr) -> Result<Permit, Refused> {
        let origin = origin(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.connections {
            return Err(Refused::Total);
        }
        let here = open.by_origin.get(&origin).copied().unwrap_or(0);
        if here >= self.per_address {
            return Err(Refused::Address);
        }
        open.by_origin.insert(origin, here + 1);
        open.total += 1;
        drop(open);
        Ok(Permit {
            origin,
            open: self.open.clone(),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        if let Some(here) = open.by_origin.get_mut(&self.origin) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                open.by_origin.remove(&self.origin);
            }
        }
    }
}

/// Who counts as one: an IPv4 address, or an IPv6 /64, since a host has a whole /64 to itself.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).into(),
    }
}

/// What happened to connections and datagrams since the start.
#[derive(Default, Debug)]
pub struct Counters {
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub accept_errors: AtomicU64,
    pub handshakes_failed: AtomicU64,
    pub connects_failed: AtomicU64,
    /// Connections closed because of bytes that cannot be cut into messages.
    pub unframeable: AtomicU64,
    /// Datagrams that the operating system did not take.
    pub datagrams_unsent: AtomicU64,
    /// Connections closed because the peer did not read.
    pub stalled: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Keeps what strangers cause from filling the log: a line now and then, with how many were left out.
pub(super) struct Throttle {
    interval: Duration,
    state: Mutex<Quiet>,
}

#[derive(Default)]
struct Quiet {
    until: Option<Instant>,
    left_out: u64,
}

impl Throttle {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            state: Mutex::default(),
        }
    }

    /// Whether to speak now; if so, how many lines were left out since the last one.
    pub(super) fn speak(&self, now: Instant) -> Option<u64> {
        let mut quiet = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if quiet.until.is_some_and(|until| now < until) {
            quiet.left_out += 1;
            return None;
        }
        quiet.until = Some(now + self.interval);
        Some(std::mem::take(&mut quiet.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let admission = Admission::new(10, 2);
        let _first = admission.admit(address("192.0.2.1")).unwrap();
        let second = admission.admit(address("192.0.2.1")).unwrap();
        let third = admission.admit(address("192.0.2.1"));
        assert!(matches!(third, Err(Refused::Address)));
        assert!(admission.admit(address("192.0.2.2")).is_ok());
        drop(second);
        assert!(admission.admit(address("192.0.2.1")).is_ok());
    }

    #[test]
    fn the_total_is_held_across_addresses() {
        let admission = Admission::new(2, 2);
        let _first = admission.admit(address("192.0.2.1")).unwrap();
        let _second = admission.admit(address("192.0.2.2")).unwrap();
        let third = admission.admit(address("192.0.2.3"));
        assert!(matches!(third, Err(Refused::Total)));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let admission = Admission::new(10, 1);
        let _first = admission.admit(address("2001:db8::1")).unwrap();
        assert!(admission.admit(address("2001:db8::2")).is_err());
        assert!(admission.admit(address("2001:db8:0:1::2")).is_ok());
        assert!(admission.admit(address("::ffff:192.0.2.1")).is_ok());
        assert!(admission.admit(address("192.0.2.2")).is_ok());
    }

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let admission = Admission::new(10, 1);
        for last in 0..=255 {
            drop(admission.admit(IpAddr::from([192, 0, 2, last])).unwrap());
        }
        assert!(admission.open.lock().unwrap().by_origin.is_empty());
    }

    #[test]
    fn a_storm_is_a_line_and_a_number() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let begin = Instant::now();
        assert_eq!(throttle.speak(begin), Some(0));
        for millisecond in 0..1000 {
            let now = begin + Duration::from_millis(millisecond);
            assert_eq!(throttle.speak(now), None);
        }
        assert_eq!(throttle.speak(begin + Duration::from_secs(1)), Some(1000));
    }
}
