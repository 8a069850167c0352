//! What the two parties say, encoded once: each stream only sends frames.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wabridge::media::g711::Law;
use wabridge::sim::media::codec::{Codec, Encoder};
use wabridge::sim::score::resample::resample;
use wabridge::sim::speech::{RATE, Voice};
use wabridge::sim::wav;

use crate::{Failure, Load, Talk};

/// Samples of a 20 ms frame at 8 kHz.
pub const FRAME: usize = 160;
/// Of the recordings, a party says so much before it begins anew.
const LONGEST: usize = 30 * 8_000;
/// Recordings shorter than this are beeps and single words.
const SHORTEST: usize = 2 * 8_000;
/// Root mean square below which a frame of a recording is a pause.
const QUIET: f64 = 60.0;
/// Pauses within a recording are cut to so many frames.
const PAUSE: usize = 6;
/// A conversation: one talks, a breath, the other talks, a breath; in frames of 20 ms.
const TURN: usize = 225;
const BREATH: usize = 25;

/// One voice, over and over.
#[derive(Clone)]
pub struct Speech {
    pub codec: Codec,
    /// Payloads of 20 ms.
    pub frames: Arc<[Vec<u8>]>,
    /// The same at 8 kHz, one `FRAME` a payload.
    pub samples: Arc<[i16]>,
}

/// Both parties' words.
#[derive(Clone)]
pub struct Words {
    /// WhatsApp's user in Opus, 20 kbit/s with FEC.
    pub user: Speech,
    pub agent: Speech,
}

impl Words {
    /// From recorded prompts (`*.wav`, 8 kHz) if the folder has any, else the project's own synthetic voices.
    pub fn load(folder: &Path, load: Load, talk: Talk) -> Result<Self, Failure> {
        let [user, agent] = recorded(folder).unwrap_or_else(synthetic);
        let (user, agent) = match talk {
            Talk::Both => (user, agent),
            Talk::Turns => take_turns(&user, &agent),
        };
        let of_agent = match load {
            Load::Transcode => Codec::Pcmu,
            Load::Relay => Codec::Opus,
        };
        Ok(Self {
            user: Speech::new(Codec::Opus, user)?,
            agent: Speech::new(of_agent, agent)?,
        })
    }
}

impl Speech {
    fn new(codec: Codec, mut samples: Vec<i16>) -> Result<Self, Failure> {
        samples.truncate(samples.len() / FRAME * FRAME);
        let frames = match codec {
            Codec::Opus => opus(&samples)?,
            Codec::Pcmu | Codec::Pcma => samples.chunks(FRAME).map(pcmu).collect(),
        };
        Ok(Self {
            codec,
            frames,
            samples: samples.into(),
        })
    }

    /// RTP ticks of a frame.
    pub fn step(&self) -> u32 {
        self.codec.clock() / 50
    }
}

fn opus(samples: &[i16]) -> Result<Arc<[Vec<u8>]>, Failure> {
    let mut encoder = Encoder::new(Codec::Opus, false)?;
    let wide = resample(samples, 8_000, RATE);
    Ok(wide
        .chunks_exact(2 * FRAME)
        .map(|frame| encoder.encode(frame))
        .collect())
}

fn pcmu(frame: &[i16]) -> Vec<u8> {
    let mut codes = vec![0; frame.len()];
    Law::Mu.encode(frame, &mut codes);
    codes
}

fn synthetic() -> [Vec<i16>; 2] {
    [Voice::User, Voice::Agent].map(|voice| resample(&voice.samples(), RATE, 8_000))
}

/// The longer prompts of a folder, dealt out to two parties, without their pauses.
fn recorded(folder: &Path) -> Option<[Vec<i16>; 2]> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|kind| kind == "wav"))
        .collect();
    files.sort();
    let mut parties = [Vec::new(), Vec::new()];
    let prompts = files.iter().filter_map(|file| {
        let audio = wav::read(&fs::read(file).ok()?).ok()?;
        (audio.rate == 8_000 && audio.samples.len() >= SHORTEST).then_some(audio.samples)
    });
    for (number, prompt) in prompts.enumerate() {
        let party = &mut parties[number % 2];
        if party.len() < LONGEST {
            party.extend(without_pauses(&prompt));
        }
    }
    parties
        .iter()
        .all(|party| party.len() >= LONGEST)
        .then_some(parties)
}

fn without_pauses(prompt: &[i16]) -> Vec<i16> {
    let mut quiet = PAUSE;
    let mut kept = Vec::new();
    for frame in prompt.chunks_exact(FRAME) {
        let energy: f64 = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        quiet = match (energy / FRAME as f64).sqrt() < QUIET {
            true => quiet + 1,
            false => 0,
        };
        if quiet <= PAUSE {
            kept.extend_from_slice(frame);
        }
    }
    kept
}

/// Each talks 45 % of the time, and while the other does there is the faint noise of a room.
fn take_turns(user: &[i16], agent: &[i16]) -> (Vec<i16>, Vec<i16>) {
    let mut noise = Noise(1);
    let (mut of_user, mut of_agent) = (Vec::new(), Vec::new());
    let turns = user
        .chunks_exact(TURN * FRAME)
        .zip(agent.chunks_exact(TURN * FRAME));
    for (user, agent) in turns {
        of_user.extend_from_slice(user);
        of_agent.extend(noise.samples((TURN + BREATH) * FRAME));
        of_agent.extend_from_slice(agent);
        of_user.extend(noise.samples((TURN + 2 * BREATH) * FRAME));
        of_agent.extend(noise.samples(BREATH * FRAME));
    }
    (of_user, of_agent)
}

/// White, about -66 dB of full scale.
struct Noise(u32);

impl Noise {
    fn samples(&mut self, count: usize) -> Vec<i16> {
        (0..count).map(|_| self.sample()).collect()
    }

    fn sample(&mut self) -> i16 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((self.0 >> 24) as i16 - 128) / 5
    }
}
