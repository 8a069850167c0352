//! What we said last, repeated until it is answered (RFC 6347 §4.2.4).

use std::time::Instant;

use super::reassembly;
use super::record::{Content, Epoch, Sealer};
use super::timer::Repetition;

/// Of a datagram: what passes every path (RFC 8261 §5).
pub const DATAGRAM: usize = 1200;

#[derive(Default)]
pub struct Flight {
    parts: Vec<Part>,
    sending: Option<Cursor>,
    repetition: Repetition,
}

enum Part {
    Handshake {
        epoch: Epoch,
        kind: u8,
        sequence: u16,
        body: Vec<u8>,
    },
    ChangeCipherSpec,
}

/// What is to be written next.
#[derive(Clone, Copy, Default)]
struct Cursor {
    part: usize,
    offset: usize,
}

impl Flight {
    /// What was said before is answered.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn add_message(&mut self, epoch: Epoch, kind: u8, sequence: u16, body: Vec<u8>) {
        self.parts.push(Part::Handshake {
            epoch,
            kind,
            sequence,
            body,
        });
    }

    pub fn add_change_cipher_spec(&mut self) {
        self.parts.push(Part::ChangeCipherSpec);
    }

    /// Send, and again until `clear`.
    pub fn send(&mut self, now: Instant) {
        self.sending = Some(Cursor::default());
        self.repetition.begin(now);
    }

    /// Send, and again only when the peer asks by repeating itself: the last flight.
    pub fn send_once(&mut self, now: Instant) {
        self.sending = Some(Cursor::default());
        self.repetition.begin_silent(now);
    }

    /// The peer repeats what we have answered: it may have missed the answer.
    pub fn handle_repetition(&mut self, now: Instant) {
        if self.sending.is_none() && !self.parts.is_empty() && self.repetition.is_asked(now) {
            self.sending = Some(Cursor::default());
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.repetition.is_due(now) {
            self.sending = Some(Cursor::default());
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.repetition.deadline()
    }

    /// The next datagram.
    pub fn write(&mut self, sealer: &mut Sealer, buffer: &mut [u8]) -> Option<usize> {
        let mut cursor = self.sending?;
        let limit = buffer.len().min(DATAGRAM);
        let mut written = 0;
        while let Some(part) = self.parts.get(cursor.part) {
            let out = buffer.get_mut(written..limit).unwrap_or_default();
            let Some((len, next)) = part.write(sealer, out, cursor, written == 0) else {
                break;
            };
            written += len;
            cursor = next;
        }
        self.sending = (cursor.part < self.parts.len() && written > 0).then_some(cursor);
        (written > 0).then_some(written)
    }
}

impl Part {
    /// As much as fits; what would fit into a datagram of its own is not cut.
    fn write(
        &self,
        sealer: &mut Sealer,
        out: &mut [u8],
        at: Cursor,
        alone: bool,
    ) -> Option<(usize, Cursor)> {
        let next_part = Cursor {
            part: at.part + 1,
            offset: 0,
        };
        let (epoch, kind, sequence, body) = match self {
            Self::ChangeCipherSpec => {
                let content = Content::ChangeCipherSpec;
                let len = sealer.write(out, Epoch::Clear, content, &[&[1]])?;
                return Some((len, next_part));
            }
            Self::Handshake {
                epoch,
                kind,
                sequence,
                body,
            } => (*epoch, *kind, *sequence, body),
        };
        let overhead = Sealer::overhead(epoch) + reassembly::HEADER;
        let room = out.len().checked_sub(overhead)?;
        let end = body.len().min(at.offset + room);
        if end < body.len() && (!alone || room == 0) {
            return None;
        }
        let head = reassembly::header(kind, body.len(), sequence, at.offset..end);
        let text = body.get(at.offset..end)?;
        let len = sealer.write(out, epoch, Content::Handshake, &[&head, text])?;
        let next = match end == body.len() {
            true => next_part,
            false => Cursor {
                part: at.part,
                offset: end,
            },
        };
        Some((len, next))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::dtls::reassembly::Reassembly;
    use crate::media::dtls::record::records;

    fn datagrams(flight: &mut Flight, sealer: &mut Sealer) -> Vec<Vec<u8>> {
        let mut out = [0; 2000];
        std::iter::from_fn(|| {
            let len = flight.write(sealer, &mut out)?;
            Some(out[..len].to_vec())
        })
        .collect()
    }

    #[test]
    fn long_messages_are_cut_and_put_together_again() {
        let mut flight = Flight::default();
        let mut sealer = Sealer::default();
        let bodies = [
            vec![1; 50],
            vec![2; 3000],
            vec![3; 1150],
            vec![4; 10],
            vec![],
        ];
        for (body, n) in bodies.iter().zip(0..) {
            flight.add_message(Epoch::Clear, 11, n, body.clone());
        }
        flight.send(Instant::now());
        let sent = datagrams(&mut flight, &mut sealer);
        assert!(sent.iter().all(|datagram| datagram.len() <= DATAGRAM));
        assert_eq!(sent.len(), 6, "only what is too long for one is cut");
        let mut reassembly = Reassembly::default();
        for record in sent.iter().flat_map(|datagram| records(datagram)) {
            reassembly.handle_record(Epoch::Clear, record.clear().unwrap());
        }
        for body in bodies {
            assert_eq!(reassembly.pop().unwrap().body, body);
        }
    }

    #[test]
    fn repeated_from_50_ms_on_and_slower_and_slower() {
        let start = Instant::now();
        let mut flight = Flight::default();
        let mut sealer = Sealer::default();
        flight.add_message(Epoch::Clear, 1, 0, vec![0; 9]);
        flight.send(start);
        let mut sent = Vec::new();
        for ms in 0..2_000 {
            flight.handle_timeout(start + Duration::from_millis(ms));
            if !datagrams(&mut flight, &mut sealer).is_empty() {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 50, 125, 238, 407, 661, 1041, 1441, 1841]);
        flight.clear();
        assert_eq!(flight.deadline(), None);
    }

    #[test]
    fn last_flight_is_sent_again_only_when_asked_and_not_too_often() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut flight = Flight::default();
        let mut sealer = Sealer::default();
        flight.add_message(Epoch::Clear, 20, 0, vec![0; 12]);
        flight.send_once(start);
        assert_eq!(datagrams(&mut flight, &mut sealer).len(), 1);
        assert_eq!(flight.deadline(), None);
        for (ms, count) in [(5, 0), (19, 0), (20, 1), (30, 0), (41, 1)] {
            flight.handle_repetition(at(ms));
            assert_eq!(datagrams(&mut flight, &mut sealer).len(), count, "{ms} ms");
        }
    }
}
