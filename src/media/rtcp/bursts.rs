//! Bursts and gaps of losses (RFC 3611 §4.7.2), counted packet by packet in the manner of its appendix A.2.
//!
//! A burst begins and ends with a packet that was lost or came too late, and has less than `GMIN` good ones in a row between
//! two of them; one such packet alone belongs to the gap around it. Before the first packet and after the last there are
//! good ones enough, so that every source begins and ends with a gap.

use super::extended::GMIN;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bursts {
    ended: Periods,
    /// May be a burst, once it has a second loss.
    run: Span,
    /// Good packets since the last that was not.
    good: u64,
}

/// Packets of bursts, and of the gaps around them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Periods {
    pub(super) bursts: u64,
    pub(super) burst: Span,
    pub(super) gap: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    pub(super) good: u64,
    /// Lost, or discarded.
    pub(super) bad: u64,
}

impl Bursts {
    /// The next packet in order of sending.
    pub(super) fn pass(&mut self, is_good: bool) {
        if is_good {
            self.good += 1;
            return;
        }
        if self.run.bad == 0 || self.good >= GMIN.into() {
            self.end_run();
        } else {
            self.run.good += self.good;
        }
        self.run.bad += 1;
        self.good = 0;
    }

    /// As if nothing more were to come.
    pub(super) fn periods(mut self) -> Periods {
        self.end_run();
        self.ended
    }

    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        match run.bad {
            0 | 1 => self.ended.gap.bad += run.bad,
            2.. => {
                self.ended.bursts += 1;
                self.ended.burst.good += run.good;
                self.ended.burst.bad += run.bad;
            }
        }
        self.ended.gap.good += std::mem::take(&mut self.good);
    }
}

impl Periods {
    /// Mean length of a burst in packets; there may be none.
    pub(super) fn burst_packets(&self) -> f64 {
        self.burst.packets() as f64 / self.bursts.max(1) as f64
    }

    /// Mean length of a gap in packets.
    pub(super) fn gap_packets(&self) -> f64 {
        self.gap.packets() as f64 / (self.bursts + 1) as f64
    }
}

impl Span {
    fn packets(&self) -> u64 {
        self.good + self.bad
    }

    /// Share of packets that were not good, in 1/256.
    pub(super) fn density(&self) -> u8 {
        share(self.bad, self.packets())
    }
}

/// In 1/256, as far as a byte goes; 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> u8 {
    let share = part.saturating_mul(256).checked_div(whole).unwrap_or(0);
    u8::try_from(share).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` came, `x` did not.
    fn periods(packets: &str) -> Periods {
        let mut bursts = Bursts::default();
        for packet in packets.bytes() {
            bursts.pass(packet == b'.');
        }
        bursts.periods()
    }

    fn span(good: u64, bad: u64) -> Span {
        Span { good, bad }
    }

    #[test]
    fn without_losses_all_is_one_gap() {
        let all = periods(&".".repeat(100));
        assert_eq!((all.bursts, all.gap), (0, span(100, 0)));
        assert_eq!((all.burst_packets(), all.gap_packets()), (0.0, 100.0));
        assert_eq!((all.burst.density(), all.gap.density()), (0, 0));
    }

    #[test]
    fn lonely_losses_belong_to_the_gap() {
        let good = ".".repeat(16);
        let all = periods(&format!("x{good}x{good}x"));
        assert_eq!((all.bursts, all.burst), (0, span(0, 0)));
        assert_eq!(all.gap, span(32, 3));
        assert_eq!(all.gap.density(), (256 * 3 / 35) as u8);
    }

    /// Fifteen good packets do not part a burst, sixteen do.
    #[test]
    fn a_burst_has_less_than_gmin_between_its_losses() {
        let (fifteen, sixteen) = (".".repeat(15), ".".repeat(16));
        let one = periods(&format!("..x{fifteen}xx.."));
        assert_eq!(one.bursts, 1);
        assert_eq!((one.burst, one.gap), (span(15, 3), span(4, 0)));
        assert_eq!((one.burst_packets(), one.gap_packets()), (18.0, 2.0));
        assert_eq!(one.burst.density(), (256 * 3 / 18) as u8);
        let two = periods(&format!("xx{sixteen}x.x{sixteen}x"));
        assert_eq!(two.bursts, 2);
        assert_eq!((two.burst, two.gap), (span(1, 4), span(32, 1)));
        assert_eq!(two.burst_packets(), 2.5);
        assert_eq!(two.gap_packets(), 11.0);
    }

    #[test]
    fn all_lost_is_all_burst() {
        let all = periods("xxxx");
        assert_eq!((all.bursts, all.burst), (1, span(0, 4)));
        assert_eq!((all.burst.density(), all.gap.density()), (255, 0));
    }

    #[test]
    fn shares() {
        assert_eq!((share(1, 4), share(0, 9), share(5, 0)), (64, 0, 0));
        assert_eq!((share(9, 9), share(u64::MAX, 1)), (255, 255));
    }
}
