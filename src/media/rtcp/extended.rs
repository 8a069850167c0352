//! Extended reports (RFC 3611): the blocks that are sent and read. Blocks of other types, and those whose length is not
//! that of their type, are read over.

mod voip;

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::wire::{Malformed, Writer, read_word};
use super::{NtpTime, to_compact};
use crate::sdp::Ssrc;

pub use voip::{Concealment, GMIN, JitterBuffer, VoipMetrics};

const REFERENCE_TIME: u8 = 4;
const LAST_REFERENCE: u8 = 5;
const SUMMARY: u8 = 6;

/// Block headers are one word.
const HEADER_LEN: usize = 4;
const REFERENCE_TIME_LEN: usize = 8;
const LAST_REFERENCE_LEN: usize = 12;
const SUMMARY_LEN: usize = 36;

/// The blocks of one XR packet of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extended {
    pub reference_time: Option<NtpTime>,
    pub last_reference: Option<LastReference>,
    pub summary: Option<Summary>,
    pub voip: Option<VoipMetrics>,
}

/// One block that was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Block<'a> {
    /// Receiver reference time (§4.4).
    ReferenceTime(NtpTime),
    /// DLRR: answers to reference times (§4.5).
    LastReferences(LastReferences<'a>),
    Summary(Summary),
    VoipMetrics(VoipMetrics),
    Other {
        block_type: u8,
    },
}

/// Whose reference time came last, which it was, and since when it waits (§4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastReference {
    pub ssrc: Ssrc,
    /// `NtpTime::compact` of it.
    pub last: u32,
    /// Since then, in 1/65536 s.
    pub delay: u32,
}

/// Statistics of a span of sequence numbers (§4.6). A part that is `None` is not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    pub ssrc: Ssrc,
    pub begin: u16,
    /// One more than the last.
    pub end: u16,
    pub lost: Option<u32>,
    pub duplicate: Option<u32>,
    pub jitter: Option<SummaryJitter>,
}

/// Of the difference in transit time of two packets, in ticks of the payload's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SummaryJitter {
    pub least: u32,
    pub most: u32,
    pub mean: u32,
    /// Standard deviation.
    pub deviation: u32,
}

impl Extended {
    /// Of all blocks, with the headers.
    pub(super) const MAX_LEN: usize =
        8 + 4 * HEADER_LEN + REFERENCE_TIME_LEN + LAST_REFERENCE_LEN + SUMMARY_LEN + voip::LEN;

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes of its blocks.
    pub(super) fn len(&self) -> usize {
        let lengths = [
            (self.reference_time.is_some(), REFERENCE_TIME_LEN),
            (self.last_reference.is_some(), LAST_REFERENCE_LEN),
            (self.summary.is_some(), SUMMARY_LEN),
            (self.voip.is_some(), voip::LEN),
        ];
        let there = lengths.into_iter().filter(|(is_there, _)| *is_there);
        there.map(|(_, length)| HEADER_LEN + length).sum()
    }

    pub(super) fn write(&self, out: &mut Writer<'_>) -> Option<()> {
        if let Some(time) = self.reference_time {
            block_header(out, REFERENCE_TIME, 0, REFERENCE_TIME_LEN)?;
            out.put(&time.0.to_be_bytes())?;
        }
        if let Some(last) = self.last_reference {
            block_header(out, LAST_REFERENCE, 0, LAST_REFERENCE_LEN)?;
            out.word(last.ssrc.0)?;
            out.word(last.last)?;
            out.word(last.delay)?;
        }
        if let Some(summary) = &self.summary {
            summary.write(out)?;
        }
        match &self.voip {
            Some(voip) => voip.write(out),
            None => Some(()),
        }
    }
}

fn block_header(out: &mut Writer<'_>, block_type: u8, specific: u8, length: usize) -> Option<()> {
    let [l0, l1] = ((length / 4) as u16).to_be_bytes();
    out.put(&[block_type, specific, l0, l1])
}

impl LastReference {
    /// To a peer's reference time that came `waited` ago.
    pub fn new(ssrc: Ssrc, last: NtpTime, waited: Duration) -> Self {
        Self {
            ssrc,
            last: last.compact(),
            delay: to_compact(waited),
        }
    }

    /// From our reference time to the peer and back with this answer (§4.5), without the peer's holding time.
    pub fn round_trip(&self, received_at: NtpTime) -> Option<Duration> {
        super::round_trip(self.last, self.delay, received_at)
    }

