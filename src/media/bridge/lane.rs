//! What one direction touches of both sides, and what it does with it.

use std::collections::VecDeque;
use std::time::Instant;

use crate::media::bridge::Event;
use crate::media::bridge::direction::{Direction, Out, Outcome};
use crate::media::bridge::egress::Due;
use crate::media::bridge::ingress::{Ingress, Payload};
use crate::media::event_in::Heard;
use crate::media::reorder::Ordered;
use crate::side::Side;

/// Events that may wait for `poll_event`; further ones are dropped.
pub const EVENTS: usize = 16;

pub struct Lane<'a> {
    pub from: Side,
    pub ingress: &'a mut Ingress,
    pub direction: &'a mut Direction,
    pub out: Out<'a>,
    pub events: &'a mut VecDeque<Event>,
}

impl Lane<'_> {
    pub fn handle_packet(&mut self, now: Instant, payload: Payload, packet: &Ordered<'_>) {
        let outcome = self
            .direction
            .handle_packet(now, payload, packet, &mut self.out);
        self.conclude(now, outcome);
        self.relay_tones(now);
    }

    pub fn begin_run(&mut self, now: Instant) {
        if let Some(heard) = self.direction.begin_run() {
            self.relay(now, heard);
        }
        self.relay_tones(now);
    }

    /// What waited behind a gap.
    pub fn drain(&mut self, now: Instant) {
        while let Some((payload, packet)) = self.ingress.next_in_order(now) {
            let outcome = self
                .direction
                .handle_packet(now, payload, &packet, &mut self.out);
            self.conclude(now, outcome);
            self.relay_tones(now);
        }
    }

    fn relay_tones(&mut self, now: Instant) {
        for heard in self.direction.take_tones() {
            self.relay(now, heard);
        }
    }

    fn conclude(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Used => {}
            Outcome::Undecodable => self.ingress.rejected().undecodable += 1,
            Outcome::UnknownPayloadType => self.ingress.rejected().unknown_payload_type += 1,
            Outcome::Heard(heard) => {
                for heard in heard.into_iter().flatten() {
                    self.relay(now, heard);
                }
            }
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.drain(now);
        if let Some(heard) = self.direction.handle_timeout(now) {
            self.relay(now, heard);
        }
        self.relay_tones(now);
        if let Some(silent_for) = self.ingress.take_starvation(now) {
            let side = self.from;
            push(self.events, Event::Starved { side, silent_for });
        }
    }

    pub fn run_slots(&mut self, now: Instant) {
        while let Some(due) = {
            let waiting = self.direction.is_waiting();
            self.out.egress.take_due(now, self.out.outbox, waiting)
        } {
            match due {
                Due::Fill => self.direction.fill(now, &mut self.out),
                Due::Done => {}
            }
            self.relay_tones(now);
        }
    }

    /// A digit crosses as an event if the other side takes events; the call room hears of it when it ends.
    fn relay(&mut self, now: Instant, heard: Heard) {
        match heard {
            Heard::Began { digit } => self.out.egress.press(now, digit),
            Heard::Ended { digit, duration } => {
                self.ingress.count_digit();
                self.out.egress.release(duration);
                let side = self.from;
                push(
                    self.events,
                    Event::Dtmf {
                        side,
                        digit,
                        duration,
                    },
                );
            }
        }
    }
}

pub fn push(events: &mut VecDeque<Event>, event: Event) {
    if events.len() < EVENTS {
        events.push_back(event);
    }
}
