//! Whether this process can carry calls, as far as the world knows: listeners, certificates, media workers.

use std::time::{Duration, Instant, SystemTime};

use tracing::warn;

use super::log;
use crate::call::switchboard::Condition;
use crate::net::ListenerState;

const INTERVAL: Duration = Duration::from_secs(2);
/// A certificate that ends so soon is spoken of, once a day.
const SOON: Duration = Duration::from_secs(14 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// The idlest worker's share of its time, above which no call is added, and below which calls are added again.
const FULL: f32 = 0.9;
const FREE: f32 = 0.8;

/// Looked at on a beat; a change is told.
pub(super) struct Health {
    due: Instant,
    remind: Instant,
    workers: Load,
    condition: Condition,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Load {
    Free,
    Full,
}

/// What is looked at.
pub(super) struct Signs {
    pub(super) listeners: Vec<ListenerState>,
    /// Of the media workers: how many ended before their time, and how busy the idlest is (0.0-1.0 and above).
    pub(super) workers_gone: usize,
    pub(super) utilisation: f32,
}

impl Health {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: now,
            remind: now,
            workers: Load::Free,
            condition: Condition::Fit,
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.due
    }

    /// After a reload: at the next opportunity.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.due = now;
        self.remind = now;
    }

    /// The condition, when it is another than before.
    pub(super) fn look(
        &mut self,
        now: Instant,
        wall: SystemTime,
        signs: &Signs,
    ) -> Option<Condition> {
        self.due = now + INTERVAL;
        self.remind_of_certificates(now, wall, signs);
        self.workers = self.workers.next(signs.utilisation);
        let condition = self.judge(wall, signs);
        if condition == self.condition {
            return None;
        }
        self.condition = condition.clone();
        Some(condition)
    }

    fn judge(&self, wall: SystemTime, signs: &Signs) -> Condition {
        let trouble = signs
            .listeners
            .iter()
            .find_map(|state| trouble(state, wall));
        let gone = (signs.workers_gone > 0).then(|| "a media worker is gone".to_owned());
        let overload = || match self.workers {
            Load::Free => None,
            Load::Full => Some("media workers are at their limit".to_owned()),
        };
        match trouble.or(gone).or_else(overload) {
            Some(reason) => Condition::Unfit { reason },
            None => Condition::Fit,
        }
    }

    fn remind_of_certificates(&mut self, now: Instant, wall: SystemTime, signs: &Signs) {
        if now < self.remind {
            return;
        }
        self.remind = now + DAY;
        for state in &signs.listeners {
            if let Some(facts) = &state.certificate
                && facts.not_after < wall + SOON
            {
                let not_after = log::date(facts.not_after);
                warn!(listener = %state.name, not_after, "certificate ends soon");
            }
        }
    }
}

impl Load {
    fn next(self, utilisation: f32) -> Self {
        match self {
            Self::Free if utilisation >= FULL => Self::Full,
            Self::Full if utilisation < FREE => Self::Free,
            Self::Free | Self::Full => self,
        }
    }
}

fn trouble(state: &ListenerState, wall: SystemTime) -> Option<String> {
    let name = &state.name;
    if !state.listening {
        return Some(format!("listener {name} is down"));
    }
    let facts = state.certificate.as_ref()?;
    (!facts.is_valid_at(wall)).then(|| format!("certificate of listener {name} is not valid today"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::CertificateFacts;
    use crate::sip::flow::ListenerId;

    fn signs(wall: SystemTime, certificate_lives: Duration, utilisation: f32) -> Signs {
        let state = ListenerState {
            listener: ListenerId(0),
            name: "whatsapp".to_owned(),
            local: "127.0.0.1:5061".parse().unwrap(),
            listening: true,
            certificate: Some(CertificateFacts {
                names: vec!["sip.example.test".to_owned()],
                not_before: wall - DAY,
                not_after: wall + certificate_lives,
            }),
        };
        Signs {
            listeners: vec![state],
            workers_gone: 0,
            utilisation,
        }
    }

    #[test]
    fn an_expired_certificate_makes_unfit_and_a_new_one_fit_again() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut health = Health::new(now);
        assert_eq!(health.look(now, wall, &signs(wall, DAY, 0.0)), None);
        let expired = health.look(now, wall + 2 * DAY, &signs(wall, DAY, 0.0));
        let reason = "certificate of listener whatsapp is not valid today".to_owned();
        assert_eq!(expired, Some(Condition::Unfit { reason }));
        let again = health.look(now, wall + 2 * DAY, &signs(wall, DAY, 0.0));
        assert_eq!(again, None, "told once");
        let renewed = health.look(now, wall + 2 * DAY, &signs(wall, 3 * DAY, 0.0));
        assert_eq!(renewed, Some(Condition::Fit));
    }

    #[test]
    fn a_dead_listener_makes_unfit() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut dead = signs(wall, DAY, 0.0);
        dead.listeners[0].listening = false;
        let reason = "listener whatsapp is down".to_owned();
        let told = Health::new(now).look(now, wall, &dead);
        assert_eq!(told, Some(Condition::Unfit { reason }));
    }

    #[test]
    fn a_lost_worker_makes_unfit() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut lost = signs(wall, DAY, 0.0);
        lost.workers_gone = 1;
        let told = Health::new(now).look(now, wall, &lost);
        assert!(matches!(told, Some(Condition::Unfit { .. })));
    }

    #[test]
    fn full_workers_must_be_clearly_freer_before_calls_come_again() {
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut health = Health::new(now);
        let mut look = |utilisation| health.look(now, wall, &signs(wall, DAY, utilisation));
        assert_eq!(look(0.89), None);
        assert!(matches!(look(0.9), Some(Condition::Unfit { .. })));
        assert_eq!(look(0.85), None);
        assert_eq!(look(0.79), Some(Condition::Fit));
        assert_eq!(look(0.85), None);
    }
}
