//! A message of ours, written where it is sent from.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::reading::address_mask;
use super::{
    BINDING, Class, FINGERPRINT_XOR, HEADER, INTEGRITY, MAGIC_COOKIE, TransactionId, attribute,
    crc32,
};
use crate::sdp::IceRole;

/// Attributes in the order of the calls. Too small a buffer shows at `finish`.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    transaction: TransactionId,
    /// `None`: it did not fit.
    len: Option<usize>,
}

impl<'a> Writer<'a> {
    pub fn begin(buffer: &'a mut [u8], class: Class, transaction: TransactionId) -> Self {
        let class_bits = match class {
            Class::Request => 0,
            Class::Indication => 0x0010,
            Class::Success => 0x0100,
            Class::Error => 0x0110,
        };
        let mut writer = Self {
            buffer,
            transaction,
            len: Some(0),
        };
        writer.put(&(BINDING | class_bits).to_be_bytes());
        writer.put(&[0, 0]);
        writer.put(&MAGIC_COOKIE.to_be_bytes());
        writer.put(&transaction.0);
        writer
    }

    /// RFC 8445 §7.2.2: the receiver's fragment comes first.
    #[must_use]
    pub fn username(self, receiver: &str, sender: &str) -> Self {
        let parts = [receiver.as_bytes(), b":", sender.as_bytes()];
        self.attribute(attribute::USERNAME, &parts)
    }

    #[must_use]
    pub fn priority(self, priority: u32) -> Self {
        self.attribute(attribute::PRIORITY, &[&priority.to_be_bytes()])
    }

    #[must_use]
    pub fn role(self, role: IceRole, tie_breaker: u64) -> Self {
        let kind = match role {
            IceRole::Controlling => attribute::ICE_CONTROLLING,
            IceRole::Controlled => attribute::ICE_CONTROLLED,
        };
        self.attribute(kind, &[&tie_breaker.to_be_bytes()])
    }

    #[must_use]
    pub fn use_candidate(self) -> Self {
        self.attribute(attribute::USE_CANDIDATE, &[])
    }

    #[must_use]
    pub fn mapped(self, address: SocketAddr) -> Self {
        let port = (address.port() ^ (MAGIC_COOKIE >> 16) as u16).to_be_bytes();
        match address.ip() {
            IpAddr::V4(ip) => {
                let host = (u32::from(ip) ^ MAGIC_COOKIE).to_be_bytes();
                self.attribute(attribute::XOR_MAPPED_ADDRESS, &[&[0, 1], &port, &host])
            }
            IpAddr::V6(ip) => {
                let host = (u128::from(ip) ^ address_mask(self.transaction)).to_be_bytes();
                self.attribute(attribute::XOR_MAPPED_ADDRESS, &[&[0, 2], &port, &host])
            }
        }
    }

    #[must_use]
    pub fn error(self, code: u16, reason: &str) -> Self {
        let number = [0, 0, (code / 100) as u8, (code % 100) as u8];
        self.attribute(attribute::ERROR_CODE, &[&number, reason.as_bytes()])
    }

    #[must_use]
    pub fn not_understood(self, kind: u16) -> Self {
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, &[&kind.to_be_bytes()])
    }

    /// Adds MESSAGE-INTEGRITY and FINGERPRINT, and says how long the message is.
    pub fn finish(mut self, password: &str) -> Option<usize> {
        let length = self.len? - HEADER;
        self.set_length(length + INTEGRITY)?;
        let mut mac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).ok()?;
        mac.update(self.written()?);
        let code = mac.finalize().into_bytes();
        self = self.attribute(attribute::MESSAGE_INTEGRITY, &[&code]);
        self.set_length(length + INTEGRITY + 8)?;
        let crc = crc32([self.written()?]) ^ FINGERPRINT_XOR;
        self.attribute(attribute::FINGERPRINT, &[&crc.to_be_bytes()])
            .len
    }

    fn written(&self) -> Option<&[u8]> {
        self.buffer.get(..self.len?)
    }

    fn set_length(&mut self, length: usize) -> Option<()> {
        let length = u16::try_from(length).ok()?.to_be_bytes();
        self.buffer.get_mut(2..4)?.copy_from_slice(&length);
        Some(())
    }

    #[must_use]
    fn attribute(mut self, kind: u16, parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.put(&kind.to_be_bytes());
        self.put(&(length as u16).to_be_bytes());
        for part in parts {
            self.put(part);
        }
        let padding = length.next_multiple_of(4) - length;
        self.put([0; 3].get(..padding).unwrap_or_default());
        self
    }

    #[cfg(test)]
    pub(super) fn attribute_for_test(self, kind: u16) -> Self {
        self.attribute(kind, &[b"test"])
    }

    fn put(&mut self, bytes: &[u8]) {
        self.len = self.len.and_then(|len| {
            let room = self.buffer.get_mut(len..len.checked_add(bytes.len())?)?;
            room.copy_from_slice(bytes);
            Some(len + bytes.len())
        });
    }
}
