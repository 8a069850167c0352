//! Digits that a PBX sends as tones: found, and taken out of the sound. The sound is a frame late for that, so that no more
//! of a tone is heard than its first few milliseconds, which are no digit to anybody.

use std::time::{Duration, Instant};

use crate::media::bridge::pcm::Frame;
use crate::media::event_in::Heard;
use crate::media::rate::Rate;
use crate::media::tones::{Detector, Verdict};

/// Samples of a frame at 8 kHz.
const NARROW: usize = 160;
/// As with events (RFC 4733 §2.5.2.2).
const LOST_AFTER: Duration = Duration::from_millis(200);
/// A few frames' worth: more than is told between two packets.
const HEARD: usize = 4;

pub struct InBand {
    detector: Detector,
    /// Not passed on yet.
    kept: Option<Frame>,
    verdict: Verdict,
    /// When sound last came, while a digit is on.
    on: Option<Instant>,
    heard: [Option<Heard>; HEARD],
}

/// Whether tones are heard by the other side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tones {
    /// It is sent events instead.
    Silenced,
    /// It takes no events.
    Left,
}

impl InBand {
    pub fn new() -> Self {
        Self {
            detector: Detector::default(),
            kept: None,
            verdict: Verdict::Sound,
            on: None,
            heard: [None; HEARD],
        }
    }

    /// Another run of sound begins.
    pub fn reset(&mut self) {
        self.kept = None;
        self.verdict = Verdict::Sound;
        self.on = None;
        let ended = self.detector.reset();
        self.tell(ended);
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.on.map(|heard| heard + LOST_AFTER)
    }

    /// A digit ends when nothing comes any more.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.reset();
        }
    }

    /// Takes a frame and gives the one before it; silence for the first.
    pub fn exchange(&mut self, now: Instant, frame: Frame, tones: Tones) -> Frame {
        let (verdict, heard) = self.detector.handle_frame(&narrowed(&frame));
        self.verdict = verdict;
        self.on = self.detector.is_on().then_some(now);
        heard.into_iter().for_each(|heard| self.tell(heard));
        let silent = Frame::silent(frame.rate());
        let before = self.kept.filter(|kept| kept.rate() == frame.rate());
        let (kept, given) = match (verdict, tones) {
            (Verdict::Tone, Tones::Silenced) => (silent, silent),
            (Verdict::Tone, Tones::Left) | (Verdict::Sound, _) => (frame, before.unwrap_or(silent)),
        };
        self.kept = Some(kept);
        given
    }

    pub fn holds_tone(&self) -> bool {
        self.verdict == Verdict::Tone
    }

    /// What was heard since it was asked last, in order.
    pub fn take_heard(&mut self) -> [Option<Heard>; HEARD] {
        std::mem::take(&mut self.heard)
    }

    fn tell(&mut self, heard: Option<Heard>) {
        let place = self.heard.iter_mut().find(|place| place.is_none());
        if let (Some(place), Some(_)) = (place, heard) {
            *place = heard;
        }
    }
}

/// At 8 kHz; the mean of two samples keeps what is above from looking like a tone.
fn narrowed(frame: &Frame) -> [i16; NARROW] {
    let mut narrow = [0; NARROW];
    match frame.rate() {
        Rate::Narrow => narrow.copy_from_slice(frame),
        Rate::Wide => {
            let (pairs, _) = frame.as_chunks::<2>();
            for (sample, [one, other]) in narrow.iter_mut().zip(pairs) {
                *sample = ((i32::from(*one) + i32::from(*other)) / 2) as i16;
            }
        }
    }
    narrow
}
