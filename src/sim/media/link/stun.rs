//! STUN binding messages (RFC 8489) with the attributes of ICE (RFC 8445 §16.1): as much as a lite agent needs.

use std::net::{IpAddr, SocketAddr};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEADER: usize = 20;
/// MESSAGE-INTEGRITY with its head.
const INTEGRITY: usize = 24;

const REQUEST: u16 = 0x0001;
const INDICATION: u16 = 0x0011;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;

pub type Transaction = [u8; 12];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Request,
    Indication,
    Success,
    /// With its code, such as 487.
    Error(u16),
}

/// What the sender of a check says it is (RFC 8445 §7.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    Controlling,
    Controlled,
}

/// A binding message as it came.
#[derive(Clone, Debug)]
pub struct Binding {
    pub kind: Kind,
    pub transaction: Transaction,
    pub username: String,
    pub claim: Option<Claim>,
    pub use_candidate: bool,
    pub has_fingerprint: bool,
    bytes: Vec<u8>,
    integrity_at: Option<usize>,
}

impl Binding {
    /// `None` for what is no binding message, or a damaged one.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let length = usize::from(number(datagram, 2)?);
        let whole = datagram.get(4..8)? == COOKIE && HEADER + length == datagram.len();
        let kind = match number(datagram, 0)? {
            REQUEST => Kind::Request,
            INDICATION => Kind::Indication,
            SUCCESS => Kind::Success,
            ERROR => Kind::Error(0),
            _ => return None,
        };
        let mut binding = Self {
            kind,
            transaction: datagram.get(8..HEADER)?.try_into().ok()?,
            username: String::new(),
            claim: None,
            use_candidate: false,
            has_fingerprint: false,
            bytes: datagram.into(),
            integrity_at: None,
        };
        let mut at = HEADER;
        while whole && at < datagram.len() {
            at = binding.attribute(at)?;
        }
        whole.then_some(binding)
    }

    /// Reads the attribute there, and returns where the next one is.
    fn attribute(&mut self, at: usize) -> Option<usize> {
        let (kind, length) = (number(&self.bytes, at)?, number(&self.bytes, at + 2)?);
        let start = at + 4;
        let end = start + usize::from(length);
        let value = self.bytes.get(start..end)?;
        match kind {
            // What follows the integrity is not protected by it.
            FINGERPRINT => {
                let sum = crc(self.bytes.get(..at)?) ^ 0x5354_554E;
                self.has_fingerprint = value == sum.to_be_bytes();
                self.has_fingerprint.then_some(())?;
            }
            _ if self.integrity_at.is_some() => {}
            USERNAME => self.username = String::from_utf8_lossy(value).into_owned(),
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLING => self.claim = Some(Claim::Controlling),
            ICE_CONTROLLED => self.claim = Some(Claim::Controlled),
            MESSAGE_INTEGRITY => self.integrity_at = Some(at),
            ERROR_CODE => {
                let code = u16::from(*value.get(2)?) * 100 + u16::from(*value.get(3)?);
                self.kind = Kind::Error(code);
            }
            _ => {}
        }
        Some(end.next_multiple_of(4))
    }

    /// Whether it was written by somebody who knows this password.
    pub fn is_by(&self, password: &str) -> bool {
        let Some(at) = self.integrity_at else {
            return false;
        };
        let signed = integrity(&self.bytes[..at], password);
        let given = self.bytes.get(at + 4..at + INTEGRITY);
        signed.is_ok_and(|signed| given == Some(&signed))
    }
}

