//! Whether a peer is still heard: the media timeout of one side.

use std::time::{Duration, Instant};

pub struct Life {
    /// Zero: silence is never told.
    limit: Duration,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing need come: before the start, on hold.
    NotExpected,
    HeardAt(Instant),
    /// Told already.
    Starved,
}

impl Life {
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            state: State::NotExpected,
        }
    }

    /// From now on silence counts, or does not.
    pub fn expect(&mut self, now: Instant, expected: bool) {
        self.state = match (expected, self.state) {
            (true, State::NotExpected) => State::HeardAt(now),
            (true, state @ (State::HeardAt(_) | State::Starved)) => state,
            (false, _) => State::NotExpected,
        };
    }

    /// Something valid came, RTP or RTCP: a PBX may have nothing to say for long.
    pub fn heard(&mut self, now: Instant) {
        self.state = match self.state {
            State::NotExpected => State::NotExpected,
            State::HeardAt(_) | State::Starved => State::HeardAt(now),
        };
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::HeardAt(at) if !self.limit.is_zero() => at.checked_add(self.limit),
            State::HeardAt(_) | State::NotExpected | State::Starved => None,
        }
    }

    /// Once in each silence: for how long nothing came.
    pub fn take_starvation(&mut self, now: Instant) -> Option<Duration> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        match std::mem::replace(&mut self.state, State::Starved) {
            State::HeardAt(at) => Some(now.saturating_duration_since(at)),
            State::NotExpected | State::Starved => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_only_when_sound_is_expected() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut life = Life::new(Duration::from_secs(10));
        assert_eq!(life.deadline(), None);
        life.expect(start, true);
        life.heard(at(5));
        assert_eq!(life.take_starvation(at(14)), None);
        assert_eq!(life.take_starvation(at(15)), Some(Duration::from_secs(10)));
        assert_eq!(life.take_starvation(at(16)), None);
        life.heard(at(20));
        assert_eq!(life.deadline(), Some(at(30)));
        life.expect(at(21), false);
        assert_eq!(life.deadline(), None);
    }
}
