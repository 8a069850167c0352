//! Three voices saying different sentences of a service call, so that swapped parties are heard.
//!
//! 16 kHz, 16 bit, mono, about eight seconds each. Made with flite 2.2 (a BSD-like licence, which covers what its voices say):
//!
//! ```text
//! flite -voice slt -o user.wav -t "Hello, I ordered a coffee machine last Tuesday, and it has not arrived. The order
//!                                  number is four seven one nine. Where is it?"
//! flite -voice rms -o agent.wav -t "Good morning, I have found your order. It left our warehouse yesterday, and the
//!                                   driver will be with you before noon tomorrow."
//! flite -voice awb -o colleague.wav -t "Delivery desk, my colleague has told me about your order. The van is two streets
//!                                       away from you. Shall we leave the box with a neighbour?"
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::sim::score::resample::resample;
use crate::sim::wav;

/// Samples a second of every voice in here.
pub const RATE: u32 = 16_000;

static USER: LazyLock<Arc<[i16]>> = LazyLock::new(|| load(include_bytes!("user.wav")));
static AGENT: LazyLock<Arc<[i16]>> = LazyLock::new(|| load(include_bytes!("agent.wav")));
static COLLEAGUE: LazyLock<Arc<[i16]>> = LazyLock::new(|| load(include_bytes!("colleague.wav")));

/// What has been resampled once: it takes longer than a call's first packet may.
static FITTED: Mutex<Fitted> = Mutex::new(BTreeMap::new());
type Fitted = BTreeMap<(Voice, u32), Arc<[i16]>>;

/// What a party says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Voice {
    /// The WhatsApp user (a woman's voice).
    User,
    /// The agent at the PBX (a man's voice).
    Agent,
    /// To whom the agent transfers (another man's).
    Colleague,
}

impl Voice {
    pub fn samples(self) -> Arc<[i16]> {
        match self {
            Self::User => USER.clone(),
            Self::Agent => AGENT.clone(),
            Self::Colleague => COLLEAGUE.clone(),
        }
    }

    /// At another rate.
    pub fn samples_at(self, rate: u32) -> Arc<[i16]> {
        let mut fitted = FITTED.lock().unwrap_or_else(PoisonError::into_inner);
        let fit = || resample(&self.samples(), RATE, rate).into();
        fitted.entry((self, rate)).or_insert_with(fit).clone()
    }

    pub fn other(self) -> Self {
        match self {
            Self::User => Self::Agent,
            Self::Agent | Self::Colleague => Self::User,
        }
    }
}

fn load(file: &[u8]) -> Arc<[i16]> {
    let audio = wav::read(file).expect("an embedded file is a valid WAV");
    assert_eq!(audio.rate, RATE, "embedded speech is 16 kHz");
    audio.samples.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voice_says_about_eight_seconds() {
        for voice in [Voice::User, Voice::Agent, Voice::Colleague] {
            let seconds = voice.samples().len() as f64 / f64::from(RATE);
            assert!((7.0..9.5).contains(&seconds), "{voice:?}: {seconds} s");
        }
    }
}
