//! Sound between decoder and encoder: what came in packets of any length leaves in frames of 20 ms.

use std::ops::{Deref, DerefMut};

use crate::media::rate::Rate;
use crate::media::shorten::{Need, shorten};
use crate::media::squeeze::squeeze;
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

    pub fn rate(&self) -> Rate {
        self.rate
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

/// What may wait.
const MOST: usize = 8_000;
/// That, 100 ms concealed, and 120 ms decoded at the higher rate.
const CAPACITY: usize = MOST + 4_096;
/// Looked at to find what may be left out: 40 ms.
const NEAR: Ticks = Ticks(320);
/// Overlapped where the oldest is dropped.
const SEAM: usize = 40;

pub struct Pcm {
    rate: Rate,
    /// `CAPACITY` of them; most are never touched, and so take no memory.
    samples: Box<[i16]>,
    len: usize,
}

impl Pcm {
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            samples: vec![0; CAPACITY].into_boxed_slice(),
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

    pub fn len(&self) -> Ticks {
        self.rate.ticks(self.len)
    }

    /// So much may wait: a second at the lower rate, half at the higher one.
    pub fn most(&self) -> Ticks {
        self.rate.ticks(MOST)
    }

    pub fn has_frame(&self) -> bool {
        self.len() >= Ticks::FRAME
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
        self.has_frame().then(|| self.pop_rest())
    }

    /// What is left of a frame, and silence.
    pub fn pop_rest(&mut self) -> Frame {
        let mut frame = Frame::silent(self.rate);
        let len = self.len.min(frame.len());
        frame[..len].copy_from_slice(&self.samples[..len]);
        self.drop_first(len);
        frame
    }

    /// Leaves out up to `most` where it is least heard, and says how much.
    pub fn shorten(&mut self, most: Ticks, need: Need) -> Ticks {
        let near = self.len.min(self.rate.samples(NEAR));
        let Some(gap) = shorten(self.rate, &mut self.samples[..near], most, need) else {
            return Ticks::ZERO;
        };
        let samples = self.rate.samples(gap);
        self.samples.copy_within(near..self.len, near - samples);
        self.len -= samples;
        gap
    }

    /// Lets the first frame take up a little of what waits behind it.
    pub fn squeeze(&mut self) {
        let Some(dropped) = squeeze(self.rate, &mut self.samples[..self.len]) else {
            return;
        };
        let frame = self.rate.samples(Ticks::FRAME);
        self.samples.copy_within(frame + dropped..self.len, frame);
        self.len -= dropped;
    }

    /// Drops the oldest so that no more than `most` waits.
    pub fn keep_newest(&mut self, most: Ticks) {
        let surplus = self.len.saturating_sub(self.rate.samples(most));
        if surplus == 0 {
            return;
        }
        let seam = SEAM.min(self.len - surplus);
        let leaving: [i16; SEAM] = std::array::from_fn(|n| self.samples[n]);
        self.drop_first(surplus);
        for (n, sample) in self.samples[..seam].iter_mut().enumerate() {
            let n = n as i32;
            let mixed = i32::from(leaving[n as usize]) * (SEAM as i32 - n) + i32::from(*sample) * n;
            *sample = (mixed / SEAM as i32) as i16;
        }
    }

    fn drop_first(&mut self, samples: usize) {
        self.samples.copy_within(samples..self.len, 0);
        self.len -= samples;
    }
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
        for rate in [Rate::Narrow, Rate::Wide] {
            let mut pcm = Pcm::new(rate);
            let taken = (0..100).filter(|_| append(&mut pcm, 960)).count();
            assert_eq!(taken, CAPACITY / rate.samples(Ticks(960)));
            pcm.keep_newest(pcm.most());
            assert_eq!(pcm.len(), rate.ticks(MOST));
            assert!(append(&mut pcm, 960));
        }
    }

    #[test]
    fn oldest_is_dropped_without_a_step() {
        let mut pcm = Pcm::new(Rate::Narrow);
        for level in [0, 8_000] {
            pcm.append(Ticks(800), |room| {
                room.fill(level);
                Some(room.len())
            });
        }
        pcm.keep_newest(Ticks(480));
        let frames = std::iter::from_fn(|| pcm.pop());
        let kept: Vec<i16> = frames.flat_map(|frame| frame.to_vec()).collect();
        assert_eq!((kept.len(), kept[0], kept[479]), (480, 0, 8_000));
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] <= 200));
    }

    #[test]
    fn waiting_sound_is_shortened_in_front() {
        let mut pcm = Pcm::new(Rate::Narrow);
        append(&mut pcm, 960);
        assert_eq!(pcm.shorten(Ticks(100), Need::Slight), Ticks(100));
        assert_eq!(pcm.len(), Ticks(860));
        pcm.clear();
        append(&mut pcm, 80);
        assert_eq!(pcm.shorten(Ticks(100), Need::Absolute), Ticks::ZERO);
        assert_eq!(pcm.pop_rest()[78..82], [1, 1, 0, 0]);
    }

    #[test]
    fn silence_is_quiet_and_speech_is_not() {
        assert!(is_silent(&[-8; 160]));
        assert!(!is_silent(&[20; 160]));
    }
}
