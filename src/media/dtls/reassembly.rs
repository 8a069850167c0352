//! Handshake messages from fragments, in order, each once (RFC 6347 §4.2.2, §4.2.3).

use super::wire::{Malformed, Reader, u24};

pub const HEADER: usize = 12;
/// A message at most: a certificate chain with room to spare.
const LONGEST: usize = 16 * 1024;
/// Messages ahead of the next one that are kept: a whole flight.
const AHEAD: u16 = 8;
/// All that waits, together.
const MOST: usize = 32 * 1024;

/// A whole message. `E`: the epochs of a version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<E> {
    pub kind: u8,
    pub sequence: u16,
    pub epoch: E,
    pub body: Vec<u8>,
}

impl<E> Message<E> {
    /// As if it had come in one piece: what the transcript of 1.2 holds (RFC 6347 §4.2.6).
    pub fn write_to(&self, transcript: &mut Vec<u8>) {
        transcript.extend_from_slice(&header(
            self.kind,
            self.body.len(),
            self.sequence,
            0..self.body.len(),
        ));
        transcript.extend_from_slice(&self.body);
    }
}

/// RFC 6347 §4.2.2: `part` of a body of `length` bytes.
pub fn header(
    kind: u8,
    length: usize,
    sequence: u16,
    part: std::ops::Range<usize>,
) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let fields = [kind].into_iter().chain(u24(length));
    let fields = fields.chain(sequence.to_be_bytes());
    let fields = fields.chain(u24(part.start)).chain(u24(part.len()));
    for (to, byte) in header.iter_mut().zip(fields) {
        *to = byte;
    }
    header
}

/// What a record's fragments were.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum News {
    /// Not all of it is of use.
    None,
    /// Something that was there before: the peer repeats itself.
    Repeated,
    Something,
}

#[derive(Default)]
pub struct Reassembly<E> {
    next: u16,
    /// That of the next message.
    epoch: E,
    waiting: Vec<Partial<E>>,
}

struct Partial<E> {
    message: Message<E>,
    /// A flag for each byte of the body.
    missing: Vec<bool>,
    missing_count: usize,
}

impl<E: Copy + Ord + Default> Reassembly<E> {
    /// When messages were taken up elsewhere before this one.
    pub fn starting_at(next: u16) -> Self {
        Self {
            next,
            epoch: E::default(),
            waiting: Vec::new(),
        }
    }

    /// The fragments in one record. `News::None` means that one of them at least was not kept.
    pub fn handle_record(&mut self, epoch: E, content: &[u8]) -> News {
        let mut reader = Reader::new(content);
        let (mut least, mut most) = (News::Something, News::None);
        while !reader.is_empty() {
            let found = self.handle_fragment(epoch, &mut reader);
            let Ok(found) = found else {
                return News::None;
            };
            (least, most) = (least.min(found), most.max(found));
        }
        match least {
            News::None => News::None,
            News::Repeated | News::Something => most,
        }
    }

    /// There are keys: what is still to come is sealed with them, and what came in a lower epoch for its place is nobody's.
    pub fn advance(&mut self, epoch: E) {
        let epoch = epoch.max(self.epoch);
        self.epoch = epoch;
        self.waiting
            .retain(|partial| partial.message.epoch >= epoch);
    }

    /// The next message, once it is whole.
    pub fn pop(&mut self) -> Option<Message<E>> {
        let whole = |partial: &Partial<E>| {
            partial.message.sequence == self.next && partial.missing_count == 0
        };
        let at = self.waiting.iter().position(whole)?;
        self.next = self.next.wrapping_add(1);
        Some(self.waiting.swap_remove(at).message)
    }

    /// Bytes of all that waits.
    pub fn held(&self) -> usize {
        self.waiting.iter().map(|p| p.message.body.len()).sum()
    }

    fn handle_fragment(&mut self, epoch: E, reader: &mut Reader<'_>) -> Result<News, Malformed> {
        let kind = reader.u8()?;
        let length = reader.u24()?;
        let sequence = reader.u16()?;
        let offset = reader.u24()?;
        let part = reader.vector24()?;
        if length > LONGEST || offset + part.len() > length {
            return Err(Malformed);
        }
        let ahead = sequence.wrapping_sub(self.next);
        if ahead > u16::MAX / 2 {
            return Ok(News::Repeated);
        }
        if ahead >= AHEAD || epoch < self.epoch {
            return Ok(News::None);
        }
        let partial = self.partial(kind, sequence, epoch, length);
        Ok(partial.map_or(News::None, |partial| partial.fill(offset, part)))
    }

