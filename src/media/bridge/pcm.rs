//! Sound between decoder and encoder: what came in packets of any length leaves in frames of 20 ms.

use crate::media::ticks::Ticks;

/// 20 ms of sound at 8 kHz, mono, 16 bit linear.
pub type Frame = [i16; Ticks::FRAME.0 as usize];

/// 100 ms concealed, 120 ms decoded, and what was left of a frame.
const CAPACITY: usize = 2_048;

pub struct Pcm {
    samples: [i16; CAPACITY],
    len: usize,
}

impl Pcm {
    pub fn new() -> Self {
        Self {
            samples: [0; CAPACITY],
            len: 0,
        }
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Lets `write` put up to `most` samples at the end and say how many they are.
    pub fn append(&mut self, most: Ticks, write: impl FnOnce(&mut [i16]) -> Option<usize>) -> bool {
        let Some(room) = self.samples.get_mut(self.len..self.len + most.samples()) else {
            return false;
        };
        let written = write(room).map(|count| count.min(most.samples()));
        self.len += written.unwrap_or(0);
        written.is_some()
    }

    pub fn pop(&mut self) -> Option<Frame> {
        if self.len < Ticks::FRAME.samples() {
            return None;
        }
        let frame = *self.samples.first_chunk()?;
        self.samples
            .copy_within(Ticks::FRAME.samples()..self.len, 0);
        self.len -= Ticks::FRAME.samples();
        Some(frame)
    }
}

/// So soft that leaving it out is not heard: about -50 dBm0.
pub fn is_quiet(frame: &Frame) -> bool {
    const MEAN_MAGNITUDE: u32 = 60;
    let sum: u32 = frame.iter().map(|s| u32::from(s.unsigned_abs())).sum();
    sum < MEAN_MAGNITUDE * Ticks::FRAME.0
}

/// No louder than the finest step of A-law, which has no zero: digital silence, and what a codec makes of it.
pub fn is_silent(frame: &Frame) -> bool {
    const MEAN_MAGNITUDE: u32 = 8;
    let sum: u32 = frame.iter().map(|s| u32::from(s.unsigned_abs())).sum();
    sum <= MEAN_MAGNITUDE * Ticks::FRAME.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(pcm: &mut Pcm, samples: u32) -> bool {
        pcm.append(Ticks(samples), |room| {
            room.fill(1);
            Some(room.len())
        })
    }

    #[test]
    fn any_length_becomes_frames() {
        let mut pcm = Pcm::new();
        let mut frames = 0;
        for _ in 0..8 {
            assert!(append(&mut pcm, 240));
            while pcm.pop().is_some() {
                frames += 1;
            }
        }
        assert_eq!(frames, 12);
    }

    #[test]
    fn bounded() {
        let mut pcm = Pcm::new();
        let taken = (0..100).filter(|_| append(&mut pcm, 960)).count();
        assert_eq!(taken, 2);
    }

    #[test]
    fn silence_is_quiet_and_speech_is_not() {
        assert!(is_quiet(&[20; 160]));
        assert!(!is_quiet(&[-3000; 160]));
        assert!(is_silent(&[-8; 160]));
        assert!(!is_silent(&[20; 160]));
    }
}
