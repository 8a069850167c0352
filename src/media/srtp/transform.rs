//! What the suites have in common: session keys that protect and open RTP, or RTCP.

use super::Error;
use super::counter::CounterMode;
use super::derivation::{Master, Protocol};
use super::gcm::Gcm;
use super::position::{Position, RtcpWord};
use crate::sdp::Suite;

/// The common suites lie in place; the others can bear the room.
#[expect(
    clippy::large_enum_variant,
    reason = "keys lie in place: they are read for each packet"
)]
pub(super) enum Transform {
    CounterMode(CounterMode),
    Gcm(Gcm),
}

impl Transform {
    pub(super) fn new(suite: Suite, master: &Master, protocol: Protocol) -> Option<Self> {
        match suite {
            Suite::AesCm128HmacSha1_80
            | Suite::AesCm128HmacSha1_32
            | Suite::AesCm256HmacSha1_80
            | Suite::AesCm256HmacSha1_32 => {
                CounterMode::new(suite, master, protocol).map(Self::CounterMode)
            }
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => {
                Gcm::new(suite, master, protocol).map(Self::Gcm)
            }
        }
    }

    /// Protects `buffer[..length]`, of which the first `clear` bytes are not encrypted, and returns its new length.
    pub(super) fn protect_rtp(
        &self,
        position: Position,
        buffer: &mut [u8],
        clear: usize,
        length: usize,
    ) -> Result<usize, Error> {
        match self {
            Self::CounterMode(keys) => keys.protect_rtp(position, buffer, clear, length),
            Self::Gcm(keys) => keys.protect_rtp(position, buffer, clear, length),
        }
    }

    /// Opens a packet of at least `clear` bytes.
    pub(super) fn unprotect_rtp(
        &self,
        position: Position,
        packet: &mut [u8],
        clear: usize,
    ) -> Result<usize, Error> {
        match self {
            Self::CounterMode(keys) => keys.unprotect_rtp(position, packet, clear),
            Self::Gcm(keys) => keys.unprotect_rtp(position, packet, clear),
        }
    }

    /// Protects `buffer[..length]`, which is at least header and sender.
    pub(super) fn protect_rtcp(
        &self,
        position: Position,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<usize, Error> {
        match self {
            Self::CounterMode(keys) => keys.protect_rtcp(position, buffer, length),
            Self::Gcm(keys) => keys.protect_rtcp(position, buffer, length),
        }
    }

    pub(super) fn unprotect_rtcp(
        &self,
        position: Position,
        word: RtcpWord,
        packet: &mut [u8],
    ) -> Result<usize, Error> {
        match self {
            Self::CounterMode(keys) => keys.unprotect_rtcp(position, word, packet),
            Self::Gcm(keys) => keys.unprotect_rtcp(position, word, packet),
        }
    }

    /// The index that an SRTCP packet claims. `None` when the packet is too short to hold all that it must.
    pub(super) fn rtcp_word(&self, packet: &[u8]) -> Option<RtcpWord> {
        match self {
            Self::CounterMode(keys) => keys.rtcp_word(packet),
            Self::Gcm(_) => Gcm::rtcp_word(packet),
        }
    }
}
