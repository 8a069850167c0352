//! Listening to what was recorded: is it the speech that was sent, and how late did it come?
//!
//! The bridge makes new packets, so none can be followed through it. Instead each second of what was heard is found in
//! what was said, by correlation to the sample; that tells for every packet which sound it carries, and so when that
//! sound went in.

use std::time::{Duration, Instant};

use opus::{Application, Bitrate, Channels, Decoder, Encoder};
use wabridge::media::g711::Law;
use wabridge::side::Side;
use wabridge::sim::media::Codec;
use wabridge::sim::score::fft::correlate;
use wabridge::sim::score::{self, Score};
use wabridge::sim::wav::Audio;

use crate::Load;
use crate::speech::{FRAME, Speech};
use crate::stream::{Heard, Recording, Stream};

const RATE: u32 = 8_000;
/// Frames that are looked for together.
const WINDOW: usize = 50;
/// How late a sound may be and still be found, in samples.
const LATEST: usize = RATE as usize * 6 / 10;
/// Root mean square below which a window has no speech to look for.
const QUIET: f64 = 150.0;
/// Correlation coefficient from which a window is that part of the speech.
const ALIKE: f64 = 0.6;

/// One leg, listened to.
pub struct Hearing {
    pub side: Side,
    pub call: usize,
    pub score: Score,
    pub delays: Vec<Duration>,
    pub windows: usize,
    /// Windows with sound that is not what was said shortly before.
    pub strange: usize,
}

pub fn listen(streams: &[Stream]) -> Vec<Hearing> {
    let recorded = streams.iter().filter_map(|stream| {
        let recording = stream.recording.as_ref()?;
        let said = streams
            .iter()
            .find(|other| other.call == stream.call && other.side != stream.side)?;
        let sent_at = &said.recording.as_ref()?.sent_at;
        Some(hearing(stream, recording, &said.speech, sent_at))
    });
    recorded.collect()
}

/// What the codec alone adds: the look-ahead of its encoder and the filters of its decoder. At the rates of the path:
/// from 16 kHz (who speaks Opus) or 8 kHz (the bridge) to 8 kHz.
pub fn codec_delay(speech: &Speech, load: Load, side: Side) -> Option<Duration> {
    let heard = match (load, side) {
        (Load::Transcode, Side::B) | (Load::Relay, _) => {
            decode_opus(speech.frames.iter().map(Vec::as_slice))
        }
        (Load::Transcode, Side::A) => {
            let mut encoder = Encoder::new(RATE, Channels::Mono, Application::Voip).ok()?;
            encoder.set_bitrate(Bitrate::Bits(20_000)).ok()?;
            let encode = |frame| encoder.encode_vec(frame, 400).unwrap_or_default();
            let frames: Vec<_> = speech.samples.chunks_exact(FRAME).map(encode).collect();
            decode_opus(frames.iter().map(Vec::as_slice))
        }
    };
    let window = heard.get(2 * RATE as usize..3 * RATE as usize)?;
    let around = speech.samples.get(RATE as usize..3 * RATE as usize)?;
    let at = find(window, around, RATE as usize)?;
    let samples = (RATE as usize).checked_sub(at)?;
    Some(Duration::from_secs(samples as u64) / RATE)
}

fn hearing(
    stream: &Stream,
    recording: &Recording,
    speech: &Speech,
    sent_at: &[Instant],
) -> Hearing {
    let samples = decode(stream.speech.codec, &recording.heard);
    let mut hearing = Hearing {
        side: stream.side,
        call: stream.call,
        score: score(speech, sent_at.len(), &samples),
        delays: Vec::new(),
        windows: 0,
        strange: 0,
    };
    let windows = samples.chunks_exact(WINDOW * FRAME);
    for (window, heard) in windows.zip(recording.heard.chunks_exact(WINDOW)) {
        if root_mean_square(window) < QUIET {
            continue;
        }
        hearing.windows += 1;
        match source_of(window, heard[0].at, speech, sent_at) {
            Some(source) if heard[0].measured => {
                hearing.delays.extend(delays(source, heard, sent_at));
            }
            Some(_) => {}
            None => hearing.strange += 1,
        }
    }
    hearing
}

