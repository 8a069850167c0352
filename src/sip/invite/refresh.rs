//! The session timer of an established usage (RFC 4028): our turn to refresh, and the end of a session nobody refreshed.

use std::time::Instant;

use crate::sip::core::Core;
use crate::sip::endpoint::{Departure, Event};
use crate::sip::invite::{State, Usage};
use crate::sip::message::Headers;
use crate::sip::session_timer::Due;

impl Usage {
    pub(super) fn refresh_timeout(&mut self, core: &mut Core, now: Instant) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Some(running) = &mut established.session.running else {
            return;
        };
        match running.handle_timeout(now) {
            Due::Nothing => {}
            Due::Refresh => core.tell(Event::RefreshDue { invite: self.id }),
            Due::Expired => {
                self.leave(core, now, Headers::new());
                self.departed(core, Departure::SessionExpired);
            }
        }
    }
}
