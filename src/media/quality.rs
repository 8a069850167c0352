//! How a listener would rate what arrived: the E-model (ITU-T G.107) with the impairments of ITU-T G.113 gives a rating
//! R, which is told as a mean opinion score (MOS). An estimate for CDRs and alarms, not a measurement of sound.

use std::time::Duration;

use crate::sdp::Codec;

/// What the model asks about one direction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Conditions {
    pub codec: Codec,
    /// Frames that had to be concealed, 0-1; what FEC brought back is not lost.
    pub loss: f32,
    /// Mean length of a run of losses against that of random loss; 1 when not known.
    pub burst_ratio: f32,
    /// Mouth to ear, one way.
    pub delay: Duration,
}

impl Conditions {
    /// R, 0-93.2.
    pub fn rating(&self) -> f32 {
        todo!()
    }

    /// MOS-CQE, 1.0-4.5 (G.107 annex B).
    pub fn mos(&self) -> f32 {
        todo!()
    }
}
