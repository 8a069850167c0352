//! What systemd is told (sd_notify): nothing happens where there is no systemd.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::debug;

pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// For `Type=notify-reload`; `ready` follows when the reload is over.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "no monotonic clock for systemd"),
    }
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd does not listen");
    }
}

/// Life signs at half the interval that systemd asked for, given by the signalling loop itself: when it hangs, so does
/// the dog.
pub(super) struct Watchdog(Option<(Duration, Instant)>);

impl Watchdog {
    pub(super) fn new(now: Instant) -> Self {
        Self(sd_notify::watchdog_enabled().map(|interval| (interval / 2, now)))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.0.map(|(_, due)| due)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some((interval, due)) = &mut self.0
            && *due <= now
        {
            tell(&[NotifyState::Watchdog]);
            *due = now + *interval;
        }
    }
}
