//! Codecs that are sound of 8 kHz or two such bands, G.711 and G.722, with their concealment, at the rate of a direction.
//! In a wide one G.711 has an empty upper band, and so has what is concealed; in a narrow one G.722 is its lower band.

use crate::media::conceal::Concealer;
use crate::media::g711::Law;
use crate::media::g722::{Decoder, Encoder, Joiner};
use crate::media::opus;
use crate::media::rate::Rate;

/// A band of the longest packet.
type Band = [i16; opus::LONGEST.0 as usize];

pub struct Bands {
    rate: Rate,
    concealer: Concealer,
    decoder: Decoder,
    joiner: Joiner,
    encoder: Encoder,
}

impl Bands {
    pub fn new() -> Self {
        Self {
            rate: Rate::Narrow,
            concealer: Concealer::new(),
            decoder: Decoder::default(),
            joiner: Joiner::default(),
            encoder: Encoder::default(),
        }
    }

    /// Sound goes on at another rate; what was heard is still known.
    pub fn set_rate(&mut self, rate: Rate) {
        if self.rate != rate {
            self.rate = rate;
            self.joiner = Joiner::default();
            self.encoder = Encoder::default();
        }
    }

    /// Fills `room` as far as the packet goes; returns how many samples it gave.
    pub fn decode_g711(&mut self, law: Law, packet: &[u8], room: &mut [i16]) -> Option<usize> {
        match self.rate {
            Rate::Narrow => {
                let count = law.decode(packet, room);
                Some(self.concealer.hear(room.get_mut(..count)?))
            }
            Rate::Wide => {
                let mut band: Band = [0; _];
                let count = law.decode(packet, &mut band);
                let low = band.get_mut(..count)?;
                let heard = self.concealer.hear(low);
                Some(self.joiner.join(low.get(..heard)?, &[], room))
            }
        }
    }

    pub fn decode_g722(&mut self, packet: &[u8], room: &mut [i16]) -> Option<usize> {
        let (mut low, mut high): (Band, Band) = ([0; _], [0; _]);
        let count = self.decoder.decode(packet, &mut low, &mut high);
        let heard = self.concealer.hear(low.get_mut(..count)?);
        let (low, high) = (low.get(..heard)?, high.get(count - heard..count)?);
        match self.rate {
            Rate::Narrow => {
                room.get_mut(..heard)?.copy_from_slice(low);
                Some(heard)
            }
            Rate::Wide => Some(self.joiner.join(low, high, room)),
        }
    }

    /// What is decoded next was late and not lost.
    pub fn expect_late(&mut self) {
        self.concealer.expect_late();
    }

    /// Fills all of `room`, at most as long as a packet.
    pub fn conceal(&mut self, room: &mut [i16]) {
        match self.rate {
            Rate::Narrow => self.concealer.conceal(room),
            Rate::Wide => {
                let mut band: Band = [0; _];
                if let Some(low) = band.get_mut(..room.len() / 2) {
                    self.concealer.conceal(low);
                    self.joiner.join(low, &[], room);
                }
            }
        }
    }

    pub fn encode_g711(&self, law: Law, frame: &[i16], room: &mut [u8]) -> Option<usize> {
        match self.rate {
            Rate::Narrow => Some(law.encode(frame, room.get_mut(..frame.len())?)),
            // No direction to G.711 is wide.
            Rate::Wide => None,
        }
    }

    pub fn encode_g722(&mut self, frame: &[i16], room: &mut [u8]) -> Option<usize> {
        match self.rate {
            Rate::Narrow => {
                let room = room.get_mut(..frame.len())?;
                Some(self.encoder.encode_narrow(frame, room))
            }
            Rate::Wide => {
                let room = room.get_mut(..frame.len() / 2)?;
                Some(self.encoder.encode_wide(frame, room))
            }
        }
    }
}
