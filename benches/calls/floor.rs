//! What the codec alone takes on this machine now: one call's sound through libopus at full effort, nothing else around it.

use std::time::Duration;

use opus::{Application, Bandwidth, Bitrate, Channels, Decoder, Encoder, Signal};
use rustix::time::{ClockId, clock_gettime};

use crate::speech::{FRAME, Words};
use crate::{Arguments, Failure, Load};

const RATE: u32 = 8_000;

/// Processor time of a second of a call; the least of three tries. `None`: nothing is transcoded.
pub fn codec_alone(arguments: &Arguments, words: &Words) -> Result<Option<Duration>, Failure> {
    if arguments.load == Load::Relay {
        return Ok(None);
    }
    let mut least = Duration::MAX;
    for _ in 0..3 {
        least = least.min(once(arguments.complexity, words)?);
    }
    Ok(Some(least))
}

fn once(complexity: u8, words: &Words) -> Result<Duration, Failure> {
    let mut encoder = Encoder::new(RATE, Channels::Mono, Application::Voip)?;
    encoder.set_bitrate(Bitrate::Bits(20_000))?;
    encoder.set_signal(Signal::Voice)?;
    encoder.set_max_bandwidth(Bandwidth::Narrowband)?;
    encoder.set_complexity(complexity.into())?;
    let mut decoder = Decoder::new(RATE, Channels::Mono)?;
    let (mut packet, mut samples) = ([0; 400], [0; 6 * FRAME]);
    let frames = words.agent.samples.chunks_exact(FRAME);
    let pairs = frames.zip(words.user.frames.iter());
    let seconds = pairs.len() as f64 / 50.0;
    let before = processor_time();
    for (frame, payload) in pairs {
        encoder.encode(frame, &mut packet)?;
        decoder.decode(payload, &mut samples, false)?;
    }
    Ok((processor_time() - before).div_f64(seconds))
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}
