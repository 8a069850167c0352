//! While the call lasts: re-offers, digits, silence.

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::call::call::{Call, State};
use crate::call::ending::{Cause, Ending};
use crate::call::leg::{Digit, LegCommand};
use crate::call::moment::Moment;
use crate::media::bridge::no_audio::{NoAudio, Way};
use crate::media::bridge::{self, NotConnected};
use crate::sdp::{Agreement, Direction};
use crate::side::Side;

impl Call {
    pub(super) fn agree_anew(&mut self, side: Side, agreement: Box<Agreement>) {
        match self.state {
            State::Answered | State::Confirmed | State::Transferring { .. } => {
                info!(%side, direction = ?agreement.direction, codec = ?agreement.codec, "agreed anew");
                self.agree(side, agreement);
            }
            // An early dialog may be re-offered too (RFC 3311 §5.1).
            State::Asking { .. } | State::Alerting { .. } | State::Dialling { .. } => {
                self.agree(side, agreement);
            }
            State::Closing { .. } | State::Over => {}
        }
    }

    pub(super) fn play_digit(&mut self, side: Side, digit: Digit) {
        match self.state {
            State::Answered | State::Confirmed | State::Transferring { .. } => {
                self.bridge(bridge::Command::Dtmf {
                    side,
                    digit: digit.key,
                    duration: digit.duration,
                })
            }
            State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Closing { .. }
            | State::Over => {}
        }
    }

    pub(super) fn bridge_told(&mut self, now: Moment, event: bridge::Event) {
        match event {
            bridge::Event::FirstMedia { side } => info!(%side, "first media"),
            bridge::Event::IceConnected { side, after } => {
                info!(%side, ms = after.as_millis(), "ICE connected");
            }
            bridge::Event::DtlsConnected { side, after } => {
                info!(%side, ms = after.as_millis(), "DTLS connected");
            }
            bridge::Event::NotConnected { side, cause } => self.not_connected(now, side, &cause),
            bridge::Event::Starved { side, silent_for } => self.starve(now, side, silent_for),
            bridge::Event::NoAudio {
                side,
                way,
                cause,
                lasting,
            } => self.tell_no_audio(side, way, cause, lasting),
            bridge::Event::AudioAgain { side, way, after } => {
                let (way, who, seconds) = (way.words(), self.who(side), after.as_secs());
                info!(%side, "audio {way} {who} again after {seconds} s");
            }
            bridge::Event::Dtmf {
                side,
                digit,
                duration,
            } => self.digit_heard(
                side,
                Digit {
                    key: digit,
                    duration,
                },
            ),
        }
    }

    /// Without a way or without keys a side will never be heard: there is nothing to wait for.
    fn not_connected(&mut self, now: Moment, side: Side, cause: &NotConnected) {
        let ended = match cause {
            NotConnected::NoPath | NotConnected::ConsentLost => Cause::IceFailed,
            NotConnected::NoKeys(_) => Cause::DtlsFailed,
        };
        let detail = format!("{}: {cause}", self.who(side));
        if self.is_live() {
            self.end(now, Ending::new(ended, side.into()).because(detail), None);
        }
    }

    fn tell_no_audio(&self, side: Side, way: Way, cause: NoAudio, lasting: Duration) {
        let (who, words, cause_word) = (self.who(side), cause.words(), cause.token());
        let (seconds, way) = (lasting.as_secs(), way.words());
        if cause.is_fault() {
            warn!(%side, cause = cause_word, "no audio {way} {who} for {seconds} s: {words}");
        } else {
            info!(%side, cause = cause_word, "no audio {way} {who} for {seconds} s: {words}");
        }
    }

    fn who(&self, side: Side) -> &'static str {
        match side == self.user {
            true => "the WhatsApp user",
            false => "the PBX",
        }
    }

    pub(super) fn digit_heard(&mut self, side: Side, digit: Digit) {
        debug!(%side, "digit");
        match self.state {
            State::Answered | State::Confirmed | State::Transferring { .. } => {
                if self.habits.digits_by_signalling[!side] {
                    self.command(!side, LegCommand::Digit(digit));
                }
            }
            State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Closing { .. }
            | State::Over => {}
        }
    }

    /// A side that is on hold owes no media.
    pub(super) fn starve(&mut self, now: Moment, side: Side, silent_for: Duration) {
        let owes =
            self.agreements[side]
                .as_ref()
                .is_some_and(|agreement| match agreement.direction {
                    Direction::SendRecv | Direction::RecvOnly => true,
                    Direction::SendOnly | Direction::Inactive => false,
                });
        match self.state {
            State::Answered | State::Confirmed | State::Transferring { .. } if owes => {
                let silence = format!("no media for {} s", silent_for.as_secs());
                let ending = Ending::new(Cause::MediaTimeout, side.into()).because(silence);
                self.end(now, ending, None);
            }
            State::Asking { .. }
            | State::Alerting { .. }
            | State::Dialling { .. }
            | State::Answered
            | State::Confirmed
            | State::Transferring { .. }
            | State::Closing { .. }
            | State::Over => {}
        }
    }
}
