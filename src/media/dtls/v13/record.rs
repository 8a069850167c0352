//! The record layer (RFC 9147 §4): records in the clear as 1.2 has them, sealed ones under the unified header, with
//! encrypted numbers.

use aws_lc_rs::aead::quic::HeaderProtectionKey;
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::schedule::Traffic;
use crate::media::dtls::Failure;
use crate::media::dtls::record::{self, Content, Window, put_parts};
use crate::media::dtls::wire::{Malformed, Reader};

/// As we write it: first byte, number and length of two bytes each.
const HEADER: usize = 5;
const TAG: usize = 16;
/// The content's kind stands behind the content, sealed with it.
const KIND: usize = 1;
/// Of a ciphertext, what its number is encrypted by.
const SAMPLE: usize = 16;
/// The first byte: `0 0 1 C S L E E`.
const FIXED: u8 = 0x20;
const FIXED_MASK: u8 = 0xe0;
const WITH_CONNECTION: u8 = 0x10;
const LONG_NUMBER: u8 = 0x08;
const WITH_LENGTH: u8 = 0x04;
const EPOCH_MASK: u8 = 0x03;
/// Of the key's records, those that may be sealed (RFC 8446 §5.5) and those that may fail (RFC 9147 §4.5.3).
const MOST_SEALED: u64 = 1 << 24;
const MOST_FORGED: u64 = 1 << 36;

/// Under which keys a message is; in the order in which they come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Epoch {
    /// 0.
    #[default]
    Clear,
    /// 2.
    Handshake,
    /// 3, and more with every KeyUpdate.
    Traffic,
}

/// What an ACK names (RFC 9147 §4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RecordNumber {
    pub epoch: u64,
    pub sequence: u64,
}

pub enum Record<'a> {
    Clear(record::Record<'a>),
    Sealed(Sealed<'a>),
}

/// A record as it came.
pub struct Sealed<'a> {
    first: u8,
    /// Still encrypted: one byte or two.
    number: &'a [u8],
    length: Option<[u8; 2]>,
    ciphertext: &'a [u8],
}

/// Whether a record of this version is sealed (RFC 9147 §4.1).
pub fn is_sealed(datagram: &[u8]) -> bool {
    let first = datagram.first().copied().unwrap_or_default();
    first & FIXED_MASK == FIXED
}

/// The records of a datagram, up to the first that is none.
pub fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || parse(&mut rest).ok()).flatten()
}

fn parse<'a>(rest: &mut &'a [u8]) -> Result<Option<Record<'a>>, Malformed> {
    if rest.is_empty() {
        return Err(Malformed);
    }
    let mut reader = Reader::new(rest);
    let record = match is_sealed(rest) {
        true => Some(Record::Sealed(Sealed::parse(&mut reader)?)),
        false => record::Record::parse(&mut reader)?
            .filter(|record| record.clear().is_some())
            .map(Record::Clear),
    };
    *rest = reader.rest();
    Ok(record)
}

impl<'a> Sealed<'a> {
    fn parse(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let first = reader.u8()?;
        // None was negotiated, so that nobody can tell how long it would be (RFC 9147 §9).
        if first & WITH_CONNECTION != 0 {
            return Err(Malformed);
        }
        let number = match first & LONG_NUMBER {
            0 => reader.bytes(1)?,
            _ => reader.bytes(2)?,
        };
        let length = match first & WITH_LENGTH {
            0 => None,
            _ => Some(reader.array()?),
        };
        let ciphertext = match length {
            None => reader.bytes(reader.rest().len())?,
            Some(length) => reader.bytes(u16::from_be_bytes(length).into())?,
        };
        Ok(Self {
            first,
            number,
            length,
            ciphertext,
        })
    }

    fn is_of(&self, epoch: u64) -> bool {
        u64::from(self.first & EPOCH_MASK) == epoch & u64::from(EPOCH_MASK)
    }
}

/// One direction in one epoch.
struct Keys {
    key: LessSafeKey,
    iv: Zeroizing<[u8; 12]>,
    number: HeaderProtectionKey,
}

