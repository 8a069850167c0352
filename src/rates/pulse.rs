//! What time is billed in.

use std::ops::Add;
use std::time::Duration;

/// Stretches of six seconds; one begun counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Pulses(u64);

impl Pulses {
    pub const LENGTH: Duration = Duration::from_secs(6);
    const A_MINUTE: u64 = 10;

    /// From pick-up to end.
    pub fn of(talk: Duration) -> Self {
        let pulses = talk.as_nanos().div_ceil(Self::LENGTH.as_nanos());
        Self(pulses.try_into().unwrap_or(u64::MAX))
    }

    pub fn count(self) -> u64 {
        self.0
    }

    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.saturating_mul(Self::LENGTH.as_secs()))
    }

    pub(super) fn in_minutes(minutes: u32) -> Self {
        Self(u64::from(minutes) * Self::A_MINUTE)
    }
}

impl Add for Pulses {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_begun_counts() {
        for (milliseconds, pulses) in [
            (0, 0),
            (100, 1),
            (5_999, 1),
            (6_000, 1),
            (6_001, 2),
            (6_100, 2),
            (12_000, 2),
            (56_000, 10),
            (60_000, 10),
            (70_000, 12),
        ] {
            let talk = Duration::from_millis(milliseconds);
            assert_eq!(Pulses::of(talk).count(), pulses, "{milliseconds} ms");
        }
        assert_eq!(Pulses::of(Duration::from_nanos(6_000_000_001)).count(), 2);
        assert_eq!(Pulses::in_minutes(50_000).count(), 500_000);
        assert_eq!(Pulses(11).duration(), Duration::from_secs(66));
    }
}