/// An answer to a check, or a check.
pub struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u16, transaction: Transaction) -> Self {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(COOKIE);
        bytes.extend(transaction);
        Self(bytes)
    }

    /// The sender's address, as it is seen here.
    pub fn success(transaction: Transaction, from: SocketAddr) -> Self {
        let mut mask = COOKIE.to_vec();
        mask.extend(transaction);
        let port = from.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
        let (family, address) = match from.ip() {
            IpAddr::V4(ip) => (1, ip.octets().to_vec()),
            IpAddr::V6(ip) => (2, ip.octets().to_vec()),
        };
        let mut value = vec![0, family];
        value.extend(port.to_be_bytes());
        value.extend(address.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        Self::new(SUCCESS, transaction).with(XOR_MAPPED_ADDRESS, &value)
    }

    /// 487 (RFC 8445 §7.3.1.1).
    pub fn role_conflict(transaction: Transaction) -> Self {
        let mut value = vec![0, 0, 4, 87];
        value.extend(b"Role Conflict");
        Self::new(ERROR, transaction).with(ERROR_CODE, &value)
    }

    /// A check of one that believes to be the controlling agent.
    pub fn check(transaction: Transaction, username: &str, tie_breaker: u64) -> Self {
        Self::new(REQUEST, transaction)
            .with(USERNAME, username.as_bytes())
            .with(PRIORITY, &1_853_824_767_u32.to_be_bytes())
            .with(ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }

    fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(kind.to_be_bytes());
        self.0.extend((value.len() as u16).to_be_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn set_length(&mut self, more: usize) {
        let length = (self.0.len() - HEADER + more) as u16;
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
    }

    /// Signed, and closed with the checksum.
    pub fn finish(self, password: &str) -> Result<Vec<u8>, ErrorStack> {
        let signature = integrity(&self.0, password)?;
        let mut signed = self.with(MESSAGE_INTEGRITY, &signature);
        signed.set_length(8);
        let sum = crc(&signed.0) ^ 0x5354_554E;
        Ok(signed.with(FINGERPRINT, &sum.to_be_bytes()).0)
    }
}

/// Of what stands before the attribute, as if the message ended with it (RFC 8489 §14.5).
fn integrity(before: &[u8], password: &str) -> Result<Vec<u8>, ErrorStack> {
    let length = (before.len() - HEADER + INTEGRITY) as u16;
    let key = PKey::hmac(password.as_bytes())?;
    let mut signer = Signer::new(MessageDigest::sha1(), &key)?;
    signer.update(&before[..2])?;
    signer.update(&length.to_be_bytes())?;
    signer.update(&before[4..])?;
    signer.sign_to_vec()
}

/// ITU-T V.42, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 * (sum & 1))
        })
    });
    !sum
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([two[0], two[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.1, §2.2.
    const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
    const REQUEST_SAMPLE: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e2074657374\
        20636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a683676592020200008\
        00149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    const RESPONSE_SAMPLE: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b74657374207665637\
        46f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn the_samples_are_read() {
        let request = Binding::read(&octets(REQUEST_SAMPLE)).unwrap();
        assert_eq!(
            (request.kind, request.username.as_str()),
            (Kind::Request, "evtj:h6vY")
        );
        assert_eq!(request.claim, Some(Claim::Controlled));
        assert!(request.has_fingerprint && request.is_by(PASSWORD));
        assert!(!request.is_by("VOkJxbRl1RmTxUk/WvJxBu"));
        let response = Binding::read(&octets(RESPONSE_SAMPLE)).unwrap();
        assert_eq!(response.kind, Kind::Success);
        assert!(response.is_by(PASSWORD));
    }

    #[test]
    fn what_is_damaged_is_not_read() {
        let sample = octets(REQUEST_SAMPLE);
        for length in 0..sample.len() {
            assert!(Binding::read(&sample[..length]).is_none(), "{length}");
        }
        // All that the integrity protects, and the integrity itself.
        for at in 0..sample.len() - 8 {
            let mut damaged = sample.clone();
            damaged[at] ^= 1;
            let read = Binding::read(&damaged);
            assert!(read.is_none_or(|read| !read.is_by(PASSWORD)), "{at}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let from = "[2001:db8::7]:4000".parse().unwrap();
        for (writer, kind) in [
            (Writer::success([7; 12], from), Kind::Success),
            (Writer::role_conflict([7; 12]), Kind::Error(487)),
            (Writer::check([7; 12], "a:b", 9), Kind::Request),
        ] {
            let written = writer.finish("secret").unwrap();
            let read = Binding::read(&written).unwrap();
            assert_eq!((read.kind, read.transaction), (kind, [7; 12]));
            assert!(read.has_fingerprint && read.is_by("secret") && !read.is_by("other"));
        }
    }

    /// The address of RFC 5769 §2.2.
    #[test]
    fn the_mapped_address_is_masked() {
        let from = "192.0.2.1:32853".parse().unwrap();
        let transaction = octets(RESPONSE_SAMPLE)[8..20].try_into().unwrap();
        let written = Writer::success(transaction, from).finish(PASSWORD).unwrap();
        assert_eq!(written[24..32], octets("0001a147e112a643"));
    }
}
