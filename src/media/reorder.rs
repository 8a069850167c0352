//! The reorder window in front of the decoder. Nothing waits while nothing is missing: a packet in order is used where
//! it lies. Behind a gap packets are kept as long as what is missing may still come by what is known of the network
//! (`Lateness`); then the gap is given up.

use std::time::Instant;

use crate::media::rtp::{Header, SequenceNumber};

/// What comes within the longest wait, in packets of 20 ms.
const WINDOW: usize = 5;
/// One more than the window: the packet that overflows it is kept until the gap is given up.
const SLOTS: usize = WINDOW + 1;
/// Longest payload kept: 120 ms of G.711.
const MAX_PAYLOAD: usize = 960;

/// What is to be done with a packet that just came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// It is the next one: use it now, then `pop` what waited for it.
    Now,
    /// Kept: `pop` says when it is its turn.
    Kept,
    /// Its gap was given up already, or it is here already.
    Late,
}

/// The next packet in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ordered<'a> {
    pub header: Header,
    pub payload: &'a [u8],
    /// Packets given up immediately before it.
    pub missing: u16,
}

pub struct Reorder {
    next: Option<SequenceNumber>,
    slots: [Slot; SLOTS],
}

struct Slot {
    /// Of what is kept, and until when what is missing before it is waited for.
    kept: Option<(Header, Instant)>,
    len: usize,
    bytes: Box<[u8; MAX_PAYLOAD]>,
}

impl Default for Reorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Reorder {
    pub fn new() -> Self {
        Self {
            next: None,
            slots: std::array::from_fn(|_| Slot::empty()),
        }
    }

    /// A new run begins: another SSRC, or a jump. What is kept of the old one is dropped.
    pub fn reset(&mut self) {
        self.next = None;
        for slot in &mut self.slots {
            slot.kept = None;
        }
    }

    /// What is missing before this packet is waited for until `patience` ends. After `Place::Kept` and `Place::Now`, `pop`
    /// until it is empty before the next packet.
    pub fn place(&mut self, header: &Header, payload: &[u8], patience: Instant) -> Place {
        let next = *self.next.get_or_insert(header.sequence);
        match header.sequence.ahead_of(next) {
            0 => {
                self.next = Some(next.next());
                Place::Now
            }
            1.. if !self.has(header.sequence) && self.keep(header, payload, patience) => {
                Place::Kept
            }
            _ => Place::Late,
        }
    }

    /// The next packet in order, or the first one behind a gap that is given up.
    pub fn pop(&mut self, now: Instant) -> Option<Ordered<'_>> {
        let next = self.next?;
        let (index, ahead) = self.first_kept(next)?;
        let overflows = self.kept() > WINDOW;
        let slot = self.slots.get_mut(index)?;
        let (header, patience) = slot.kept?;
        if ahead > 0 && patience > now && !overflows {
            return None;
        }
        slot.kept = None;
        self.next = Some(header.sequence.next());
        let slot = self.slots.get(index)?;
        Some(Ordered {
            header,
            payload: slot.bytes.get(..slot.len)?,
            missing: ahead,
        })
    }

    /// When the first gap is given up at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let (index, _) = self.first_kept(self.next?)?;
        let (_, patience) = self.slots.get(index)?.kept?;
        Some(patience)
    }

    fn has(&self, sequence: SequenceNumber) -> bool {
        let mut kept = self.slots.iter().filter_map(|slot| slot.kept);
        kept.any(|(header, _)| header.sequence == sequence)
    }

    fn kept(&self) -> usize {
        self.slots.iter().filter(|s| s.kept.is_some()).count()
    }

    /// Index of the kept packet with the lowest number, and how far that is ahead of `next`.
    fn first_kept(&self, next: SequenceNumber) -> Option<(usize, u16)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| {
                let ahead = slot.kept?.0.sequence.ahead_of(next);
                Some((index, u16::try_from(ahead).unwrap_or(0)))
            })
            .min_by_key(|(_, ahead)| *ahead)
    }

    fn keep(&mut self, header: &Header, payload: &[u8], patience: Instant) -> bool {
        let Some(slot) = self.slots.iter_mut().find(|s| s.kept.is_none()) else {
            return false;
        };
        let Some(room) = slot.bytes.get_mut(..payload.len()) else {
            return false;
        };
        room.copy_from_slice(payload);
        slot.len = payload.len();
        slot.kept = Some((*header, patience));
        true
    }
}

