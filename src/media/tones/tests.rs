//! Digits as Q.24 has them. That speech has none is seen in tests/media/talk_off.rs.

use super::*;

const KEYS: &[u8; 16] = b"123A456B789C*0#D";

/// A key press. Levels are amplitudes.
#[derive(Clone, Copy)]
struct Press {
    key: u8,
    milliseconds: usize,
    low: f64,
    high: f64,
    /// Both frequencies are off by this factor.
    off: f64,
}

impl Press {
    fn of(key: u8) -> Self {
        Self {
            key,
            milliseconds: 40,
            low: 5_000.0,
            high: 5_000.0,
            off: 1.0,
        }
    }

    fn samples(self) -> Vec<f64> {
        let place = KEYS.iter().position(|key| *key == self.key).unwrap();
        let (row, column) = (ROWS[place / 4].0, COLUMNS[place % 4]);
        (0..self.milliseconds * 8)
            .map(|n| {
                let turn = |hertz: f32| {
                    (n as f64 / 8_000.0 * f64::from(hertz) * self.off * f64::from(TAU)).sin()
                };
                self.low * turn(row) + self.high * turn(column)
            })
            .collect()
    }
}

struct Noise(u32);

impl Noise {
    /// Even, of this root mean square.
    fn next(&mut self, loudness: f64) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(self.0 >> 8) / f64::from(1 << 24) - 0.5) * 12f64.sqrt() * loudness
    }
}

/// `lead` samples of pause, the presses with pauses of `pause` ms, and a pause; all in noise.
fn line(lead: usize, presses: &[Press], pause: usize, noise: f64) -> Vec<i16> {
    let mut random = Noise(lead as u32 + 1);
    let mut sound = vec![0.0; lead];
    for press in presses {
        sound.extend(press.samples());
        sound.extend(vec![0.0; pause * 8]);
    }
    sound.extend(vec![0.0; 1_000]);
    sound
        .into_iter()
        .map(|sample| (sample + random.next(noise)) as i16)
        .collect()
}

fn heard_in(sound: &[i16]) -> Vec<Heard> {
    let mut detector = Detector::default();
    let (frames, _) = sound.as_chunks::<FRAME>();
    let mut heard: Vec<Heard> = frames
        .iter()
        .flat_map(|frame| detector.handle_frame(frame).1)
        .flatten()
        .collect();
    heard.extend(detector.reset());
    heard
}

fn digits_in(sound: &[i16]) -> String {
    heard_in(sound)
        .iter()
        .filter_map(|heard| match heard {
            Heard::Began { digit } => Some(char::from(*digit)),
            Heard::Ended { .. } => None,
        })
        .collect()
}

fn all_keys() -> String {
    KEYS.iter().copied().map(char::from).collect()
}

#[test]
fn shortest_digits_and_pauses_in_noise_wherever_they_begin() {
    let presses: Vec<Press> = KEYS.iter().map(|key| Press::of(*key)).collect();
    // Each tone is 5000/sqrt(2) = 3535; the noise is 15 dB below one of them.
    for noise in [0.0, 30.0, 620.0] {
        for lead in (0..160).step_by(7) {
            let sound = line(lead, &presses, 40, noise);
            assert_eq!(digits_in(&sound), all_keys(), "{noise} {lead}");
        }
    }
}

#[test]
fn soft_and_loud_ones() {
    // From about -25 dBm0 a tone to nearly full scale for both.
    for loudness in [890.0, 2_000.0, 16_000.0] {
        let presses: Vec<Press> = KEYS
            .iter()
            .map(|key| Press {
                low: loudness,
                high: loudness,
                ..Press::of(*key)
            })
            .collect();
        assert_eq!(
            digits_in(&line(33, &presses, 40, 10.0)),
            all_keys(),
            "{loudness}"
        );
        let too_soft: Vec<Press> = presses
            .iter()
            .map(|press| Press {
                low: 200.0,
                high: 200.0,
                ..*press
            })
            .collect();
        assert_eq!(digits_in(&line(33, &too_soft, 40, 0.0)), "");
    }
}

/// Q.24: the high tone up to 4 dB stronger and 8 dB weaker; far beyond it is no digit.
#[test]
fn twist() {
    for (decibels, taken) in [(4.0, true), (-8.0, true), (9.0, false), (-13.0, false)] {
        let factor = 10f64.powf(decibels / 20.0);
        let presses: Vec<Press> = KEYS
            .iter()
            .map(|key| Press {
                low: 3_000.0,
                high: 3_000.0 * factor,
                ..Press::of(*key)
            })
            .collect();
        let expected = if taken { all_keys() } else { String::new() };
        assert_eq!(
            digits_in(&line(5, &presses, 40, 20.0)),
            expected,
            "{decibels} dB"
        );
    }
}

/// Q.24: 1.5 % off is a digit.
#[test]
fn frequencies() {
    for off in [0.985, 1.015] {
        for lead in (0..160).step_by(23) {
            let presses: Vec<Press> = KEYS
                .iter()
                .map(|key| Press {
                    off,
                    ..Press::of(*key)
                })
                .collect();
            assert_eq!(
                digits_in(&line(lead, &presses, 40, 100.0)),
                all_keys(),
                "{off} {lead}"
            );
        }
    }
    let elsewhere = Press {
        off: 1.05,
        milliseconds: 100,
        ..Press::of(b'5')
    };
    assert_eq!(digits_in(&line(0, &[elsewhere], 40, 0.0)), "");
}

#[test]
fn what_is_too_short_is_no_digit() {
    for lead in (0..160).step_by(7) {
        let presses: Vec<Press> = KEYS
            .iter()
            .map(|key| Press {
                milliseconds: 23,
                ..Press::of(*key)
            })
            .collect();
        assert_eq!(digits_in(&line(lead, &presses, 40, 0.0)), "", "{lead}");
    }
}

#[test]
fn a_dropout_is_no_pause_and_lengths_are_told() {
    for lead in (0..160).step_by(13) {
        let long = Press {
            milliseconds: 300,
            ..Press::of(b'7')
        };
        let mut sound = line(lead, &[long], 40, 10.0);
        sound[lead + 1_000..lead + 1_080].fill(0);
        let heard = heard_in(&sound);
        let [
            Heard::Began { digit: b'7' },
            Heard::Ended {
                digit: b'7',
                duration,
            },
        ] = heard[..]
        else {
            panic!("{heard:?}");
        };
        assert!((280..=310).contains(&duration.as_millis()), "{duration:?}");
    }
}

/// What a listener still gets of a tone: hardly more than nothing, if the frame before the verdict is kept back.
#[test]
fn a_tone_is_suspected_within_two_frames() {
    for lead in 0..160 {
        let long = Press {
            milliseconds: 100,
            ..Press::of(b'1')
        };
        let sound = line(1_600 + lead, &[long], 40, 10.0);
        let mut detector = Detector::default();
        let verdicts: Vec<Verdict> = sound
            .as_chunks::<FRAME>()
            .0
            .iter()
            .map(|frame| detector.handle_frame(frame).0)
            .collect();
        let suspected = verdicts
            .iter()
            .position(|verdict| *verdict == Verdict::Tone)
            .unwrap();
        // The frame before that one is silenced too.
        let silenced_from = (suspected - 1) * FRAME;
        let leaked = silenced_from.saturating_sub(1_600 + lead);
        assert!(leaked <= 24, "{leaked} samples at {lead}");
        let ended = verdicts
            .iter()
            .rposition(|verdict| *verdict == Verdict::Tone)
            .unwrap();
        assert!((ended + 1) * FRAME >= 1_600 + lead + 800);
    }
}
