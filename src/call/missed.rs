//! How many calls one side was not heard in, by leg, way and cause: for the operator, since the start.

use std::collections::BTreeMap;

use crate::call::operator::{MissedLeg, NoAudioCount};
use crate::call::plane::MediaEvent;
use crate::media::bridge::Event;
use crate::media::bridge::no_audio::{NoAudio, Way};
use crate::side::Side;

/// A bridge tells each cause once in a call.
#[derive(Default)]
pub struct Missed(BTreeMap<(MissedLeg, Way, NoAudio), u64>);

impl Missed {
    /// `user` is the side that WhatsApp is on.
    pub fn handle_media(&mut self, user: Side, event: &MediaEvent) {
        if let MediaEvent::Bridge { event, .. } = event
            && let Event::NoAudio {
                side, way, cause, ..
            } = event
        {
            let leg = match *side == user {
                true => MissedLeg::User,
                false => MissedLeg::Pbx,
            };
            *self.0.entry((leg, *way, *cause)).or_default() += 1;
        }
    }

    pub fn counts(&self) -> Vec<NoAudioCount> {
        let count = |((leg, way, cause), calls): (&(MissedLeg, Way, NoAudio), &u64)| NoAudioCount {
            leg: *leg,
            way: *way,
            cause: *cause,
            calls: *calls,
        };
        self.0.iter().map(count).collect()
    }
}
