//! Media time in ticks of 1/8000 s: the one unit in which every packet time of Opus (2.5-120 ms) and G.711 is whole.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ticks(pub u32);

impl Ticks {
    pub const RATE: u32 = 8_000;
    pub const ZERO: Self = Self(0);
    /// What every packet of ours holds: 20 ms.
    pub const FRAME: Self = Self(160);

    /// The whole ticks in a duration; what does not fit is the maximum.
    pub fn in_duration(duration: Duration) -> Self {
        let ticks = duration.as_micros() * u128::from(Self::RATE) / 1_000_000;
        Self(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// From RTP time of a `clock` in Hz.
    pub fn from_clock(units: u32, clock: u32) -> Self {
        let ticks = u64::from(units) * u64::from(Self::RATE) / u64::from(clock.max(1));
        Self(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// As RTP time of a `clock` in Hz. Wraps as RTP time does.
    pub fn to_clock(self, clock: u32) -> u32 {
        (u64::from(self.0) * u64::from(clock) / u64::from(Self::RATE)) as u32
    }

    pub fn duration(self) -> Duration {
        Duration::from_micros(u64::from(self.0) * 125)
    }

    /// Cut down to whole frames.
    pub fn whole_frames(self) -> Self {
        Self(self.0 - self.0 % Self::FRAME.0)
    }

    /// Frames that are begun in it.
    pub fn frames(self) -> u64 {
        u64::from(self.0.div_ceil(Self::FRAME.0))
    }

    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub fn samples(self) -> usize {
        self.0 as usize
    }
}

impl Add for Ticks {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Ticks {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Ticks {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_in_every_unit() {
        assert_eq!(Ticks::FRAME.duration(), Duration::from_millis(20));
        assert_eq!(Ticks::in_duration(Duration::from_millis(20)), Ticks::FRAME);
        assert_eq!(Ticks::FRAME.to_clock(48_000), 960);
        assert_eq!(Ticks::from_clock(960, 48_000), Ticks::FRAME);
    }

    #[test]
    fn frames_are_counted_up_and_cut_down() {
        assert_eq!(Ticks(161).frames(), 2);
        assert_eq!(Ticks(319).whole_frames(), Ticks::FRAME);
        assert_eq!(Ticks(1) - Ticks(2), Ticks::ZERO);
    }
}
