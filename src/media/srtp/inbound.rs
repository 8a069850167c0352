//! The receiving side of a key.

use super::derivation::{Master, Protocol};
use super::position::Position;
use super::streams::{Progress, Streams};
use super::transform::Transform;
use super::{Error, StreamState, rtcp_sender};
use crate::media::rtp::Header;
use crate::sdp::{MasterKey, Suite};

/// Opens what a peer sends under one master key. State is kept for the last four SSRCs, and only for those of which a
/// packet was authentic: forged packets cost the time to reject them and nothing else.
pub struct Inbound {
    rtp: Transform,
    rtcp: Transform,
    streams: Streams,
}

impl Inbound {
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

    /// Opens an SRTP packet in place and returns its length as RTP. After an error the content is unspecified.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        let (header, clear) = Header::parse(packet).map_err(|_| Error::Malformed)?;
        let ssrc = header.ssrc;
        let before = self.streams.find(ssrc).and_then(|stream| stream.rtp);
        let index = match before {
            None => header.sequence.0.into(),
            Some(progress) => {
                let nearest = progress.nearest(header.sequence);
                nearest.ok_or(Error::Replayed)?
            }
        };
        check(before, index)?;
        let position = Position { ssrc, index };
        let length = self.rtp.unprotect_rtp(position, packet, clear)?;
        accept(&mut self.streams.entry(ssrc).rtp, index);
        Ok(length)
    }

    /// The same for SRTCP.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        let ssrc = rtcp_sender(packet).ok_or(Error::Malformed)?;
        let word = self.rtcp.rtcp_word(packet).ok_or(Error::Malformed)?;
        let index = word.index();
        check(
            self.streams.find(ssrc).and_then(|stream| stream.rtcp),
            index,
        )?;
        let position = Position { ssrc, index };
        let length = self.rtcp.unprotect_rtcp(position, word, packet)?;
        accept(&mut self.streams.entry(ssrc).rtcp, index);
        Ok(length)
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

fn check(progress: Option<Progress>, index: u64) -> Result<(), Error> {
    progress.map_or(Ok(()), |progress| progress.check(index))
}

fn accept(progress: &mut Option<Progress>, index: u64) {
    match progress {
        None => *progress = Some(Progress::begin(index)),
        Some(progress) => progress.accept(index),
    }
}
