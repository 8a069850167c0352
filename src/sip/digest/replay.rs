//! Which nonce counts were used (RFC 7616 §3.4 `nc`), in bounded memory: nonces that had to be forgotten are not taken
//! again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::sip::digest::nonce::Stamp;

pub(super) struct Replays {
    /// Used nonces, oldest first.
    windows: BTreeMap<Stamp, Window>,
    capacity: usize,
    /// Nonces made up to here and not in `windows` may have been used before.
    forgotten: Option<Duration>,
}

/// The highest count used, and which of the 64 up to it were.
#[derive(Clone, Copy, Default)]
struct Window {
    highest: u32,
    used: u64,
}

impl Replays {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            windows: BTreeMap::new(),
            capacity: capacity.max(1),
            forgotten: None,
        }
    }

    /// Notes one use; false when it was used before or may have been.
    pub(super) fn take(&mut self, stamp: Stamp, count: u32) -> bool {
        if let Some(window) = self.windows.get_mut(&stamp) {
            return window.take(count);
        }
        if self
            .forgotten
            .is_some_and(|forgotten| stamp.made <= forgotten)
        {
            return false;
        }
        let mut window = Window::default();
        let fresh = window.take(count);
        self.windows.insert(stamp, window);
        self.shrink();
        fresh
    }

    /// Nonces made before this are past their life: their counts need not be known any more.
    pub(super) fn expire(&mut self, made_before: Duration) {
        while let Some(oldest) = self.windows.first_entry() {
            if oldest.key().made >= made_before {
                break;
            }
            oldest.remove();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    fn shrink(&mut self) {
        while self.windows.len() > self.capacity {
            if let Some((stamp, _)) = self.windows.pop_first() {
                self.forgotten = self.forgotten.max(Some(stamp.made));
            }
        }
    }
}

impl Window {
    /// Counts start at 1. They may come out of order over UDP, not further back than the window.
    fn take(&mut self, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        if count > self.highest {
            self.used = self.used.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let Some(bit) = 1u64.checked_shl(self.highest - count) else {
            return false;
        };
        let fresh = self.used & bit == 0;
        self.used |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_each_count_once() {
        let mut window = Window::default();
        let taken: Vec<bool> = [0, 1, 1, 3, 2, 2, 70, 6, 7, 70, u32::MAX, 70]
            .into_iter()
            .map(|count| window.take(count))
            .collect();
        assert_eq!(
            taken,
            [
                false, true, false, true, true, false, true, false, true, false, true, false
            ]
        );
    }
}
