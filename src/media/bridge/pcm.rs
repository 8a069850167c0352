//! Sound between decoder and encoder: what came in packets of any length leaves in frames of 20 ms.

use std::ops::{Deref, DerefMut};

use crate::media::rate::Rate;
use crate::media::ticks::Ticks;

/// Samples of 20 ms at the higher rate.
const LONGEST: usize = 320;

/// 20 ms of sound, mono, 16 bit linear: its samples.
#[derive(Clone, Copy)]
pub struct Frame {
    rate: Rate,
    samples: [i16; LONGEST],
}

impl Frame {
    pub const fn silent(rate: Rate) -> Self {
        Self {
            rate,
            samples: [0; LONGEST],
        }
    }
}

impl Deref for Frame {
    type Target = [i16];

    fn deref(&self) -> &[i16] {
        match self.rate {
            Rate::Narrow => &self.samples[..LONGEST / 2],
            Rate::Wide => &self.samples,
        }
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut [i16] {
        match self.rate {
            Rate::Narrow => &mut self.samples[..LONGEST / 2],
            Rate::Wide => &mut self.samples,
        }
    }
}

/// 100 ms concealed, 120 ms decoded, and what was left of a frame.
const CAPACITY: usize = 4_096;

pub struct Pcm {
    rate: Rate,
    samples: [i16; CAPACITY],
    len: usize,
}

impl Pcm {
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            samples: [0; CAPACITY],
            len: 0,
        }
    }

    /// What is left at another rate is dropped.
    pub fn set_rate(&mut self, rate: Rate) {
        if self.rate != rate {
            self.rate = rate;
            self.clear();
        }
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Lets `write` put up to `most` at the end and say how many samples they are.
    pub fn append(&mut self, most: Ticks, write: impl FnOnce(&mut [i16]) -> Option<usize>) -> bool {
        let most = self.rate.samples(most);
        let Some(room) = self.samples.get_mut(self.len..self.len + most) else {
            return false;
        };
        let written = write(room).map(|count| count.min(most));
        self.len += written.unwrap_or(0);
        written.is_some()
    }

    pub fn pop(&mut self) -> Option<Frame> {
        let mut frame = Frame::silent(self.rate);
        let len = frame.len();
        frame.copy_from_slice(self.samples.get(..len).filter(|_| len <= self.len)?);
        self.samples.copy_within(len..self.len, 0);
        self.len -= len;
        Some(frame)
    }
}

/// So soft that leaving it out is not heard: about -50 dBm0.
pub fn is_quiet(frame: &[i16]) -> bool {
    const MEAN_MAGNITUDE: u32 = 60;
    let sum: u32 = frame.iter().map(|s| u32::from(s.unsigned_abs())).sum();
    sum < MEAN_MAGNITUDE * frame.len() as u32
}

/// No louder than the finest step of A-law, which has no zero: digital silence, and what a codec makes of it.
pub fn is_silent(frame: &[i16]) -> bool {
    const MEAN_MAGNITUDE: u32 = 8;
    let sum: u32 = frame.iter().map(|s| u32::from(s.unsigned_abs())).sum();
    sum <= MEAN_MAGNITUDE * frame.len() as u32
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
        for (rate, samples) in [(Rate::Narrow, 160), (Rate::Wide, 320)] {
            let mut pcm = Pcm::new(rate);
            let mut frames = 0;
            for _ in 0..8 {
                assert!(append(&mut pcm, 240));
                while let Some(frame) = pcm.pop() {
                    assert_eq!(*frame, *vec![1; samples]);
                    frames += 1;
                }
            }
            assert_eq!(frames, 12);
        }
    }

    #[test]
    fn bounded() {
        for (rate, most) in [(Rate::Narrow, 4), (Rate::Wide, 2)] {
            let mut pcm = Pcm::new(rate);
            let taken = (0..100).filter(|_| append(&mut pcm, 960)).count();
            assert_eq!(taken, most);
        }
    }

    #[test]
    fn silence_is_quiet_and_speech_is_not() {
        assert!(is_quiet(&[20; 160]));
        assert!(!is_quiet(&[-3000; 160]));
        assert!(is_silent(&[-8; 160]));
        assert!(!is_silent(&[20; 160]));
    }
}
