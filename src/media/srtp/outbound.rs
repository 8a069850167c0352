//! The sending side of a key.

use super::derivation::{Master, Protocol};
use super::position::Position;
use super::streams::{Progress, Streams};
use super::transform::Transform;
use super::{Error, MAX_OVERHEAD, StreamState, rtcp_sender};
use crate::media::rtp::{Header, SequenceNumber};
use crate::sdp::{MasterKey, Suite};

/// Indices that one key may be used for (RFC 3711 §9.2).
const RTP_INDICES: u64 = 1 << 48;
const RTCP_INDICES: u64 = 1 << 31;

/// Protects what we send under one master key.
///
/// The sequence number of each packet must be newer than the last one of its SSRC: one index used twice gives the
/// keystream away (RFC 3711 §9.1).
pub struct Outbound {
    rtp: Transform,
    rtcp: Transform,
    streams: Streams,
}

impl Outbound {
    /// `key` is master key and salt joined; what a suite does not need of it is ignored.
    pub fn new(suite: Suite, key: &MasterKey) -> Result<Self, Error> {
        let master = Master::of(suite, key)?;
        let transform = |protocol| Transform::new(suite, &master, protocol).ok_or(Error::Library);
        Ok(Self {
            rtp: transform(Protocol::Rtp)?,
            rtcp: transform(Protocol::Rtcp)?,
            streams: Streams::default(),
        })
    }

    /// Protects the RTP packet in `buffer[..length]`, which needs `MAX_OVERHEAD` bytes of room behind it. Returns the
    /// packet's new length.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let packet = packet_with_room(buffer, length)?;
        let (header, clear) = Header::parse(packet).map_err(|_| Error::Malformed)?;
        let ssrc = header.ssrc;
        let before = self.streams.find(ssrc).map(|stream| stream.rtp);
        let index = match before {
            None if self.streams.is_full() => return Err(Error::TooManySources),
            None | Some(None) => header.sequence.0.into(),
            Some(Some(progress)) => next_rtp_index(&progress, header.sequence)?,
        };
        let position = Position { ssrc, index };
        let protected = self.rtp.protect_rtp(position, buffer, clear, length)?;
        self.streams.entry(ssrc).rtp = Some(Progress::begin(index));
        Ok(protected)
    }

    /// The same for a (compound) RTCP packet.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let packet = packet_with_room(buffer, length)?;
        let ssrc = rtcp_sender(packet).ok_or(Error::Malformed)?;
        let before = self.streams.find(ssrc).map(|stream| stream.rtcp);
        let index = match before {
            None if self.streams.is_full() => return Err(Error::TooManySources),
            None | Some(None) => 0,
            Some(Some(progress)) => progress.highest.saturating_add(1),
        };
        if index >= RTCP_INDICES {
            return Err(Error::KeyExhausted);
        }
        let position = Position { ssrc, index };
        let protected = self.rtcp.protect_rtcp(position, buffer, length)?;
        self.streams.entry(ssrc).rtcp = Some(Progress::begin(index));
        Ok(protected)
    }

    /// One entry a stream, for a standby.
    pub fn streams(&self) -> Vec<StreamState> {
        self.streams.iter().copied().collect()
    }

    /// Goes on where another left off. Replaces what is known of these streams.
    pub fn resume(&mut self, streams: &[StreamState]) {
        self.streams.resume(streams);
    }
}

fn packet_with_room(buffer: &[u8], length: usize) -> Result<&[u8], Error> {
    if buffer.len() < length.saturating_add(MAX_OVERHEAD) {
        return Err(Error::NoRoom);
    }
    buffer.get(..length).ok_or(Error::NoRoom)
}

fn next_rtp_index(progress: &Progress, sequence: SequenceNumber) -> Result<u64, Error> {
    match progress.nearest(sequence) {
        Some(index) if index >= RTP_INDICES => Err(Error::KeyExhausted),
        Some(index) if index > progress.highest => Ok(index),
        Some(_) | None => Err(Error::IndexReused),
    }
}
