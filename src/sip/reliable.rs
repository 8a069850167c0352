//! Reliable provisional responses (RFC 3262): what a UAS keeps until PRACK comes, and the order in which a UAC takes them.

use std::collections::VecDeque;
use std::time::Instant;

use crate::sip::message::{CSeq, Name, RAck, Response};
use crate::sip::transaction::timer::{Backoff, Timers};

/// Provisional responses that may wait for the PRACK of another.
const MAX_WAITING: usize = 16;

/// The UAS side of one INVITE whose sender requires 100rel.
#[derive(Clone, Debug)]
pub struct Sender {
    next_rseq: u32,
    unacknowledged: Option<Unacknowledged>,
    waiting: VecDeque<Response>,
}

#[derive(Clone, Debug)]
struct Unacknowledged {
    rseq: u32,
    response: Response,
    repeat: Backoff,
    gives_up: Instant,
}

/// What a deadline brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Due {
    Nothing,
    Repeat(Response),
    /// No PRACK within 64*T1: the INVITE is to be rejected (RFC 3262 §3).
    GiveUp,
}

/// Too many responses wait for PRACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl Sender {
    /// `first_rseq` is random, below 2^31 (RFC 3262 §3).
    pub fn new(first_rseq: u32) -> Self {
        Self {
            next_rseq: first_rseq.clamp(1, 1 << 30),
            unacknowledged: None,
            waiting: VecDeque::new(),
        }
    }

    /// A response to be sent reliably. It comes out of `next` when its turn has come.
    pub fn push(&mut self, response: Response) -> Result<(), Full> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Full);
        }
        self.waiting.push_back(response);
        Ok(())
    }

    /// Whether everything sent so far is acknowledged and nothing waits.
    pub fn is_clear(&self) -> bool {
        self.unacknowledged.is_none() && self.waiting.is_empty()
    }

    /// The response whose turn it is, with its RSeq; it is repeated from now on.
    pub fn next(&mut self, now: Instant, timers: &Timers) -> Option<Response> {
        if self.unacknowledged.is_some() {
            return None;
        }
        let mut response = self.waiting.pop_front()?;
        let rseq = self.next_rseq;
        self.next_rseq += 1;
        let headers = &mut response.headers;
        headers.set(Name::RSeq, rseq.to_string());
        headers.push(Name::Require, "100rel");
        self.unacknowledged = Some(Unacknowledged {
            rseq,
            response: response.clone(),
            repeat: Backoff::start(now, timers.t1, None),
            gives_up: now + timers.whole(),
        });
        Some(response)
    }

    /// PRACK came. False when it acknowledges nothing that waits: 481 (RFC 3262 §3).
    pub fn acknowledge(&mut self, invite: &CSeq, rack: &RAck) -> bool {
        let meant = |waiting: &Unacknowledged| rack.rseq == waiting.rseq && rack.cseq == *invite;
        let found = self.unacknowledged.as_ref().is_some_and(meant);
        if found {
            self.unacknowledged = None;
        }
        found
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        let Some(waiting) = &mut self.unacknowledged else {
            return Due::Nothing;
        };
        if now >= waiting.gives_up {
            return Due::GiveUp;
        }
        match waiting.repeat.fire(now) {
            true => Due::Repeat(waiting.response.clone()),
            false => Due::Nothing,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let waiting = self.unacknowledged.as_ref()?;
        Some(waiting.repeat.due().min(waiting.gives_up))
    }
}

/// The UAC side of one early dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Receiver {
    last: Option<u32>,
}

impl Receiver {
    /// Whether this response is the next in order: it is to be PRACKed and reported. A repetition or one that comes
    /// before its time is neither (RFC 3262 §4).
    pub fn accept(&mut self, rseq: u32) -> bool {
        let next = self
            .last
            .is_none_or(|last| Some(rseq) == last.checked_add(1));
        if next {
            self.last = Some(rseq);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sip::message::{Headers, Method};

    fn response(status: u16) -> Response {
        Response {
            status,
            reason: String::new(),
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    fn invite() -> CSeq {
        CSeq {
            number: 7,
            method: Method::Invite,
        }
    }

    #[test]
    fn one_waits_for_the_prack_of_the_other() {
        let now = Instant::now();
        let timers = Timers::default();
        let mut sender = Sender::new(41);
        sender.push(response(180)).unwrap();
        sender.push(response(183)).unwrap();
        let first = sender.next(now, &timers).unwrap();
        assert_eq!(first.headers.get(&Name::RSeq), Some("41"));
        assert!(first.headers.has_tag(&Name::Require, "100rel"));
        assert_eq!(sender.next(now, &timers), None);
        for (rseq, number, accepted) in [
            (42, 7, false),
            (41, 8, false),
            (41, 7, true),
            (41, 7, false),
        ] {
            let cseq = CSeq { number, ..invite() };
            assert_eq!(
                sender.acknowledge(&invite(), &RAck { rseq, cseq }),
                accepted
            );
        }
        let second = sender.next(now, &timers).unwrap();
        assert_eq!(
            (second.status, second.headers.get(&Name::RSeq)),
            (183, Some("42"))
        );
        assert!(!sender.is_clear());
    }

    #[test]
    fn it_is_repeated_and_given_up() {
        let now = Instant::now();
        let timers = Timers::default();
        let mut sender = Sender::new(1);
        sender.push(response(180)).unwrap();
        let sent = sender.next(now, &timers).unwrap();
        let mut times = Vec::new();
        loop {
            let at = sender.deadline().unwrap();
            times.push((at - now).as_millis());
            match sender.handle_timeout(at) {
                Due::Repeat(repeated) => assert_eq!(repeated, sent),
                Due::GiveUp => break,
                Due::Nothing => panic!("a deadline without effect"),
            }
        }
        assert_eq!(times, [500, 1500, 3500, 7500, 15500, 31500, 32000]);
        assert_eq!(
            sender.handle_timeout(now + Duration::from_secs(40)),
            Due::GiveUp
        );
    }

    #[test]
    fn responses_are_taken_in_order() {
        let mut receiver = Receiver::default();
        let taken: Vec<bool> = [5, 5, 7, 6, 7, 6]
            .map(|rseq| receiver.accept(rseq))
            .to_vec();
        assert_eq!(taken, [true, false, false, true, true, false]);
    }
}
