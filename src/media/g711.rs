//! G.711 (ITU-T G.711, RFC 3551 §4.5.14) by table: PCMU and PCMA at 8 kHz to and from 16-bit linear samples.

/// The two companding laws.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// μ-law, PCMU.
    Mu,
    /// A-law, PCMA.
    A,
}

impl Law {
    /// The code of linear zero.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => 0xff,
            Self::A => 0xd5,
        }
    }

    /// Decodes as many samples as both slices hold and returns their number.
    pub fn decode(self, _codes: &[u8], _samples: &mut [i16]) -> usize {
        todo!()
    }

    /// Encodes as many samples as both slices hold and returns their number.
    pub fn encode(self, _samples: &[i16], _codes: &mut [u8]) -> usize {
        todo!()
    }
}