    fn partial(
        &mut self,
        kind: u8,
        sequence: u16,
        epoch: E,
        length: usize,
    ) -> Option<&mut Partial<E>> {
        let of_this = |partial: &Partial<E>| partial.message.sequence == sequence;
        if let Some(at) = self.waiting.iter().position(of_this) {
            return self.waiting.get_mut(at).filter(|partial| {
                let known = &partial.message;
                known.kind == kind && known.epoch == epoch && known.body.len() == length
            });
        }
        if self.held() + length > MOST {
            return None;
        }
        self.waiting.push(Partial {
            message: Message {
                kind,
                sequence,
                epoch,
                body: vec![0; length],
            },
            missing: vec![true; length],
            missing_count: length,
        });
        self.waiting.last_mut()
    }
}

impl<E> Partial<E> {
    fn fill(&mut self, offset: usize, part: &[u8]) -> News {
        if self.missing_count == 0 && !part.is_empty() {
            return News::Repeated;
        }
        let places = self.message.body.iter_mut().zip(&mut self.missing);
        for ((place, missing), byte) in places.skip(offset).zip(part) {
            if std::mem::take(missing) {
                *place = *byte;
                self.missing_count -= 1;
            }
        }
        News::Something
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::media::dtls::record::Epoch;

    fn fragment(sequence: u16, body: &[u8], part: std::ops::Range<usize>) -> Vec<u8> {
        let head = header(11, body.len(), sequence, part.clone());
        [&head, &body[part]].concat()
    }

    #[test]
    fn fragments_in_any_order_twice_and_overlapping() {
        let body: Vec<u8> = (0..=255).cycle().take(3000).collect();
        for seed in 0..50 {
            let mut entropy = Entropy::from_seed([seed; 32]);
            let mut reassembly = Reassembly::default();
            let mut popped = Vec::new();
            while popped.len() < 2 {
                let sequence = entropy.below(2) as u16;
                let start = entropy.below(30) as usize * 100;
                let end = (start + 50 + entropy.below(200) as usize).min(body.len());
                let record = fragment(sequence, &body, start..end);
                reassembly.handle_record(Epoch::Clear, &record);
                popped.extend(reassembly.pop());
            }
            let sequences: Vec<u16> = popped.iter().map(|message| message.sequence).collect();
            assert_eq!(sequences, [0, 1]);
            assert!(popped.iter().all(|message| message.body == body));
        }
    }

    #[test]
    fn a_repeated_message_is_told() {
        let mut reassembly = Reassembly::default();
        let record = fragment(0, b"hello", 0..5);
        let mut tell = || reassembly.handle_record(Epoch::Clear, &record);
        assert_eq!(tell(), News::Something);
        assert_eq!(tell(), News::Repeated);
        assert!(reassembly.pop().is_some());
        assert_eq!(
            reassembly.handle_record(Epoch::Clear, &record),
            News::Repeated
        );
        assert_eq!(reassembly.pop(), None);
    }

    #[test]
    fn empty_messages_are_whole() {
        let mut reassembly = Reassembly::default();
        reassembly.handle_record(Epoch::Clear, &fragment(0, b"", 0..0));
        assert_eq!(reassembly.pop().unwrap().body, b"");
    }

    #[test]
    fn memory_is_bounded() {
        let mut reassembly = Reassembly::default();
        for sequence in 0..u16::MAX {
            let body = vec![0; LONGEST];
            reassembly.handle_record(Epoch::Clear, &fragment(sequence, &body, 0..1));
        }
        let held: usize = reassembly.waiting.iter().map(|p| p.missing.len()).sum();
        assert!(held <= MOST);
        let beyond = header(11, LONGEST + 1, 0, 0..0);
        assert_eq!(reassembly.handle_record(Epoch::Clear, &beyond), News::None);
    }
}
