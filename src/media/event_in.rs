//! Telephone events as they come in (RFC 4733 §2.5.2): from a row of updates and repeated ends to one beginning and one
//! end each, whatever of the row is lost.
//!
//! An event is known by its RTP timestamp, whose clock does not matter here: WhatsApp stamps with the 48 kHz of its
//! Opus stream and counts durations in 8 kHz ticks (dossier 3.3); others use one clock for both.

use std::time::{Duration, Instant};

use crate::media::rtp::RtpTime;

/// An event without news for so long has ended: its last packets are lost (RFC 4733 §2.5.2.2 wants three packet times).
const LOST_AFTER: Duration = Duration::from_millis(200);
/// A segment's duration field is full: the event goes on under a later timestamp (RFC 4733 §2.5.1.3).
const SEGMENT_FULL: u32 = 0xffff;
/// Of a segment that another one continues, at least: ours are whole frames, and the last update may be lost.
const SEGMENT_NEARLY_FULL: u32 = SEGMENT_FULL - 0x2000;

/// What a packet says about the digit being pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    Began { digit: u8 },
    Ended { digit: u8, duration: Duration },
}

#[derive(Default)]
pub struct EventReceiver {
    current: Option<Current>,
    /// Timestamp of the last segment of the last event: its repeated ends come to nothing.
    last: Option<RtpTime>,
}

struct Current {
    digit: u8,
    segment: RtpTime,
    /// Units of the event's clock in earlier segments.
    before: u64,
    in_segment: u32,
    clock: u32,
    heard: Instant,
}

/// The four bytes of RFC 4733 §2.3.
struct Payload {
    digit: Option<u8>,
    end: bool,
    duration: u32,
}

impl EventReceiver {
    /// A packet of the telephone-event payload type, whose clock is `clock` Hz. At most an end and a beginning: the
    /// earlier event's, when its own end was lost, and this one's; or both of an event of which only the end came.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        timestamp: RtpTime,
        payload: &[u8],
        clock: u32,
    ) -> [Option<Heard>; 3] {
        let Some(Payload {
            digit: Some(digit),
            end,
            duration,
        }) = Payload::parse(payload)
        else {
            return [None; 3];
        };
        if self.is_old(timestamp) {
            return [None; 3];
        }
        let (ended, began) = if self.continues(timestamp, digit) {
            (None, None)
        } else {
            let ended = self.end();
            self.begin(now, timestamp, digit, clock);
            (ended, Some(Heard::Began { digit }))
        };
        self.update(now, timestamp, duration);
        [ended, began, end.then(|| self.end()).flatten()]
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Option<Heard> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        self.end()
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.current.as_ref().map(|event| event.heard + LOST_AFTER)
    }

    /// A digit is down: what sound comes beside it is not for the other side.
    pub fn is_active(&self) -> bool {
        self.current.is_some()
    }

    /// The stream begins anew: its timestamps say nothing about earlier ones.
    pub fn reset(&mut self) -> Option<Heard> {
        let ended = self.end();
        self.last = None;
        ended
    }

    fn is_old(&self, timestamp: RtpTime) -> bool {
        let current = self.current.as_ref().map(|event| event.segment);
        let of_last = |last| timestamp.ahead_of(last) <= 0;
        match current {
            Some(segment) => timestamp.ahead_of(segment) < 0,
            None => self.last.is_some_and(of_last),
        }
    }

    fn continues(&self, timestamp: RtpTime, digit: u8) -> bool {
        self.current.as_ref().is_some_and(|event| {
            event.segment == timestamp
                || event.digit == digit
                    && event.in_segment >= SEGMENT_NEARLY_FULL
                    && timestamp.ahead_of(event.segment) <= 6 * SEGMENT_FULL.cast_signed()
        })
    }

    fn begin(&mut self, now: Instant, segment: RtpTime, digit: u8, clock: u32) {
        self.current = Some(Current {
            digit,
            segment,
            before: 0,
            in_segment: 0,
            clock: clock.max(1),
            heard: now,
        });
    }

    fn update(&mut self, now: Instant, timestamp: RtpTime, duration: u32) {
        let Some(event) = &mut self.current else {
            return;
        };
        if event.segment != timestamp {
            event.before += u64::from(event.in_segment);
            event.segment = timestamp;
            event.in_segment = 0;
        }
        event.in_segment = event.in_segment.max(duration);
        event.heard = now;
    }

    fn end(&mut self) -> Option<Heard> {
        let event = self.current.take()?;
        self.last = Some(event.segment);
        let units = event.before + u64::from(event.in_segment);
        Some(Heard::Ended {
            digit: event.digit,
            duration: Duration::from_micros(
                units.saturating_mul(1_000_000) / u64::from(event.clock),
            ),
        })
    }
}