impl Slot {
    fn empty() -> Self {
        Self {
            kept: None,
            len: 0,
            bytes: Box::new([0; MAX_PAYLOAD]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::RtpTime;
    use crate::sdp::{PayloadType, Ssrc};
    use proptest::prelude::*;
    use std::time::Duration;

    const GAP_WAIT: Duration = Duration::from_millis(40);

    fn header(sequence: u16) -> Header {
        Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: SequenceNumber(sequence),
            timestamp: RtpTime(0),
            ssrc: Ssrc(1),
        }
    }

    /// What comes out as (sequence, missing before it) when `sequences` come in every 20 ms.
    fn run(sequences: &[u16]) -> Vec<(u16, u16)> {
        let start = Instant::now();
        let mut reorder = Reorder::new();
        let mut out = Vec::new();
        for (n, sequence) in sequences.iter().enumerate() {
            let now = start + Duration::from_millis(20) * n as u32;
            if reorder.place(&header(*sequence), b"x", now + GAP_WAIT) == Place::Now {
                out.push((*sequence, 0));
            }
            while let Some(ordered) = reorder.pop(now) {
                out.push((ordered.header.sequence.0, ordered.missing));
            }
        }
        out
    }

    #[test]
    fn in_order_is_used_at_once() {
        assert_eq!(run(&[65535, 0, 1]), [(65535, 0), (0, 0), (1, 0)]);
    }

    #[test]
    fn displaced_by_one_is_put_right() {
        assert_eq!(run(&[1, 3, 2, 4]), [(1, 0), (2, 0), (3, 0), (4, 0)]);
    }

    #[test]
    fn gap_is_given_up_after_the_wait_and_the_straggler_is_late() {
        let out = run(&[1, 3, 4, 5, 2, 6]);
        assert_eq!(out, [(1, 0), (3, 1), (4, 0), (5, 0), (6, 0)]);
    }

    #[test]
    fn deadline_gives_up_without_a_further_packet() {
        let now = Instant::now();
        let mut reorder = Reorder::new();
        reorder.place(&header(1), b"x", now + GAP_WAIT);
        assert_eq!(reorder.deadline(), None);
        assert_eq!(reorder.place(&header(4), b"y", now + GAP_WAIT), Place::Kept);
        assert!(reorder.pop(now).is_none());
        let deadline = reorder.deadline().unwrap();
        assert_eq!(deadline, now + GAP_WAIT);
        let ordered = reorder.pop(deadline).unwrap();
        assert_eq!((ordered.missing, ordered.payload), (2, b"y".as_slice()));
        assert_eq!(reorder.deadline(), None);
    }

    #[test]
    fn no_patience_gives_the_gap_up_at_once() {
        let now = Instant::now();
        let mut reorder = Reorder::new();
        reorder.place(&header(1), b"x", now);
        assert_eq!(reorder.place(&header(3), b"y", now), Place::Kept);
        assert_eq!(reorder.pop(now).map(|ordered| ordered.missing), Some(1));
    }

    #[test]
    fn full_window_gives_the_gap_up() {
        let now = Instant::now();
        let long = now + Duration::from_secs(1);
        let mut reorder = Reorder::new();
        reorder.place(&header(1), b"x", long);
        for sequence in 3..3 + SLOTS as u16 {
            assert!(reorder.pop(now).is_none());
            reorder.place(&header(sequence), b"x", long);
        }
        assert_eq!(reorder.pop(now).map(|ordered| ordered.missing), Some(1));
    }

    #[test]
    fn reset_begins_anew() {
        let now = Instant::now();
        let mut reorder = Reorder::new();
        reorder.place(&header(1), b"x", now + GAP_WAIT);
        reorder.place(&header(3), b"x", now + GAP_WAIT);
        reorder.reset();
        assert_eq!(
            reorder.place(&header(9000), b"x", now + GAP_WAIT),
            Place::Now
        );
        assert!(reorder.pop(now).is_none());
    }

    proptest! {
        /// Whatever comes in, numbers come out in rising order, each with the right count of missing ones.
        #[test]
        fn out_in_order(steps in prop::collection::vec(0u16..6, 1..200)) {
            let sequences: Vec<u16> = steps
                .iter()
                .enumerate()
                .map(|(n, step)| 65_500u16.wrapping_add(n as u16).wrapping_add(*step))
                .collect();
            let out = run(&sequences);
            for pair in out.windows(2) {
                let expected = pair[0].0.wrapping_add(1).wrapping_add(pair[1].1);
                prop_assert_eq!(pair[1].0, expected);
            }
        }
    }
}
