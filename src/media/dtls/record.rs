//! The record layer (RFC 6347 §4.1): records in the clear (epoch 0) and under AES-GCM (epoch 1, RFC 5288).

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};

use super::Failure;
use super::secrets::RecordKey;
use super::suite::CipherSuite;
use super::wire::{Malformed, Reader};

pub const HEADER: usize = 13;
/// The part of the nonce that travels with a record (RFC 5288 §3).
const EXPLICIT_NONCE: usize = 8;
const TAG: usize = 16;
/// What protection adds to a record.
pub const SEALING: usize = EXPLICIT_NONCE + TAG;
/// DTLS 1.2.
const VERSION: u16 = 0xfefd;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    ChangeCipherSpec,
    Alert,
    Handshake,
    /// Nothing in a DTLS-SRTP association (data channels are not ours).
    ApplicationData,
    /// Of 1.3 (RFC 9147 §7).
    Ack,
}

impl Content {
    pub fn code(self) -> u8 {
        match self {
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
            Self::Ack => 26,
        }
    }

    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::ChangeCipherSpec,
            Self::Alert,
            Self::Handshake,
            Self::ApplicationData,
            Self::Ack,
        ]
        .into_iter()
        .find(|content| content.code() == code)
    }
}

/// Before and after the keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Epoch {
    #[default]
    Clear,
    Sealed,
}

/// A record as it came.
pub struct Record<'a> {
    pub content: Content,
    pub epoch: Epoch,
    pub sequence: u64,
    version: u16,
    fragment: &'a [u8],
}

/// The records of a datagram, up to the first that is none. Those of other epochs are passed over.
pub fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut reader = Reader::new(datagram);
    std::iter::from_fn(move || Record::parse(&mut reader).ok()).flatten()
}

impl<'a> Record<'a> {
    /// `None`: one of another epoch, or of a kind that is not known.
    pub fn parse(reader: &mut Reader<'a>) -> Result<Option<Self>, Malformed> {
        let content = reader.u8()?;
        let version = reader.u16()?;
        let epoch = reader.u16()?;
        let [a, b, c, d, e, f] = reader.array()?;
        let fragment = reader.vector16()?;
        if version & 0xff00 != 0xfe00 {
            return Err(Malformed);
        }
        let epoch = match epoch {
            0 => Some(Epoch::Clear),
            1 => Some(Epoch::Sealed),
            _ => None,
        };
        let parts = Content::from_code(content).zip(epoch);
        Ok(parts.map(|(content, epoch)| Self {
            content,
            epoch,
            sequence: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            version,
            fragment,
        }))
    }

    /// What it carries, if it is in the clear.
    pub fn clear(&self) -> Option<&'a [u8]> {
        match self.epoch {
            Epoch::Clear => Some(self.fragment),
            Epoch::Sealed => None,
        }
    }
}

/// One direction under keys.
struct Key {
    key: LessSafeKey,
    salt: [u8; 4],
}

