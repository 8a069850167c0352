//! One side, watched both ways, stretch after stretch.

use std::time::{Duration, Instant};

use crate::media::bridge::no_audio::trouble::Trouble;
use crate::media::bridge::no_audio::{Came, NoAudio, Sight, Way, from_peer, to_peer};
use crate::media::bridge::report::Rejected;

/// A stretch that is judged.
pub const WINDOW: Duration = Duration::from_secs(5);
/// A stretch this long at the end of a call counts too: packets that stop before their BYE comes are no fault.
const LEAST: Duration = Duration::from_secs(2);

/// What is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    Missing { cause: NoAudio, lasting: Duration },
    Again { after: Duration },
}

/// What of one way was missing for longest; a fault before anything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    pub cause: NoAudio,
    /// In all, as far as it lasted long enough to be sure.
    pub lasted: Duration,
}

/// One side, both ways.
#[derive(Clone, Default)]
pub struct Watch {
    window: Option<Window>,
    from: Trouble,
    to: Trouble,
}

/// When it began, and what had come by then.
#[derive(Clone, Copy)]
struct Window {
    begun: Instant,
    came: Came,
    rejected: Rejected,
    reports: u32,
}

impl Watch {
    /// Audio is expected from now on, or expected in another way.
    pub fn begin(&mut self, now: Instant, sight: &Sight) {
        self.window = Some(Window {
            begun: now,
            came: sight.came,
            rejected: sight.rejected,
            reports: sight.reports,
        });
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.window.map(|window| window.begun + WINDOW)
    }

    /// Judges the window if it is over, and begins the next.
    pub fn handle_timeout(&mut self, now: Instant, sight: &Sight) -> [(Way, Option<News>); 2] {
        let over = self.window.filter(|window| window.begun + WINDOW <= now);
        let Some(window) = over else {
            return [(Way::From, None), (Way::To, None)];
        };
        let stretch = window.stretch(sight);
        self.begin(now, sight);
        let begun = window.begun;
        [
            (Way::From, self.from.judge(begun, now, from_peer(&stretch))),
            (Way::To, self.to.judge(begun, now, to_peer(&stretch))),
        ]
    }

    /// What was missing from the peer and to it, as if the call ended now.
    pub fn sum(&self, now: Instant, sight: &Sight) -> [Option<Missing>; 2] {
        let (mut from, mut to) = (self.from.clone(), self.to.clone());
        let begun_early = |window: &Window| now.saturating_duration_since(window.begun) >= LEAST;
        if let Some(window) = self.window.filter(begun_early) {
            let stretch = window.stretch(sight);
            from.conclude(window.begun, now, from_peer(&stretch));
            to.conclude(window.begun, now, to_peer(&stretch));
        }
        [from.chief(), to.chief()]
    }
}

impl Window {
    fn stretch(&self, sight: &Sight) -> Sight {
        Sight {
            came: Came {
                packets: sight.came.packets - self.came.packets,
                sound: sight.came.sound - self.came.sound,
            },
            rejected: sight.rejected.since(&self.rejected),
            reports: sight.reports - self.reports,
            ..*sight
        }
    }
}
