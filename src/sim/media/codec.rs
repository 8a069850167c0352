//! Opus by libopus, G.711 by its formula (not by table: the bridge does that).

use std::time::Duration;

use crate::sim::speech;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, clap::ValueEnum)]
pub enum Codec {
    Opus,
    Pcmu,
    Pcma,
}

impl Codec {
    /// RTP ticks a second.
    pub fn clock(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Samples a second of what we encode and decode.
    pub fn rate(self) -> u32 {
        match self {
            Self::Opus => speech::RATE,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// As in `a=rtpmap`.
    pub fn rtpmap(self) -> &'static str {
        match self {
            Self::Opus => "opus/48000/2",
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
        }
    }

    pub fn ticks(self, time: Duration) -> u32 {
        (u64::from(self.clock()) * time.as_millis() as u64 / 1000) as u32
    }

    pub fn samples(self, time: Duration) -> usize {
        (u64::from(self.rate()) * time.as_millis() as u64 / 1000) as usize
    }
}

/// One direction's encoder.
pub enum Encoder {
    Opus(Box<opus::Encoder>),
    Pcmu,
    Pcma,
}

impl Encoder {
    /// Opus as WhatsApp's fmtp asks: 20 kbit/s, in-band FEC.
    pub fn new(codec: Codec, dtx: bool) -> Result<Self, opus::Error> {
        Ok(match codec {
            Codec::Opus => {
                let mut encoder = opus::Encoder::new(
                    codec.rate(),
                    opus::Channels::Mono,
                    opus::Application::Voip,
                )?;
                encoder.set_bitrate(opus::Bitrate::Bits(20_000))?;
                encoder.set_inband_fec(true)?;
                encoder.set_packet_loss_perc(5)?;
                encoder.set_dtx(dtx)?;
                Self::Opus(Box::new(encoder))
            }
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
        })
    }

    pub fn encode(&mut self, samples: &[i16]) -> Vec<u8> {
        match self {
            Self::Opus(encoder) => encoder.encode_vec(samples, 1_275).unwrap_or_default(),
            Self::Pcmu => samples.iter().map(|&sample| to_pcmu(sample)).collect(),
            Self::Pcma => samples.iter().map(|&sample| to_pcma(sample)).collect(),
        }
    }
}

/// One direction's decoder.
pub enum Decoder {
    Opus(Box<opus::Decoder>),
    Pcmu,
    Pcma,
}

impl Decoder {
    pub fn new(codec: Codec) -> Result<Self, opus::Error> {
        Ok(match codec {
            Codec::Opus => Self::Opus(Box::new(opus::Decoder::new(
                codec.rate(),
                opus::Channels::Mono,
            )?)),
            Codec::Pcmu => Self::Pcmu,
            Codec::Pcma => Self::Pcma,
        })
    }

    pub fn codec(&self) -> Codec {
        match self {
            Self::Opus(_) => Codec::Opus,
            Self::Pcmu => Codec::Pcmu,
            Self::Pcma => Codec::Pcma,
        }
    }

    /// `None` for a payload that is none of this codec.
    pub fn decode(&mut self, payload: &[u8]) -> Option<Vec<i16>> {
        match self {
            Self::Opus(decoder) => {
                // 120 ms is the longest packet (RFC 6716 §3.2.5).
                let mut samples = vec![0; Codec::Opus.samples(Duration::from_millis(120))];
                let length = decoder.decode(payload, &mut samples, false).ok()?;
                samples.truncate(length);
                Some(samples)
            }
            Self::Pcmu => Some(payload.iter().map(|&byte| from_pcmu(byte)).collect()),
            Self::Pcma => Some(payload.iter().map(|&byte| from_pcma(byte)).collect()),
        }
    }

    /// What a listener hears in place of a lost packet of `samples`.
    pub fn conceal(&mut self, samples: usize) -> Vec<i16> {
        let mut made_up = vec![0; samples];
        if let Self::Opus(decoder) = self {
            let _ = decoder.decode(&[], &mut made_up, false);
        }
        made_up
    }
}

/// ITU-T G.711, µ-law: 14-bit magnitude plus bias 33, exponent and four bits of mantissa, all inverted.
pub fn to_pcmu(sample: i16) -> u8 {
    let magnitude = (i32::from(sample).abs() >> 2).min(8_158) + 33;
    let exponent = 31 - magnitude.leading_zeros() as i32 - 5;
    let mantissa = (magnitude >> (exponent + 1)) & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (exponent << 4) | mantissa) as u8
}

pub fn from_pcmu(byte: u8) -> i16 {
    let bits = i32::from(!byte);
    let (exponent, mantissa) = ((bits >> 4) & 7, bits & 15);
    let magnitude = (((mantissa << 1) + 33) << exponent) - 33;
    let value = magnitude << 2;
    (if bits & 0x80 != 0 { -value } else { value }) as i16
}

/// ITU-T G.711, A-law: 13-bit, even bits inverted.
pub fn to_pcma(sample: i16) -> u8 {
    let negative = sample < 0;
    let magnitude = if negative {
        (-(i32::from(sample) + 1)) >> 4
    } else {
        i32::from(sample) >> 4
    };
    // The two lowest segments are one line: below 16 the exponent is 0.
    let exponent = (28 - magnitude.leading_zeros() as i32).max(0);
    let mantissa = match exponent {
        0 => magnitude & 15,
        exponent => (magnitude >> (exponent - 1)) & 15,
    };
    let sign = if negative { 0 } else { 0x80 };
    ((sign | (exponent << 4) | mantissa) ^ 0x55) as u8
}

pub fn from_pcma(byte: u8) -> i16 {
    let bits = i32::from(byte ^ 0x55);
    let (exponent, mantissa) = ((bits >> 4) & 7, bits & 15);
    let magnitude = match exponent {
        0 => (mantissa << 1) + 1,
        exponent => ((mantissa << 1) + 33) << (exponent - 1),
    };
    let value = magnitude << 3;
    (if bits & 0x80 != 0 { value } else { -value }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_octets_survive_decoding_and_encoding() {
        for octet in 0..=255 {
            // µ-law has two zeros.
            if octet != 0x7f {
                assert_eq!(to_pcmu(from_pcmu(octet)), octet, "µ-law {octet:#x}");
            }
            assert_eq!(to_pcma(from_pcma(octet)), octet, "A-law {octet:#x}");
        }
    }

    /// ITU-T G.711 tables 1a and 2a: ends of the scale.
    #[test]
    fn g711_of_the_tables() {
        assert_eq!((to_pcmu(0), from_pcmu(0xff)), (0xff, 0));
        assert_eq!(from_pcmu(0x80), 32_124);
        assert_eq!(from_pcmu(0x00), -32_124);
        assert_eq!(from_pcma(0xd5), 8);
        assert_eq!(from_pcma(0xaa), 32_256);
        assert_eq!(to_pcma(i16::MAX), 0xaa);
        assert_eq!(to_pcma(i16::MIN), 0x2a);
    }
}