impl Key {
    fn new(suite: CipherSuite, from: &RecordKey) -> Result<Self, Failure> {
        let key = UnboundKey::new(suite.aead(), &from.key).map_err(|_| Failure::Library)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            salt: from.salt,
        })
    }

    fn nonce(&self, explicit: [u8; EXPLICIT_NONCE]) -> Nonce {
        let mut nonce = [0; 12];
        let (salt, rest) = nonce.split_at_mut(4);
        salt.copy_from_slice(&self.salt);
        rest.copy_from_slice(&explicit);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// RFC 5246 §6.2.3.3, with epoch and sequence number for the counter (RFC 6347 §4.1.2.1).
fn associated(sequence: [u8; 8], content: u8, version: u16, length: usize) -> Aad<[u8; 13]> {
    let mut data = [0; 13];
    let (number, rest) = data.split_at_mut(8);
    number.copy_from_slice(&sequence);
    let [v0, v1] = version.to_be_bytes();
    let [l0, l1] = (length as u16).to_be_bytes();
    rest.copy_from_slice(&[content, v0, v1, l0, l1]);
    Aad::from(data)
}

fn numbered(epoch: Epoch, sequence: u64) -> [u8; 8] {
    let epoch = match epoch {
        Epoch::Clear => 0,
        Epoch::Sealed => 1,
    };
    (sequence & 0xffff_ffff_ffff | epoch << 48).to_be_bytes()
}

/// What we send.
#[derive(Default)]
pub struct Sealer {
    clear_records: u64,
    sealed_records: u64,
    key: Option<Key>,
}

impl Sealer {
    pub fn set_key(&mut self, suite: CipherSuite, key: &RecordKey) -> Result<(), Failure> {
        self.key = Some(Key::new(suite, key)?);
        Ok(())
    }

    /// The number of the next record in the clear.
    pub fn next_clear(&self) -> u64 {
        self.clear_records
    }

    /// Bytes that a record takes besides its content.
    pub fn overhead(epoch: Epoch) -> usize {
        match epoch {
            Epoch::Clear => HEADER,
            Epoch::Sealed => HEADER + SEALING,
        }
    }

    /// Writes a record to the front of `out`, and says how long it is.
    pub fn write(
        &mut self,
        out: &mut [u8],
        epoch: Epoch,
        content: Content,
        parts: &[&[u8]],
    ) -> Option<usize> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let total = length + Self::overhead(epoch);
        let out = out.get_mut(..total)?;
        let counter = match epoch {
            Epoch::Clear => &mut self.clear_records,
            Epoch::Sealed => &mut self.sealed_records,
        };
        let number = numbered(epoch, *counter);
        *counter += 1;
        let (header, body) = out.split_at_mut(HEADER);
        put_header(header, content, number, body.len());
        match epoch {
            Epoch::Clear => put_parts(body, parts),
            Epoch::Sealed => self.seal(body, number, content, parts)?,
        }
        Some(total)
    }

    fn seal(
        &self,
        body: &mut [u8],
        number: [u8; 8],
        content: Content,
        parts: &[&[u8]],
    ) -> Option<()> {
        let key = self.key.as_ref()?;
        let (nonce, rest) = body.split_at_mut(EXPLICIT_NONCE);
        let (text, tag) = rest.split_at_mut(rest.len() - TAG);
        nonce.copy_from_slice(&number);
        put_parts(text, parts);
        let associated = associated(number, content.code(), VERSION, text.len());
        let sealed = key
            .key
            .seal_in_place_separate_tag(key.nonce(number), associated, text);
        tag.copy_from_slice(sealed.ok()?.as_ref());
        Some(())
    }
}

fn put_header(header: &mut [u8], content: Content, number: [u8; 8], length: usize) {
    let [v0, v1] = VERSION.to_be_bytes();
    let [l0, l1] = (length as u16).to_be_bytes();
    let fields = [content.code(), v0, v1].into_iter();
    let fields = fields.chain(number).chain([l0, l1]);
    for (to, byte) in header.iter_mut().zip(fields) {
        *to = byte;
    }
}

pub fn put_parts(to: &mut [u8], parts: &[&[u8]]) {
    let bytes = parts.iter().copied().flatten();
    for (to, byte) in to.iter_mut().zip(bytes) {
        *to = *byte;
    }
}

/// What we receive.
#[derive(Default)]
pub struct Opener {
    key: Option<Key>,
    window: Window,
}

