//! STUN as ICE speaks it (RFC 8489, RFC 8445 §16): Binding requests and their responses, read in place and written in
//! place. Not here: indications beyond noticing them, other methods, long-term credentials, SHA-256 integrity.

mod reading;
mod writing;

pub use reading::{Fault, Message};
pub use writing::Writer;

/// Bytes that the largest message of ours needs: two user fragments of 256 bytes (RFC 8445 §5.3), and everything else.
pub const MAX_LEN: usize = 640;

const HEADER: usize = 20;
const MAGIC_COOKIE: u32 = 0x2112_A442;
const BINDING: u16 = 0x0001;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// Bytes of MESSAGE-INTEGRITY with its four of head.
const INTEGRITY: usize = 24;

/// RFC 8489 §18.3, RFC 8445 §20.1.
mod attribute {
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
    pub const ICE_CONTROLLING: u16 = 0x802a;
    /// Below it, a receiver has to know an attribute or refuse the message (RFC 8489 §14).
    pub const FIRST_OPTIONAL: u16 = 0x8000;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// What pairs a response with its request: 96 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TransactionId(pub [u8; 12]);

/// CRC-32 of ITU V.42 (RFC 8489 §14.7), a bit at a time: a message is short and comes seldom.
fn crc32<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.into_iter().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc = (crc >> 1) ^ (0xedb8_8320 * carry);
        }
    }
    !crc
}

#[cfg(test)]
mod tests;
