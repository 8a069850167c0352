//! How far each SSRC has come under a key: rollover, replay window (RFC 3711 §3.3), and the small table of SSRCs.

use super::Error;
use crate::media::rtp::SequenceNumber;
use crate::sdp::Ssrc;

/// How many SSRCs a key's state is kept for.
const STREAMS: usize = 4;

/// How far one SSRC has come under a key. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamState {
    pub ssrc: Ssrc,
    pub rtp: Option<Progress>,
    pub rtcp: Option<Progress>,
}

/// The highest index (RTP: rollover counter and sequence number, 48 bits; RTCP: 31 bits), and which of the 128 indices
/// up to it were seen: bit 0 is the highest itself. A sender has no use for the latter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    pub highest: u64,
    pub seen: u128,
}

impl Progress {
    pub(super) fn begin(index: u64) -> Self {
        Self {
            highest: index,
            seen: 1,
        }
    }

    /// The index that a sequence number most likely stands for: the nearest to the highest (RFC 3711 §3.3.1).
    pub(super) fn nearest(&self, sequence: SequenceNumber) -> Option<u64> {
        let highest = SequenceNumber(self.highest as u16);
        self.highest
            .checked_add_signed(sequence.ahead_of(highest).into())
    }

    /// Whether a packet may be accepted, before it is known to be authentic.
    pub(super) fn check(&self, index: u64) -> Result<(), Error> {
        match self.highest.checked_sub(index) {
            None => Ok(()),
            Some(age) if age < u128::BITS.into() && self.seen >> age & 1 == 0 => Ok(()),
            Some(_) => Err(Error::Replayed),
        }
    }

    /// An authentic packet that passed `check`.
    pub(super) fn accept(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            Some(ahead) => {
                let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
                self.highest = index;
            }
            None => self.seen |= 1 << (self.highest - index),
        }
    }
}

/// The latest SSRCs, the last one used in front.
#[derive(Default)]
pub(super) struct Streams {
    entries: [Option<StreamState>; STREAMS],
}

impl Streams {
    pub(super) fn find(&self, ssrc: Ssrc) -> Option<&StreamState> {
        self.iter().find(|stream| stream.ssrc == ssrc)
    }

    /// Moves the stream to the front, where the common case is found first. A new one pushes out the one that was
    /// silent for longest.
    pub(super) fn entry(&mut self, ssrc: Ssrc) -> &mut StreamState {
        let known = |entry: &Option<StreamState>| entry.is_some_and(|it| it.ssrc == ssrc);
        let found = self.entries.iter().position(known);
        let place = found.unwrap_or(STREAMS - 1);
        if found.is_none() {
            self.entries[place] = None;
        }
        self.entries[..=place].rotate_right(1);
        self.entries[0].get_or_insert(StreamState {
            ssrc,
            rtp: None,
            rtcp: None,
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.iter().all(Option::is_some)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &StreamState> {
        self.entries.iter().flatten()
    }

    /// Takes over what another has come to, in the order of `iter`.
    pub(super) fn resume(&mut self, streams: &[StreamState]) {
        for stream in streams.iter().rev() {
            *self.entry(stream.ssrc) = *stream;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(highest: u64, sequence: u16) -> Option<u64> {
        Progress::begin(highest).nearest(SequenceNumber(sequence))
    }

    #[test]
    fn the_nearest_index_crosses_wraps_both_ways() {
        assert_eq!(nearest(0xffff, 0), Some(0x1_0000));
        assert_eq!(nearest(0x1_0000, 0xffff), Some(0xffff));
        assert_eq!(nearest(0x2_fff0, 0x0010), Some(0x3_0010));
        assert_eq!(nearest(0x3_0010, 0xfff0), Some(0x2_fff0));
        assert_eq!(nearest(0x0_7000, 0x7001), Some(0x0_7001));
        assert_eq!(nearest(0x1_0005, 0x8004), Some(0x1_8004));
    }

    #[test]
    fn nothing_came_before_the_first_index() {
        assert_eq!(nearest(5, 0xffff), None);
        assert_eq!(nearest(5, 4), Some(4));
    }

    #[test]
    fn the_window_is_128_wide() {
        let mut progress = Progress::begin(1000);
        assert_eq!(progress.check(1000), Err(Error::Replayed));
        assert_eq!(progress.check(1000 - 127), Ok(()));
        assert_eq!(progress.check(1000 - 128), Err(Error::Replayed));
        progress.accept(1000 - 127);
        assert_eq!(progress.check(1000 - 127), Err(Error::Replayed));
        progress.accept(1001);
        assert_eq!(progress.check(1000), Err(Error::Replayed));
        assert_eq!(progress.check(999), Ok(()));
        progress.accept(5000);
        assert_eq!(progress.check(1001), Err(Error::Replayed));
        assert_eq!(progress.check(4999), Ok(()));
        assert_eq!(progress.seen, 1);
    }

    #[test]
    fn the_longest_silent_stream_is_pushed_out() {
        let mut streams = Streams::default();
        for ssrc in 0..4 {
            streams.entry(Ssrc(ssrc)).rtp = Some(Progress::begin(ssrc.into()));
        }
        assert!(streams.is_full());
        streams.entry(Ssrc(0));
        streams.entry(Ssrc(9));
        let left: Vec<u32> = streams.iter().map(|stream| stream.ssrc.0).collect();
        assert_eq!(left, [9, 0, 3, 2]);
        let kept = streams.find(Ssrc(0)).and_then(|stream| stream.rtp);
        assert_eq!(kept, Some(Progress::begin(0)));
    }
}