impl Opener {
    pub fn set_key(&mut self, suite: CipherSuite, key: &RecordKey) -> Result<(), Failure> {
        self.key = Some(Key::new(suite, key)?);
        Ok(())
    }

    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The content of an authentic record that was not there before. Those in the clear are for the caller to judge.
    pub fn open(&mut self, record: &Record<'_>) -> Option<Vec<u8>> {
        let key = self.key.as_ref()?;
        if !self.window.is_new(record.sequence) {
            return None;
        }
        let (explicit, sealed) = record.fragment.split_first_chunk()?;
        let length = sealed.len().checked_sub(TAG)?;
        let number = numbered(record.epoch, record.sequence);
        let associated = associated(number, record.content.code(), record.version, length);
        let mut text = sealed.to_vec();
        let opened = key
            .key
            .open_in_place(key.nonce(*explicit), associated, &mut text);
        let length = opened.ok()?.len();
        text.truncate(length);
        self.window.accept(record.sequence);
        Some(text)
    }
}

/// RFC 6347 §4.1.2.6, RFC 9147 §4.5.1.
#[derive(Default)]
pub struct Window {
    /// One more than the highest.
    pub next: u64,
    /// Bit n: `next - 1 - n` was there.
    seen: u64,
}

impl Window {
    pub fn is_new(&self, sequence: u64) -> bool {
        match self.next.checked_sub(sequence + 1) {
            None => true,
            Some(age) => age < 64 && self.seen & 1 << age == 0,
        }
    }

    pub fn accept(&mut self, sequence: u64) {
        match self.next.checked_sub(sequence + 1) {
            None => {
                let steps = sequence + 1 - self.next;
                self.seen = if steps < 64 { self.seen << steps } else { 0 } | 1;
                self.next = sequence + 1;
            }
            Some(age) if age < 64 => self.seen |= 1 << age,
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn keyed() -> (Sealer, Opener) {
        let key = RecordKey {
            key: Zeroizing::new(vec![3; 16]),
            salt: [4; 4],
        };
        let (mut sealer, mut opener) = (Sealer::default(), Opener::default());
        sealer.set_key(CipherSuite::EcdsaAes128, &key).unwrap();
        opener.set_key(CipherSuite::EcdsaAes128, &key).unwrap();
        (sealer, opener)
    }

    fn sealed(sealer: &mut Sealer, text: &[u8]) -> Vec<u8> {
        let mut out = [0; 200];
        let len = sealer.write(&mut out, Epoch::Sealed, Content::Handshake, &[text]);
        out[..len.unwrap()].to_vec()
    }

    #[test]
    fn sealed_records_open_once() {
        let (mut sealer, mut opener) = keyed();
        let datagram = [sealed(&mut sealer, b"one"), sealed(&mut sealer, b"two")].concat();
        let mut open = || -> Vec<_> {
            records(&datagram)
                .map(|record| opener.open(&record))
                .collect()
        };
        assert_eq!(open(), [Some(b"one".to_vec()), Some(b"two".to_vec())]);
        assert_eq!(open(), [None, None], "replayed");
    }

    #[test]
    fn no_bit_of_a_sealed_record_may_change() {
        let (mut sealer, _) = keyed();
        let whole = sealed(&mut sealer, b"text");
        for bit in 0..whole.len() * 8 {
            let (_, mut opener) = keyed();
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let opened = records(&changed).find_map(|record| match record.clear() {
                Some(_) => None,
                None => opener.open(&record),
            });
            assert_eq!(opened, None, "bit {bit}");
        }
    }

    #[test]
    fn a_forged_number_does_not_move_the_window() {
        let (mut sealer, mut opener) = keyed();
        let mut forged = sealed(&mut sealer, b"forged");
        forged[5..11].fill(0xff);
        assert_eq!(opener.open(&records(&forged).next().unwrap()), None);
        let real = sealed(&mut sealer, b"real");
        assert!(opener.open(&records(&real).next().unwrap()).is_some());
    }

    #[test]
    fn window_takes_each_number_once_in_any_order() {
        let mut window = Window::default();
        for sequence in [5, 3, 70, 7, 69, 133, 200] {
            assert!(window.is_new(sequence), "{sequence}");
            window.accept(sequence);
            assert!(!window.is_new(sequence), "{sequence}");
        }
        assert!(!window.is_new(136), "too old");
        assert!(window.is_new(137) && window.is_new(199));
    }
}