/// The sample of everything said where `window` begins.
fn source_of(
    window: &[i16],
    heard_at: Instant,
    speech: &Speech,
    sent_at: &[Instant],
) -> Option<usize> {
    let latest = sent_at.partition_point(|sent| *sent <= heard_at) * FRAME;
    let first = latest.checked_sub(LATEST)?;
    let said: Vec<i16> = (first..latest + window.len())
        .map(|at| speech.samples[at % speech.samples.len()])
        .collect();
    find(window, &said, LATEST).map(|at| first + at)
}

/// Where `part` stands in `whole`, at most at `last`.
fn find(part: &[i16], whole: &[i16], last: usize) -> Option<usize> {
    let (part, whole) = (floats(part), floats(whole));
    let correlation = correlate(&part, &whole);
    let at = |lag: &usize| correlation.get(*lag).copied().unwrap_or(0.0);
    let best = (0..=last).max_by(|a, b| at(a).total_cmp(&at(b)))?;
    let beside = whole.get(best..best + part.len())?;
    let coefficient = at(&best) / (energy(&part) * energy(beside)).sqrt();
    (coefficient > ALIKE).then_some(best)
}

/// From a sound's way into the bridge to its way out, packet by packet.
fn delays(source: usize, heard: &[Heard], sent_at: &[Instant]) -> Vec<Duration> {
    let delay = |(number, heard): (usize, &Heard)| {
        let at = source + number * FRAME;
        let within = Duration::from_millis(20) * (at % FRAME) as u32 / FRAME as u32;
        let said = *sent_at.get(at / FRAME)? + within;
        Some(heard.at.saturating_duration_since(said))
    };
    let came = heard.iter().enumerate();
    let came = came.filter(|(_, heard)| !heard.payload.is_empty());
    came.filter_map(delay).collect()
}

fn decode(codec: Codec, heard: &[Heard]) -> Vec<i16> {
    let payloads = heard.iter().map(|heard| heard.payload.as_slice());
    match codec {
        Codec::Opus => decode_opus(payloads),
        Codec::Pcmu | Codec::Pcma => {
            let mut samples = vec![0; FRAME * heard.len()];
            for (payload, samples) in payloads.zip(samples.chunks_mut(FRAME)) {
                Law::Mu.decode(payload, samples);
            }
            samples
        }
    }
}

/// A frame of 20 ms for each payload, silent where it is none.
fn decode_opus<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Vec<i16> {
    let mut decoder = Decoder::new(RATE, Channels::Mono).expect("8 kHz is a rate of Opus");
    let mut samples = Vec::new();
    for payload in payloads {
        let mut frame = [0; 6 * FRAME];
        let _ = decoder.decode(payload, &mut frame, false);
        samples.extend_from_slice(&frame[..FRAME]);
    }
    samples
}

/// Against the speech once, or as much of it as was sent.
fn score(speech: &Speech, frames: usize, heard: &[i16]) -> Score {
    let audio = |samples: &[i16]| Audio {
        rate: RATE,
        samples: samples.to_vec(),
    };
    let said = speech.samples.len().min(frames * FRAME);
    let heard = &heard[..heard.len().min(2 * said)];
    score::compare(&audio(&speech.samples[..said]), &audio(heard))
}

fn floats(samples: &[i16]) -> Vec<f64> {
    samples.iter().map(|sample| f64::from(*sample)).collect()
}

fn energy(samples: &[f64]) -> f64 {
    samples.iter().map(|sample| sample * sample).sum()
}

fn root_mean_square(samples: &[i16]) -> f64 {
    (energy(&floats(samples)) / samples.len().max(1) as f64).sqrt()
}
