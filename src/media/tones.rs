//! DTMF tones in sound (ITU-T Q.23), found as Q.24 wants them found: at least 40 ms long, with pauses of 40 ms, the two
//! tones within its limits of twist, and no speech taken for a digit.
//!
//! A window of 102 samples at 8 kHz (12.75 ms) moves on by 5 ms. It is a hit when two tones, one of each group, hold nearly
//! all of its energy. Five hits in a row are a digit: 33 ms of nothing else, which speech does not do. Six windows without
//! are its end, so that a dropout of 10 ms does not make two of one.

use std::f32::consts::TAU;
use std::time::Duration;

use crate::media::event_in::Heard;

/// Hz, and what the keys of each row say.
const ROWS: [(f32, [u8; 4]); 4] = [
    (697.0, *b"123A"),
    (770.0, *b"456B"),
    (852.0, *b"789C"),
    (941.0, *b"*0#D"),
];
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

const SAMPLE_RATE: f32 = 8_000.0;
const WINDOW: usize = 102;
const STEP: usize = 40;
/// 20 ms.
const FRAME: usize = 160;
const KEPT: usize = WINDOW - STEP;
const STEP_TIME: Duration = Duration::from_millis(5);
/// A window and what it moves on by for each further hit.
const WINDOW_TIME: Duration = Duration::from_micros(12_750);

const HITS: u32 = 5;
const MISSES: u32 = 6;
/// So many hits and it may become one.
const SUSPECT: u32 = 2;

/// Mean power of a tone, at least: about -30 dBm0, below Q.24's -25 and -29 dBm.
const LEAST_POWER: f32 = 500.0 * 500.0 / 2.0;
/// The high tone against the low one: Q.24 has 4 dB more and 8 dB less; with 1.5 dB for the window's own error.
const HIGH_OVER_LOW: f32 = 3.55;
const LOW_OVER_HIGH: f32 = 8.9;
/// A tone against the others of its group: 6 dB.
const OVER_OTHERS: f32 = 4.0;
/// Of all energy, with frequencies 1.5 % off and noise 15 dB down.
const SHARE: f32 = 0.7;
/// Voices have overtones, keys have none: twice the high frequency, against both tones. Twice the low one is too near to
/// high tones.
const OVERTONE: f32 = 0.05;

/// What the last frame was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Sound,
    /// A digit is on, or may have begun in this frame or the one before.
    Tone,
}

pub struct Detector {
    rows: [Goertzel; 4],
    columns: [Goertzel; 4],
    overtones: [Goertzel; 4],
    /// The end of the last frame.
    kept: [f32; KEPT],
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    Quiet,
    /// So many hits of one digit in a row.
    Rising {
        digit: u8,
        hits: u32,
    },
    /// It was told. `windows` from its first hit to its last, and so many since.
    On {
        digit: u8,
        windows: u32,
        misses: u32,
    },
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            rows: ROWS.map(|(hertz, _)| Goertzel::at(hertz)),
            columns: COLUMNS.map(Goertzel::at),
            overtones: COLUMNS.map(|hertz| Goertzel::at(2.0 * hertz)),
            kept: [0.0; KEPT],
            state: State::Quiet,
        }
    }
}

impl Detector {
    /// What comes next has nothing to do with what was. The digit that was on has ended.
    pub fn reset(&mut self) -> Option<Heard> {
        self.kept = [0.0; KEPT];
        self.end()
    }

    /// A digit was told and goes on.
    pub fn is_on(&self) -> bool {
        matches!(self.state, State::On { .. })
    }

    /// 20 ms at 8 kHz. At most an end and a beginning.
    pub fn handle_frame(&mut self, frame: &[i16; FRAME]) -> (Verdict, [Option<Heard>; 2]) {
        let mut samples = [0.0; KEPT + FRAME];
        samples[..KEPT].copy_from_slice(&self.kept);
        for (sample, heard) in samples[KEPT..].iter_mut().zip(frame) {
            *sample = f32::from(*heard);
        }
        self.kept.copy_from_slice(&samples[FRAME..]);
        let mut told = [None; 2];
        let mut verdict = self.verdict();
        for window in samples.windows(WINDOW).step_by(STEP) {
            let heard = self.handle_window(self.digit_in(window));
            for (place, heard) in told
                .iter_mut()
                .filter(|told| told.is_none())
                .zip(heard.into_iter().flatten())
            {
                *place = Some(heard);
            }
            if self.verdict() == Verdict::Tone {
                verdict = Verdict::Tone;
            }
        }
        (verdict, told)
    }

