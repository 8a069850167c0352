//! SRTP and SRTCP (RFC 3711) with the suites of SDES: AES counter mode with HMAC-SHA1 (RFC 4568 §6.2, RFC 6188) and
//! AES-GCM (RFC 7714). Packets are protected and opened in place; nothing is allocated after a key was set.
//!
//! ```text
//!  outbound · inbound     a key's two ends: which index, replay, order of the steps
//!        streams          how far each SSRC has come
//!        transform        counter (with hmac) or gcm: bytes at a position
//!        derivation       session keys from the master key
//! ```
//!
//! Not here: MKI, key derivation rates other than 0, and how keys are agreed (SDP, DTLS).

mod counter;
mod derivation;
mod gcm;
mod hmac;
mod inbound;
mod outbound;
mod position;
mod streams;
mod transform;

pub use inbound::Inbound;
pub use outbound::Outbound;
pub use streams::{Progress, StreamState};

use crate::sdp::Ssrc;

/// Room that a caller leaves behind a packet that is to be protected (a GCM tag and the SRTCP index).
pub const MAX_OVERHEAD: usize = 20;

/// Why a packet was not protected or opened. The first three are the peer's or an attacker's doing, the others our own.
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
    #[error("the cryptographic library refused")]
    Library,
}

/// The SSRC in the header of the first packet of a compound (RFC 3550 §6.4).
fn rtcp_sender(packet: &[u8]) -> Option<Ssrc> {
    match packet {
        &[0x80..=0xbf, _, _, _, s0, s1, s2, s3, ..] => {
            Some(Ssrc(u32::from_be_bytes([s0, s1, s2, s3])))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
