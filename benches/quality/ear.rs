//! Plain receivers: a buffer of fixed length, then the codec. The PBX's plays silence where nothing came; WhatsApp's
//! is libopus with its FEC and concealment.

use std::collections::BTreeMap;
use std::time::Duration;

use wabridge::media::g711::Law;
use wabridge::media::rtp::Header;

use crate::rows::Path;
use crate::speech::{FRAME, HERTZ};

/// Behind the fastest packet.
const BUFFER: Duration = Duration::from_millis(120);

/// A packet of audio that came.
pub struct Heard {
    pub at: Duration,
    pub header: Header,
    pub payload: Vec<u8>,
}

pub enum Ear {
    Pcmu,
    Opus { conceals: bool },
}

impl Ear {
    pub fn of(path: Path, conceals: bool) -> Self {
        match path {
            Path::UserToAgent => Self::Pcmu,
            Path::AgentToUser | Path::Downlink => Self::Opus { conceals },
        }
    }

    /// Everything that is played, from the call's beginning on, at 8 kHz.
    pub fn listen(&self, heard: &[Heard]) -> Vec<i16> {
        let slots = self.in_time(heard);
        let (Some(first), Some(last)) = (slots.keys().next(), slots.keys().next_back()) else {
            return Vec::new();
        };
        let silence = vec![0; usize::try_from(*first).unwrap_or(0)];
        let wanted = (*first..=*last).step_by(FRAME);
        let frames = wanted.map(|at| slots.get(&at).copied());
        match self {
            Self::Pcmu => [silence, pcmu(frames)].concat(),
            Self::Opus { conceals } => [silence, opus(frames.collect(), *conceals)].concat(),
        }
    }

    /// By the sample at which they are played; without what comes later than that.
    fn in_time<'h>(&self, heard: &'h [Heard]) -> BTreeMap<i64, &'h [u8]> {
        let Some(first) = heard.first() else {
            return BTreeMap::new();
        };
        let units = match self {
            Self::Pcmu => 1,
            Self::Opus { .. } => 6,
        };
        let said = |heard: &Heard| {
            i64::from(heard.header.timestamp.ahead_of(first.header.timestamp)) / units
        };
        let at = |time: Duration| time.as_micros() as i64 * i64::from(HERTZ) / 1_000_000;
        let fastest = heard.iter().map(|h| at(h.at) - said(h)).min().unwrap_or(0);
        let delay = fastest + at(BUFFER);
        // A sample more or less is rounding.
        let in_time = |h: &&Heard| at(h.at) <= said(h) + delay + 1;
        let timely = heard.iter().filter(in_time);
        timely
            .map(|h| (said(h) + delay, h.payload.as_slice()))
            .collect()
    }
}

fn pcmu<'h>(frames: impl Iterator<Item = Option<&'h [u8]>>) -> Vec<i16> {
    let mut sound = Vec::new();
    for frame in frames {
        let mut samples = [0; FRAME];
        if let Some(codes) = frame {
            Law::Mu.decode(codes, &mut samples);
        }
        sound.extend_from_slice(&samples);
    }
    sound
}

fn opus(frames: Vec<Option<&[u8]>>, conceals: bool) -> Vec<i16> {
    let mut decoder =
        opus::Decoder::new(HERTZ, opus::Channels::Mono).expect("libopus makes a decoder");
    let mut sound = Vec::new();
    for (n, frame) in frames.iter().enumerate() {
        let mut samples = [0; FRAME];
        let next = frames.get(n + 1).copied().flatten();
        let decoded = match (frame, next) {
            (Some(packet), _) => decoder.decode(packet, &mut samples, false),
            (None, _) if !conceals => Ok(0),
            (None, Some(next)) => decoder.decode(next, &mut samples, true),
            (None, None) => decoder.decode(&[], &mut samples, false),
        };
        if decoded.is_err() {
            samples.fill(0);
        }
        sound.extend_from_slice(&samples);
    }
    sound
}
