//! What one way of a side lacked, and for how long.

use std::time::{Duration, Instant};

use crate::media::bridge::no_audio::{Missing, News, NoAudio};

/// One way of one side.
#[derive(Clone, Default)]
pub struct Trouble {
    state: State,
    /// Causes that were told, by their bits.
    told: u16,
    lasted: [Duration; NoAudio::ALL.len()],
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Fine,
    /// Not for long enough.
    Suspected { cause: NoAudio, since: Instant },
    /// Told, so that its end will be.
    Told { cause: NoAudio, since: Instant },
    /// It had been told before.
    Repeated(NoAudio),
}

impl Trouble {
    pub fn judge(&mut self, begun: Instant, now: Instant, found: Option<NoAudio>) -> Option<News> {
        match found {
            Some(cause) => self.miss(begun, now, cause),
            None => self.hear(now),
        }
    }

    fn miss(&mut self, begun: Instant, now: Instant, cause: NoAudio) -> Option<News> {
        let since = match self.state {
            State::Told { cause: known, .. } | State::Repeated(known) if known == cause => {
                self.add(cause, now - begun);
                return None;
            }
            State::Suspected {
                cause: known,
                since,
            } if known == cause => since,
            State::Fine | State::Suspected { .. } | State::Told { .. } | State::Repeated(_) => {
                begun
            }
        };
        let lasting = now - since;
        if lasting < cause.patience() {
            self.state = State::Suspected { cause, since };
            return None;
        }
        self.add(cause, lasting);
        if self.told & cause.bit() != 0 {
            self.state = State::Repeated(cause);
            return None;
        }
        self.told |= cause.bit();
        self.state = State::Told { cause, since };
        Some(News::Missing { cause, lasting })
    }

    fn hear(&mut self, now: Instant) -> Option<News> {
        match std::mem::take(&mut self.state) {
            State::Told { since, .. } => Some(News::Again { after: now - since }),
            State::Fine | State::Suspected { .. } | State::Repeated(_) => None,
        }
    }

    /// A fault needs no more patience at the end.
    pub fn conclude(&mut self, begun: Instant, now: Instant, found: Option<NoAudio>) {
        let Some(cause) = found.filter(|cause| cause.is_fault()) else {
            return;
        };
        let since = match self.state {
            State::Suspected {
                cause: known,
                since,
            } if known == cause => since,
            State::Fine | State::Suspected { .. } | State::Told { .. } | State::Repeated(_) => {
                begun
            }
        };
        self.add(cause, now - since);
    }

    pub fn add(&mut self, cause: NoAudio, duration: Duration) {
        if let Some(lasted) = self.lasted.get_mut(cause as usize) {
            *lasted += duration;
        }
    }

    pub fn chief(&self) -> Option<Missing> {
        NoAudio::ALL
            .into_iter()
            .zip(self.lasted)
            .filter(|(_, lasted)| !lasted.is_zero())
            .map(|(cause, lasted)| Missing { cause, lasted })
            .max_by_key(|missing| (missing.cause.is_fault(), missing.lasted))
    }
}
