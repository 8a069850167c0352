//! Moments as they are kept, and windows that slide over them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::rules::Quota;

/// Milliseconds since 1970. Kept moments are rounded up, so that a window never ends too early.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(super) struct Stamp(u64);

impl Stamp {
    pub(super) fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }

    pub(super) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(duration)))
    }
}

impl From<SystemTime> for Stamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(milliseconds(since))
    }
}

/// Rounded up.
fn milliseconds(duration: Duration) -> u64 {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    milliseconds.try_into().unwrap_or(u64::MAX)
}

/// The latest moments at which something happened, oldest first: as many as the rules count.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Recent(Vec<Stamp>);

impl Recent {
    /// Takes in one more, and lets go of what none of `quotas` counts. Moments may come in any order.
    pub(super) fn add(&mut self, at: Stamp, quotas: &[Quota]) {
        let place = self.0.partition_point(|known| *known <= at);
        self.0.insert(place, at);
        let most = quotas.iter().map(|quota| quota.most()).max();
        let surplus = self.0.len().saturating_sub(most.unwrap_or_default());
        self.0.drain(..surplus);
    }

    /// The same moments in order, as far as `quotas` count them.
    pub(super) fn counted(&self, quotas: &[Quota]) -> Self {
        let mut counted = Self::default();
        self.iter().for_each(|at| counted.add(at, quotas));
        counted
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Stamp> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From when on one more is within `quota`; `None`: it always was. A moment in the future (a clock was set back)
    /// counts.
    pub(super) fn free_from(&self, quota: &Quota) -> Option<Stamp> {
        let first = self.0.len().checked_sub(quota.most())?;
        Some(self.0.get(first)?.after(quota.within))
    }

    /// As [`free_from`](Self::free_from), for all of them; `None`: now.
    pub(super) fn barred_until(&self, quotas: &[Quota], now: SystemTime) -> Option<SystemTime> {
        quotas
            .iter()
            .filter_map(|quota| self.free_from(quota))
            .map(Stamp::time)
            .filter(|until| *until > now)
            .max()
    }

    /// How many are within the last `within`.
    pub(super) fn count(&self, within: Duration, now: SystemTime) -> usize {
        let counted = |at: &&Stamp| at.after(within).time() > now;
        self.0.iter().filter(counted).count()
    }
}

impl FromIterator<Stamp> for Recent {
    fn from_iter<I: IntoIterator<Item = Stamp>>(moments: I) -> Self {
        Self(moments.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rounded_up() {
        let at = |nanoseconds| Stamp::from(UNIX_EPOCH + Duration::from_nanos(nanoseconds));
        assert_eq!(at(0), Stamp(0));
        assert_eq!(at(1), Stamp(1));
        assert_eq!(at(1_000_000), Stamp(1));
        assert_eq!(at(1_000_001), Stamp(2));
        assert_eq!(Stamp::from(UNIX_EPOCH - Duration::from_secs(1)), Stamp(0));
        assert_eq!(Stamp(u64::MAX).after(Duration::MAX), Stamp(u64::MAX));
    }

    #[test]
    fn what_no_quota_counts_is_let_go() {
        let quotas = [
            Quota::new(1, Duration::from_secs(1)),
            Quota::new(3, Duration::from_secs(10)),
        ];
        let mut recent = Recent::default();
        for (at, kept) in [
            (1_000, vec![1_000]),
            (5_000, vec![1_000, 5_000]),
            (3_000, vec![1_000, 3_000, 5_000]),
            (6_000, vec![3_000, 5_000, 6_000]),
            (2_000, vec![3_000, 5_000, 6_000]),
            (900_000, vec![5_000, 6_000, 900_000]),
        ] {
            recent.add(Stamp(at), &quotas);
            assert_eq!(recent.0, kept.into_iter().map(Stamp).collect::<Vec<_>>());
        }
    }
}
