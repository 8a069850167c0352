//! Where in the key stream a packet stands, and where in a packet things stand.

use super::Error;
use crate::sdp::Ssrc;

/// Bytes of an SRTCP packet that stay in the clear: header and sender (RFC 3711 §3.4).
pub(super) const RTCP_CLEAR: usize = 8;

/// SSRC and index: never the same twice under one key.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) ssrc: Ssrc,
    /// RTP: rollover counter and sequence number, 48 bits. RTCP: 31 bits.
    pub(super) index: u64,
}

impl Position {
    /// As it goes into the initial value of every suite (RFC 3711 §4.1.1, RFC 7714 §8.1, §9.1): SSRC, then 48 bits of
    /// index.
    pub(super) fn to_bytes(self) -> [u8; 10] {
        let [s0, s1, s2, s3] = self.ssrc.0.to_be_bytes();
        let [_, _, i0, i1, i2, i3, i4, i5] = self.index.to_be_bytes();
        [s0, s1, s2, s3, i0, i1, i2, i3, i4, i5]
    }

    pub(super) fn rollover(self) -> [u8; 4] {
        let [_, _, r0, r1, r2, r3, _, _] = self.index.to_be_bytes();
        [r0, r1, r2, r3]
    }
}

/// The E bit and the index, sent with each SRTCP packet (RFC 3711 §3.4).
#[derive(Clone, Copy)]
pub(super) struct RtcpWord(u32);

impl RtcpWord {
    pub(super) const LEN: usize = 4;
    const E: u32 = 1 << 31;

    pub(super) fn encrypted(position: Position) -> Self {
        Self(Self::E | position.index as u32)
    }

    pub(super) fn read(bytes: &[u8; Self::LEN]) -> Self {
        Self(u32::from_be_bytes(*bytes))
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        self.0.to_be_bytes()
    }

    pub(super) fn is_encrypted(self) -> bool {
        self.0 & Self::E != 0
    }

    pub(super) fn index(self) -> u64 {
        u64::from(self.0 & !Self::E)
    }
}

/// Writes `bytes` at `from` and says where they end.
pub(super) fn put(buffer: &mut [u8], from: usize, bytes: &[u8]) -> Result<usize, Error> {
    let end = from + bytes.len();
    let place = buffer.get_mut(from..end).ok_or(Error::NoRoom)?;
    place.copy_from_slice(bytes);
    Ok(end)
}

pub(super) fn part(buffer: &mut [u8], from: usize, to: usize) -> Result<&mut [u8], Error> {
    buffer.get_mut(from..to).ok_or(Error::Malformed)
}
