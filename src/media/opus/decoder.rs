//! From packets to sound, and what is made up where there is none.

use crate::media::opus::NoCodec;
use crate::media::rate::Rate;

pub struct Decoder(::opus::Decoder);

impl Decoder {
    pub fn new(rate: Rate) -> Result<Self, NoCodec> {
        ::opus::Decoder::new(rate.hertz(), ::opus::Channels::Mono)
            .map(Self)
            .map_err(|_| NoCodec)
    }

    /// Decodes a packet; `samples` holds `LONGEST`. Returns how many samples it gave.
    pub fn decode(&mut self, packet: &[u8], samples: &mut [i16]) -> Option<usize> {
        self.0.decode(packet, samples, false).ok()
    }

    /// What was lost before `next`, as far as `next` carries it (in-band FEC); the rest is concealed. A multiple of
    /// 2.5 ms.
    pub fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> bool {
        self.0.decode(next, samples, true).is_ok()
    }

    /// Makes up what was lost. A multiple of 2.5 ms.
    pub fn conceal(&mut self, samples: &mut [i16]) -> bool {
        self.0.decode(&[], samples, false).is_ok()
    }
}
