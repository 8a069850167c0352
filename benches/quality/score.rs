//! What a recording is worth: PESQ by the ITU's own code, and the simulators' score beside it.

use std::io::Write as _;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Command, Stdio};

use wabridge::sim::score::{Score, compare};
use wabridge::sim::wav::{self, Audio};

use crate::Failure;
use crate::rows::{Path, Row};
use crate::speech::{HERTZ, Speech};

/// Heard of a piece before and after its place in the speech: delay, and alignment.
const BEFORE: usize = 800;
const AFTER: usize = 4_800;

/// Means over the pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opinion {
    /// MOS-LQO of ITU-T P.862.1, if PESQ is there.
    pub pesq: Option<f64>,
    pub intelligibility: f64,
    /// From mouth to ear, in milliseconds.
    pub delay: f64,
}

pub struct Judge {
    python: Option<PathBuf>,
    place: Place,
}

/// Where recordings lie.
enum Place {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Judge {
    pub fn new(keep: Option<PathBuf>) -> Result<Self, Failure> {
        let place = match keep {
            Some(directory) => Place::Kept(directory),
            None => Place::Temporary(tempfile::tempdir()?),
        };
        Ok(Self {
            python: python(),
            place,
        })
    }

    pub fn has_pesq(&self) -> bool {
        self.python.is_some()
    }

    /// An opinion of each recording, and of those that another program left beside them.
    pub fn judge(
        &self,
        path: Path,
        row: &Row,
        speech: &Speech,
        recordings: Vec<(&str, Vec<i16>)>,
    ) -> Result<Vec<(String, Opinion)>, Failure> {
        let directory = self.directory(path, row);
        std::fs::create_dir_all(&directory)?;
        for (n, piece) in speech.pieces.iter().enumerate() {
            let said = audio(&speech.samples[piece.clone()]);
            wav::save(&directory.join(format!("source-{n}.wav")), &said)?;
            for (column, sound) in &recordings {
                let heard = audio(cut(sound, piece));
                wav::save(&directory.join(format!("{column}-{n}.wav")), &heard)?;
            }
        }
        let mut columns: Vec<String> = recordings.iter().map(|(c, _)| (*c).to_owned()).collect();
        columns.extend(others(&directory, &columns)?);
        let opinion = |column: String| {
            let opinion = self.opinion(&directory, &column, speech.pieces.len())?;
            Ok((column, opinion))
        };
        columns.into_iter().map(opinion).collect()
    }

    fn opinion(
        &self,
        directory: &FilePath,
        column: &str,
        pieces: usize,
    ) -> Result<Opinion, Failure> {
        let pairs: Vec<(PathBuf, PathBuf)> = (0..pieces)
            .map(|n| {
                let file = |name: &str| directory.join(format!("{name}-{n}.wav"));
                (file("source"), file(column))
            })
            .collect();
        let scores = pairs
            .iter()
            .map(|(source, heard)| Ok(compare(&load(source)?, &load(heard)?)))
            .collect::<Result<Vec<Score>, Failure>>()?;
        let mean = |of: fn(&Score) -> f64| scores.iter().map(of).sum::<f64>() / pieces as f64;
        Ok(Opinion {
            pesq: match &self.python {
                Some(python) => Some(pesq(python, &pairs)?),
                None => None,
            },
            intelligibility: mean(|score| score.intelligibility),
            delay: mean(|score| score.delay.as_secs_f64() * 1e3) - BEFORE as f64 / 8.0,
        })
    }

    fn directory(&self, path: Path, row: &Row) -> PathBuf {
        let root = match &self.place {
            Place::Kept(root) => root.as_path(),
            Place::Temporary(root) => root.path(),
        };
        let row = row.name.replace(' ', "-").replace(',', "");
        root.join(path.directory()).join(row)
    }
}

fn load(file: &FilePath) -> Result<Audio, Failure> {
    Ok(wav::read(&std::fs::read(file)?)?)
}

fn audio(samples: &[i16]) -> Audio {
    Audio {
        rate: HERTZ,
        samples: samples.to_vec(),
    }
}

fn cut<'s>(sound: &'s [i16], piece: &std::ops::Range<usize>) -> &'s [i16] {
    let end = sound.len().min(piece.end + AFTER);
    sound.get(piece.start - BEFORE..end).unwrap_or_default()
}

/// Columns of the recordings that are not ours.
fn others(directory: &FilePath, ours: &[String]) -> Result<Vec<String>, Failure> {
    let mut others = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        let column = name.to_str().and_then(|name| name.strip_suffix("-0.wav"));
        let foreign = |column: &&str| *column != "source" && !ours.iter().any(|o| o == column);
        others.extend(column.filter(foreign).map(str::to_owned));
    }
    others.sort();
    Ok(others)
}

/// Where tests/lab/pesq.sh put it.
fn python() -> Option<PathBuf> {
    let lab =
        std::env::var_os("WABRIDGE_LAB").map_or("/var/cache/wabridge-lab".into(), PathBuf::from);
    let python = lab.join("pesq/bin/python");
    python.exists().then_some(python)
}

/// The mean over all pairs.
fn pesq(python: &FilePath, pairs: &[(PathBuf, PathBuf)]) -> Result<f64, Failure> {
    let mut judge = Command::new(python)
        .args(["-c", include_str!("pesq.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = judge.stdin.take() {
        for (source, heard) in pairs {
            writeln!(stdin, "{}\t{}", source.display(), heard.display())?;
        }
    }
    let output = judge.wait_with_output()?;
    let scores: Vec<f64> = String::from_utf8(output.stdout)?
        .lines()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    if scores.len() != pairs.len() {
        return Err("PESQ did not judge every recording".into());
    }
    Ok(scores.iter().sum::<f64>() / scores.len() as f64)
}
