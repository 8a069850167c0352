//! Hops that could not be reached are left alone for a moment: a peer that comes back is not met by a crowd, and a call to
//! one that stays away fails at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::sip::flow::NextHop;

/// After one failure. Short, since it may have been a blip: whoever tries again after it is let through.
const FIRST: Duration = Duration::from_secs(1);
/// After many in a row. A caller is refused that long at most after the peer came back.
const LONGEST: Duration = Duration::from_secs(16);
/// Without an attempt for so long the next failure is a first one.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Peers name hops too, in Contact: what is known of the least recent goes.
const MAX_HOPS: usize = 1024;

pub(super) struct BackOff {
    failing: BTreeMap<NextHop, Failing>,
    entropy: Entropy,
}

#[derive(Clone, Copy)]
struct Failing {
    /// In a row.
    failures: u32,
    next_attempt: Instant,
}

impl BackOff {
    pub(super) fn new(entropy: Entropy) -> Self {
        Self {
            failing: BTreeMap::new(),
            entropy,
        }
    }

    /// How long it is until the hop may be tried. `None`: now.
    pub(super) fn wait(&self, hop: &NextHop, now: Instant) -> Option<Duration> {
        let failing = self.failing.get(hop)?;
        let wait = failing.next_attempt.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    pub(super) fn failed(&mut self, hop: NextHop, now: Instant) {
        let known = self.failing.get(&hop);
        let recent = known.filter(|failing| now < failing.next_attempt + FORGOTTEN);
        let failures = recent.map_or(0, |failing| failing.failures);
        let failing = Failing {
            failures: failures.saturating_add(1),
            next_attempt: now + self.pause_after(failures),
        };
        self.failing.insert(hop, failing);
        if self.failing.len() > MAX_HOPS {
            self.drop_oldest();
        }
    }

    pub(super) fn connected(&mut self, hop: &NextHop) {
        self.failing.remove(hop);
    }

    /// Doubled with each failure; some of it by chance, so that many do not come back as one.
    fn pause_after(&mut self, failures: u32) -> Duration {
        let whole = FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST);
        whole.mul_f64(0.5 + f64::from(self.entropy.below(1001)) / 2000.0)
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .failing
            .iter()
            .min_by_key(|(_, failing)| failing.next_attempt);
        if let Some(hop) = oldest.map(|(hop, _)| hop.clone()) {
            self.failing.remove(&hop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::flow::{Host, ListenerId, Transport};

    fn hop(port: u16) -> NextHop {
        NextHop {
            listener: ListenerId(0),
            transport: Transport::Tls,
            host: Host::Name("wa.meta.vc".to_owned()),
            port: Some(port),
        }
    }

    fn back_off() -> (BackOff, Instant) {
        (BackOff::new(Entropy::from_seed([5; 32])), Instant::now())
    }

    /// Fails again and again, each time as soon as it is allowed; gives the pauses.
    fn pauses(back_off: &mut BackOff, mut now: Instant, attempts: usize) -> Vec<Duration> {
        let fail = |_| {
            back_off.failed(hop(1), now);
            let wait = back_off.wait(&hop(1), now).unwrap();
            assert!(back_off.wait(&hop(1), now + wait / 2).is_some());
            now += wait;
            assert_eq!(back_off.wait(&hop(1), now), None);
            wait
        };
        (0..attempts).map(fail).collect()
    }

    #[test]
    fn pauses_grow_to_the_longest() {
        let (mut back_off, now) = back_off();
        assert_eq!(back_off.wait(&hop(1), now), None);
        let pauses = pauses(&mut back_off, now, 40);
        for (pause, whole) in pauses.iter().zip([1, 2, 4, 8, 16, 16, 16]) {
            let whole = Duration::from_secs(whole);
            assert!(
                *pause >= whole / 2 && *pause <= whole,
                "{pause:?} of {whole:?}"
            );
        }
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        assert_ne!(pauses[10], pauses[11]);
    }

    #[test]
    fn one_blip_costs_a_second_at_most() {
        let (mut back_off, now) = back_off();
        back_off.failed(hop(1), now);
        assert_eq!(back_off.wait(&hop(1), now + Duration::from_secs(1)), None);
        assert_eq!(back_off.wait(&hop(2), now), None);
    }

    #[test]
    fn a_connection_or_a_long_time_makes_the_next_failure_a_first_one() {
        let (mut back_off, now) = back_off();
        pauses(&mut back_off, now, 5);
        back_off.connected(&hop(1));
        assert_eq!(back_off.wait(&hop(1), now), None);
        assert!(pauses(&mut back_off, now, 5)[0] <= FIRST);
        let later = now + Duration::from_secs(3600);
        assert!(pauses(&mut back_off, later, 1)[0] <= FIRST);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (mut back_off, now) = back_off();
        for port in 0..2_000 {
            back_off.failed(hop(port), now + Duration::from_secs(port.into()));
        }
        assert_eq!(back_off.failing.len(), MAX_HOPS);
        assert!(back_off.failing.contains_key(&hop(1_999)));
        assert!(!back_off.failing.contains_key(&hop(0)));
    }
}
