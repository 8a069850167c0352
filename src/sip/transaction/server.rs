//! The non-INVITE server transaction (RFC 3261 §17.2.2, figure 8), and what both server machines ask for.

use std::time::Instant;

use crate::sip::transaction::timer::Timers;

/// What a server machine wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    Nothing,
    /// Send the last response again, if there was one.
    Repeat,
    /// Hand the ACK to the transaction's user (2xx only).
    Report,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerRequest {
    /// No response yet. Once the client's timer F has passed nobody waits for one.
    Trying {
        forgotten: Instant,
    },
    Proceeding {
        forgotten: Instant,
    },
    /// The final response went out and is repeated on demand. Timer J.
    Completed {
        ends: Instant,
    },
    Terminated,
}

impl ServerRequest {
    pub fn new(now: Instant, timers: &Timers) -> Self {
        Self::Trying {
            forgotten: now + timers.whole(),
        }
    }

    pub fn handle_repeated(&self) -> Effect {
        match self {
            Self::Proceeding { .. } | Self::Completed { .. } => Effect::Repeat,
            Self::Trying { .. } | Self::Terminated => Effect::Nothing,
        }
    }

    /// Our response. False when a final one went out before: this one must not.
    pub fn send(&mut self, now: Instant, timers: &Timers, reliable: bool, status: u16) -> bool {
        match self {
            Self::Trying { forgotten } | Self::Proceeding { forgotten } => {
                *self = match (status, reliable) {
                    (..200, _) => Self::Proceeding {
                        forgotten: *forgotten,
                    },
                    (200.., true) => Self::Terminated,
                    (200.., false) => Self::Completed {
                        ends: now + timers.whole(),
                    },
                };
                true
            }
            Self::Completed { .. } | Self::Terminated => false,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|at| now >= at) {
            *self = Self::Terminated;
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Trying { forgotten } | Self::Proceeding { forgotten } => Some(*forgotten),
            Self::Completed { ends } => Some(*ends),
            Self::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIMERS: Timers = Timers {
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
    };

    #[test]
    fn figure_8() {
        let now = Instant::now();
        let mut machine = ServerRequest::new(now, &TIMERS);
        assert_eq!(machine.handle_repeated(), Effect::Nothing);
        assert!(machine.send(now, &TIMERS, false, 100));
        assert_eq!(machine.handle_repeated(), Effect::Repeat);
        assert!(machine.send(now, &TIMERS, false, 200));
        assert!(!machine.send(now, &TIMERS, false, 500));
        assert_eq!(machine.handle_repeated(), Effect::Repeat);
        machine.handle_timeout(now + Duration::from_secs(32));
        assert_eq!(machine, ServerRequest::Terminated);
    }

    #[test]
    fn on_a_stream_the_final_response_ends_it() {
        let now = Instant::now();
        let mut machine = ServerRequest::new(now, &TIMERS);
        assert!(machine.send(now, &TIMERS, true, 200));
        assert_eq!(machine, ServerRequest::Terminated);
    }

    #[test]
    fn what_is_never_answered_is_forgotten() {
        let now = Instant::now();
        let mut machine = ServerRequest::new(now, &TIMERS);
        machine.handle_timeout(now + Duration::from_secs(32));
        assert_eq!(machine, ServerRequest::Terminated);
    }
}
