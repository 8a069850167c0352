//! What we said last, repeated until it is answered or acknowledged (RFC 9147 §5.8). A message goes in pieces, each in a
//! record of its own, so that an ACK tells which of them have arrived.

use std::collections::VecDeque;
use std::time::Instant;

use super::record::{Epoch, RecordNumber, Sealer};
use crate::media::dtls::flight::DATAGRAM;
use crate::media::dtls::reassembly;
use crate::media::dtls::record::Content;
use crate::media::dtls::timer::Repetition;

/// Who has not answered so many times, over half a minute, is not asked any more.
const MOST_TIMES: u32 = 100;
/// Records that an ACK may still name.
const REMEMBERED: usize = 256;

#[derive(Default)]
pub struct Flight {
    pieces: Vec<Piece>,
    /// Which piece is written next.
    sending: Option<usize>,
    repetition: Repetition,
    /// Which piece was in which record; the latest.
    records: VecDeque<(RecordNumber, usize)>,
    times: u32,
}

struct Piece {
    epoch: Epoch,
    header: [u8; reassembly::HEADER],
    text: Vec<u8>,
    arrival: Arrival,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Unknown,
    Acknowledged,
}

/// What an ACK leaves of a flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// Nothing any more.
    Nothing,
    /// All or some of it; or there was no flight.
    Something,
}

impl Flight {
    /// What was said before is answered.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn add_message(&mut self, epoch: Epoch, kind: u8, sequence: u16, body: &[u8]) {
        let room = DATAGRAM - Sealer::overhead(epoch) - reassembly::HEADER;
        let count = body.len().div_ceil(room).max(1);
        for n in 0..count {
            let part = n * room..body.len().min((n + 1) * room);
            self.pieces.push(Piece {
                epoch,
                header: reassembly::header(kind, body.len(), sequence, part.clone()),
                text: body.get(part).unwrap_or_default().to_vec(),
                arrival: Arrival::Unknown,
            });
        }
    }

    /// Send, and again until `clear` or an ACK for all of it.
    pub fn send(&mut self, now: Instant) {
        self.sending = Some(0);
        self.repetition.begin(now);
    }

    /// Send, and again only when the peer asks by repeating itself.
    pub fn send_once(&mut self, now: Instant) {
        self.sending = Some(0);
        self.repetition.begin_silent(now);
    }

    /// The peer repeats what we have answered, or says what it has: it may have missed something.
    pub fn handle_repetition(&mut self, now: Instant) {
        if self.sending.is_none() && !self.pieces.is_empty() && self.repetition.is_asked(now) {
            self.sending = Some(0);
        }
    }

    /// Numbers that the peer has received.
    pub fn handle_ack(&mut self, now: Instant, numbers: &[RecordNumber]) -> Left {
        for (_, piece) in self
            .records
            .iter()
            .filter(|(number, _)| numbers.contains(number))
        {
            if let Some(piece) = self.pieces.get_mut(*piece) {
                piece.arrival = Arrival::Acknowledged;
            }
        }
        let has_arrived = |piece: &Piece| piece.arrival == Arrival::Acknowledged;
        if !self.pieces.is_empty() && self.pieces.iter().all(has_arrived) {
            self.clear();
            return Left::Nothing;
        }
        self.handle_repetition(now);
        Left::Something
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.repetition.is_due(now) {
            self.sending = Some(0);
            self.times += 1;
        }
        if self.times == MOST_TIMES {
            self.clear();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.repetition.deadline()
    }

    /// The next datagram.
    pub fn write(&mut self, sealer: &mut Sealer, buffer: &mut [u8]) -> Option<usize> {
        let mut at = self.sending?;
        let limit = buffer.len().min(DATAGRAM);
        let mut written = 0;
        while let Some(piece) = self.pieces.get(at) {
            if piece.arrival == Arrival::Unknown {
                let out = buffer.get_mut(written..limit).unwrap_or_default();
                let Some((len, number)) = piece.write(sealer, out) else {
                    break;
                };
                written += len;
                remember(&mut self.records, number, at);
            }
            at += 1;
        }
        self.sending = (at < self.pieces.len() && written > 0).then_some(at);
        (written > 0).then_some(written)
    }
}

