//! Digits as RTP events (RFC 4733).

use std::time::Duration;

const DIGITS: &str = "0123456789*#ABCD";

/// A digit's event code.
pub fn code(digit: char) -> Option<u8> {
    let position = DIGITS.find(digit.to_ascii_uppercase())?;
    Some(position as u8)
}

pub fn digit(code: u8) -> Option<char> {
    DIGITS.chars().nth(code.into())
}

/// The four bytes of an event packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub code: u8,
    pub end: bool,
    /// In ticks of the event's own clock.
    pub duration: u16,
}

impl Event {
    pub fn read(payload: &[u8]) -> Option<Self> {
        let &[code, flags, high, low] = payload.first_chunk::<4>()?;
        Some(Self {
            code,
            end: flags & 0x80 != 0,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    pub fn write(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        let volume = 10;
        [self.code, volume | (u8::from(self.end) << 7), high, low]
    }

    pub fn time(self, clock: u32) -> Duration {
        Duration::from_micros(u64::from(self.duration) * 1_000_000 / u64::from(clock.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_written() {
        let event = Event {
            code: code('#').unwrap(),
            end: true,
            duration: 1280,
        };
        assert_eq!(event.write(), [11, 0x8a, 5, 0]);
        assert_eq!(Event::read(&event.write()), Some(event));
        assert_eq!(digit(11), Some('#'));
        assert_eq!(event.time(8000), Duration::from_millis(160));
    }
}
