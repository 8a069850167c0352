//! Packets of silence, encoded once and sent again and again.

use crate::media::activity::Activity;
use crate::media::bridge::Habits;
use crate::media::opus::{Encoder, MAX_FRAME_BYTES, NoCodec};
use crate::media::rate::Rate;
use crate::sdp::OpusLimits;

/// A frame of silence, for a stream that is passed through and so has no encoder.
pub struct Silence(Packet<64>);

impl Silence {
    pub fn new(habits: &Habits, limits: &OpusLimits) -> Result<Self, NoCodec> {
        let mut encoder = Encoder::new(Rate::Narrow, habits, limits)?;
        let mut packet = [0; MAX_FRAME_BYTES];
        let mut silence = Packet::new();
        // The first frames of a codec state describe a start; the later ones nothing but silence.
        for _ in 0..5 {
            let len = encoder
                .encode_sound(Activity::Noise, &[0; 160], &mut packet)
                .ok_or(NoCodec)?;
            silence.set(packet.get(..len).unwrap_or_default());
        }
        Ok(Self(silence))
    }

    pub fn packet(&self) -> &[u8] {
        self.0.get().unwrap_or_default()
    }
}

/// A short packet that is kept.
pub struct Packet<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Packet<N> {
    pub fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    pub fn get(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len).filter(|bytes| !bytes.is_empty())
    }

    /// Unless it is too long.
    pub fn set(&mut self, packet: &[u8]) {
        if let Some(room) = self.bytes.get_mut(..packet.len()) {
            room.copy_from_slice(packet);
            self.len = packet.len();
        }
    }
}
