//! How much later than the fastest packets those come that were overtaken: so long it is worth to wait for a missing one.
//!
//! A network that only loses never lets a packet overtake another: there a gap is a loss, and nothing should wait. One that
//! reorders shows by its stragglers how late they may be. Both are watched for some seconds and then forgotten.

use std::time::{Duration, Instant};

use crate::media::rtp::RtpTime;

/// What is assumed of every network: two packets that only changed places. 5 ms more than a packet of 20 ms.
const LEAST: Duration = Duration::from_millis(25);
/// Of a network not known yet.
const UNKNOWN: Duration = Duration::from_millis(60);
/// The next one may be a little later than any so far.
const SLACK: Duration = Duration::from_millis(5);
/// The present and the last one count.
const PERIOD: Duration = Duration::from_secs(5);
/// More is no lateness: the sender began a new time line.
const JUMP: Duration = Duration::from_secs(1);

pub struct Lateness {
    line: Option<Line>,
    /// Of the stragglers.
    stragglers: Recent,
}

/// A time line of the sender, against which packets are late.
struct Line {
    began: Instant,
    timestamp: RtpTime,
    clock: u32,
    /// The shortest ways, in microseconds more than that of the first packet, negated.
    fastest: Recent,
}

/// The greatest value of the present period and of the one before.
struct Recent {
    present: i64,
    last: i64,
    ends: Option<Instant>,
}

impl Lateness {
    /// A straggler that is later is not worth waiting for.
    pub const MOST: Duration = Duration::from_millis(120);

    pub fn new() -> Self {
        Self {
            line: None,
            stragglers: Recent::new(micros(UNKNOWN), micros(LEAST)),
        }
    }

    /// Another time line begins; what the network does is still known.
    pub fn restart(&mut self) {
        self.line = None;
    }

    /// How late this packet is, which comes now; `overtaken`: later ones came before it.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        timestamp: RtpTime,
        clock: u32,
        overtaken: bool,
    ) -> Duration {
        let line = self.line.take().filter(|line| line.clock == clock);
        let mut line = line.unwrap_or_else(|| Line::new(now, timestamp, clock));
        let way = line.way(now, timestamp);
        let late = way.saturating_add(line.fastest.greatest(now, way.saturating_neg()));
        if late > micros(JUMP) || late < 0 {
            self.line = Some(Line::new(now, timestamp, clock));
            return Duration::ZERO;
        }
        self.line = Some(line);
        if overtaken && late <= micros(Self::MOST) {
            self.stragglers.greatest(now, late + micros(SLACK));
        }
        Duration::from_micros(late.cast_unsigned())
    }

    /// How late a packet may be that is worth waiting for.
    pub fn expected(&mut self, now: Instant) -> Duration {
        let expected = self.stragglers.greatest(now, micros(LEAST));
        Duration::from_micros(expected.cast_unsigned())
    }
}

impl Line {
    fn new(began: Instant, timestamp: RtpTime, clock: u32) -> Self {
        Self {
            began,
            timestamp,
            clock,
            fastest: Recent::new(0, i64::MIN),
        }
    }

    /// Microseconds that a packet was longer on its way than the first one of the line.
    fn way(&self, now: Instant, timestamp: RtpTime) -> i64 {
        let passed = micros(now.saturating_duration_since(self.began));
        let sent = i64::from(timestamp.ahead_of(self.timestamp)) * 1_000_000;
        passed - sent / i64::from(self.clock.max(1))
    }
}

impl Recent {
    fn new(last: i64, present: i64) -> Self {
        Self {
            present,
            last,
            ends: None,
        }
    }

    /// With `value` among them.
    fn greatest(&mut self, now: Instant, value: i64) -> i64 {
        match self.ends {
            None => self.ends = Some(now + PERIOD),
            Some(ends) if now >= ends => {
                self.last = if now < ends + PERIOD {
                    self.present
                } else {
                    value
                };
                self.present = value;
                self.ends = Some(now + PERIOD);
            }
            Some(_) => {}
        }
        self.present = self.present.max(value);
        self.present.max(self.last)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: u32 = 8_000;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A packet every 20 ms for so long, the nth so late; every one that is `overtaken` said to be.
    fn watch(
        lateness: &mut Lateness,
        start: Instant,
        packets: std::ops::Range<u32>,
        late: impl Fn(u32) -> u64,
        overtaken: impl Fn(u32) -> bool,
    ) {
        for n in packets {
            let now = start + ms(20) * n + ms(late(n));
            lateness.handle_packet(now, RtpTime(n * 160), CLOCK, overtaken(n));
            lateness.expected(now);
        }
    }

    #[test]
    fn unknown_network_is_waited_for_and_a_clean_one_hardly() {
        let start = Instant::now();
        let mut lateness = Lateness::new();
        assert_eq!(lateness.expected(start), UNKNOWN);
        watch(
            &mut lateness,
            start,
            0..600,
            |n| u64::from(n % 40),
            |_| false,
        );
        assert_eq!(lateness.expected(start + ms(12_000)), LEAST);
    }

    #[test]
    fn stragglers_are_waited_for_until_none_has_come_for_long() {
        let start = Instant::now();
        let mut lateness = Lateness::new();
        let straggles = |n| n % 50 == 7 && n < 1_000;
        let late = |n| if straggles(n) { 90 } else { 3 };
        watch(&mut lateness, start, 0..1_000, late, straggles);
        assert_eq!(lateness.expected(start + ms(20_000)), ms(87) + SLACK);
        watch(&mut lateness, start, 1_000..1_600, late, straggles);
        assert_eq!(lateness.expected(start + ms(32_000)), LEAST);
    }

    #[test]
    fn one_that_is_far_too_late_teaches_nothing() {
        let start = Instant::now();
        let mut lateness = Lateness::new();
        let late = |n| if n == 550 { 400 } else { 0 };
        watch(&mut lateness, start, 0..600, late, |n| n == 550);
        assert_eq!(lateness.expected(start + ms(12_000)), LEAST);
    }

    #[test]
    fn clocks_that_differ_are_no_lateness() {
        let start = Instant::now();
        let mut lateness = Lateness::new();
        for n in 0..30_000u32 {
            let now = start + Duration::from_micros(20_010) * n;
            let late = lateness.handle_packet(now, RtpTime(n * 160), CLOCK, false);
            assert!(late <= ms(6), "{late:?} at {n}");
        }
    }

    #[test]
    fn another_time_line_begins_anew() {
        let start = Instant::now();
        let mut lateness = Lateness::new();
        watch(&mut lateness, start, 0..10, |_| 0, |_| false);
        for jump in [1 << 30, 1 << 31, u32::MAX - 9, 5] {
            let late = lateness.handle_packet(start + ms(200), RtpTime(jump), CLOCK, true);
            assert!(late <= JUMP);
        }
    }
}
