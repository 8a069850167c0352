//! The non-INVITE client transaction (RFC 3261 §17.1.2, figure 6), and what both client machines ask for.

use std::time::Instant;

use crate::sip::transaction::timer::{Backoff, Timers, earliest};

/// What a client machine wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    Nothing,
    /// Send the request again.
    Repeat,
    /// Hand the response to the transaction's user.
    Report,
    /// Send ACK (INVITE only).
    Acknowledge,
    AcknowledgeAndReport,
    /// Timer B or F: tell the user.
    TimedOut,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientRequest {
    /// Timer E on unreliable transports, timer F always.
    Trying {
        repeat: Option<Backoff>,
        gives_up: Instant,
    },
    /// A provisional response came; timer E fires every T2 from here on.
    Proceeding {
        repeat: Option<Backoff>,
        gives_up: Instant,
    },
    /// The final response came. Timer K.
    Completed {
        ends: Instant,
    },
    Terminated,
}

impl ClientRequest {
    pub fn new(now: Instant, timers: &Timers, reliable: bool) -> Self {
        Self::Trying {
            repeat: (!reliable).then(|| Backoff::start(now, timers.t1, Some(timers.t2))),
            gives_up: now + timers.whole(),
        }
    }

    pub fn handle_response(
        &mut self,
        now: Instant,
        timers: &Timers,
        reliable: bool,
        status: u16,
    ) -> Effect {
        match self {
            Self::Trying { repeat, gives_up } | Self::Proceeding { repeat, gives_up } => {
                *self = match (status, reliable) {
                    (..200, _) => Self::proceeding(*repeat, *gives_up),
                    (200.., true) => Self::Terminated,
                    (200.., false) => Self::Completed {
                        ends: now + timers.t4,
                    },
                };
                Effect::Report
            }
            Self::Completed { .. } | Self::Terminated => Effect::Nothing,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Effect {
        match self {
            Self::Trying { gives_up, .. } | Self::Proceeding { gives_up, .. }
                if now >= *gives_up =>
            {
                *self = Self::Terminated;
                Effect::TimedOut
            }
            Self::Trying {
                repeat: Some(repeat),
                ..
            }
            | Self::Proceeding {
                repeat: Some(repeat),
                ..
            } if now >= repeat.due() => {
                repeat.fire(now);
                Effect::Repeat
            }
            Self::Completed { ends } if now >= *ends => {
                *self = Self::Terminated;
                Effect::Nothing
            }
            Self::Trying { .. }
            | Self::Proceeding { .. }
            | Self::Completed { .. }
            | Self::Terminated => Effect::Nothing,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Trying { repeat, gives_up } | Self::Proceeding { repeat, gives_up } => {
                earliest(repeat.map(|repeat| repeat.due()), Some(*gives_up))
            }
            Self::Completed { ends } => Some(*ends),
            Self::Terminated => None,
        }
    }

    /// A transport error ends it now. True when that was before a final response.
    pub fn fail(&mut self) -> bool {
        let waiting = matches!(self, Self::Trying { .. } | Self::Proceeding { .. });
        if waiting {
            *self = Self::Terminated;
        }
        waiting
    }

    fn proceeding(repeat: Option<Backoff>, gives_up: Instant) -> Self {
        let repeat = repeat.map(|mut repeat| {
            repeat.slow_down();
            repeat
        });
        Self::Proceeding { repeat, gives_up }
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

    fn times(machine: &mut ClientRequest, now: Instant) -> Vec<(u128, Effect)> {
        let mut log = Vec::new();
        while let Some(at) = machine.deadline() {
            log.push(((at - now).as_millis(), machine.handle_timeout(at)));
        }
        log
    }

    #[test]
    fn timer_e_is_capped_by_t2_and_ended_by_timer_f() {
        let now = Instant::now();
        let mut machine = ClientRequest::new(now, &TIMERS, false);
        let log = times(&mut machine, now);
        let at: Vec<_> = log.iter().map(|(at, _)| *at).collect();
        assert_eq!(
            at,
            [
                500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500, 32000
            ]
        );
        assert_eq!(
            log.last().map(|(_, effect)| *effect),
            Some(Effect::TimedOut)
        );
    }

    #[test]
    fn figure_6() {
        let now = Instant::now();
        for (reliable, last) in [(false, Some(now + TIMERS.t4)), (true, None)] {
            let mut machine = ClientRequest::new(now, &TIMERS, reliable);
            for (status, effect) in [
                (100, Effect::Report),
                (200, Effect::Report),
                (200, Effect::Nothing),
            ] {
                assert_eq!(
                    machine.handle_response(now, &TIMERS, reliable, status),
                    effect
                );
            }
            assert_eq!(machine.deadline(), last);
        }
    }

    #[test]
    fn proceeding_slows_down_to_t2() {
        let now = Instant::now();
        let mut machine = ClientRequest::new(now, &TIMERS, false);
        machine.handle_response(now, &TIMERS, false, 100);
        let at: Vec<_> = times(&mut machine, now).iter().map(|(at, _)| *at).collect();
        assert_eq!(at.get(..3), Some([500, 4500, 8500].as_slice()));
    }
}
