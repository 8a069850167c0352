//! SRTP and SRTCP (RFC 3711) with the suites of SDES: AES counter mode with HMAC-SHA1 (RFC 4568 §6.2, RFC 6188) and
//! AES-GCM (RFC 7714). Packets are protected and opened in place; nothing is allocated after a key was set.
//!
//! Not here: MKI, key derivation rates other than 0, and how keys are agreed (SDP, DTLS).

use crate::sdp::{MasterKey, Ssrc, Suite};

/// Room that a caller leaves behind a packet that is to be protected (a GCM tag and the SRTCP index).
pub const MAX_OVERHEAD: usize = 20;

/// Protects what we send under one master key.
///
/// The sequence number of each packet must be newer than the last one of its SSRC: one index used twice gives the
/// keystream away (RFC 3711 §9.1).
pub struct Outbound {}

impl Outbound {
    /// `key` is master key and salt joined; what a suite does not need of it is ignored.
    pub fn new(_suite: Suite, _key: &MasterKey) -> Result<Self, Error> {
        todo!()
    }

    /// Protects the RTP packet in `buffer[..len]`, which needs `MAX_OVERHEAD` bytes of room behind it. Returns the
    /// packet's new length.
    pub fn protect_rtp(&mut self, _buffer: &mut [u8], _len: usize) -> Result<usize, Error> {
        todo!()
    }

    /// The same for a (compound) RTCP packet.
    pub fn protect_rtcp(&mut self, _buffer: &mut [u8], _len: usize) -> Result<usize, Error> {
        todo!()
    }

    /// One entry a stream, for a standby.
    pub fn streams(&self) -> Vec<StreamState> {
        todo!()
    }

    /// Goes on where another left off. Replaces what is known of these streams.
    pub fn resume(&mut self, _streams: &[StreamState]) {
        todo!()
    }
}

/// Opens what a peer sends under one master key. State is kept for the last four SSRCs, and only for those of which a
/// packet was authentic: forged packets cost the time to reject them and nothing else.
pub struct Inbound {}

impl Inbound {
    /// `key` is master key and salt joined; what a suite does not need of it is ignored.
    pub fn new(_suite: Suite, _key: &MasterKey) -> Result<Self, Error> {
        todo!()
    }

    /// Opens an SRTP packet in place and returns its length as RTP. After an error the content is unspecified.
    pub fn unprotect_rtp(&mut self, _packet: &mut [u8]) -> Result<usize, Error> {
        todo!()
    }

    /// The same for SRTCP.
    pub fn unprotect_rtcp(&mut self, _packet: &mut [u8]) -> Result<usize, Error> {
        todo!()
    }

    /// One entry a stream, for a standby.
    pub fn streams(&self) -> Vec<StreamState> {
        todo!()
    }

    /// Goes on where another left off. Replaces what is known of these streams.
    pub fn resume(&mut self, _streams: &[StreamState]) {
        todo!()
    }
}

/// How far one SSRC has come under a key. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamState {
    pub ssrc: Ssrc,
    pub rtp: Option<Progress>,
    pub rtcp: Option<Progress>,
}

/// The highest index (RTP: rollover counter and sequence number, 48 bits; RTCP: 31 bits), and which of the 128 indices
/// up to it were seen: bit 0 is the highest itself. A sender has no use for the latter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    pub highest: u64,
    pub seen: u128,
}

/// Why a packet was not protected or opened. The first three are the peer's or an attacker's doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    #[error("authentication failed")]
    Authentication,
    #[error("replayed, or too old to tell")]
    Replayed,
    #[error("not an SRTP packet")]
    Malformed,
    #[error("sequence number is not newer than the last one sent")]
    IndexReused,
    #[error("more SSRCs than one stream sends")]
    TooManySources,
    #[error("no room for the authentication tag")]
    NoRoom,
    #[error("key used for as many packets as it may be")]
    KeyExhausted,
    #[error("key is {found} bytes long, the suite needs {needed}")]
    KeyLength { needed: usize, found: usize },
}
