//! RTP packets in place (RFC 3550 §5.1, extension headers RFC 8285), and what a datagram on a media port may be
//! (RFC 7983, RFC 5761). Not here: what is in a payload, and SRTP.

use crate::sdp::{PayloadType, Ssrc};

/// RTP sequence number; its order wraps (RFC 1982), so it has no `Ord`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// A first number in 0..2^15, so that a receiver which misses our first packets cannot miss a wrap and with it the
    /// SRTP rollover (RFC 3711 §3.3.1).
    pub fn initial(random: u16) -> Self {
        Self(random & 0x7fff)
    }

    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    #[must_use]
    pub fn plus(self, count: u16) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How far `self` is ahead of `other`: -2^15..2^15.
    pub fn ahead_of(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    pub fn is_newer_than(self, other: Self) -> bool {
        self.ahead_of(other) > 0
    }
}

/// RTP timestamp in units of the payload's clock; wraps, so it has no `Ord`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RtpTime(pub u32);

impl RtpTime {
    #[must_use]
    pub fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// Ticks by which `self` is ahead of `other`: -2^31..2^31.
    pub fn ahead_of(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

/// What a datagram is by its first two bytes. The rest of it is unchecked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    /// ZRTP, TURN channels and noise: nothing that we speak.
    Unknown,
}

impl Kind {
    /// RFC 7983 §7 on the first byte, RFC 5761 §4 on the second (RTCP types 192-223, so RTP payload types 64-95 are
    /// not usable beside it).
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, _, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

/// The fixed header, as far as we speak it: what we send has no CSRC, extension or padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub marker: bool,
    pub payload_type: PayloadType,
    pub sequence: SequenceNumber,
    pub timestamp: RtpTime,
    pub ssrc: Ssrc,
}

impl Header {
    /// Bytes of a header as we write it.
    pub const LEN: usize = 12;

    /// The header on the wire, version 2.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let [s0, s1] = self.sequence.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.0.to_be_bytes();
        let second = u8::from(self.marker) << 7 | self.payload_type.0 & 0x7f;
        [0x80, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]
    }

    /// Reads the header; also how many bytes it takes with CSRCs and extension, which is where the payload begins.
    /// Padding is not looked at: in SRTP it is still encrypted.
    pub fn parse(_packet: &[u8]) -> Result<(Self, usize), Malformed> {
        todo!()
    }
}

/// A packet in the clear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    pub header: Header,
    /// Without padding; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    pub fn parse(_packet: &'a [u8]) -> Result<Self, Malformed> {
        todo!()
    }
}

/// The sender's fault; the packet is to be counted and dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    #[error("RTP version is not 2")]
    Version,
    #[error("shorter than its header says")]
    Truncated,
    #[error("more padding than payload")]
    Padding,
}
