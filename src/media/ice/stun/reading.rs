//! A message as it came.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::{
    BINDING, Class, FINGERPRINT_XOR, HEADER, INTEGRITY, MAGIC_COOKIE, TransactionId, attribute,
    crc32,
};
use crate::sdp::IceRole;

/// Why a datagram is no Binding message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    #[error("no STUN header")]
    Header,
    #[error("not the Binding method")]
    Method,
    #[error("an attribute is cut short or of the wrong size")]
    Attribute,
    #[error("the fingerprint does not fit")]
    Fingerprint,
}

/// A well-formed Binding message. Nothing in it is believed before `is_authentic`.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    pub class: Class,
    pub transaction: TransactionId,
    pub username: Option<&'a [u8]>,
    pub priority: Option<u32>,
    pub use_candidate: bool,
    /// The sender's role and tie-breaker.
    pub role: Option<(IceRole, u64)>,
    /// Where our request came from, as the peer saw it.
    pub mapped: Option<SocketAddr>,
    pub error: Option<u16>,
    /// The first attribute that has to be understood and is not.
    pub not_understood: Option<u16>,
    /// Where MESSAGE-INTEGRITY begins.
    integrity: Option<usize>,
}

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let header = bytes.first_chunk::<HEADER>().ok_or(Fault::Header)?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let cookie = u32::from_be_bytes([c0, c1, c2, c3]);
        if cookie != MAGIC_COOKIE || length % 4 != 0 || bytes.len() != HEADER + length {
            return Err(Fault::Header);
        }
        let mut message = Self {
            bytes,
            class: class_of(u16::from_be_bytes([t0, t1]))?,
            transaction: TransactionId(transaction),
            username: None,
            priority: None,
            use_candidate: false,
            role: None,
            mapped: None,
            error: None,
            not_understood: None,
            integrity: None,
        };
        message.read_attributes()?;
        Ok(message)
    }

    /// Whether MESSAGE-INTEGRITY is there and made with this password (RFC 8489 §14.5, short-term credentials).
    pub fn is_authentic(&self, password: &str) -> bool {
        let Some((covered, code)) = self.integrity_parts() else {
            return false;
        };
        let Some((head, rest)) = covered.split_first_chunk::<4>() else {
            return false;
        };
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(password.as_bytes()) else {
            return false;
        };
        let length = covered.len() - HEADER + INTEGRITY;
        let [l0, l1] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        mac.update(&[head[0], head[1], l0, l1]);
        mac.update(rest);
        mac.verify_slice(code).is_ok()
    }

    /// Of `USERNAME`, the receiver's fragment: what stands before the colon (RFC 8445 §7.2.2).
    pub fn receiver_fragment(&self) -> Option<&'a [u8]> {
        self.username?.split(|byte| *byte == b':').next()
    }

    fn integrity_parts(&self) -> Option<(&'a [u8], &'a [u8])> {
        let at = self.integrity?;
        let covered = self.bytes.get(..at)?;
        let code = self.bytes.get(at + 4..at + INTEGRITY)?;
        Some((covered, code))
    }

    fn read_attributes(&mut self) -> Result<(), Fault> {
        let mut at = HEADER;
        while at < self.bytes.len() {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let (head, body) = rest.split_first_chunk::<4>().ok_or(Fault::Attribute)?;
            let kind = u16::from_be_bytes([head[0], head[1]]);
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = body.get(..length).ok_or(Fault::Attribute)?;
            self.read(at, kind, value)?;
            at += 4 + length.next_multiple_of(4);
        }
        Ok(())
    }

    /// What follows MESSAGE-INTEGRITY is nobody's word, the fingerprint excepted (RFC 8489 §14.5).
    fn read(&mut self, at: usize, kind: u16, value: &'a [u8]) -> Result<(), Fault> {
        if kind == attribute::FINGERPRINT {
            return self.check_fingerprint(at, value);
        }
        if self.integrity.is_some() {
            return Ok(());
        }
        match kind {
            attribute::USERNAME => self.username = Some(value),
            attribute::MESSAGE_INTEGRITY => {
                self.integrity = Some(sized::<20>(value).map(|_| at)?);
            }
            attribute::ERROR_CODE => self.error = Some(error_code(value)?),
            attribute::XOR_MAPPED_ADDRESS => self.mapped = Some(self.address(value)?),
            attribute::PRIORITY => self.priority = Some(u32::from_be_bytes(sized(value)?)),
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::ICE_CONTROLLED => self.role = Some((IceRole::Controlled, number(value)?)),
            attribute::ICE_CONTROLLING => self.role = Some((IceRole::Controlling, number(value)?)),
            attribute::FIRST_OPTIONAL.. | attribute::UNKNOWN_ATTRIBUTES => {}
            unknown => {
                self.not_understood.get_or_insert(unknown);
            }
        }
        Ok(())
    }

    /// It is the last attribute, and covers all before it.
    fn check_fingerprint(&self, at: usize, value: &[u8]) -> Result<(), Fault> {
        let found = u32::from_be_bytes(sized(value)?);
        let covered = self.bytes.get(..at).ok_or(Fault::Fingerprint)?;
        let is_last = at + 8 == self.bytes.len();
        if is_last && crc32([covered]) ^ FINGERPRINT_XOR == found {
            Ok(())
        } else {
            Err(Fault::Fingerprint)
        }
    }

    /// RFC 8489 §14.2.
    fn address(&self, value: &[u8]) -> Result<SocketAddr, Fault> {
        let (&[_, family, p0, p1], host) = value.split_first_chunk().ok_or(Fault::Attribute)?;
        let port = u16::from_be_bytes([p0, p1]) ^ (MAGIC_COOKIE >> 16) as u16;
        let ip: IpAddr = match family {
            1 => (u32::from_be_bytes(sized(host)?) ^ MAGIC_COOKIE)
                .to_be_bytes()
                .into(),
            2 => (u128::from_be_bytes(sized(host)?) ^ self.mask())
                .to_be_bytes()
                .into(),
            _ => return Err(Fault::Attribute),
        };
        Ok(SocketAddr::new(ip, port))
    }

    fn mask(&self) -> u128 {
        address_mask(self.transaction)
    }
}

/// Cookie and transaction: what IPv6 addresses are XORed with.
pub(super) fn address_mask(transaction: TransactionId) -> u128 {
    let mut mask = [0; 16];
    let (cookie, rest) = mask.split_at_mut(4);
    cookie.copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    rest.copy_from_slice(&transaction.0);
    u128::from_be_bytes(mask)
}

fn class_of(kind: u16) -> Result<Class, Fault> {
    match kind {
        BINDING => Ok(Class::Request),
        0x0011 => Ok(Class::Indication),
        0x0101 => Ok(Class::Success),
        0x0111 => Ok(Class::Error),
        0x4000.. => Err(Fault::Header),
        _ => Err(Fault::Method),
    }
}

/// RFC 8489 §14.8: a hundreds digit and a number below it.
fn error_code(value: &[u8]) -> Result<u16, Fault> {
    match *value {
        [_, _, class, number, ..] => Ok(u16::from(class & 7) * 100 + u16::from(number)),
        _ => Err(Fault::Attribute),
    }
}

fn number(value: &[u8]) -> Result<u64, Fault> {
    sized(value).map(u64::from_be_bytes)
}

fn sized<const N: usize>(value: &[u8]) -> Result<[u8; N], Fault> {
    value.try_into().map_err(|_| Fault::Attribute)
}
