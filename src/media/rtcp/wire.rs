//! RTCP packets on the wire.

use super::extended::{Extended, ExtendedBlocks};
use super::{NtpTime, ReportBlock, SenderInfo};
use crate::media::rtp::RtpTime;
use crate::sdp::Ssrc;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const EXTENDED: u8 = 207;
/// The SDES item that every compound must hold (RFC 3550 §6.5.1).
const CNAME: u8 = 1;

const INFO_LEN: usize = 20;
const BLOCK_LEN: usize = 24;

/// A compound packet as we send it: SR (when we sent audio) or RR, SDES with the CNAME, XR where it is agreed, BYE at the
/// end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compound<'a> {
    pub ssrc: Ssrc,
    pub sender: Option<SenderInfo>,
    pub block: Option<ReportBlock>,
    /// At most 255 bytes; the rest is cut off.
    pub cname: &'a str,
    pub extended: Extended,
    pub bye: bool,
}

impl Compound<'_> {
    /// Enough for every compound of ours: SR with a block, the longest CNAME, XR with every block, BYE.
    pub const MAX_LEN: usize = 8 + INFO_LEN + BLOCK_LEN + 268 + Extended::MAX_LEN + 8;

    /// Writes the packet and returns its length; `None` when `buffer` is too small (our own fault).
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut out = Writer { buffer, length: 0 };
        self.write_report(&mut out)?;
        self.write_description(&mut out)?;
        if !self.extended.is_empty() {
            out.header(0, EXTENDED, 4 + self.extended.len())?;
            out.word(self.ssrc.0)?;
            self.extended.write(&mut out)?;
        }
        if self.bye {
            out.header(1, GOODBYE, 4)?;
            out.word(self.ssrc.0)?;
        }
        Some(out.length)
    }

    fn write_report(&self, out: &mut Writer<'_>) -> Option<()> {
        let blocks = u8::from(self.block.is_some());
        let (packet_type, info) = match &self.sender {
            Some(info) => (SENDER_REPORT, Some(info)),
            None => (RECEIVER_REPORT, None),
        };
        let info_length = info.map_or(0, |_| INFO_LEN);
        let body = 4 + info_length + usize::from(blocks) * BLOCK_LEN;
        out.header(blocks, packet_type, body)?;
        out.word(self.ssrc.0)?;
        if let Some(info) = info {
            out.info(info)?;
        }
        match &self.block {
            Some(block) => out.block(block),
            None => Some(()),
        }
    }

    /// One chunk with one item, ended by one to four zeros (RFC 3550 §6.5).
    fn write_description(&self, out: &mut Writer<'_>) -> Option<()> {
        let cname = self.cname.as_bytes();
        let cname = cname.get(..255).unwrap_or(cname);
        let item = 2 + cname.len();
        let zeros = 4 - item % 4;
        out.header(1, DESCRIPTION, 4 + item + zeros)?;
        out.word(self.ssrc.0)?;
        out.put(&[CNAME, cname.len() as u8])?;
        out.put(cname)?;
        out.put(&[0; 4][..zeros])
    }
}

pub(super) struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl Writer<'_> {
    pub(super) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        let place = self.buffer.get_mut(self.length..end)?;
        place.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    pub(super) fn word(&mut self, word: u32) -> Option<()> {
        self.put(&word.to_be_bytes())
    }

    /// Two halves of a word.
    pub(super) fn pair(&mut self, high: u16, low: u16) -> Option<()> {
        self.word(u32::from(high) << 16 | u32::from(low))
    }

    /// `body` is what follows the header, in bytes: whole words.
    fn header(&mut self, count: u8, packet_type: u8, body: usize) -> Option<()> {
        let [l0, l1] = ((body / 4) as u16).to_be_bytes();
        self.put(&[0x80 | count, packet_type, l0, l1])
    }

    fn info(&mut self, info: &SenderInfo) -> Option<()> {
        self.put(&info.ntp.0.to_be_bytes())?;
        self.word(info.timestamp.0)?;
        self.word(info.packets)?;
        self.word(info.octets)
    }

    fn block(&mut self, block: &ReportBlock) -> Option<()> {
        let lost = block.cumulative_lost.clamp(-(1 << 23), (1 << 23) - 1);
        let [_, l0, l1, l2] = lost.to_be_bytes();
        self.word(block.ssrc.0)?;
        self.put(&[block.fraction_lost, l0, l1, l2])?;
        self.word(block.highest_sequence)?;
        self.word(block.jitter)?;
        self.word(block.last_sr)?;
        self.word(block.delay_since_last_sr)
    }
}

