//! The INVITE client transaction (RFC 3261 §17.1.1, figure 5, with the Accepted state of RFC 6026).

use std::time::{Duration, Instant};

use crate::sip::transaction::client::Effect;
use crate::sip::transaction::timer::{Backoff, Timers, earliest};

const LONGEST_PROCEEDING: Duration = Duration::from_secs(900);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientInvite {
    /// Timer A on unreliable transports, timer B (or an earlier limit) always.
    Calling {
        repeat: Option<Backoff>,
        gives_up: Instant,
    },
    /// A provisional response came. RFC 3261 lets a UAC wait without end; here its user cancels long before this limit,
    /// which holds for a peer that answers neither INVITE nor CANCEL nor BYE.
    Proceeding {
        gives_up: Instant,
    },
    /// 300-699 came and was acknowledged. Timer D.
    Completed {
        ends: Instant,
    },
    /// 2xx came; more of them may follow, from here or from another fork. Timer M.
    Accepted {
        ends: Instant,
    },
    Terminated,
}

impl ClientInvite {
    /// `gives_up`: when no response at all came by then, the transaction fails (timer B at the latest).
    pub fn new(now: Instant, timers: &Timers, reliable: bool, gives_up: Instant) -> Self {
        Self::Calling {
            repeat: (!reliable).then(|| Backoff::start(now, timers.t1, None)),
            gives_up: gives_up.min(now + timers.whole()),
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
            Self::Calling { .. } | Self::Proceeding { .. } => match status {
                ..200 => {
                    *self = Self::Proceeding {
                        gives_up: now + LONGEST_PROCEEDING,
                    };
                    Effect::Report
                }
                200..300 => {
                    let ends = now + timers.whole();
                    *self = Self::Accepted { ends };
                    Effect::Report
                }
                300.. => {
                    *self = Self::completed(now, timers, reliable);
                    Effect::AcknowledgeAndReport
                }
            },
            Self::Accepted { .. } if (200..300).contains(&status) => Effect::Report,
            Self::Completed { .. } if status >= 300 => Effect::Acknowledge,
            Self::Accepted { .. } | Self::Completed { .. } | Self::Terminated => Effect::Nothing,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Effect {
        match self {
            Self::Calling { gives_up, .. } | Self::Proceeding { gives_up } if now >= *gives_up => {
                *self = Self::Terminated;
                Effect::TimedOut
            }
            Self::Calling {
                repeat: Some(repeat),
                ..
            } if now >= repeat.due() => {
                repeat.fire(now);
                Effect::Repeat
            }
            Self::Completed { ends } | Self::Accepted { ends } if now >= *ends => {
                *self = Self::Terminated;
                Effect::Nothing
            }
            Self::Calling { .. }
            | Self::Proceeding { .. }
            | Self::Completed { .. }
            | Self::Accepted { .. }
            | Self::Terminated => Effect::Nothing,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Calling { repeat, gives_up } => {
                earliest(repeat.map(|repeat| repeat.due()), Some(*gives_up))
            }
            Self::Proceeding { gives_up } => Some(*gives_up),
            Self::Completed { ends } | Self::Accepted { ends } => Some(*ends),
            Self::Terminated => None,
        }
    }

    /// A transport error or its user ends it now. True when that was before a final response.
    pub fn fail(&mut self) -> bool {
        let waiting = matches!(self, Self::Calling { .. } | Self::Proceeding { .. });
        if waiting {
            *self = Self::Terminated;
        }
        waiting
    }

    fn completed(now: Instant, timers: &Timers, reliable: bool) -> Self {
        if reliable {
            return Self::Terminated;
        }
        Self::Completed {
            ends: now + timers.timer_d(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMERS: Timers = Timers {
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
    };

    fn started(reliable: bool) -> (Instant, ClientInvite) {
        let now = Instant::now();
        let machine = ClientInvite::new(now, &TIMERS, reliable, now + Duration::from_secs(3600));
        (now, machine)
    }

    /// Feeds the statuses and gives the effects and the name of the last state.
    fn after(reliable: bool, statuses: &[u16]) -> (Vec<Effect>, &'static str) {
        let (now, mut machine) = started(reliable);
        let effects = statuses
            .iter()
            .map(|status| machine.handle_response(now, &TIMERS, reliable, *status))
            .collect();
        let state = match machine {
            ClientInvite::Calling { .. } => "calling",
            ClientInvite::Proceeding { .. } => "proceeding",
            ClientInvite::Completed { .. } => "completed",
            ClientInvite::Accepted { .. } => "accepted",
            ClientInvite::Terminated => "terminated",
        };
        (effects, state)
    }

    #[test]
    fn figure_5() {
        use Effect::{Acknowledge, AcknowledgeAndReport, Nothing, Report};
        for reliable in [false, true] {
            let completed = if reliable { "terminated" } else { "completed" };
            let again = if reliable { Nothing } else { Acknowledge };
            let rows: [(&[u16], Vec<Effect>, &str); 8] = [
                (&[], vec![], "calling"),
                (&[100], vec![Report], "proceeding"),
                (&[180, 183], vec![Report, Report], "proceeding"),
                (&[486], vec![AcknowledgeAndReport], completed),
                (
                    &[180, 486, 486],
                    vec![Report, AcknowledgeAndReport, again],
                    completed,
                ),
                (&[200], vec![Report], "accepted"),
                (&[180, 200, 200], vec![Report, Report, Report], "accepted"),
                (&[200, 180, 486], vec![Report, Nothing, Nothing], "accepted"),
            ];
            for (statuses, effects, state) in rows {
                assert_eq!(
                    after(reliable, statuses),
                    (effects, state),
                    "{statuses:?} {reliable}"
                );
            }
        }
    }

    #[test]
    fn timer_a_doubles_until_timer_b() {
        let (now, mut machine) = started(false);
        let mut log = Vec::new();
        while let Some(at) = machine.deadline() {
            log.push(((at - now).as_millis(), machine.handle_timeout(at)));
        }
        let times: Vec<_> = log.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [500, 1500, 3500, 7500, 15500, 31500, 32000]);
        assert_eq!(
            log.last().map(|(_, effect)| *effect),
            Some(Effect::TimedOut)
        );
    }

    #[test]
    fn nothing_is_repeated_on_a_stream() {
        let (now, machine) = started(true);
        assert_eq!(machine.deadline(), Some(now + Duration::from_secs(32)));
    }

    #[test]
    fn accepted_and_completed_end_by_timers_m_and_d() {
        for status in [200, 600] {
            let (now, mut machine) = started(false);
            machine.handle_response(now, &TIMERS, false, status);
            assert_eq!(machine.deadline(), Some(now + Duration::from_secs(32)));
            assert_eq!(
                machine.handle_timeout(now + Duration::from_secs(32)),
                Effect::Nothing
            );
            assert_eq!(machine, ClientInvite::Terminated);
        }
    }
}
