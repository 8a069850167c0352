//! The INVITE server transaction (RFC 3261 §17.2.1, figure 7, with the Accepted state of RFC 6026).

use std::time::Instant;

use crate::sip::transaction::server::Effect;
use crate::sip::transaction::timer::{Backoff, Timers, earliest};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerInvite {
    /// 100 went out at once; the user has not answered for good.
    Proceeding,
    /// 300-699 is repeated (timer G) until ACK comes or timer H ends it.
    Completed {
        repeat: Option<Backoff>,
        ends: Instant,
    },
    /// ACK came; more of them are swallowed until timer I.
    Confirmed {
        ends: Instant,
    },
    /// 2xx went out; its repetition is the user's. Repeated INVITEs are swallowed until timer L.
    Accepted {
        ends: Instant,
    },
    Terminated,
}

impl ServerInvite {
    /// The INVITE once more, on the same transaction.
    pub fn handle_repeated(&self) -> Effect {
        match self {
            Self::Proceeding | Self::Completed { .. } => Effect::Repeat,
            Self::Confirmed { .. } | Self::Accepted { .. } | Self::Terminated => Effect::Nothing,
        }
    }

    pub fn handle_ack(&mut self, now: Instant, timers: &Timers, reliable: bool) -> Effect {
        match self {
            Self::Completed { .. } => {
                *self = if reliable {
                    Self::Terminated
                } else {
                    Self::Confirmed {
                        ends: now + timers.t4,
                    }
                };
                Effect::Nothing
            }
            Self::Accepted { .. } => Effect::Report,
            Self::Proceeding | Self::Confirmed { .. } | Self::Terminated => Effect::Nothing,
        }
    }

    /// Our response. False when a final one went out before: this one must not.
    pub fn send(&mut self, now: Instant, timers: &Timers, reliable: bool, status: u16) -> bool {
        match (&self, status) {
            (Self::Proceeding, ..200) => true,
            (Self::Proceeding, 200..300) => {
                let ends = now + timers.whole();
                *self = Self::Accepted { ends };
                true
            }
            (Self::Proceeding, 300..) => {
                *self = Self::Completed {
                    repeat: (!reliable).then(|| Backoff::start(now, timers.t1, Some(timers.t2))),
                    ends: now + timers.whole(),
                };
                true
            }
            (Self::Accepted { .. }, _) => (200..300).contains(&status),
            (Self::Completed { .. } | Self::Confirmed { .. } | Self::Terminated, _) => false,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Effect {
        match self {
            Self::Completed { ends, .. } | Self::Confirmed { ends } | Self::Accepted { ends }
                if now >= *ends =>
            {
                *self = Self::Terminated;
                Effect::Nothing
            }
            Self::Completed {
                repeat: Some(repeat),
                ..
            } if now >= repeat.due() => {
                repeat.fire(now);
                Effect::Repeat
            }
            Self::Proceeding
            | Self::Completed { .. }
            | Self::Confirmed { .. }
            | Self::Accepted { .. }
            | Self::Terminated => Effect::Nothing,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Completed { repeat, ends } => {
                earliest(repeat.map(|repeat| repeat.due()), Some(*ends))
            }
            Self::Confirmed { ends } | Self::Accepted { ends } => Some(*ends),
            Self::Proceeding | Self::Terminated => None,
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
    fn figure_7_rejected() {
        let now = Instant::now();
        let mut machine = ServerInvite::Proceeding;
        assert!(machine.send(now, &TIMERS, false, 180));
        assert_eq!(machine.handle_repeated(), Effect::Repeat);
        assert!(machine.send(now, &TIMERS, false, 486));
        assert!(!machine.send(now, &TIMERS, false, 200));
        assert_eq!(machine.handle_repeated(), Effect::Repeat);
        assert_eq!(machine.handle_timeout(now + TIMERS.t1), Effect::Repeat);
        assert_eq!(machine.handle_ack(now, &TIMERS, false), Effect::Nothing);
        assert_eq!(
            machine,
            ServerInvite::Confirmed {
                ends: now + TIMERS.t4
            }
        );
        assert_eq!(machine.handle_repeated(), Effect::Nothing);
        machine.handle_timeout(now + TIMERS.t4);
        assert_eq!(machine, ServerInvite::Terminated);
    }

    #[test]
    fn figure_7_accepted() {
        let now = Instant::now();
        let mut machine = ServerInvite::Proceeding;
        assert!(machine.send(now, &TIMERS, false, 200));
        assert_eq!(machine.handle_repeated(), Effect::Nothing);
        assert_eq!(machine.handle_ack(now, &TIMERS, false), Effect::Report);
        assert!(machine.send(now, &TIMERS, false, 200));
        assert!(!machine.send(now, &TIMERS, false, 500));
        assert_eq!(machine.deadline(), Some(now + Duration::from_secs(32)));
    }

    #[test]
    fn without_an_ack_timer_h_ends_it() {
        let now = Instant::now();
        for reliable in [false, true] {
            let mut machine = ServerInvite::Proceeding;
            machine.send(now, &TIMERS, reliable, 404);
            let mut repeats = 0;
            let mut last = now;
            while let Some(at) = machine.deadline() {
                last = at;
                repeats += usize::from(machine.handle_timeout(at) == Effect::Repeat);
            }
            assert_eq!(last, now + Duration::from_secs(32));
            assert_eq!(repeats, if reliable { 0 } else { 10 });
        }
    }
}
