//! No speech is taken for a digit (ITU-T Q.24, talk-off).

use wabridge::media::tones::{Detector, Verdict};
use wabridge::sim::score::resample::resample;
use wabridge::sim::speech::Voice;
use wabridge::sim::wav;

/// 20 ms at 8 kHz.
const FRAME: usize = 160;

/// Says how many frames speech loses to suspicion.
fn talk_off(sound: &[i16]) -> usize {
    let mut detector = Detector::default();
    let mut suspected = 0;
    for (n, frame) in sound.as_chunks::<FRAME>().0.iter().enumerate() {
        let (verdict, heard) = detector.handle_frame(frame);
        suspected += usize::from(verdict == Verdict::Tone);
        assert_eq!(heard, [None; 2], "at {} ms", n * 20);
    }
    suspected
}

/// Three voices at many pitches and levels: eight minutes, and not one digit.
#[test]
fn speech_has_no_digits() {
    let (mut suspected, mut frames) = (0, 0);
    for voice in [Voice::User, Voice::Agent, Voice::Colleague] {
        for rate in (5_600..=10_800).step_by(520) {
            let sound = resample(&voice.samples(), 16_000, rate);
            suspected += talk_off(&sound);
            let loud: Vec<i16> = sound
                .iter()
                .map(|sample| sample.saturating_mul(3))
                .collect();
            suspected += talk_off(&loud);
            frames += 2 * sound.len() / FRAME;
        }
    }
    assert!(frames > 20_000, "{frames}");
    assert!(suspected * 1_000 < frames, "{suspected} of {frames}");
}

/// Recorded voices, as Debian's asterisk-core-sounds-en-wav has them; the laboratory unpacks them (tests/lab/install.sh).
#[test]
#[ignore = "needs SPEECH_FOLDER, a folder of wav files at 8 kHz"]
fn recorded_speech_has_no_digits() {
    let folder = std::env::var("SPEECH_FOLDER").expect("SPEECH_FOLDER");
    let (mut suspected, mut frames) = (0, 0);
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "wav") {
                let audio = wav::read(&std::fs::read(&path).unwrap()).unwrap();
                assert_eq!(audio.rate, 8_000);
                println!("{}", path.display());
                suspected += talk_off(&audio.samples);
                frames += audio.samples.len() / FRAME;
            }
        }
    }
    println!(
        "{} s, {suspected} of {frames} frames suspected",
        frames / 50
    );
    assert!(frames > 10 * 60 * 50);
    assert!(suspected * 1_000 < frames);
}