/// One packet of a received compound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    SenderReport {
        ssrc: Ssrc,
        info: SenderInfo,
        blocks: Blocks<'a>,
    },
    ReceiverReport {
        ssrc: Ssrc,
        blocks: Blocks<'a>,
    },
    /// SDES: the CNAME in its first chunk.
    Description {
        ssrc: Ssrc,
        cname: &'a [u8],
    },
    /// BYE: the first source that it names.
    Goodbye {
        ssrc: Ssrc,
    },
    /// XR (RFC 3611).
    Extended {
        ssrc: Ssrc,
        blocks: ExtendedBlocks<'a>,
    },
    /// Feedback, APP, SDES without CNAME, BYE without source.
    Other {
        packet_type: u8,
    },
}

/// The report blocks of an SR or RR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Blocks<'a> {
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.blocks.split_first()?;
        self.blocks = rest;
        read_block(block)
    }
}

/// The packets of a received datagram, compound or single (RFC 5506). Ends after the first malformed one.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    pub fn of(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    fn read(&mut self) -> Result<Packet<'a>, Malformed> {
        let (&[first, packet_type, l0, l1], behind) =
            self.rest.split_first_chunk().ok_or(Malformed)?;
        let length = 4 * usize::from(u16::from_be_bytes([l0, l1]));
        let (body, rest) = behind.split_at_checked(length).ok_or(Malformed)?;
        if first >> 6 != 2 {
            return Err(Malformed);
        }
        self.rest = rest;
        let body = match first & 0x20 {
            0 => body,
            _ => without_padding(body)?,
        };
        read_packet(packet_type, (first & 0x1f).into(), body)
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let packet = self.read();
        if packet.is_err() {
            self.rest = &[];
        }
        Some(packet)
    }
}

/// The sender's fault; to be counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed RTCP packet")]
pub struct Malformed;

fn without_padding(body: &[u8]) -> Result<&[u8], Malformed> {
    let padding = usize::from(*body.last().ok_or(Malformed)?);
    let length = body.len().checked_sub(padding).ok_or(Malformed)?;
    body.get(..length).ok_or(Malformed)
}

fn read_packet(packet_type: u8, count: usize, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let packet = match packet_type {
        SENDER_REPORT => read_sender_report(count, body).ok_or(Malformed)?,
        RECEIVER_REPORT => read_receiver_report(count, body).ok_or(Malformed)?,
        DESCRIPTION if count > 0 => read_description(body)?,
        GOODBYE if count > 0 => {
            let (ssrc, _) = read_word(body).ok_or(Malformed)?;
            Packet::Goodbye { ssrc: Ssrc(ssrc) }
        }
        EXTENDED => {
            let (ssrc, rest) = read_word(body).ok_or(Malformed)?;
            Packet::Extended {
                ssrc: Ssrc(ssrc),
                blocks: ExtendedBlocks::read(rest)?,
            }
        }
        _ => Packet::Other { packet_type },
    };
    Ok(packet)
}

fn read_sender_report(count: usize, body: &[u8]) -> Option<Packet<'_>> {
    let (ssrc, rest) = read_word(body)?;
    let (ntp, rest) = rest.split_first_chunk()?;
    let (timestamp, rest) = read_word(rest)?;
    let (packets, rest) = read_word(rest)?;
    let (octets, rest) = read_word(rest)?;
    Some(Packet::SenderReport {
        ssrc: Ssrc(ssrc),
        info: SenderInfo {
            ntp: NtpTime(u64::from_be_bytes(*ntp)),
            timestamp: RtpTime(timestamp),
            packets,
            octets,
        },
        blocks: read_blocks(count, rest)?,
    })
}

fn read_receiver_report(count: usize, body: &[u8]) -> Option<Packet<'_>> {
    let (ssrc, rest) = read_word(body)?;
    Some(Packet::ReceiverReport {
        ssrc: Ssrc(ssrc),
        blocks: read_blocks(count, rest)?,
    })
}

/// What is behind the blocks is a profile's own affair (RFC 3550 §6.4.3).
fn read_blocks(count: usize, bytes: &[u8]) -> Option<Blocks<'_>> {
    let (blocks, _) = bytes.as_chunks();
    Some(Blocks {
        blocks: blocks.get(..count)?,
    })
}

