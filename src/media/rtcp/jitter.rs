//! Inter-arrival jitter (RFC 3550 §6.4.1, A.8), in seconds inside so that a change of the payload's clock does not
//! spoil it.

use std::time::{Duration, Instant};

use super::SummaryJitter;
use crate::media::rtp::RtpTime;

/// More is no jitter: the sender began a new time line, or paused its clock.
const JUMP: f64 = 1.0;

#[derive(Clone, Debug, Default)]
pub(super) struct Jitter {
    last: Option<Last>,
    estimate: f64,
    max: f64,
    sum: f64,
    count: u64,
    interval: Interval,
}

/// Differences in transit time since they were asked for last, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    least: f64,
    most: f64,
    sum: f64,
    squares: f64,
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    arrival: Instant,
    timestamp: RtpTime,
    clock: u32,
}

impl Jitter {
    /// How long after the packet that came before it this one was sent, in seconds; `None`: nobody knows.
    pub(super) fn handle_packet(
        &mut self,
        arrival: Instant,
        timestamp: RtpTime,
        clock: u32,
    ) -> Option<f64> {
        let this = Last {
            arrival,
            timestamp,
            clock,
        };
        let last = self.last.replace(this);
        let last = last.filter(|last| last.clock == clock)?;
        let waited = arrival.saturating_duration_since(last.arrival);
        let sent_apart = f64::from(timestamp.ahead_of(last.timestamp)) / f64::from(clock);
        let difference = (waited.as_secs_f64() - sent_apart).abs();
        if difference < JUMP {
            self.add(difference);
        }
        Some(sent_apart)
    }

    /// Another source: the next packet is compared with none before it. The figures go on.
    pub(super) fn restart(&mut self) {
        self.last = None;
        self.estimate = 0.0;
    }

    /// As a report block tells it, in ticks of the last packet's clock.
    pub(super) fn in_ticks(&self) -> u32 {
        self.ticks(self.estimate)
    }

    /// Of the differences since this was asked last; `None`: there were none.
    pub(super) fn take_interval(&mut self) -> Option<SummaryJitter> {
        let interval = std::mem::take(&mut self.interval);
        let count = (interval.count > 0).then_some(interval.count as f64)?;
        let mean = interval.sum / count;
        let variance = interval.squares / count - mean * mean;
        Some(SummaryJitter {
            least: self.ticks(interval.least),
            most: self.ticks(interval.most),
            mean: self.ticks(mean),
            deviation: self.ticks(variance.max(0.0).sqrt()),
        })
    }

    fn ticks(&self, seconds: f64) -> u32 {
        let clock = self.last.map_or(0, |last| last.clock);
        (seconds * f64::from(clock)).round() as u32
    }

    pub(super) fn mean(&self) -> Duration {
        match self.count {
            0 => Duration::ZERO,
            count => Duration::from_secs_f64(self.sum / count as f64),
        }
    }

    pub(super) fn max(&self) -> Duration {
        Duration::from_secs_f64(self.max)
    }

    fn add(&mut self, difference: f64) {
        self.estimate += (difference - self.estimate) / 16.0;
        self.max = self.max.max(self.estimate);
        self.sum += self.estimate;
        self.count += 1;
        self.interval.add(difference);
    }
}

impl Interval {
    fn add(&mut self, difference: f64) {
        self.least = match self.count {
            0 => difference,
            _ => self.least.min(difference),
        };
        self.most = self.most.max(difference);
        self.sum += difference;
        self.squares += difference * difference;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_steady_stream_has_none() {
        let start = Instant::now();
        let mut jitter = Jitter::default();
        for n in 0..100 {
            jitter.handle_packet(start + ms(20) * n, RtpTime(n * 960), 48_000);
        }
        assert!(jitter.max() < Duration::from_nanos(10), "{jitter:?}");
    }

    #[test]
    fn a_late_packet_moves_it_by_a_sixteenth() {
        let start = Instant::now();
        let mut jitter = Jitter::default();
        jitter.handle_packet(start, RtpTime(u32::MAX - 100), 8000);
        let second = RtpTime(u32::MAX - 100).plus(160);
        jitter.handle_packet(start + ms(36), second, 8000);
        assert_eq!(jitter.in_ticks(), 8);
        assert_eq!(jitter.max(), ms(1));
        assert_eq!(jitter.mean(), ms(1));
    }

    /// Sent 20 ms apart, they come 20, 28, 20 and 12 ms apart.
    #[test]
    fn an_interval_has_its_spread() {
        let start = Instant::now();
        let mut jitter = Jitter::default();
        assert_eq!(jitter.take_interval(), None);
        for (n, at) in [0, 20, 48, 68, 80].into_iter().enumerate() {
            jitter.handle_packet(start + ms(at), RtpTime(n as u32 * 160), 8000);
        }
        let spread = SummaryJitter {
            least: 0,
            most: 64,
            mean: 32,
            deviation: 32,
        };
        assert_eq!(jitter.take_interval(), Some(spread));
        assert_eq!(jitter.take_interval(), None);
    }

    #[test]
    fn a_jump_and_another_clock_are_no_jitter() {
        let start = Instant::now();
        let mut jitter = Jitter::default();
        jitter.handle_packet(start, RtpTime(0), 8000);
        jitter.handle_packet(start + ms(20), RtpTime(1_000_000), 8000);
        jitter.handle_packet(start + ms(40), RtpTime(1_000_960), 48_000);
        assert_eq!(jitter.max(), Duration::ZERO);
        jitter.handle_packet(start + ms(76), RtpTime(1_001_920), 48_000);
        assert_eq!(jitter.max(), ms(1));
    }
}
