//! What the two parties say, encoded once: each stream only sends frames.

use std::sync::Arc;

use wabridge::media::g711::Law;
use wabridge::sim::media::codec::{Codec, Encoder};
use wabridge::sim::score::resample::resample;
use wabridge::sim::speech::{RATE, Voice};

use crate::Failure;

/// Samples of a 20 ms frame at 8 kHz.
pub const FRAME: usize = 160;

/// One voice, over and over.
#[derive(Clone)]
pub struct Speech {
    /// Payloads of 20 ms.
    pub frames: Arc<[Vec<u8>]>,
    /// The same at 8 kHz, one `FRAME` a payload.
    pub samples: Arc<[i16]>,
}

impl Speech {
    /// WhatsApp's user in Opus, 20 kbit/s with FEC.
    pub fn of_user() -> Result<Self, Failure> {
        let samples = Voice::User.samples();
        let whole = samples.len() / 320 * 320;
        let mut encoder = Encoder::new(Codec::Opus, false)?;
        let encode = |frame| encoder.encode(frame);
        Ok(Self {
            frames: samples[..whole].chunks(320).map(encode).collect(),
            samples: resample(&samples[..whole], RATE, 8_000).into(),
        })
    }

    /// The agent in PCMU.
    pub fn of_agent() -> Self {
        let samples = resample(&Voice::Agent.samples(), RATE, 8_000);
        let whole = samples.len() / FRAME * FRAME;
        let encode = |frame: &[i16]| {
            let mut codes = vec![0; FRAME];
            Law::Mu.encode(frame, &mut codes);
            codes
        };
        Self {
            frames: samples[..whole].chunks(FRAME).map(encode).collect(),
            samples: samples[..whole].into(),
        }
    }
}