fn read_block(block: &[u8; BLOCK_LEN]) -> Option<ReportBlock> {
    let (ssrc, rest) = read_word(block)?;
    let (losses, rest) = read_word(rest)?;
    let (highest_sequence, rest) = read_word(rest)?;
    let (jitter, rest) = read_word(rest)?;
    let (last_sr, rest) = read_word(rest)?;
    let (delay_since_last_sr, _) = read_word(rest)?;
    Some(ReportBlock {
        ssrc: Ssrc(ssrc),
        fraction_lost: (losses >> 24) as u8,
        cumulative_lost: (losses << 8).cast_signed() >> 8,
        highest_sequence,
        jitter,
        last_sr,
        delay_since_last_sr,
    })
}

fn read_description(chunk: &[u8]) -> Result<Packet<'_>, Malformed> {
    let (ssrc, mut items) = read_word(chunk).ok_or(Malformed)?;
    while let [item, length, rest @ ..] = items {
        let (text, behind) = rest.split_at_checked((*length).into()).ok_or(Malformed)?;
        match *item {
            0 => break,
            CNAME => {
                let ssrc = Ssrc(ssrc);
                return Ok(Packet::Description { ssrc, cname: text });
            }
            _ => items = behind,
        }
    }
    let packet_type = DESCRIPTION;
    Ok(Packet::Other { packet_type })
}

