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
    pub fn parse(packet: &[u8]) -> Result<(Self, usize), Malformed> {
        let fixed = packet.first_chunk().ok_or(Malformed::Truncated)?;
        let &[first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = fixed;
        if first >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let header = Self {
            marker: second & 0x80 != 0,
            payload_type: PayloadType(second & 0x7f),
            sequence: SequenceNumber(u16::from_be_bytes([s0, s1])),
            timestamp: RtpTime(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([i0, i1, i2, i3])),
        };
        Ok((header, payload_offset(packet, first)?))
    }
}

/// Behind the fixed header: four bytes a CSRC, then the extension, whose length counts words after its own four bytes.
fn payload_offset(packet: &[u8], first: u8) -> Result<usize, Malformed> {
    let mut offset = Header::LEN + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let extension = packet.get(offset..).and_then(|rest| rest.first_chunk());
        let &[_, _, w0, w1] = extension.ok_or(Malformed::Truncated)?;
        offset += 4 + 4 * usize::from(u16::from_be_bytes([w0, w1]));
    }
    if offset > packet.len() {
        return Err(Malformed::Truncated);
    }
    Ok(offset)
}

/// A packet in the clear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    pub header: Header,
    /// Without padding; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    pub fn parse(packet: &'a [u8]) -> Result<Self, Malformed> {
        let (header, offset) = Header::parse(packet)?;
        let padded = packet.get(offset..).ok_or(Malformed::Truncated)?;
        let payload = match packet.first() {
            Some(first) if first & 0x20 != 0 => without_padding(padded)?,
            _ => padded,
        };
        Ok(Self { header, payload })
    }
}

/// The last byte counts the padding, itself included.
fn without_padding(padded: &[u8]) -> Result<&[u8], Malformed> {
    let count = usize::from(*padded.last().ok_or(Malformed::Padding)?);
    match padded.len().checked_sub(count) {
        Some(length) if count > 0 => Ok(&padded[..length]),
        _ => Err(Malformed::Padding),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: PayloadType(111),
        sequence: SequenceNumber(0x0102),
        timestamp: RtpTime(0x0304_0506),
        ssrc: Ssrc(0x0708_090a),
    };

    #[test]
    fn header_on_the_wire() {
        let bytes = [0x80, 0x80 | 111, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        assert_eq!(HEADER.to_bytes(), bytes);
        assert_eq!(Header::parse(&bytes), Ok((HEADER, 12)));
    }

    /// Two CSRCs, an extension of one word, three bytes of payload and two of padding.
    fn rich() -> Vec<u8> {
        let mut packet = HEADER.to_bytes().to_vec();
        packet[0] |= 0x20 | 0x10 | 2;
        packet.extend([1, 1, 1, 1, 2, 2, 2, 2]);
        packet.extend([0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0]);
        packet.extend([b'a', b'b', b'c', 0, 2]);
        packet
    }

    #[test]
    fn csrc_extension_and_padding_are_stepped_over() {
        let packet = rich();
        assert_eq!(Header::parse(&packet), Ok((HEADER, 28)));
        let parsed = Packet::parse(&packet).unwrap();
        assert_eq!(parsed.header, HEADER);
        assert_eq!(parsed.payload, b"abc");
    }

    #[test]
    fn every_cut_is_refused_or_shorter() {
        let packet = rich();
        for length in 0..28 {
            assert_eq!(
                Packet::parse(&packet[..length]),
                Err(Malformed::Truncated),
                "{length}"
            );
        }
        assert_eq!(Packet::parse(&packet[..28]), Err(Malformed::Padding));
    }

    #[test]
    fn padding_is_at_least_one_and_at_most_everything() {
        for (last, payload) in [
            (0, None),
            (1, Some(4)),
            (5, Some(0)),
            (6, None),
            (255, None),
        ] {
            let mut packet = rich();
            *packet.last_mut().unwrap() = last;
            let found = Packet::parse(&packet).ok().map(|it| it.payload.len());
            assert_eq!(found, payload, "padding {last}");
        }
    }

    #[test]
    fn other_versions_are_refused() {
        for first in [0x00, 0x40, 0xc0] {
            let mut packet = HEADER.to_bytes();
            packet[0] = first;
            assert_eq!(Packet::parse(&packet), Err(Malformed::Version));
        }
    }

    #[test]
    fn order_wraps() {
        let last = SequenceNumber(u16::MAX);
        assert_eq!(last.next(), SequenceNumber(0));
        assert!(last.next().is_newer_than(last));
        assert!(!last.is_newer_than(last.next()));
        assert!(!last.is_newer_than(last));
        assert_eq!(SequenceNumber(0).ahead_of(SequenceNumber(0xfffe)), 2);
        assert_eq!(RtpTime(u32::MAX).plus(960), RtpTime(959));
        assert_eq!(RtpTime(100).ahead_of(RtpTime(u32::MAX - 99)), 200);
        assert_eq!(SequenceNumber::initial(0xffff), SequenceNumber(0x7fff));
    }

    #[test]
    fn kinds_by_first_and_second_byte() {
        for first in 0..=255 {
            for second in 0..=255 {
                let expected = match first {
                    0..4 => Kind::Stun,
                    20..64 => Kind::Dtls,
                    128..192 if (192..224).contains(&second) => Kind::Rtcp,
                    128..192 => Kind::Rtp,
                    _ => Kind::Unknown,
                };
                assert_eq!(Kind::of(&[first, second]), expected);
            }
        }
        assert_eq!(Kind::of(&[]), Kind::Unknown);
        assert_eq!(Kind::of(&[0x80]), Kind::Unknown);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Kind::of(&bytes);
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() + Header::LEN <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(
            marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            payload in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let header = Header {
                marker,
                payload_type: PayloadType(payload_type),
                sequence: SequenceNumber(sequence),
                timestamp: RtpTime(timestamp),
                ssrc: Ssrc(ssrc),
            };
            let mut bytes = header.to_bytes().to_vec();
            bytes.extend(&payload);
            let packet = Packet::parse(&bytes).unwrap();
            prop_assert_eq!(packet.header, header);
            prop_assert_eq!(packet.payload, &payload[..]);
        }
    }
}
