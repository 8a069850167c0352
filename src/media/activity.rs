//! Is anybody speaking? Told frame by frame, so that no effort goes into describing a quiet room.
//!
//! By energy alone, and careful: what is not well below ordinary speech counts as speech, and so does everything for a
//! while after it, so that word endings and short pauses are never touched. A wrong answer costs either processor time or
//! nothing that is heard.

/// What a frame is, and what those before it were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// Somebody speaks, or has spoken just now.
    Speech,
    /// A quiet room.
    Noise,
    /// Nothing at all: a muted microphone, a PBX that pads. For so many frames in a row.
    Silence { frames: u32 },
}

/// After speech all is speech for 300 ms.
const HANGOVER: u32 = 15;
/// Largest sample of silence: A-law has no zero, its least code stands for 8 (ITU-T G.711).
const SILENT_PEAK: u16 = 8;
/// Mean square of the quietest room there is: -60 dB of full scale.
const INAUDIBLE: u64 = 32 * 32;
/// Mean square above which all is speech, the room may be as loud as it wants: -45 dB.
const LOUD: u64 = 184 * 184;
/// Speech is 6 dB above the room.
const ABOVE_ROOM: u64 = 4;
/// The room is the least of these many spans of 200 ms: a sentence has a pause in 1.6 s.
const SPANS: usize = 8;
const SPAN: u32 = 10;
/// Frames of speech that its loudness is a mean of.
const SPEECH: u64 = 50;

pub struct Detector {
    /// Mean square of speech, over about a second of it.
    loudness: Option<u64>,
    quiet_for: u32,
    silent_for: u32,
    room: Room,
}

/// The least energy of late.
struct Room {
    spans: [u64; SPANS],
    present: usize,
    frames: u32,
}

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    pub fn new() -> Self {
        Self {
            loudness: None,
            quiet_for: HANGOVER,
            silent_for: HANGOVER,
            room: Room::new(),
        }
    }

    /// Mean squares of speech and of the room behind it, as far as they are known.
    pub fn levels(&self) -> (Option<u64>, Option<u64>) {
        let room = self.room.least();
        (self.loudness, Some(room).filter(|room| *room < u64::MAX))
    }

    fn measure(&mut self, energy: u64) {
        self.loudness = Some(match self.loudness {
            None => energy,
            Some(loudness) => (loudness * (SPEECH - 1) + energy) / SPEECH,
        });
    }

    /// A frame of 20 ms, at any rate.
    pub fn judge(&mut self, frame: &[i16]) -> Activity {
        let energy = mean_square(frame);
        let room = self.room.hear(energy);
        if is_speech(energy, room) {
            self.measure(energy);
            self.quiet_for = 0;
            self.silent_for = 0;
            return Activity::Speech;
        }
        self.quiet_for = self.quiet_for.saturating_add(1);
        self.silent_for = match is_silent(frame) {
            true => self.silent_for.saturating_add(1),
            false => 0,
        };
        match (self.quiet_for, self.silent_for) {
            (..HANGOVER, _) => Activity::Speech,
            (_, 0) => Activity::Noise,
            (_, frames) => Activity::Silence { frames },
        }
    }
}

impl Room {
    fn new() -> Self {
        Self {
            spans: [u64::MAX; SPANS],
            present: 0,
            frames: 0,
        }
    }

    /// The least mean square of the last 1.6 s.
    fn hear(&mut self, energy: u64) -> u64 {
        if self.frames == SPAN {
            self.frames = 0;
            self.present = (self.present + 1) % SPANS;
            self.spans[self.present] = u64::MAX;
        }
        self.frames += 1;
        let span = &mut self.spans[self.present];
        *span = energy.min(*span);
        self.least()
    }

    fn least(&self) -> u64 {
        self.spans.iter().copied().min().unwrap_or(u64::MAX)
    }
}

fn is_speech(energy: u64, room: u64) -> bool {
    energy >= LOUD || energy > room.max(INAUDIBLE).saturating_mul(ABOVE_ROOM)
}

fn is_silent(frame: &[i16]) -> bool {
    frame
        .iter()
        .all(|sample| sample.unsigned_abs() <= SILENT_PEAK)
}

fn mean_square(frame: &[i16]) -> u64 {
    let square = |sample: &i16| i64::from(*sample) * i64::from(*sample);
    let energy: i64 = frame.iter().map(square).sum();
    energy.unsigned_abs() / (frame.len() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Square noise of this size, never the same twice in a row.
    fn noise(size: i16, frames: usize) -> Vec<i16> {
        let mut state = 7u32;
        let mut sample = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 0 { size } else { -size }
        };
        (0..frames * 160).map(|_| sample()).collect()
    }

    /// Frames of a sentence, 20 ms at 16 kHz, from a WAV file with the shortest header.
    fn sentence(file: &[u8]) -> Vec<Vec<i16>> {
        let samples = file[44..].chunks_exact(2);
        let samples: Vec<i16> = samples
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        samples.chunks_exact(320).map(<[i16]>::to_vec).collect()
    }

    fn judged(detector: &mut Detector, samples: &[i16]) -> Vec<Activity> {
        samples
            .chunks_exact(160)
            .map(|frame| detector.judge(frame))
            .collect()
    }

    #[test]
    fn a_room_is_noise_and_a_muted_microphone_is_silence() {
        let mut detector = Detector::new();
        judged(&mut detector, &noise(60, 20));
        assert!(
            judged(&mut detector, &noise(60, 20))
                .iter()
                .all(|activity| *activity == Activity::Noise)
        );
        let silence = judged(&mut detector, &noise(8, 3));
        let frames = |frames| Activity::Silence { frames };
        assert_eq!(silence, [frames(1), frames(2), frames(3)]);
    }

    #[test]
    fn speech_begins_at_once_and_lasts_over_its_pauses() {
        let mut detector = Detector::new();
        judged(&mut detector, &noise(60, 100));
        let speech = sentence(include_bytes!("../sim/speech/agent.wav"));
        let loud = |frame: &&Vec<i16>| mean_square(frame) > LOUD;
        assert_eq!(
            detector.judge(speech.iter().find(loud).unwrap()),
            Activity::Speech
        );
        detector.judge(&[3_000; 160]);
        let after = judged(&mut detector, &noise(60, 40));
        let spoken = after
            .iter()
            .take_while(|activity| **activity == Activity::Speech);
        assert_eq!(spoken.count(), HANGOVER as usize - 1);
        assert_eq!(after.last(), Some(&Activity::Noise));
    }

    #[test]
    fn a_loud_place_is_speech_for_ever() {
        let mut detector = Detector::new();
        let judged = judged(&mut detector, &noise(200, 500));
        assert!(judged.iter().all(|activity| *activity == Activity::Speech));
    }

    /// No frame that carries any of a sentence is taken for a quiet room.
    #[test]
    fn sentences_lose_nothing() {
        let sentences: [&[u8]; 3] = [
            include_bytes!("../sim/speech/user.wav"),
            include_bytes!("../sim/speech/agent.wav"),
            include_bytes!("../sim/speech/colleague.wav"),
        ];
        for file in sentences {
            let mut detector = Detector::new();
            let lost = sentence(file)
                .iter()
                .filter(|frame| {
                    detector.judge(frame) != Activity::Speech && mean_square(frame) > 64 * 64
                })
                .count();
            assert_eq!(lost, 0);
        }
    }
}