impl Keys {
    fn new(traffic: &Traffic) -> Result<Self, Failure> {
        let keys = traffic.keys()?;
        let suite = traffic.suite;
        let key = UnboundKey::new(suite.aead(), &keys.key).map_err(|_| Failure::Library)?;
        let number = HeaderProtectionKey::new(suite.numbers(), &keys.number);
        Ok(Self {
            key: LessSafeKey::new(key),
            iv: keys.iv,
            number: number.map_err(|_| Failure::Library)?,
        })
    }

    /// RFC 8446 §5.3; the epoch is no part of it (RFC 9147 §4).
    fn nonce(&self, sequence: u64) -> Nonce {
        let mut nonce = *self.iv;
        let (_, low) = nonce.split_at_mut(4);
        for (byte, digit) in low.iter_mut().zip(sequence.to_be_bytes()) {
            *byte ^= digit;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts a number, and decrypts it.
    fn mask(&self, ciphertext: &[u8], number: &mut [u8]) -> Option<()> {
        let mask = self.number.new_mask(ciphertext.get(..SAMPLE)?).ok()?;
        for (byte, mask) in number.iter_mut().zip(mask) {
            *byte ^= mask;
        }
        Some(())
    }
}

/// What we send.
#[derive(Default)]
pub struct Sealer {
    clear: record::Sealer,
    handshake: Option<Sending>,
    traffic: Option<Sending>,
}

struct Sending {
    keys: Keys,
    epoch: u64,
    next: u64,
}

impl Sealer {
    /// `clear`: with the numbers of what was sent in the clear so far.
    pub fn new(clear: record::Sealer) -> Self {
        Self {
            clear,
            handshake: None,
            traffic: None,
        }
    }

    pub fn set_handshake(&mut self, traffic: &Traffic) -> Result<(), Failure> {
        self.handshake = Some(Sending::new(traffic, 2)?);
        Ok(())
    }

    /// The next epoch, 3 or later.
    pub fn set_traffic(&mut self, traffic: &Traffic) -> Result<(), Failure> {
        let before = self.traffic.as_ref().map_or(2, |sending| sending.epoch);
        self.traffic = Some(Sending::new(traffic, before + 1)?);
        Ok(())
    }

    /// The peer has all that we say under these keys.
    pub fn forget_handshake(&mut self) {
        self.handshake = None;
    }

    /// The best that there is.
    pub fn highest(&self) -> Epoch {
        match (&self.handshake, &self.traffic) {
            (None, None) => Epoch::Clear,
            (Some(_), None) => Epoch::Handshake,
            (_, Some(_)) => Epoch::Traffic,
        }
    }

    /// Bytes that a record takes besides its content.
    pub fn overhead(epoch: Epoch) -> usize {
        match epoch {
            Epoch::Clear => record::HEADER,
            Epoch::Handshake | Epoch::Traffic => HEADER + KIND + TAG,
        }
    }

    /// Writes a record to the front of `out`; says how long it is and what its number is.
    pub fn write(
        &mut self,
        out: &mut [u8],
        epoch: Epoch,
        content: Content,
        parts: &[&[u8]],
    ) -> Option<(usize, RecordNumber)> {
        match epoch {
            Epoch::Clear => {
                let sequence = self.clear.next_clear();
                let len = self
                    .clear
                    .write(out, record::Epoch::Clear, content, parts)?;
                Some((len, RecordNumber { epoch: 0, sequence }))
            }
            Epoch::Handshake => self.handshake.as_mut()?.seal(out, content, parts),
            Epoch::Traffic => self.traffic.as_mut()?.seal(out, content, parts),
        }
    }
}

impl Sending {
    fn new(traffic: &Traffic, epoch: u64) -> Result<Self, Failure> {
        Ok(Self {
            keys: Keys::new(traffic)?,
            epoch,
            next: 0,
        })
    }

    fn seal(
        &mut self,
        out: &mut [u8],
        content: Content,
        parts: &[&[u8]],
    ) -> Option<(usize, RecordNumber)> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let sealed = length + KIND + TAG;
        let out = out.get_mut(..HEADER + sealed)?;
        if self.next >= MOST_SEALED {
            return None;
        }
        let sequence = self.next;
        self.next += 1;
        let (header, body) = out.split_first_chunk_mut::<HEADER>()?;
        let [.., n0, n1] = sequence.to_be_bytes();
        let [l0, l1] = u16::try_from(sealed).ok()?.to_be_bytes();
        let first = FIXED | LONG_NUMBER | WITH_LENGTH | (self.epoch as u8 & EPOCH_MASK);
        *header = [first, n0, n1, l0, l1];
        let (text, tag) = body.split_at_mut(length + KIND);
        put_parts(text, parts);
        *text.last_mut()? = content.code();
        let nonce = self.keys.nonce(sequence);
        let sealed = self
            .keys
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(*header), text);
        tag.copy_from_slice(sealed.ok()?.as_ref());
        let [_, number @ .., _, _] = header;
        self.keys.mask(body, number)?;
        let epoch = self.epoch;
        Some((out.len(), RecordNumber { epoch, sequence }))
    }
}