    fn read(bytes: &[u8; LAST_REFERENCE_LEN]) -> Option<Self> {
        let (ssrc, rest) = read_word(bytes)?;
        let (last, rest) = read_word(rest)?;
        let (delay, _) = read_word(rest)?;
        Some(Self {
            ssrc: Ssrc(ssrc),
            last,
            delay,
        })
    }
}

/// The answers of one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastReferences<'a> {
    answers: &'a [[u8; LAST_REFERENCE_LEN]],
}

impl Iterator for LastReferences<'_> {
    type Item = LastReference;

    fn next(&mut self) -> Option<LastReference> {
        let (answer, rest) = self.answers.split_first()?;
        self.answers = rest;
        LastReference::read(answer)
    }
}

impl Summary {
    const LOSS: u8 = 0x80;
    const DUPLICATES: u8 = 0x40;
    const JITTER: u8 = 0x20;

    fn write(&self, out: &mut Writer<'_>) -> Option<()> {
        let flag = |told: bool, flag: u8| if told { flag } else { 0 };
        let flags = flag(self.lost.is_some(), Self::LOSS)
            | flag(self.duplicate.is_some(), Self::DUPLICATES)
            | flag(self.jitter.is_some(), Self::JITTER);
        block_header(out, SUMMARY, flags, SUMMARY_LEN)?;
        out.word(self.ssrc.0)?;
        out.put(&self.begin.to_be_bytes())?;
        out.put(&self.end.to_be_bytes())?;
        let jitter = self.jitter.unwrap_or_default();
        let words = [
            self.lost.unwrap_or_default(),
            self.duplicate.unwrap_or_default(),
            jitter.least,
            jitter.most,
            jitter.mean,
            jitter.deviation,
            // TTL.
            0,
        ];
        words.into_iter().try_for_each(|word| out.word(word))
    }

    fn read(flags: u8, body: &[u8]) -> Option<Self> {
        let [ssrc, span, lost, duplicate, least, most, mean, deviation, _] = words(body)?;
        let jitter = SummaryJitter {
            least,
            most,
            mean,
            deviation,
        };
        Some(Self {
            ssrc: Ssrc(ssrc),
            begin: (span >> 16) as u16,
            end: span as u16,
            lost: (flags & Self::LOSS != 0).then_some(lost),
            duplicate: (flags & Self::DUPLICATES != 0).then_some(duplicate),
            jitter: (flags & Self::JITTER != 0).then_some(jitter),
        })
    }
}

/// Big-endian words; `None`: not so many.
fn words<const N: usize>(body: &[u8]) -> Option<[u32; N]> {
    let (words, []) = body.as_chunks() else {
        return None;
    };
    let words: &[[u8; 4]; N] = words.try_into().ok()?;
    Some(words.map(u32::from_be_bytes))
}

/// The blocks of a received XR packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> ExtendedBlocks<'a> {
    /// Every block must end within the packet.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = split(rest).ok_or(Malformed)?;
        }
        Ok(Self { rest: bytes })
    }
}

impl<'a> Iterator for ExtendedBlocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let ((block_type, specific, body), rest) = split(self.rest)?;
        self.rest = rest;
        Some(read_block(block_type, specific, body).unwrap_or(Block::Other { block_type }))
    }
}

type Split<'a> = ((u8, u8, &'a [u8]), &'a [u8]);

fn split(bytes: &[u8]) -> Option<Split<'_>> {
    let (&[block_type, specific, l0, l1], behind) = bytes.split_first_chunk()?;
    let length = 4 * usize::from(u16::from_be_bytes([l0, l1]));
    let (body, rest) = behind.split_at_checked(length)?;
    Some(((block_type, specific, body), rest))
}

fn read_block(block_type: u8, specific: u8, body: &[u8]) -> Option<Block<'_>> {
    match block_type {
        REFERENCE_TIME => {
            let time: [u8; REFERENCE_TIME_LEN] = body.try_into().ok()?;
            Some(Block::ReferenceTime(NtpTime(u64::from_be_bytes(time))))
        }
        LAST_REFERENCE => {
            let (answers, []) = body.as_chunks() else {
                return None;
            };
            Some(Block::LastReferences(LastReferences { answers }))
        }
        SUMMARY => Summary::read(specific, body).map(Block::Summary),
        voip::BLOCK_TYPE => VoipMetrics::read(body).map(Block::VoipMetrics),
        _ => None,
    }
}
