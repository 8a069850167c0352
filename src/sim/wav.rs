//! WAV files of 16-bit mono PCM: what a party heard, and what it says.

use std::io::{self, Write};
use std::path::Path;

/// One channel of sound.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Audio {
    /// Samples a second.
    pub rate: u32,
    pub samples: Vec<i16>,
}

#[derive(Debug, thiserror::Error)]
pub enum WavError {
    #[error("not a RIFF WAVE file")]
    NotWav,
    #[error("only 16-bit mono PCM is read")]
    Format,
    #[error("the file is cut short")]
    Short,
}

/// Reads the `fmt ` and `data` chunks and skips the others.
pub fn read(file: &[u8]) -> Result<Audio, WavError> {
    let (head, mut rest) = file.split_at_checked(12).ok_or(WavError::Short)?;
    if !head.starts_with(b"RIFF") || !head.ends_with(b"WAVE") {
        return Err(WavError::NotWav);
    }
    let mut rate = None;
    loop {
        let (name, after) = rest.split_first_chunk::<4>().ok_or(WavError::Short)?;
        let (length, after) = after.split_first_chunk::<4>().ok_or(WavError::Short)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (chunk, after) = after.split_at_checked(length).ok_or(WavError::Short)?;
        match name {
            b"fmt " => rate = Some(read_format(chunk)?),
            b"data" => {
                let rate = rate.ok_or(WavError::Format)?;
                let samples = chunk
                    .chunks_exact(2)
                    .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                    .collect();
                return Ok(Audio { rate, samples });
            }
            _ => {}
        }
        // Chunks begin at even offsets.
        rest = after.get(length % 2..).ok_or(WavError::Short)?;
    }
}

fn read_format(chunk: &[u8]) -> Result<u32, WavError> {
    let field = chunk.first_chunk::<16>().ok_or(WavError::Short)?;
    let [pcm, 0, 1, 0, r0, r1, r2, r3, .., 16, 0] = *field else {
        return Err(WavError::Format);
    };
    (pcm == 1)
        .then_some(u32::from_le_bytes([r0, r1, r2, r3]))
        .ok_or(WavError::Format)
}

/// The whole file as bytes.
pub fn write(audio: &Audio) -> Vec<u8> {
    let data = (audio.samples.len() * 2) as u32;
    let mut file = Vec::with_capacity(44 + data as usize);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + data).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&audio.rate.to_le_bytes());
    file.extend_from_slice(&(audio.rate * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&data.to_le_bytes());
    for sample in &audio.samples {
        file.extend_from_slice(&sample.to_le_bytes());
    }
    file
}

pub fn save(path: &Path, audio: &Audio) -> io::Result<()> {
    std::fs::File::create(path)?.write_all(&write(audio))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let audio = Audio {
            rate: 8000,
            samples: vec![0, 1, -1, i16::MAX, i16::MIN],
        };
        assert_eq!(read(&write(&audio)).unwrap(), audio);
    }

    #[test]
    fn a_cut_file_is_an_error() {
        let file = write(&Audio {
            rate: 8000,
            samples: vec![7; 100],
        });
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "{length} bytes");
        }
    }
}
