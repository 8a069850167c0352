//! Telephone events as they leave (RFC 4733 §2.5.1): one packet a frame while a digit is down, three ends, then a pause
//! before the next digit.

use std::collections::VecDeque;
use std::time::Duration;

use crate::media::event_in::event_of;
use crate::media::rtp::RtpTime;
use crate::media::ticks::Ticks;

/// Digits that may wait; a person cannot type so far ahead.
const QUEUE: usize = 32;
const ENDS: u8 = 3;
/// ITU-T Q.24: shorter tones and pauses are not surely told apart.
const SHORTEST: Ticks = Ticks(320);
const PAUSE: Ticks = Ticks(320);
/// No finger stays longer; a digit whose end never comes must not hold the voice back for ever.
const LONGEST: Ticks = Ticks(20 * Ticks::RATE);
/// The duration field holds 16 bits.
const SEGMENT_FULL: u32 = 0xffff;
/// -10 dBm0.
const VOLUME: u8 = 10;

/// A frame's place in the packet stream, used by an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    Packet {
        timestamp: RtpTime,
        marker: bool,
        payload: [u8; 4],
    },
    /// Between two digits: silence.
    Pause,
}

/// The clocks of the stream that carries the events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clocks {
    /// Of the RTP timestamps: the audio's.
    pub audio: u32,
    /// Of the durations: the one in the telephone-event's rtpmap.
    pub event: u32,
}

pub struct EventSender {
    queue: VecDeque<Press>,
    playing: Option<Playing>,
}

struct Press {
    event: u8,
    /// `None` until the peer lets go of it.
    length: Option<Ticks>,
}

enum Playing {
    Tone {
        press: Press,
        segment: RtpTime,
        /// Of earlier segments.
        before: Ticks,
        in_segment: Ticks,
    },
    Ending {
        event: u8,
        segment: RtpTime,
        duration: u16,
        left: u8,
    },
    Pause {
        left: Ticks,
    },
}

impl EventSender {
    pub fn new() -> Self {
        Self {
            queue: VecDeque::with_capacity(QUEUE),
            playing: None,
        }
    }

    /// Plays a digit of known length. Says no when it is no digit, or too many wait.
    pub fn play(&mut self, digit: u8, duration: Duration) -> bool {
        self.push(digit, Some(Ticks::in_duration(duration)))
    }

    /// A digit went down and stays so until `release`.
    pub fn press(&mut self, digit: u8) -> bool {
        self.push(digit, None)
    }

    /// The digit pressed last was held for `duration`.
    pub fn release(&mut self, duration: Duration) {
        let length = clamped(Ticks::in_duration(duration));
        let playing = match &mut self.playing {
            Some(Playing::Tone { press, .. }) => Some(press),
            Some(Playing::Ending { .. } | Playing::Pause { .. }) | None => None,
        };
        let open = playing.into_iter().chain(&mut self.queue);
        for press in open.filter(|press| press.length.is_none()) {
            press.length = Some(length);
        }
    }

    /// Audio gives way as long as this holds.
    pub fn is_active(&self) -> bool {
        self.playing.is_some() || !self.queue.is_empty()
    }

    /// The stream has no more events: what waits is dropped.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.playing = None;
    }

    /// What to send in the frame that begins at `timestamp`. `None` when no event is on.
    pub fn next_slot(&mut self, timestamp: RtpTime, clocks: Clocks) -> Option<Slot> {
        match self.playing.take() {
            None => self.begin(timestamp, clocks),
            Some(Playing::Tone {
                press,
                segment,
                before,
                in_segment,
            }) => Some(self.go_on(press, segment, before, in_segment, timestamp, clocks)),
            Some(Playing::Ending {
                event,
                segment,
                duration,
                left,
            }) => Some(self.repeat_end(event, segment, duration, left)),
            Some(Playing::Pause { left }) => {
                let left = left - Ticks::FRAME;
                self.playing = (left > Ticks::ZERO).then_some(Playing::Pause { left });
                Some(Slot::Pause)
            }
        }
    }

    fn push(&mut self, digit: u8, length: Option<Ticks>) -> bool {
        let Some(event) = event_of(digit).filter(|_| self.queue.len() < QUEUE) else {
            return false;
        };
        let length = length.map(clamped);
        self.queue.push_back(Press { event, length });
        true
    }

    fn begin(&mut self, timestamp: RtpTime, clocks: Clocks) -> Option<Slot> {
        let press = self.queue.pop_front()?;
        Some(self.tone(press, timestamp, Ticks::ZERO, Ticks::FRAME, true, clocks))
    }

    fn go_on(
        &mut self,
        press: Press,
        segment: RtpTime,
        before: Ticks,
        in_segment: Ticks,
        timestamp: RtpTime,
        clocks: Clocks,
    ) -> Slot {
        let longer = in_segment + Ticks::FRAME;
        let length = press.length.unwrap_or(LONGEST);
        if before + in_segment >= length {
            let duration = units(in_segment, clocks.event);
            return self.repeat_end(press.event, segment, duration, ENDS);
        }
        if longer.to_clock(clocks.event) > SEGMENT_FULL {
            return self.tone(
                press,
                timestamp,
                before + in_segment,
                Ticks::FRAME,
                false,
                clocks,
            );
        }
        self.tone(press, segment, before, longer, false, clocks)
    }

    fn tone(
        &mut self,
        press: Press,
        segment: RtpTime,
        before: Ticks,
        in_segment: Ticks,
        marker: bool,
        clocks: Clocks,
    ) -> Slot {
        let duration = units(in_segment, clocks.event);
        let payload = payload(press.event, false, duration);
        self.playing = Some(Playing::Tone {
            press,
            segment,
            before,
            in_segment,
        });
        Slot::Packet {
            timestamp: segment,
            marker,
            payload,
        }
    }

    fn repeat_end(&mut self, event: u8, segment: RtpTime, duration: u16, left: u8) -> Slot {
        self.playing = Some(match left {
            0 | 1 => Playing::Pause { left: PAUSE },
            2.. => Playing::Ending {
                event,
                segment,
                duration,
                left: left - 1,
            },
        });
        Slot::Packet {
            timestamp: segment,
            marker: false,
            payload: payload(event, true, duration),
        }
    }
}

