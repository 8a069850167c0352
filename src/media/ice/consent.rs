//! Consent freshness (RFC 7675): who stops answering is not sent to any more.

use std::time::{Duration, Instant};

use super::stun::TransactionId;
use crate::entropy::Entropy;

/// RFC 7675 §5.1: five seconds, give or take a fifth, so that calls do not fall into step.
const SHORTEST: Duration = Duration::from_secs(4);
const SPREAD_MS: u32 = 2_000;
/// RFC 7675 §5.1.
const EXPIRES_AFTER: Duration = Duration::from_secs(30);
/// Checks that may still be answered: as many as fit in the time above.
const REMEMBERED: usize = 8;

pub struct Consent {
    renewed: Instant,
    next_check: Instant,
    asked: [Option<TransactionId>; REMEMBERED],
}

impl Consent {
    /// A check has just been answered.
    pub fn given(now: Instant, entropy: &mut Entropy) -> Self {
        Self {
            renewed: now,
            next_check: now + interval(entropy),
            asked: [None; REMEMBERED],
        }
    }

    /// A check to be sent, when it is time.
    pub fn take_check(&mut self, now: Instant, entropy: &mut Entropy) -> Option<TransactionId> {
        if self.next_check > now {
            return None;
        }
        self.next_check = now + interval(entropy);
        let transaction = TransactionId(entropy.bytes());
        self.asked.rotate_right(1);
        self.asked[0] = Some(transaction);
        Some(transaction)
    }

    pub fn asked(&self, transaction: TransactionId) -> bool {
        self.asked.contains(&Some(transaction))
    }

    /// One of our checks was answered. That counts once: a copy of the answer says nothing of a peer that is gone.
    pub fn renew(&mut self, now: Instant, transaction: TransactionId) {
        let mut asked = self.asked.iter_mut();
        if let Some(asked) = asked.find(|asked| **asked == Some(transaction)) {
            *asked = None;
            self.renewed = now;
        }
    }

    pub fn is_lost(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.renewed) >= EXPIRES_AFTER
    }

    pub fn deadline(&self) -> Instant {
        self.next_check.min(self.renewed + EXPIRES_AFTER)
    }
}

fn interval(entropy: &mut Entropy) -> Duration {
    SHORTEST + Duration::from_millis(entropy.below(SPREAD_MS + 1).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_come_every_four_to_six_seconds() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let mut now = Instant::now();
        let mut consent = Consent::given(now, &mut entropy);
        let mut gaps = Vec::new();
        for _ in 0..200 {
            let due = consent.next_check;
            gaps.push(due.duration_since(now));
            now = due;
            let asked = consent.take_check(now, &mut entropy).unwrap();
            assert!(consent.asked(asked));
            consent.renew(now, asked);
            assert!(consent.take_check(now, &mut entropy).is_none());
        }
        assert!(gaps.iter().all(|gap| (4..=6).contains(&gap.as_secs())));
        assert!(gaps.iter().any(|gap| gap.as_millis() < 4_500));
        assert!(gaps.iter().any(|gap| gap.as_millis() > 5_500));
    }

    #[test]
    fn thirty_seconds_without_an_answer_end_it() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let start = Instant::now();
        let mut consent = Consent::given(start, &mut entropy);
        let mut asked = Vec::new();
        let mut now = start;
        while !consent.is_lost(now) {
            now = consent.deadline();
            asked.extend(consent.take_check(now, &mut entropy));
        }
        assert_eq!(now, start + EXPIRES_AFTER);
        assert!((4..=7).contains(&asked.len()), "{}", asked.len());
        assert!(!consent.asked(TransactionId([0; 12])));
        assert!(asked.iter().all(|asked| consent.asked(*asked)));
        consent.renew(now, asked[0]);
        assert!(!consent.is_lost(now));
        let later = now + EXPIRES_AFTER;
        consent.renew(later, asked[0]);
        assert!(consent.is_lost(later), "a copy of an answer");
    }
}