/// What we receive.
#[derive(Default)]
pub struct Opener {
    handshake: Option<Receiving>,
    traffic: Option<Receiving>,
    /// After a KeyUpdate, until something is opened by it: the peer may have missed that we have it (RFC 9147 §8).
    next: Option<Receiving>,
}

struct Receiving {
    keys: Keys,
    epoch: u64,
    window: Window,
    forged: u64,
}

/// An authentic record that was not there before.
pub struct Opened {
    pub epoch: Epoch,
    pub number: RecordNumber,
    pub content: Content,
    pub text: Vec<u8>,
}

impl Opener {
    pub fn set_handshake(&mut self, traffic: &Traffic) -> Result<(), Failure> {
        self.handshake = Some(Receiving::new(traffic, 2)?);
        Ok(())
    }

    pub fn set_traffic(&mut self, traffic: &Traffic) -> Result<(), Failure> {
        self.traffic = Some(Receiving::new(traffic, 3)?);
        Ok(())
    }

    /// The peer will send in the next epoch. It may not say so before it does (RFC 9147 §8).
    pub fn update(&mut self, traffic: &Traffic) -> Result<(), Failure> {
        if let Some(current) = &self.traffic {
            self.next = Some(Receiving::new(traffic, current.epoch + 1)?);
        }
        Ok(())
    }

    /// We have all that the peer says under these keys, and it knows.
    pub fn forget_handshake(&mut self) {
        self.handshake = None;
    }

    pub fn has_keys(&self) -> bool {
        self.handshake.is_some() || self.traffic.is_some()
    }

    /// Whether the peer has said that it goes on to the next epoch, and nothing in it yet.
    pub fn is_updating(&self) -> bool {
        self.next.is_some()
    }

    /// What is not authentic, or was there before, is nothing.
    pub fn open(&mut self, record: &Sealed<'_>) -> Option<Opened> {
        let of_record = |keys: &&mut Receiving| record.is_of(keys.epoch);
        if let Some(next) = self.next.as_mut().filter(of_record) {
            let opened = next.open(record, Epoch::Traffic)?;
            self.traffic = self.next.take();
            return Some(opened);
        }
        if let Some(traffic) = self.traffic.as_mut().filter(of_record) {
            return traffic.open(record, Epoch::Traffic);
        }
        let handshake = self.handshake.as_mut().filter(of_record)?;
        handshake.open(record, Epoch::Handshake)
    }
}

impl Receiving {
    fn new(traffic: &Traffic, epoch: u64) -> Result<Self, Failure> {
        Ok(Self {
            keys: Keys::new(traffic)?,
            epoch,
            window: Window::default(),
            forged: 0,
        })
    }

    fn open(&mut self, record: &Sealed<'_>, epoch: Epoch) -> Option<Opened> {
        if self.forged >= MOST_FORGED {
            return None;
        }
        let mut number = [0; 2];
        let number = number.get_mut(..record.number.len())?;
        number.copy_from_slice(record.number);
        self.keys.mask(record.ciphertext, number)?;
        let sequence = whole_number(self.window.next, number);
        let length = record.length.as_ref().map_or(&[][..], |length| &length[..]);
        let header = [&[record.first][..], &*number, length].concat();
        let mut text = record.ciphertext.to_vec();
        let nonce = self.keys.nonce(sequence);
        let opened = self
            .keys
            .key
            .open_in_place(nonce, Aad::from(header), &mut text);
        let Ok(opened) = opened else {
            self.forged += 1;
            return None;
        };
        // Only now: how long it takes says nothing about the number (RFC 9147 §4.5.1).
        if !self.window.is_new(sequence) {
            return None;
        }
        self.window.accept(sequence);
        // Zeros behind the kind are padding (RFC 8446 §5.4).
        let end = opened.iter().rposition(|byte| *byte != 0)?;
        let content = Content::from_code(*opened.get(end)?)?;
        text.truncate(end);
        let number = RecordNumber {
            epoch: self.epoch,
            sequence,
        };
        Some(Opened {
            epoch,
            number,
            content,
            text,
        })
    }
}