fn clamped(length: Ticks) -> Ticks {
    length.clamp(SHORTEST, LONGEST)
}

fn units(duration: Ticks, clock: u32) -> u16 {
    u16::try_from(duration.to_clock(clock)).unwrap_or(u16::MAX)
}

fn payload(event: u8, end: bool, duration: u16) -> [u8; 4] {
    let [d0, d1] = duration.to_be_bytes();
    [event, u8::from(end) << 7 | VOLUME, d0, d1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::event_in::{EventReceiver, Heard};
    use std::time::Instant;

    const WHATSAPP: Clocks = Clocks {
        audio: 48_000,
        event: 8_000,
    };

    fn slots(sender: &mut EventSender, clocks: Clocks, frames: u32) -> Vec<Slot> {
        let step = Ticks::FRAME.to_clock(clocks.audio);
        (0..frames)
            .map_while(|n| sender.next_slot(RtpTime(n * step), clocks))
            .collect()
    }

    fn heard(slots: &[Slot], clocks: Clocks) -> Vec<Heard> {
        let mut receiver = EventReceiver::default();
        let mut heard = Vec::new();
        for slot in slots {
            let Slot::Packet {
                timestamp, payload, ..
            } = slot
            else {
                continue;
            };
            let now = Instant::now();
            let said = receiver.handle_packet(now, *timestamp, payload, clocks.event);
            heard.extend(said.into_iter().flatten());
        }
        heard
    }

    #[test]
    fn digit_has_updates_three_ends_and_a_pause() {
        let mut sender = EventSender::new();
        assert!(sender.play(b'5', Duration::from_millis(100)));
        let slots = slots(&mut sender, WHATSAPP, 100);
        let durations: Vec<_> = slots
            .iter()
            .filter_map(|slot| match slot {
                Slot::Packet {
                    timestamp: RtpTime(0),
                    marker,
                    payload: [5, flags, d0, d1],
                } => Some((*marker, flags >> 7, u16::from_be_bytes([*d0, *d1]))),
                _ => None,
            })
            .collect();
        let expected = [
            (true, 0, 160),
            (false, 0, 320),
            (false, 0, 480),
            (false, 0, 640),
            (false, 0, 800),
            (false, 1, 800),
            (false, 1, 800),
            (false, 1, 800),
        ];
        assert_eq!(durations, expected);
        assert_eq!(slots[8..], [Slot::Pause, Slot::Pause]);
        assert!(!sender.is_active());
    }

    #[test]
    fn pressed_until_released() {
        let mut sender = EventSender::new();
        sender.press(b'*');
        assert_eq!(slots(&mut sender, WHATSAPP, 50).len(), 50);
        sender.release(Duration::from_millis(1010));
        let slots = slots(&mut sender, WHATSAPP, 50);
        assert!(matches!(
            slots[1],
            Slot::Packet { payload: [10, 0x8a, d0, d1], .. } if u16::from_be_bytes([d0, d1]) == 8160
        ));
    }

    #[test]
    fn long_press_is_heard_as_one() {
        for clocks in [
            WHATSAPP,
            Clocks {
                audio: 48_000,
                event: 48_000,
            },
        ] {
            let mut sender = EventSender::new();
            sender.play(b'9', Duration::from_millis(12_000));
            let slots = slots(&mut sender, clocks, 1000);
            let duration = Duration::from_millis(12_000);
            let expected = [
                Heard::Began { digit: b'9' },
                Heard::Ended {
                    digit: b'9',
                    duration,
                },
            ];
            assert_eq!(heard(&slots, clocks), expected);
        }
    }

    #[test]
    fn queue_is_bounded_and_takes_digits_only() {
        let mut sender = EventSender::new();
        assert!(!sender.play(b'x', Duration::ZERO));
        let taken = (0..100)
            .filter(|_| sender.play(b'1', Duration::from_millis(60)))
            .count();
        assert_eq!(taken, QUEUE);
        let slots = slots(&mut sender, WHATSAPP, 10_000);
        assert_eq!(heard(&slots, WHATSAPP).len(), 2 * QUEUE);
    }
}