pub(super) fn read_word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*word), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::rtcp::{Concealment, JitterBuffer, LastReference, Summary, VoipMetrics};

    const INFO: SenderInfo = SenderInfo {
        ntp: NtpTime(0x0102_0304_0506_0708),
        timestamp: RtpTime(0x090a_0b0c),
        packets: 1000,
        octets: 50_000,
    };

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: Ssrc(0xaabb_ccdd),
        fraction_lost: 25,
        cumulative_lost: -2,
        highest_sequence: 0x0001_ffff,
        jitter: 77,
        last_sr: 0x1122_3344,
        delay_since_last_sr: 65_536,
    };

    /// One block of each kind.
    const EXTENDED_REPORTS: Extended = Extended {
        reference_time: Some(NtpTime(1)),
        last_reference: Some(LastReference {
            ssrc: Ssrc(1),
            last: 2,
            delay: 3,
        }),
        summary: Some(Summary {
            ssrc: Ssrc(1),
            begin: 1,
            end: 2,
            lost: None,
            duplicate: None,
            jitter: None,
        }),
        voip: Some(VoipMetrics {
            ssrc: Ssrc(1),
            loss: 0,
            discard: 0,
            burst_density: 0,
            gap_density: 0,
            burst_duration_ms: 0,
            gap_duration_ms: 0,
            round_trip_ms: 0,
            end_system_ms: 0,
            signal: None,
            noise: None,
            gmin: 16,
            r_factor: None,
            mos_listening: None,
            mos_conversation: None,
            concealment: Concealment::Unspecified,
            buffer: JitterBuffer {
                nominal_ms: 0,
                maximum_ms: 0,
                absolute_maximum_ms: 0,
            },
        }),
    };

    fn written(compound: &Compound<'_>) -> Vec<u8> {
        let mut buffer = vec![0xee; Compound::MAX_LEN];
        let length = compound.write(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    fn read(datagram: &[u8]) -> Vec<Result<Packet<'_>, Malformed>> {
        Packets::of(datagram).collect()
    }

    #[test]
    fn receiver_report_on_the_wire() {
        let compound = Compound {
            ssrc: Ssrc(7),
            sender: None,
            block: None,
            cname: "abc",
            extended: Extended::default(),
            bye: true,
        };
        let expected = [
            &[0x80, 201, 0, 1, 0, 0, 0, 7][..],
            &[0x81, 202, 0, 3, 0, 0, 0, 7, 1, 3, b'a', b'b', b'c', 0, 0, 0],
            &[0x81, 203, 0, 1, 0, 0, 0, 7],
        ];
        assert_eq!(written(&compound), expected.concat());
    }

    #[test]
    fn sender_report_there_and_back() {
        let compound = Compound {
            ssrc: Ssrc(7),
            sender: Some(INFO),
            block: Some(BLOCK),
            cname: "WhatsAppAudioStream1",
            extended: Extended::default(),
            bye: true,
        };
        let datagram = written(&compound);
        let packets = read(&datagram);
        let Ok(Packet::SenderReport { ssrc, info, blocks }) = packets[0] else {
            panic!("{packets:?}")
        };
        assert_eq!((ssrc, info), (Ssrc(7), INFO));
        assert_eq!(blocks.collect::<Vec<_>>(), [BLOCK]);
        let description = Packet::Description {
            ssrc: Ssrc(7),
            cname: b"WhatsAppAudioStream1",
        };
        let goodbye = Packet::Goodbye { ssrc: Ssrc(7) };
        assert_eq!(packets[1..], [Ok(description), Ok(goodbye)]);
    }

    #[test]
    fn the_longest_compound_fits_and_a_byte_less_does_not() {
        let compound = Compound {
            ssrc: Ssrc(7),
            sender: Some(INFO),
            block: Some(BLOCK),
            cname: &"n".repeat(300),
            extended: EXTENDED_REPORTS,
            bye: true,
        };
        let length = written(&compound).len();
        assert_eq!(length, Compound::MAX_LEN);
        assert_eq!(compound.write(&mut vec![0; length - 1]), None);
    }

    #[test]
    fn foreign_packets_are_read_over() {
        let feedback = [0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        let no_cname = [0x81, 202, 0, 2, 0, 0, 0, 1, 2, 0, 0, 0];
        let empty = [0x80, 203, 0, 0];
        let datagram = [&feedback[..], &no_cname, &empty].concat();
        let expected = [205, 202, 203].map(|packet_type| Ok(Packet::Other { packet_type }));
        assert_eq!(read(&datagram), expected);
    }

    #[test]
    fn padding_is_taken_off() {
        let datagram = [0xa0, 201, 0, 2, 0, 0, 0, 7, 0, 0, 0, 4];
        let blocks = Blocks { blocks: &[] };
        let report = Packet::ReceiverReport {
            ssrc: Ssrc(7),
            blocks,
        };
        assert_eq!(read(&datagram), [Ok(report)]);
        let too_much = [0xa0, 201, 0, 2, 0, 0, 0, 7, 0, 0, 0, 9];
        assert_eq!(read(&too_much), [Err(Malformed)]);
    }

    #[test]
    fn malformed_packets_end_the_datagram() {
        for datagram in [
            &[0x80, 201][..],
            &[0x40, 201, 0, 1, 0, 0, 0, 7],
            &[0x80, 201, 0, 2, 0, 0, 0, 7],
            &[0x81, 201, 0, 1, 0, 0, 0, 7],
            &[0x80, 200, 0, 1, 0, 0, 0, 7],
            &[0x81, 202, 0, 2, 0, 0, 0, 7, 1, 9, b'a', b'b'],
            &[0x81, 203, 0, 0],
        ] {
            assert_eq!(read(datagram), [Err(Malformed)], "{datagram:?}");
        }
    }

    #[test]
    fn nothing_is_read_behind_a_malformed_packet() {
        let good = [0x80, 201, 0, 1, 0, 0, 0, 7];
        let bad = [0x40, 201, 0, 1, 0, 0, 0, 7];
        let datagram = [good, bad, good].concat();
        let packets = read(&datagram);
        assert_eq!(packets.len(), 2);
        assert_eq!(packets[1], Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for packet in Packets::of(&bytes).flatten() {
                if let Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } = packet {
                    prop_assert!(blocks.count() < 32);
                }
            }
        }

        #[test]
        fn any_report_there_and_back(
            ssrc: u32, fraction_lost: u8, cumulative_lost in -(1 << 23)..(1 << 23),
            highest_sequence: u32, jitter: u32, last_sr: u32, delay_since_last_sr: u32,
            cname in "[a-zA-Z0-9@.-]{0,255}",
        ) {
            let block = ReportBlock {
                ssrc: Ssrc(ssrc), fraction_lost, cumulative_lost, highest_sequence, jitter, last_sr,
                delay_since_last_sr,
            };
            let compound = Compound {
                ssrc: Ssrc(9), sender: None, block: Some(block), cname: &cname, extended: Extended::default(), bye: false,
            };
            let datagram = written(&compound);
            let packets = read(&datagram);
            let Ok(Packet::ReceiverReport { blocks, .. }) = packets[0] else {
                panic!("{packets:?}")
            };
            prop_assert_eq!(blocks.collect::<Vec<_>>(), [block]);
            let expected = Packet::Description { ssrc: Ssrc(9), cname: cname.as_bytes() };
            prop_assert_eq!(packets[1], Ok(expected));
        }
    }
}