/// The number with these last digits that is nearest to `expected` (RFC 9147 §4.2.2).
fn whole_number(expected: u64, digits: &[u8]) -> u64 {
    let span = 1_u64 << (digits.len() * 8);
    let low = digits
        .iter()
        .fold(0, |low, digit| low << 8 | u64::from(*digit));
    let near = expected - expected % span + low;
    if near > expected + span / 2 {
        near.checked_sub(span).unwrap_or(near)
    } else if near + span / 2 < expected {
        near + span
    } else {
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dtls::v13::schedule::Handshake;
    use crate::media::dtls::v13::suite::CipherSuite;

    fn keyed(suite: CipherSuite) -> (Sealer, Opener) {
        let secrets = Handshake::new(suite, &[7; 32], b"hellos").unwrap();
        let (mut sealer, mut opener) = (Sealer::default(), Opener::default());
        sealer.set_handshake(&secrets.client).unwrap();
        opener.set_handshake(&secrets.client).unwrap();
        (sealer, opener)
    }

    fn sealed(sealer: &mut Sealer, text: &[u8]) -> Vec<u8> {
        let mut out = [0; 200];
        let epoch = sealer.highest();
        let written = sealer.write(&mut out, epoch, Content::Handshake, &[text]);
        out[..written.unwrap().0].to_vec()
    }

    fn open(opener: &mut Opener, datagram: &[u8]) -> Vec<Opened> {
        let sealed = records(datagram).filter_map(|record| match record {
            Record::Clear(_) => None,
            Record::Sealed(sealed) => Some(sealed),
        });
        sealed.filter_map(|record| opener.open(&record)).collect()
    }

    fn texts(opened: &[Opened]) -> Vec<&[u8]> {
        opened.iter().map(|opened| &opened.text[..]).collect()
    }

    #[test]
    fn sealed_records_open_once_by_every_suite() {
        for suite in CipherSuite::ALL {
            let (mut sealer, mut opener) = keyed(suite);
            let datagram = [sealed(&mut sealer, b"one"), sealed(&mut sealer, b"")].concat();
            let opened = open(&mut opener, &datagram);
            assert_eq!(texts(&opened), [&b"one"[..], b""]);
            let numbers: Vec<RecordNumber> = opened.iter().map(|opened| opened.number).collect();
            let number = |sequence| RecordNumber { epoch: 2, sequence };
            assert_eq!(numbers, [number(0), number(1)]);
            assert!(opened.iter().all(|o| o.content == Content::Handshake));
            assert!(open(&mut opener, &datagram).is_empty(), "replayed");
        }
    }

    #[test]
    fn no_bit_of_a_sealed_record_may_change() {
        let (mut sealer, _) = keyed(CipherSuite::Aes128);
        let whole = sealed(&mut sealer, b"text");
        for bit in 0..whole.len() * 8 {
            let (_, mut opener) = keyed(CipherSuite::Aes128);
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&mut opener, &changed).is_empty(), "bit {bit}");
        }
        for len in 0..whole.len() {
            let (_, mut opener) = keyed(CipherSuite::Aes128);
            assert!(open(&mut opener, &whole[..len]).is_empty(), "{len}");
        }
    }

    /// Nothing of a number is seen, not even that it is the next one.
    #[test]
    fn numbers_are_encrypted() {
        let (mut sealer, _) = keyed(CipherSuite::Aes128);
        let written: Vec<Vec<u8>> = (0..4).map(|_| sealed(&mut sealer, b"same")).collect();
        let seen: Vec<[u8; 2]> = written
            .iter()
            .map(|record| [record[1], record[2]])
            .collect();
        assert_ne!(seen, [[0, 0], [0, 1], [0, 2], [0, 3]]);
        assert!(written.iter().all(|record| record[0] == 0b0010_1110));
    }

    #[test]
    fn disorder_and_long_gaps_are_survived() {
        let (mut sealer, mut opener) = keyed(CipherSuite::Aes128);
        let written: Vec<Vec<u8>> = (0..70_000_u32)
            .map(|n| sealed(&mut sealer, &n.to_be_bytes()))
            .collect();
        for n in [3_usize, 0, 1, 40, 2, 30_000, 29_999, 60_000, 69_999] {
            let opened = open(&mut opener, &written[n]);
            assert_eq!(texts(&opened), [&(n as u32).to_be_bytes()[..]], "{n}");
            assert_eq!(opened[0].number.sequence, n as u64);
            assert!(open(&mut opener, &written[n]).is_empty(), "{n} again");
        }
        assert!(open(&mut opener, &written[100]).is_empty(), "too old");
    }

    #[test]
    fn what_is_padded_or_of_no_kind_is_no_content() {
        let secrets = Handshake::new(CipherSuite::Aes128, &[7; 32], b"hellos").unwrap();
        let keys = Keys::new(&secrets.client).unwrap();
        let record = |sequence: u64, inner: &[u8]| {
            // The shortest header: a number of one byte, and no length.
            let mut header = [FIXED | 2, sequence as u8];
            let mut text = inner.to_vec();
            let sealed = keys.key.seal_in_place_separate_tag(
                keys.nonce(sequence),
                Aad::from(header),
                &mut text,
            );
            text.extend_from_slice(sealed.unwrap().as_ref());
            keys.mask(&text, &mut header[1..]).unwrap();
            [&header[..], &text].concat()
        };
        let (_, mut opener) = keyed(CipherSuite::Aes128);
        let padded = [&b"text"[..], &[22], &[0; 30]].concat();
        assert_eq!(texts(&open(&mut opener, &record(0, &padded))), [b"text"]);
        for (n, nothing) in [&[0; 20][..], &[], &[1, 2, 99], &[1, 2, 25, 0]]
            .iter()
            .enumerate()
        {
            assert!(
                open(&mut opener, &record(n as u64 + 1, nothing)).is_empty(),
                "{n}"
            );
        }
    }

    #[test]
    fn a_connection_id_that_was_not_agreed_on_ends_the_datagram() {
        let (mut sealer, mut opener) = keyed(CipherSuite::Aes128);
        let mut with_connection = sealed(&mut sealer, b"one");
        with_connection[0] |= WITH_CONNECTION;
        let datagram = [with_connection, sealed(&mut sealer, b"two")].concat();
        assert!(open(&mut opener, &datagram).is_empty());
    }

    #[test]
    fn the_nearest_number_is_meant() {
        for (expected, digits, number) in [
            (0, &[0_u8][..], 0),
            (0, &[255], 255),
            (1, &[0], 0),
            (200, &[10], 266),
            (300, &[250], 250),
            (300, &[45], 301),
            (65_536, &[255, 255], 65_535),
            (65_535, &[0, 0], 65_536),
            (65_535, &[255, 254], 65_534),
        ] {
            assert_eq!(
                whole_number(expected, digits),
                number,
                "{expected} {digits:?}"
            );
        }
    }

    #[test]
    fn keys_go_from_epoch_to_epoch() {
        let secrets = Handshake::new(CipherSuite::Aes128, &[7; 32], b"hellos").unwrap();
        let application = secrets.application(b"all").unwrap();
        let (mut sealer, mut opener) = (Sealer::default(), Opener::default());
        let mut traffic = application.server;
        sealer.set_traffic(&traffic).unwrap();
        opener.set_traffic(&traffic).unwrap();
        let mut late = sealed(&mut sealer, b"late");
        for epoch in 4..12 {
            traffic = traffic.updated().unwrap();
            opener.update(&traffic).unwrap();
            assert!(opener.is_updating());
            let opened = open(&mut opener, &late);
            assert_eq!(texts(&opened), [b"late"], "the keys before are still there");
            sealer.set_traffic(&traffic).unwrap();
            let opened = open(&mut opener, &sealed(&mut sealer, b"now"));
            assert_eq!(texts(&opened), [b"now"]);
            assert_eq!(opened[0].number, RecordNumber { epoch, sequence: 0 });
            assert!(!opener.is_updating());
            late = sealed(&mut sealer, b"late");
        }
    }
}
