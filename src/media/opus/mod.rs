//! Opus (RFC 6716, RFC 7587) by libopus, always mono and at the rate of the direction on our side, whatever was sent: so
//! there is no resampler. And what can be told of an Opus packet without decoding it.

mod decoder;
mod encoder;
mod packet;
mod silence;
#[cfg(test)]
mod tests;

use crate::media::ticks::Ticks;

pub use decoder::Decoder;
pub use encoder::{Encoder, Relief};
pub use packet::{carries_fec, length, may_hold_voice};
pub use silence::Silence;

/// Longest Opus packet: 120 ms.
pub const LONGEST: Ticks = Ticks(960);
/// What a frame of 20 ms may take: far above any bitrate of speech, far below a datagram.
const MAX_FRAME_BYTES: usize = 400;

/// libopus could not make a codec: it has no memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("libopus cannot make a codec")]
pub struct NoCodec;
