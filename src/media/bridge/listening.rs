//! Whether a side is heard and hears us: what is known of it, given to the watch over it.

use std::time::Instant;

use crate::media::bridge::lane::push;
use crate::media::bridge::no_audio::{News, Sight};
use crate::media::bridge::{Bridge, Event, Stream};
use crate::side::Side;

impl Bridge {
    pub(super) fn expect_audio(&mut self, now: Instant, side: Side) {
        let sight = self.sight(side);
        self.streams[side].watch.begin(now, &sight);
    }

    pub(super) fn listen_for_audio(&mut self, now: Instant, side: Side) {
        if self.streams[side]
            .watch
            .deadline()
            .is_none_or(|at| at > now)
        {
            return;
        }
        let sight = self.sight(side);
        for (way, news) in self.streams[side].watch.handle_timeout(now, &sight) {
            match news {
                Some(News::Missing { cause, lasting }) => push(
                    &mut self.events,
                    Event::NoAudio {
                        side,
                        way,
                        cause,
                        lasting,
                    },
                ),
                Some(News::Again { after }) => {
                    push(&mut self.events, Event::AudioAgain { side, way, after });
                }
                None => {}
            }
        }
    }

    pub(super) fn sight(&self, side: Side) -> Sight {
        let Stream {
            ingress,
            egress,
            reporting,
            ..
        } = &self.streams[side];
        let counts = ingress.counts();
        Sight {
            setup: self.streams[side].setup(),
            may_send: ingress.is_allowed(),
            may_receive: egress.is_allowed(),
            opens: ingress.opens(),
            protects: egress.protects(),
            has_target: egress.has_target(),
            came: self.directions[side].came(),
            rejected: counts.rejected,
            heard_ever: counts.first_heard.is_some(),
            reports: reporting.remote().reports(),
            reported_loss: reporting.remote().latest_loss(),
        }
    }
}
