//! How a call sounds to its receiver (RFC 3611 §4.7).

use super::{block_header, words};
use crate::media::rtcp::wire::Writer;
use crate::sdp::Ssrc;

pub(super) const BLOCK_TYPE: u8 = 7;
pub(super) const LEN: usize = 32;
/// What a figure of one byte is when it is not known.
const UNKNOWN: u8 = 127;
/// Fewer packets in a row between two losses make them one burst (§4.7.2).
pub const GMIN: u8 = 16;
/// R is 0 to 100, opinions are 1.0 to 5.0 in tenths (§4.7.5).
const MOST_R: u8 = 100;
const OPINIONS: std::ops::RangeInclusive<u8> = 10..=50;

/// Shares are in 1/256, since the source began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoipMetrics {
    pub ssrc: Ssrc,
    pub loss: u8,
    /// Came too late.
    pub discard: u8,
    pub burst_density: u8,
    pub gap_density: u8,
    pub burst_duration_ms: u16,
    pub gap_duration_ms: u16,
    /// 0: not known.
    pub round_trip_ms: u16,
    pub end_system_ms: u16,
    /// dBm0.
    pub signal: Option<i8>,
    pub noise: Option<i8>,
    pub gmin: u8,
    /// 0-100.
    pub r_factor: Option<u8>,
    /// In tenths, 10-50, without and with what delay takes off.
    pub mos_listening: Option<u8>,
    pub mos_conversation: Option<u8>,
    pub concealment: Concealment,
    pub buffer: JitterBuffer,
}

/// §4.7.6, PLC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Concealment {
    Unspecified,
    Disabled,
    Enhanced,
    Standard,
}

/// An adaptive one (§4.7.6, §4.7.7), in ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JitterBuffer {
    pub nominal_ms: u16,
    pub maximum_ms: u16,
    pub absolute_maximum_ms: u16,
}

impl VoipMetrics {
    pub(super) fn write(&self, out: &mut Writer<'_>) -> Option<()> {
        block_header(out, BLOCK_TYPE, 0, LEN)?;
        out.word(self.ssrc.0)?;
        out.put(&[
            self.loss,
            self.discard,
            self.burst_density,
            self.gap_density,
        ])?;
        out.pair(self.burst_duration_ms, self.gap_duration_ms)?;
        out.pair(self.round_trip_ms, self.end_system_ms)?;
        let level = |level: Option<i8>| level.map_or(UNKNOWN, i8::cast_unsigned);
        // The residual echo return loss is not known.
        let levels = [level(self.signal), level(self.noise), UNKNOWN, self.gmin];
        out.put(&levels)?;
        let score = |score: Option<u8>| score.unwrap_or(UNKNOWN);
        // There is no other segment to be rated.
        out.put(&[
            score(self.r_factor),
            UNKNOWN,
            score(self.mos_listening),
            score(self.mos_conversation),
        ])?;
        let buffer = &self.buffer;
        out.put(&[self.concealment.bits() | JitterBuffer::ADAPTIVE, 0])?;
        out.put(&buffer.nominal_ms.to_be_bytes())?;
        out.pair(buffer.maximum_ms, buffer.absolute_maximum_ms)
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let [
            ssrc,
            shares,
            durations,
            delays,
            levels,
            scores,
            configuration,
            most,
        ] = words(body)?;
        let [loss, discard, burst_density, gap_density] = shares.to_be_bytes();
        let [signal, noise, _, gmin] = levels.to_be_bytes();
        let [r_factor, _, mos_listening, mos_conversation] = scores.to_be_bytes();
        let level = |level: u8| (level != UNKNOWN).then_some(level.cast_signed());
        let opinion = |opinion: u8| Some(opinion).filter(|it| OPINIONS.contains(it));
        Some(Self {
            ssrc: Ssrc(ssrc),
            loss,
            discard,
            burst_density,
            gap_density,
            burst_duration_ms: (durations >> 16) as u16,
            gap_duration_ms: durations as u16,
            round_trip_ms: (delays >> 16) as u16,
            end_system_ms: delays as u16,
            signal: level(signal),
            noise: level(noise),
            gmin,
            r_factor: Some(r_factor).filter(|it| *it <= MOST_R),
            mos_listening: opinion(mos_listening),
            mos_conversation: opinion(mos_conversation),
            concealment: Concealment::of((configuration >> 24) as u8),
            buffer: JitterBuffer {
                nominal_ms: configuration as u16,
                maximum_ms: (most >> 16) as u16,
                absolute_maximum_ms: most as u16,
            },
        })
    }
}

impl Concealment {
    fn bits(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Disabled => 1 << 6,
            Self::Enhanced => 2 << 6,
            Self::Standard => 3 << 6,
        }
    }

    fn of(configuration: u8) -> Self {
        match configuration >> 6 {
            1 => Self::Disabled,
            2 => Self::Enhanced,
            3 => Self::Standard,
            _ => Self::Unspecified,
        }
    }
}

impl JitterBuffer {
    /// Adaptive; how fast is not said.
    const ADAPTIVE: u8 = 3 << 4;
}