fn remember(records: &mut VecDeque<(RecordNumber, usize)>, number: RecordNumber, piece: usize) {
    if records.len() == REMEMBERED {
        records.pop_front();
    }
    records.push_back((number, piece));
}

impl Piece {
    fn write(&self, sealer: &mut Sealer, out: &mut [u8]) -> Option<(usize, RecordNumber)> {
        sealer.write(
            out,
            self.epoch,
            Content::Handshake,
            &[&self.header, &self.text],
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::media::dtls::reassembly::Reassembly;
    use crate::media::dtls::v13::record::{Record, records};

    fn datagrams(flight: &mut Flight, sealer: &mut Sealer) -> Vec<Vec<u8>> {
        let mut out = [0; 2000];
        std::iter::from_fn(|| {
            let len = flight.write(sealer, &mut out)?;
            Some(out[..len].to_vec())
        })
        .collect()
    }

    /// Numbers and contents.
    fn contents(datagrams: &[Vec<u8>]) -> Vec<(RecordNumber, Vec<u8>)> {
        let all = datagrams.iter().flat_map(|datagram| records(datagram));
        all.map(|record| match record {
            Record::Clear(record) => {
                let number = RecordNumber {
                    epoch: 0,
                    sequence: record.sequence,
                };
                (number, record.clear().unwrap().to_vec())
            }
            Record::Sealed(_) => panic!("nothing has keys here"),
        })
        .collect()
    }

    fn flight(bodies: &[Vec<u8>]) -> Flight {
        let mut flight = Flight::default();
        for (body, n) in bodies.iter().zip(0..) {
            flight.add_message(Epoch::Clear, 11, n, body);
        }
        flight
    }

    #[test]
    fn only_what_did_not_arrive_is_sent_again() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let bodies = [vec![1; 50], vec![2; 3000], vec![3; 1150], vec![]];
        let (mut flight, mut sealer) = (flight(&bodies), Sealer::default());
        flight.send(start);
        let first = datagrams(&mut flight, &mut sealer);
        assert!(first.iter().all(|datagram| datagram.len() <= DATAGRAM));
        let first = contents(&first);
        assert_eq!(first.len(), 6);
        let arrived: Vec<RecordNumber> = [0, 2, 5].map(|n: usize| first[n].0).to_vec();
        assert_eq!(flight.handle_ack(at(20), &arrived), Left::Something);
        let second = contents(&datagrams(&mut flight, &mut sealer));
        let missed = [1, 3, 4].map(|n: usize| first[n].1.clone());
        assert_eq!(
            second
                .iter()
                .map(|(_, text)| text.clone())
                .collect::<Vec<_>>(),
            missed
        );
        assert!(second.iter().all(|(number, _)| !arrived.contains(number)));

        let mut reassembly = Reassembly::default();
        for (_, text) in first.iter().step_by(2).chain(&second) {
            reassembly.handle_record(Epoch::Clear, text);
        }
        let numbers: Vec<RecordNumber> = second.iter().map(|(number, _)| *number).collect();
        assert_eq!(flight.handle_ack(at(40), &numbers), Left::Nothing);
        assert_eq!(flight.deadline(), None);
        assert!(datagrams(&mut flight, &mut sealer).is_empty());
    }

    #[test]
    fn what_nobody_sent_acknowledges_nothing() {
        let start = Instant::now();
        let (mut flight, mut sealer) = (flight(&[vec![1; 50]]), Sealer::default());
        flight.send(start);
        assert_eq!(datagrams(&mut flight, &mut sealer).len(), 1);
        let numbers = [(0, 1), (2, 0), (u64::MAX, u64::MAX)]
            .map(|(epoch, sequence)| RecordNumber { epoch, sequence });
        assert_eq!(flight.handle_ack(start, &numbers), Left::Something);
        assert!(flight.deadline().is_some());
    }

    #[test]
    fn repeated_from_50_ms_on_and_slower_and_slower() {
        let start = Instant::now();
        let (mut flight, mut sealer) = (flight(&[vec![0; 9]]), Sealer::default());
        flight.send(start);
        let mut sent = Vec::new();
        for ms in 0..2_000 {
            flight.handle_timeout(start + Duration::from_millis(ms));
            if !datagrams(&mut flight, &mut sealer).is_empty() {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 50, 125, 238, 407, 661, 1041, 1441, 1841]);
        assert!(flight.records.len() <= REMEMBERED);
    }
}
