//! The nonces that were given out, and how often each was used (RFC 7616 §3.3, nc).

use std::collections::{BTreeMap, VecDeque};

/// Older ones are forgotten, and so are stale.
const KEPT: usize = 10_000;

#[derive(Default)]
pub struct Nonces {
    /// The highest nc that was used.
    counts: BTreeMap<String, u32>,
    oldest_first: VecDeque<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Good, and counted.
    Good,
    /// Unknown, forgotten or used up: a fresh challenge says `stale=true`.
    Stale,
    /// An nc that is not above the last one.
    Replayed,
}

impl Nonces {
    pub fn remember(&mut self, nonce: &str) {
        self.counts.insert(nonce.into(), 0);
        self.oldest_first.push_back(nonce.into());
        if self.oldest_first.len() > KEPT
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.counts.remove(&oldest);
        }
    }

    /// `lives`: a nonce may be used again with a higher nc.
    pub fn count(&mut self, nonce: &str, nc: u32, lives: bool) -> Use {
        match self.counts.get_mut(nonce) {
            None => Use::Stale,
            Some(1..) if !lives => Use::Stale,
            Some(last) if nc <= *last => Use::Replayed,
            Some(last) => {
                *last = nc;
                Use::Good
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_rises_or_the_nonce_is_spent() {
        let mut nonces = Nonces::default();
        assert_eq!(nonces.count("a", 1, true), Use::Stale);
        nonces.remember("a");
        assert_eq!(nonces.count("a", 1, true), Use::Good);
        assert_eq!(nonces.count("a", 1, true), Use::Replayed);
        assert_eq!(nonces.count("a", 3, true), Use::Good);
        assert_eq!(nonces.count("a", 4, false), Use::Stale);
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut nonces = Nonces::default();
        nonces.remember("first");
        (0..KEPT).for_each(|n| nonces.remember(&n.to_string()));
        assert_eq!(nonces.count("first", 1, true), Use::Stale);
        assert_eq!(nonces.count("0", 1, true), Use::Good);
    }
}
