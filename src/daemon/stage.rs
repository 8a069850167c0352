//! From serving to gone.

use std::time::{Duration, Instant};

/// After the last call: time for monitors to see that we leave.
const LINGER: Duration = Duration::from_secs(1);
/// And for its BYE or CANCEL to be repeated, as long as that is not answered.
const LONGEST_LINGER: Duration = Duration::from_secs(2);
/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(100);
/// For calls that were told to end: their BYEs, counters and CDRs.
const ENDING: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Serving,
    /// No new calls; those that run may end by themselves until then.
    Draining {
        until: Instant,
    },
    /// All calls were told to end.
    Ending {
        until: Instant,
    },
    /// No call is left. From `at` on it goes as soon as nothing waits for an answer, at `latest` anyway.
    Leaving {
        at: Instant,
        latest: Instant,
    },
    Gone,
}

/// What the switchboard is to be told on a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Nothing,
    Drain,
    EndAll,
    SignOff,
}

impl Stage {
    /// SIGTERM: drains; again: ends all calls; again: leaves them.
    pub(super) fn stop(&mut self, now: Instant, drain: Duration) -> Step {
        match self {
            Self::Serving => {
                *self = Self::Draining { until: now + drain };
                Step::Drain
            }
            Self::Draining { .. } => self.end(now),
            Self::Ending { .. } | Self::Leaving { .. } | Self::Gone => {
                *self = Self::Gone;
                Step::Nothing
            }
        }
    }

    /// `is_quiet`: nothing that was sent waits for an answer.
    pub(super) fn handle_timeout(&mut self, now: Instant, is_quiet: bool) -> Step {
        match *self {
            Self::Draining { until } if until <= now => return self.end(now),
            Self::Ending { until } if until <= now => *self = Self::Gone,
            Self::Leaving { at, latest } if at <= now => {
                *self = match is_quiet || latest <= now {
                    true => Self::Gone,
                    false => Self::Leaving {
                        at: latest.min(now + LOOK),
                        latest,
                    },
                }
            }
            Self::Serving
            | Self::Draining { .. }
            | Self::Ending { .. }
            | Self::Leaving { .. }
            | Self::Gone => {}
        }
        Step::Nothing
    }

    /// The last call is gone, with its record.
    pub(super) fn idle(&mut self, now: Instant) -> Step {
        match self {
            Self::Draining { .. } | Self::Ending { .. } => {
                *self = Self::Leaving {
                    at: now + LINGER,
                    latest: now + LONGEST_LINGER,
                };
                Step::SignOff
            }
            Self::Serving | Self::Leaving { .. } | Self::Gone => Step::Nothing,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Serving | Self::Gone => None,
            Self::Draining { until } | Self::Ending { until } => Some(*until),
            Self::Leaving { at, .. } => Some(*at),
        }
    }

    fn end(&mut self, now: Instant) -> Step {
        *self = Self::Ending {
            until: now + ENDING,
        };
        Step::EndAll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(60);

    #[test]
    fn without_calls_it_leaves_after_a_moment() {
        let now = Instant::now();
        let mut stage = Stage::Serving;
        assert_eq!(stage.idle(now), Step::Nothing);
        assert_eq!(stage, Stage::Serving);
        assert_eq!(stage.stop(now, DRAIN), Step::Drain);
        assert_eq!(stage.idle(now), Step::SignOff);
        assert_eq!(stage.idle(now), Step::Nothing, "once");
        assert_eq!(stage.poll_timeout(), Some(now + LINGER));
        assert_eq!(stage.handle_timeout(now + LINGER / 2, true), Step::Nothing);
        assert_ne!(stage, Stage::Gone);
        assert_eq!(stage.handle_timeout(now + LINGER, true), Step::Nothing);
        assert_eq!(stage, Stage::Gone);
    }

    #[test]
    fn calls_are_ended_when_the_drain_takes_too_long_and_left_when_they_do_not_end() {
        let now = Instant::now();
        let mut stage = Stage::Serving;
        stage.stop(now, DRAIN);
        assert_eq!(stage.handle_timeout(now + DRAIN / 2, false), Step::Nothing);
        assert_eq!(stage.handle_timeout(now + DRAIN, false), Step::EndAll);
        assert_eq!(stage.poll_timeout(), Some(now + DRAIN + ENDING));
        stage.handle_timeout(now + DRAIN + ENDING, false);
        assert_eq!(stage, Stage::Gone);
    }

    #[test]
    fn each_further_signal_is_more_urgent() {
        let now = Instant::now();
        let mut stage = Stage::Serving;
        assert_eq!(stage.stop(now, DRAIN), Step::Drain);
        assert_eq!(stage.stop(now, DRAIN), Step::EndAll);
        assert_eq!(
            stage,
            Stage::Ending {
                until: now + ENDING
            }
        );
        assert_eq!(stage.stop(now, DRAIN), Step::Nothing);
        assert_eq!(stage, Stage::Gone);
    }

    #[test]
    fn ended_calls_still_get_their_last_moment() {
        let now = Instant::now();
        let mut stage = Stage::Serving;
        stage.stop(now, DRAIN);
        stage.stop(now, DRAIN);
        stage.idle(now);
        assert_eq!(stage.poll_timeout(), Some(now + LINGER));
    }

    /// A BYE that is not answered is repeated a little longer, though not for ever.
    #[test]
    fn what_waits_for_an_answer_holds_it_up() {
        let start = Instant::now();
        let leaving = |quiet_after: Duration| {
            let mut stage = Stage::Serving;
            stage.stop(start, DRAIN);
            stage.idle(start);
            let mut now = start;
            while let Some(at) = stage.poll_timeout() {
                now = at;
                stage.handle_timeout(now, start + quiet_after <= now);
            }
            now - start
        };
        assert_eq!(leaving(Duration::ZERO), LINGER);
        assert_eq!(leaving(LINGER + LOOK / 2), LINGER + LOOK);
        assert_eq!(leaving(Duration::from_secs(32)), LONGEST_LINGER);
    }
}
