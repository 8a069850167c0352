//! What is said: recorded prompts, one after the other.

use std::path::{Path, PathBuf};

use wabridge::media::g711::Law;
use wabridge::sim::media::codec::{Codec, Encoder};
use wabridge::sim::score::resample::resample;
use wabridge::sim::speech::{RATE, Voice};
use wabridge::sim::wav;

use crate::Failure;

pub const HERTZ: u32 = 8_000;
/// 20 ms.
pub const FRAME: usize = 160;
/// Of one piece.
const SECONDS: usize = 8;
/// Said first, so that what adapts has adapted; not judged.
const WARM_UP: usize = 2;
/// Silence around each piece.
const PAUSE: usize = 4_000;

/// Prompts of several sentences.
const PROMPTS: [&str; 8] = [
    "demo-congrats",
    "demo-echotest",
    "priv-callee-options",
    "basic-pbx-ivr-main",
    "demo-instruct",
    "conf-adminmenu-18",
    "screen-callee-options",
    "demo-abouttotry",
];

pub struct Speech {
    /// Everything in a row, 8 kHz, whole frames.
    pub samples: Vec<i16>,
    /// Where the pieces that are judged lie.
    pub pieces: Vec<std::ops::Range<usize>>,
    pub source: String,
}

impl Speech {
    pub fn load(sounds: Option<&Path>, pieces: usize) -> Result<Self, Failure> {
        let directory = sounds.map_or_else(prompts, Path::to_owned);
        let recorded = directory.join("demo-congrats.wav").exists();
        if !recorded && sounds.is_some() {
            return Err(format!("no recordings in {}", directory.display()).into());
        }
        let mut said = match recorded {
            true => read(&directory, pieces)?,
            false => built_in(),
        };
        said.truncate(pieces.max(1));
        let source = match recorded {
            true => "recorded prompts",
            false => "synthetic voices (tests/lab/install.sh brings recorded ones)",
        };
        Ok(Self::of(&said, source.to_owned()))
    }

    fn of(said: &[Vec<i16>], source: String) -> Self {
        let mut samples = vec![0; PAUSE];
        let mut pieces = Vec::new();
        for n in 0..WARM_UP {
            samples.extend_from_slice(&said[n % said.len()]);
            samples.resize(samples.len() + PAUSE, 0);
        }
        for piece in said {
            pieces.push(samples.len()..samples.len() + piece.len());
            samples.extend_from_slice(piece);
            samples.resize(samples.len() + PAUSE, 0);
        }
        samples.resize(samples.len().next_multiple_of(FRAME), 0);
        Self {
            samples,
            pieces,
            source,
        }
    }

    /// Payloads of 20 ms as a PBX sends them.
    pub fn pcmu(&self) -> Vec<Vec<u8>> {
        let encode = |frame: &[i16]| {
            let mut codes = vec![0; FRAME];
            Law::Mu.encode(frame, &mut codes);
            codes
        };
        self.samples.chunks_exact(FRAME).map(encode).collect()
    }

    /// Payloads of 20 ms as a WhatsApp user's phone sends them: 20 kbit/s with FEC.
    pub fn opus(&self) -> Vec<Vec<u8>> {
        let wide = resample(&self.samples, HERTZ, RATE);
        let mut encoder = Encoder::new(Codec::Opus, false).expect("libopus makes an encoder");
        let frames = wide.chunks_exact(2 * FRAME);
        frames.map(|frame| encoder.encode(frame)).collect()
    }
}

fn prompts() -> PathBuf {
    let lab =
        std::env::var_os("WABRIDGE_LAB").map_or("/var/cache/wabridge-lab".into(), PathBuf::from);
    lab.join("sid/usr/share/asterisk/sounds/en_US_f_Allison")
}

fn read(directory: &Path, pieces: usize) -> Result<Vec<Vec<i16>>, Failure> {
    let mut said = Vec::new();
    for name in PROMPTS.into_iter().take(pieces.max(1)) {
        let file = directory.join(name).with_extension("wav");
        let audio = wav::read(&std::fs::read(&file)?)?;
        let mut samples = resample(&audio.samples, audio.rate, HERTZ);
        samples.truncate(SECONDS * HERTZ as usize);
        said.push(samples);
    }
    Ok(said)
}

fn built_in() -> Vec<Vec<i16>> {
    [Voice::User, Voice::Agent, Voice::Colleague]
        .map(|voice| resample(&voice.samples(), RATE, HERTZ))
        .into()
}
