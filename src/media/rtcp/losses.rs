//! Which packets came, and in time: a window over the latest 128 indices of a source, and what is known for certain of those
//! that have left it.

use super::bursts::{Bursts, Periods};

/// Indices are sequence numbers extended by their wraps.
#[derive(Clone, Debug)]
pub(super) struct Losses {
    /// The lowest index that came.
    first: u64,
    highest: u64,
    /// Bit 0 is the highest.
    seen: u128,
    /// The same, of those that came too late to be of use.
    discarded: u128,
    discards: u64,
    /// Never sent, as far as is known: neither expected nor lost.
    skipped: u64,
    runs: Runs,
    bursts: Bursts,
}

/// Losses in the order of sending, counted when a packet leaves the window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Runs {
    pub(super) lost: u64,
    pub(super) runs: u64,
    last_was_lost: bool,
}

impl Losses {
    pub(super) fn begin(index: u64) -> Self {
        Self {
            first: index,
            highest: index,
            seen: 1,
            discarded: 0,
            discards: 0,
            skipped: 0,
            runs: Runs::default(),
            bursts: Bursts::default(),
        }
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// From the first to the highest.
    pub(super) fn expected(&self) -> u64 {
        self.highest - self.first + 1 - self.skipped
    }

    /// Nothing before this index is missing.
    pub(super) fn skip_to(&mut self, index: u64) {
        for skipped in self.highest + 1..index {
            self.handle_index(skipped);
            self.skipped += 1;
        }
    }

    /// Whether a packet came before. One too old for the window did not, as far as is known.
    pub(super) fn has_seen(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            Some(age) if age < u128::BITS.into() => self.seen >> age & 1 == 1,
            _ => false,
        }
    }

    pub(super) fn handle_index(&mut self, index: u64) {
        self.first = self.first.min(index);
        for _ in self.highest..index {
            self.advance();
        }
        let age = self.highest - index;
        if age < u128::BITS.into() {
            self.seen |= 1 << age;
        }
    }

    /// What came was of no use.
    pub(super) fn discard(&mut self, index: u64) {
        self.discards += 1;
        match self.highest.checked_sub(index) {
            Some(age) if age < u128::BITS.into() => self.discarded |= 1 << age,
            Some(_) | None => {}
        }
    }

    pub(super) fn discards(&self) -> u64 {
        self.discards
    }

    pub(super) fn runs(&self) -> Runs {
        self.ended().runs
    }

    pub(super) fn periods(&self) -> Periods {
        self.ended().bursts.periods()
    }

    /// As if nothing more were to come.
    fn ended(&self) -> Self {
        let mut ended = self.clone();
        for _ in 0..u128::BITS {
            ended.advance();
        }
        ended
    }

    fn advance(&mut self) {
        let leaving = u64::from(u128::BITS) - 1;
        if self.highest >= self.first + leaving {
            let came = self.seen >> leaving == 1;
            self.runs.pass(came);
            self.bursts.pass(came && self.discarded >> leaving == 0);
        }
        self.seen <<= 1;
        self.discarded <<= 1;
        self.highest += 1;
    }
}

impl Runs {
    fn pass(&mut self, received: bool) {
        if !received {
            self.lost += 1;
            self.runs += u64::from(!self.last_was_lost);
        }
        self.last_was_lost = !received;
    }

    /// Another source's, behind these.
    pub(super) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.runs += other.runs;
    }

    /// ITU-T G.107 §3.5: the mean length of a run against `1 / (1 - loss)`, that of independent losses.
    pub(super) fn burst_ratio(&self, expected: u64) -> f32 {
        if self.runs == 0 || expected == 0 {
            return 1.0;
        }
        let mean = self.lost as f64 / self.runs as f64;
        let kept = 1.0 - self.lost as f64 / expected as f64;
        (mean * kept).max(1.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(indices: impl IntoIterator<Item = u64>) -> Losses {
        let mut indices = indices.into_iter();
        let mut losses = Losses::begin(indices.next().unwrap());
        indices.for_each(|index| losses.handle_index(index));
        losses
    }

    #[test]
    fn runs_are_counted_inside_and_behind_the_window() {
        let losses = after((1000..2000).filter(|n| !matches!(n, 1010..1014 | 1900 | 1950..1952)));
        let runs = losses.runs();
        assert_eq!((runs.lost, runs.runs), (7, 3));
        assert_eq!(losses.expected(), 1000);
    }

    #[test]
    fn a_late_packet_was_not_lost() {
        let losses = after([10, 12, 11, 8]);
        let runs = losses.runs();
        assert_eq!((runs.lost, runs.runs), (1, 1));
        assert_eq!(losses.expected(), 5);
        assert!(losses.has_seen(8) && !losses.has_seen(9));
    }

    #[test]
    fn what_was_skipped_is_not_lost() {
        let mut losses = after([10, 12]);
        losses.skip_to(500);
        losses.handle_index(500);
        losses.handle_index(502);
        let runs = losses.runs();
        assert_eq!((runs.lost, runs.runs), (2, 2));
        assert_eq!(losses.expected(), 6);
    }

    /// Within and behind the window.
    #[test]
    fn what_came_too_late_is_part_of_a_burst_and_no_loss() {
        let mut losses = after([10, 12, 13]);
        losses.handle_index(11);
        losses.discard(11);
        losses.discard(12);
        (14..200).for_each(|index| losses.handle_index(index));
        for losses in [losses.clone(), {
            (200..900).for_each(|index| losses.handle_index(index));
            losses
        }] {
            let periods = losses.periods();
            assert_eq!(losses.runs().lost, 0);
            assert_eq!((periods.bursts, periods.burst.bad), (1, 2));
            assert_eq!(losses.discards(), 2);
        }
    }

    #[test]
    fn random_losses_have_a_burst_ratio_of_one() {
        let every_tenth = after((0..10_000).filter(|n| n % 10 != 5));
        let ratio = every_tenth.runs().burst_ratio(every_tenth.expected());
        assert_eq!(ratio, 1.0);
        let five_at_once = after((0..10_000).filter(|n| n % 100 > 5));
        let ratio = five_at_once.runs().burst_ratio(five_at_once.expected());
        assert!((5.0..6.0).contains(&ratio), "{ratio}");
        assert_eq!(Runs::default().burst_ratio(0), 1.0);
    }

    proptest! {
        #[test]
        fn lost_and_received_make_expected(steps in prop::collection::vec(1u64..200, 0..100)) {
            let indices = steps.iter().scan(1000, |index, step| {
                *index += step;
                Some(*index)
            });
            let indices: Vec<u64> = std::iter::once(1000).chain(indices).collect();
            let losses = after(indices.iter().copied());
            let runs = losses.runs();
            prop_assert_eq!(runs.lost + indices.len() as u64, losses.expected());
            let gaps = steps.iter().filter(|step| **step > 1).count();
            prop_assert_eq!(runs.runs, gaps as u64);
        }
    }
}