impl Payload {
    fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, d0, d1] = *payload.first_chunk::<4>()?;
        Some(Self {
            digit: digit_of(event),
            end: flags & 0x80 != 0,
            duration: u32::from(u16::from_be_bytes([d0, d1])),
        })
    }
}

/// RFC 4733 §3.2; hook flash and the rest are no digits.
pub fn digit_of(event: u8) -> Option<u8> {
    match event {
        0..=9 => Some(b'0' + event),
        10 => Some(b'*'),
        11 => Some(b'#'),
        12..=15 => Some(b'A' + event - 12),
        _ => None,
    }
}

pub fn event_of(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'*' => Some(10),
        b'#' => Some(11),
        b'A'..=b'D' => Some(digit - b'A' + 12),
        b'a'..=b'd' => Some(digit - b'a' + 12),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: u32 = 8000;

    fn payload(event: u8, end: bool, duration: u16) -> [u8; 4] {
        let [d0, d1] = duration.to_be_bytes();
        [event, if end { 0x8a } else { 0x0a }, d0, d1]
    }

    /// Feeds `(timestamp, event, end, duration)` and lists what was heard.
    fn hear(packets: &[(u32, u8, bool, u16)]) -> Vec<Heard> {
        let now = Instant::now();
        let mut receiver = EventReceiver::default();
        let mut heard = Vec::new();
        for (timestamp, event, end, duration) in packets {
            let bytes = payload(*event, *end, *duration);
            let said = receiver.handle_packet(now, RtpTime(*timestamp), &bytes, CLOCK);
            heard.extend(said.into_iter().flatten());
        }
        heard.extend(receiver.handle_timeout(now + LOST_AFTER));
        heard
    }

    fn pressed(digit: u8, millis: u64) -> [Heard; 2] {
        let duration = Duration::from_millis(millis);
        [Heard::Began { digit }, Heard::Ended { digit, duration }]
    }

    #[test]
    fn three_ends_are_one() {
        let end = (48_000, 5, true, 800);
        let heard = hear(&[(48_000, 5, false, 160), end, end, end]);
        assert_eq!(heard, pressed(b'5', 100));
    }

    #[test]
    fn start_and_updates_lost() {
        assert_eq!(hear(&[(1, 11, true, 640)]), pressed(b'#', 80));
    }

    #[test]
    fn ends_lost() {
        let heard = hear(&[(1, 1, false, 160), (1, 1, false, 320)]);
        assert_eq!(heard, pressed(b'1', 40));
    }

    #[test]
    fn ends_lost_and_the_next_digit_begins() {
        let heard = hear(&[
            (1, 1, false, 320),
            (9000, 2, false, 160),
            (9000, 2, true, 320),
        ]);
        assert_eq!(heard, [pressed(b'1', 40), pressed(b'2', 40)].concat());
    }

    #[test]
    fn same_digit_twice() {
        let heard = hear(&[(1, 7, true, 320), (1, 7, true, 320), (5000, 7, true, 480)]);
        assert_eq!(heard, [pressed(b'7', 40), pressed(b'7', 60)].concat());
    }

    #[test]
    fn old_update_is_not_a_new_digit() {
        let heard = hear(&[(9000, 2, true, 320), (1, 1, false, 160)]);
        assert_eq!(heard, pressed(b'2', 40));
    }

    #[test]
    fn long_event_in_segments() {
        let full = SEGMENT_FULL as u16;
        let heard = hear(&[
            (1000, 3, false, full),
            (1000 + SEGMENT_FULL, 3, false, 160),
            (1000 + SEGMENT_FULL, 3, true, 465),
        ]);
        assert_eq!(heard, pressed(b'3', 8250));
    }

    #[test]
    fn flash_and_noise_are_no_digits() {
        let now = Instant::now();
        let mut receiver = EventReceiver::default();
        for bytes in [&payload(16, true, 100)[..], &[1, 2, 3], &[]] {
            assert_eq!(
                receiver.handle_packet(now, RtpTime(1), bytes, CLOCK),
                [None; 3]
            );
        }
    }

    #[test]
    fn digits_and_events_are_one_to_one() {
        for digit in *b"0123456789*#ABCD" {
            assert_eq!(event_of(digit).and_then(digit_of), Some(digit));
        }
        assert_eq!(event_of(b'E'), None);
    }
}