    fn verdict(&self) -> Verdict {
        match self.state {
            State::Rising { hits, .. } if hits >= SUSPECT => Verdict::Tone,
            State::On { .. } => Verdict::Tone,
            State::Quiet | State::Rising { .. } => Verdict::Sound,
        }
    }

    fn handle_window(&mut self, found: Option<u8>) -> [Option<Heard>; 2] {
        match (self.state, found) {
            (
                State::On {
                    digit,
                    windows,
                    misses,
                },
                Some(same),
            ) if same == digit => {
                let windows = windows + misses + 1;
                self.state = State::On {
                    digit,
                    windows,
                    misses: 0,
                };
                [None, None]
            }
            (
                State::On {
                    digit,
                    windows,
                    misses,
                },
                _,
            ) if misses + 1 < MISSES => {
                self.state = State::On {
                    digit,
                    windows,
                    misses: misses + 1,
                };
                [None, None]
            }
            (State::On { .. }, found) => {
                let ended = self.end();
                [ended, self.rise(found)]
            }
            (State::Quiet | State::Rising { .. }, found) => [None, self.rise(found)],
        }
    }

    fn rise(&mut self, found: Option<u8>) -> Option<Heard> {
        let Some(digit) = found else {
            self.state = State::Quiet;
            return None;
        };
        let hits = match self.state {
            State::Rising { digit: same, hits } if same == digit => hits + 1,
            State::Quiet | State::Rising { .. } | State::On { .. } => 1,
        };
        if hits < HITS {
            self.state = State::Rising { digit, hits };
            return None;
        }
        self.state = State::On {
            digit,
            windows: hits,
            misses: 0,
        };
        Some(Heard::Began { digit })
    }

    fn end(&mut self) -> Option<Heard> {
        match std::mem::replace(&mut self.state, State::Quiet) {
            State::On { digit, windows, .. } => Some(Heard::Ended {
                digit,
                duration: WINDOW_TIME + STEP_TIME * windows.saturating_sub(1),
            }),
            State::Quiet | State::Rising { .. } => None,
        }
    }

    fn digit_in(&self, window: &[f32]) -> Option<u8> {
        let energy: f32 = window.iter().map(|sample| sample * sample).sum();
        let least = 2.0 * LEAST_POWER * WINDOW as f32;
        if energy < least * SHARE {
            return None;
        }
        let (row, low) = strongest(&self.rows, window)?;
        let (column, high) = strongest(&self.columns, window)?;
        let both = low + high;
        let is_loud = low.min(high) >= LEAST_POWER * WINDOW as f32 * SHARE;
        let is_level = high <= HIGH_OVER_LOW * low && low <= LOW_OVER_HIGH * high;
        if !(is_loud && is_level && both >= SHARE * energy) {
            return None;
        }
        let is_voice = self.overtones.get(column)?.energy(window) > OVERTONE * both;
        let (_, keys) = ROWS.get(row)?;
        keys.get(column).copied().filter(|_| !is_voice)
    }
}

/// The place and the energy of the tone that stands out of its group.
fn strongest(group: &[Goertzel; 4], window: &[f32]) -> Option<(usize, f32)> {
    let energies = group.each_ref().map(|tone| tone.energy(window));
    let (place, energy) = energies
        .iter()
        .enumerate()
        .max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    let others = energies
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != place);
    let stands_out = others
        .into_iter()
        .all(|(_, other)| *energy >= OVER_OTHERS * other);
    stands_out.then_some((place, *energy))
}

/// One bin of a Fourier transform, at any frequency.
#[derive(Clone, Copy)]
struct Goertzel {
    coefficient: f32,
}

impl Goertzel {
    fn at(hertz: f32) -> Self {
        Self {
            coefficient: 2.0 * (TAU * hertz / SAMPLE_RATE).cos(),
        }
    }

    /// Of a tone of this frequency in the window: the sum of its squares.
    fn energy(&self, window: &[f32]) -> f32 {
        let (mut last, mut before) = (0.0, 0.0);
        for sample in window {
            let next = sample + self.coefficient * last - before;
            before = last;
            last = next;
        }
        let power = last * last + before * before - self.coefficient * last * before;
        2.0 * power / window.len() as f32
    }
}

#[cfg(test)]
mod tests;
