//! Where a peer's packets come from and where ours go: symmetric RTP (RFC 4961) learnt once and then locked, so that
//! injected packets change nothing (RFC 7362 §5).
//!
//! * An authenticated packet (SRTP) teaches its source at once.
//! * Plain RTP does so at once from the address that the description gave; from elsewhere it takes `PROOFS` packets in a
//!   row with one SSRC and consecutive numbers.
//! * A peer that ICE or DTLS has to find is where they found it, and nowhere else.
//! * Once locked, other sources are refused unread, until the locked one was silent for `RELEARN_AFTER` or a new
//!   agreement names another address.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::media::rtp::{Header, SequenceNumber};
use crate::sdp::Ssrc;

/// Plain packets that an address nobody described has to send.
const PROOFS: u8 = 3;
/// Numbers between two proofs: some may be lost.
const PROOF_STEP: i16 = 5;
/// Silence after which a peer may have moved.
pub const RELEARN_AFTER: Duration = Duration::from_secs(2);

/// What says that a packet is the peer's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence<'a> {
    Authenticated,
    Plain(&'a Header),
}

pub struct Source {
    described: Option<SocketAddr>,
    state: State,
}

enum State {
    Learning(Option<Candidate>),
    Locked {
        from: SocketAddr,
        heard: Instant,
    },
    /// By others than us, who let nothing else through. `None`: not yet, or not any more.
    Found(Option<SocketAddr>),
}

struct Candidate {
    from: SocketAddr,
    ssrc: Ssrc,
    sequence: SequenceNumber,
    proofs: u8,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            described: None,
            state: State::Learning(None),
        }
    }
}

impl Source {
    /// A new agreement. The same address keeps what was learnt (hold and resume).
    pub fn describe(&mut self, address: Option<SocketAddr>) {
        if self.described != address {
            self.described = address;
            self.state = match self.state {
                State::Learning(_) | State::Locked { .. } => State::Learning(None),
                State::Found(at) => State::Found(at),
            };
        }
    }

    /// Where the peer was found; it is not looked for here any more.
    pub fn follow(&mut self, found: Option<SocketAddr>) {
        self.state = State::Found(found);
    }

    /// Nothing learnt counts any more: the peer has new keys.
    pub fn forget(&mut self) {
        self.state = State::Learning(None);
    }

    /// Before anything of a datagram is believed: may it be the peer's?
    pub fn may_be(&self, now: Instant, from: SocketAddr) -> bool {
        match self.state {
            State::Learning(_) | State::Found(_) => true,
            State::Locked {
                from: locked,
                heard,
            } => locked == from || now.saturating_duration_since(heard) >= RELEARN_AFTER,
        }
    }

    /// A packet that may be the peer's, with what speaks for it. Says whether to use it.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        evidence: Evidence<'_>,
    ) -> bool {
        if let State::Found(_) = self.state {
            return true;
        }
        let proven = match evidence {
            Evidence::Authenticated => true,
            Evidence::Plain(header) => self.is_known(from) || self.proves(from, header),
        };
        if proven {
            self.state = State::Locked { from, heard: now };
        }
        proven
    }

    pub fn locked(&self) -> Option<SocketAddr> {
        match self.state {
            State::Learning(_) => None,
            State::Locked { from, .. } => Some(from),
            State::Found(at) => at,
        }
    }

    /// Where to send: where the peer was found; what was learnt if `latch`; else what was described.
    pub fn target(&self, latch: bool) -> Option<SocketAddr> {
        match self.state {
            State::Found(at) => at,
            State::Learning(_) | State::Locked { .. } => {
                self.locked().filter(|_| latch).or(self.described)
            }
        }
    }

    fn is_known(&self, from: SocketAddr) -> bool {
        self.described == Some(from) || self.locked() == Some(from)
    }

    fn proves(&mut self, from: SocketAddr, header: &Header) -> bool {
        if let State::Locked { .. } = self.state {
            self.state = State::Learning(None);
        }
        let State::Learning(candidate) = &mut self.state else {
            return false;
        };
        let proofs = match candidate {
            Some(known) if known.is_followed_by(from, header) => known.proofs + 1,
            Some(_) | None => 1,
        };
        *candidate = Some(Candidate {
            from,
            ssrc: header.ssrc,
            sequence: header.sequence,
            proofs,
        });
        proofs >= PROOFS
    }
}

