//! What was said against what was heard.

use std::path::Path;

use wabridge::sim::score::{self, Score};
use wabridge::sim::speech::{self, Voice};
use wabridge::sim::wav::{self, Audio};

pub fn voice(voice: Voice) -> Audio {
    Audio {
        rate: speech::RATE,
        samples: voice.samples().to_vec(),
    }
}

pub fn file(path: &Path) -> Audio {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    wav::read(&bytes).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
}

#[track_caller]
pub fn assert_heard(source: &Audio, heard: &Audio) -> Score {
    let score = score::compare(source, heard);
    assert!(score.is_good(), "{score}");
    score
}

/// The part of a recording from one second to another.
pub fn part(audio: &Audio, from_s: f64, to_s: f64) -> Audio {
    let at = |seconds: f64| ((seconds * f64::from(audio.rate)) as usize).min(audio.samples.len());
    Audio {
        rate: audio.rate,
        samples: audio.samples[at(from_s)..at(to_s)].to_vec(),
    }
}
