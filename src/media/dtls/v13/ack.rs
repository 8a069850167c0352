//! Which records we have, said to the peer (RFC 9147 §7): at once for what no flight of ours answers, and for a flight of
//! which a part is missing, so that the peer need not wait for its own timer.

use std::time::{Duration, Instant};

use super::record::{RecordNumber, Sealer};
use crate::media::dtls::record::Content;
use crate::media::dtls::timer::Timer;
use crate::media::dtls::wire::{Malformed, Reader, put_vector16};

/// How long the rest of a flight may be under way.
const PATIENCE: Duration = Duration::from_millis(20);
/// Of one ACK of ours. The latest count.
const MOST: usize = 32;

#[derive(Default)]
pub struct Acks {
    numbers: Vec<RecordNumber>,
    /// For as long as the rest does not come.
    timer: Timer,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Quiet,
    Due,
}

/// When a record is to be acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duty {
    /// A flight of ours does it.
    Never,
    /// If the rest of the flight does not come.
    Later,
    AtOnce,
}

impl Acks {
    /// A record of which all messages were kept, or were there before.
    pub fn note(&mut self, now: Instant, number: RecordNumber, duty: Duty) {
        match (duty, self.timer) {
            (Duty::Never, _) => return,
            (Duty::Later, Timer::Off) => self.timer = Timer::start(now, PATIENCE),
            (Duty::Later, Timer::Running { .. }) => {}
            (Duty::AtOnce, _) => {
                self.timer = Timer::Off;
                self.state = State::Due;
            }
        }
        if self.numbers.len() == MOST {
            self.numbers.remove(0);
        }
        self.numbers.push(number);
    }

    /// A flight of ours answers what there was.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.timer.is_due(now) {
            self.state = State::Due;
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.timer.deadline()
    }

    /// A datagram with an ACK, if one is due.
    pub fn write(&mut self, sealer: &mut Sealer, out: &mut [u8]) -> Option<usize> {
        if self.state == State::Quiet {
            return None;
        }
        self.state = State::Quiet;
        let mut numbers = self.numbers.clone();
        numbers.sort_unstable();
        numbers.dedup();
        let body = encode(&numbers);
        let (len, _) = sealer.write(out, sealer.highest(), Content::Ack, &[&body])?;
        Some(len)
    }
}

fn encode(numbers: &[RecordNumber]) -> Vec<u8> {
    let words = numbers.iter().flat_map(|n| [n.epoch, n.sequence]);
    let bytes: Vec<u8> = words.flat_map(u64::to_be_bytes).collect();
    let mut body = Vec::with_capacity(bytes.len() + 2);
    put_vector16(&mut body, &bytes);
    body
}

/// What the peer's ACK names.
pub fn decode(body: &[u8]) -> Result<Vec<RecordNumber>, Malformed> {
    let mut reader = Reader::new(body);
    let mut numbers = Reader::new(reader.vector16()?);
    reader.finish()?;
    let mut named = Vec::new();
    while !numbers.is_empty() {
        let (epoch, sequence) = (numbers.u64()?, numbers.u64()?);
        named.push(RecordNumber { epoch, sequence });
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_is_read_back() {
        let number = |epoch, sequence| RecordNumber { epoch, sequence };
        for numbers in [
            vec![],
            vec![number(2, 0)],
            vec![number(0, 1), number(3, u64::MAX)],
        ] {
            let body = encode(&numbers);
            assert_eq!(decode(&body), Ok(numbers));
            for len in 0..body.len() {
                assert_eq!(decode(&body[..len]), Err(Malformed), "{len}");
            }
        }
    }

    #[test]
    fn what_waits_is_said_after_20_ms_and_then_less_and_less_often() {
        let start = Instant::now();
        let (mut acks, mut sealer) = (Acks::default(), Sealer::default());
        let mut out = [0; 600];
        let mut said = Vec::new();
        let number = RecordNumber {
            epoch: 0,
            sequence: 0,
        };
        for _ in 0..100 {
            acks.note(start, number, Duty::Later);
        }
        for ms in 0..200 {
            acks.handle_timeout(start + Duration::from_millis(ms));
            if acks.write(&mut sealer, &mut out).is_some() {
                said.push(ms);
            }
        }
        assert_eq!(said, [20, 50, 95, 163]);
        acks.note(start, number, Duty::AtOnce);
        assert!(acks.write(&mut sealer, &mut out).is_some());
        assert!(acks.write(&mut sealer, &mut out).is_none());
        assert_eq!(acks.deadline(), None);
    }
}