impl Candidate {
    fn is_followed_by(&self, from: SocketAddr, header: &Header) -> bool {
        let step = header.sequence.ahead_of(self.sequence);
        self.from == from && self.ssrc == header.ssrc && (1..=PROOF_STEP).contains(&step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::RtpTime;
    use crate::sdp::PayloadType;

    const PEER: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);
    const NATTED: ([u8; 4], u16) = ([203, 0, 113, 9], 61_000);
    const ATTACKER: ([u8; 4], u16) = ([198, 51, 100, 66], 6666);

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header {
            marker: false,
            payload_type: PayloadType(0),
            sequence: SequenceNumber(sequence),
            timestamp: RtpTime(0),
            ssrc: Ssrc(ssrc),
        }
    }

    fn described() -> Source {
        let mut source = Source::default();
        source.describe(Some(PEER.into()));
        source
    }

    fn plain(source: &mut Source, now: Instant, from: ([u8; 4], u16), sequence: u16) -> bool {
        let header = header(1, sequence);
        source.may_be(now, from.into())
            && source.handle_packet(now, from.into(), Evidence::Plain(&header))
    }

    #[test]
    fn described_address_is_believed_at_once() {
        let mut source = described();
        assert!(plain(&mut source, Instant::now(), PEER, 1));
        assert_eq!(source.locked(), Some(PEER.into()));
    }

    #[test]
    fn another_address_has_to_prove_itself() {
        let now = Instant::now();
        let mut source = described();
        let believed: Vec<bool> = (1..=4)
            .map(|n| plain(&mut source, now, NATTED, n))
            .collect();
        assert_eq!(believed, [false, false, true, true]);
        assert_eq!(source.target(true), Some(NATTED.into()));
        assert_eq!(source.target(false), Some(PEER.into()));
    }

    #[test]
    fn unconnected_packets_prove_nothing() {
        let now = Instant::now();
        let mut source = described();
        for sequence in [5, 1000, 40, 40, 40] {
            assert!(!plain(&mut source, now, ATTACKER, sequence));
        }
    }

    #[test]
    fn authenticated_packet_teaches_at_once() {
        let mut source = described();
        assert!(source.handle_packet(Instant::now(), NATTED.into(), Evidence::Authenticated));
        assert_eq!(source.locked(), Some(NATTED.into()));
    }

    #[test]
    fn locked_source_is_left_only_after_its_silence() {
        let start = Instant::now();
        let mut source = described();
        assert!(plain(&mut source, start, PEER, 1));
        for n in 0..50 {
            let now = start + Duration::from_millis(20) * n;
            assert!(!source.may_be(now, ATTACKER.into()));
        }
        let later = start + RELEARN_AFTER;
        for (sequence, believed) in [(1, false), (2, false), (3, true)] {
            assert_eq!(plain(&mut source, later, NATTED, sequence), believed);
        }
        assert_eq!(source.target(true), Some(NATTED.into()));
    }

    #[test]
    fn found_peer_is_where_it_was_found() {
        let now = Instant::now();
        let mut source = described();
        source.follow(None);
        assert_eq!(source.target(true), None, "the description is a guess");
        source.follow(Some(NATTED.into()));
        source.describe(Some(ATTACKER.into()));
        assert!(
            plain(&mut source, now, PEER, 1),
            "whoever finds it lets it through"
        );
        for latch in [true, false] {
            assert_eq!(source.target(latch), Some(NATTED.into()));
        }
        source.forget();
        assert_eq!(source.target(true), Some(ATTACKER.into()));
    }

    #[test]
    fn only_another_description_unlocks() {
        let now = Instant::now();
        let mut source = described();
        plain(&mut source, now, PEER, 1);
        source.describe(Some(PEER.into()));
        assert_eq!(source.locked(), Some(PEER.into()));
        source.describe(Some(NATTED.into()));
        assert_eq!(source.locked(), None);
        assert_eq!(source.target(true), Some(NATTED.into()));
    }
}
