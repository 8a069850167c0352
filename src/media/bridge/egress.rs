//! The way out to one side: when it is open, what a slot of it holds, and the packet on the wire.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::media::bridge::protection::Sending;
use crate::media::bridge::{Channel, StreamSpec};
use crate::media::event_out::{Clocks, EventSender, Slot};
use crate::media::outbox::{Destination, Outbox};
use crate::media::pacer::{Candidate, Mode, Pacer, Verdict};
use crate::media::rtp::{Header, RtpTime};
use crate::media::sender::Sender;
use crate::media::shorten::Need;
use crate::media::srtp;
use crate::media::ticks::Ticks;
use crate::sdp::{
    Agreement, Codec, CryptoPair, Direction, PayloadType, Protection, TelephoneEvent,
};
use crate::side::Side;

pub struct Egress {
    side: Side,
    sender: Sender,
    pacer: Pacer,
    events: EventSender,
    terms: Option<Terms>,
    protection: Sending,
    target: Option<SocketAddr>,
    started: Option<Instant>,
    first_sound: Option<Instant>,
    frames_filled: u64,
    digits_sent: u32,
}

/// What the agreement says about sending.
struct Terms {
    codec: Codec,
    payload_type: PayloadType,
    event: Option<TelephoneEvent>,
    allowed: bool,
    protection: Protection,
}

/// What a packet of audio holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    Sound,
    /// Silence, or a hole concealed: the other side gave nothing.
    Fill,
}

/// What a slot that is due wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// A frame of fill, from whoever can make one.
    Fill,
    /// It is taken care of.
    Done,
}

impl Egress {
    pub fn new(side: Side, spec: &StreamSpec, entropy: &mut Entropy) -> Self {
        let mode = if spec.habits.keep_fed {
            Mode::Fed
        } else {
            Mode::Following
        };
        Self {
            side,
            sender: Sender::new(spec.ssrc, entropy),
            pacer: Pacer::new(mode),
            events: EventSender::new(),
            terms: None,
            protection: Sending::Clear,
            target: None,
            started: None,
            first_sound: None,
            frames_filled: 0,
            digits_sent: 0,
        }
    }

    pub fn agree(&mut self, now: Instant, agreement: &Agreement) {
        let known = self.terms.take();
        if known.as_ref().map(|terms| &terms.protection) != Some(&agreement.protection) {
            self.protection = Sending::new(self.side, &agreement.protection);
        }
        if agreement.telephone_event.is_none() {
            self.events.clear();
        }
        self.sender.set_clock(clock_rate(agreement.codec));
        self.terms = Some(Terms {
            codec: agreement.codec,
            payload_type: agreement.send_pt,
            event: agreement.telephone_event,
            allowed: match agreement.direction {
                Direction::SendRecv | Direction::SendOnly => true,
                Direction::RecvOnly | Direction::Inactive => false,
            },
            protection: agreement.protection.clone(),
        });
        self.open_or_close(now);
    }

    /// The handshake is over: what waited for it begins now.
    pub fn set_keys(&mut self, now: Instant, keys: &CryptoPair) {
        self.protection = Sending::with_keys(self.side, keys);
        self.open_or_close(now);
    }

    pub fn start(&mut self, now: Instant) {
        self.started.get_or_insert(now);
        self.open_or_close(now);
    }

    pub fn set_target(&mut self, now: Instant, target: Option<SocketAddr>) {
        if self.target != target {
            self.target = target;
            self.open_or_close(now);
        }
    }

    pub fn codec(&self) -> Option<Codec> {
        self.terms.as_ref().map(|terms| terms.codec)
    }

    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    pub fn started(&self) -> Option<Instant> {
        self.started
    }

    pub fn first_sound(&self) -> Option<Instant> {
        self.first_sound
    }

    pub fn frames_filled(&self) -> u64 {
        self.frames_filled
    }

    pub fn digits_sent(&self) -> u32 {
        self.digits_sent
    }

    /// Sound is of use: packets may leave, and no event has their place.
    pub fn takes_sound(&self) -> bool {
        self.pacer.is_running() && !self.events.is_active()
    }

    /// The stream never pauses, and each packet is a frame.
    pub fn is_fed(&self) -> bool {
        self.pacer.is_fed()
    }

    /// So much was lost on the way to us, in packets of `length`: it is a loss for the receiver too.
    pub fn lose(&mut self, lost: Ticks, length: Ticks) {
        if lost > Ticks::ZERO {
            self.pacer.lose(lost);
            self.sender.lose(lost, length);
        }
    }

    /// Sound will be of use, but nothing could leave so far.
    pub fn is_awaited(&self) -> bool {
        self.pacer.is_untouched()
    }

    /// Of the next slot, if it has one. `waiting`: there is sound for it.
    pub fn deadline(&self, waiting: bool) -> Option<Instant> {
        let clocked = self.pacer.is_fed() || self.events.is_active() || waiting;
        self.pacer.due().filter(|_| clocked)
    }

    /// What waits besides makes the stream late for nothing.
    pub fn is_in_time(&self) -> bool {
        self.pacer.is_in_time()
    }

    /// Sound waits so long before it leaves, at present and at most.
    pub fn margin(&self) -> Duration {
        self.pacer.margin()
    }

    pub fn most_margin(&self) -> Duration {
        self.pacer.most_margin()
    }

    /// What may be left out of the sound to come, and how urgently.
    pub fn surplus(&self) -> (Ticks, Need) {
        self.pacer.surplus()
    }

    pub fn leave_out(&mut self, ticks: Ticks) {
        self.pacer.leave_out(ticks);
    }

    /// A frame of sound is at hand; after `FillFirst` the caller sends a fill and then it.
    pub fn admit(&mut self, now: Instant, frame: Candidate) -> Verdict {
        if self.events.is_active() {
            return Verdict::Closed;
        }
        let verdict = self.pacer.admit(now, frame);
        if let Verdict::Send { skip } = verdict {
            self.sender.skip(skip);
        }
        verdict
    }

    /// Uses the next slot if it is due. `waiting`: there is sound for it.
    pub fn take_due(&mut self, now: Instant, outbox: &mut Outbox, waiting: bool) -> Option<Due> {
        self.deadline(waiting)?;
        let sound = waiting && !self.events.is_active();
        if !self.pacer.take_due(now, sound) {
            return None;
        }
        let slot = self.clocks().and_then(|clocks| {
            let timestamp = self.sender.timestamp();
            self.events.next_slot(timestamp, clocks)
        });
        match slot {
            Some(Slot::Packet {
                timestamp,
                marker,
                payload,
            }) => {
                self.send_event(now, outbox, timestamp, marker, &payload);
                Some(Due::Done)
            }
            Some(Slot::Pause) | None if self.pacer.is_fed() || sound => Some(Due::Fill),
            Some(Slot::Pause) | None => {
                self.sender.pass(Ticks::FRAME);
                Some(Due::Done)
            }
        }
    }

    /// Sends a packet of audio that `write` makes in place.
    pub fn send_audio(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        length: Ticks,
        content: Content,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) {
        let Some(terms) = &self.terms else {
            return;
        };
        let header = self.sender.audio_header(terms.payload_type);
        let sent = self.send(now, outbox, &header, write);
        self.sender.pass(length);
        match content {
            Content::Sound if sent => {
                self.first_sound.get_or_insert(now);
            }
            Content::Fill if sent => self.frames_filled += length.frames(),
            Content::Sound | Content::Fill => {}
        }
    }

    /// RTCP, written and protected in place.
    pub fn send_rtcp(
        &mut self,
        outbox: &mut Outbox,
        channel: Channel,
        to: SocketAddr,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) {
        let destination = Destination {
            side: self.side,
            channel,
            to,
        };
        let protection = &mut self.protection;
        outbox.push(destination, |buffer| {
            let room = buffer.len().checked_sub(srtp::MAX_OVERHEAD)?;
            let len = write(buffer.get_mut(..room)?)?;
            protection.protect_rtcp(buffer, len)
        });
    }

    /// Whether digits can be played as events. Else only the call room hears of them.
    pub fn takes_events(&self) -> bool {
        self.terms
            .as_ref()
            .is_some_and(|terms| terms.event.is_some())
            && self.pacer.is_running()
    }

    pub fn play(&mut self, now: Instant, digit: u8, duration: Duration) {
        self.begin_event(now, |events| events.play(digit, duration));
    }

    pub fn press(&mut self, now: Instant, digit: u8) {
        self.begin_event(now, |events| events.press(digit));
    }

    pub fn release(&mut self, duration: Duration) {
        self.events.release(duration);
    }

    fn begin_event(&mut self, now: Instant, queue: impl FnOnce(&mut EventSender) -> bool) {
        if !self.takes_events() {
            return;
        }
        let idle = !self.events.is_active();
        if queue(&mut self.events) {
            self.digits_sent += 1;
            if idle {
                let skip = self.pacer.begin_event(now);
                self.sender.skip(skip);
            }
        }
    }

    /// The peer may be sent to, by the last agreement.
    pub fn is_allowed(&self) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.allowed)
    }

    pub fn protects(&self) -> bool {
        self.protection.is_usable()
    }

    pub fn has_target(&self) -> bool {
        self.target.is_some()
    }

    fn open_or_close(&mut self, now: Instant) {
        if self.started.is_some() && self.has_target() && self.is_allowed() && self.protects() {
            let skip = self.pacer.start(now);
            self.sender.skip(skip);
        } else {
            self.events.clear();
            self.pacer.stop();
        }
    }

    fn clocks(&self) -> Option<Clocks> {
        let event = self.terms.as_ref()?.event?;
        Some(Clocks {
            audio: self.sender.clock(),
            event: event.clock,
        })
    }

    fn send_event(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        timestamp: RtpTime,
        marker: bool,
        payload: &[u8],
    ) {
        if let Some(event) = self.terms.as_ref().and_then(|terms| terms.event) {
            let header = self.sender.event_header(event.send_pt, timestamp, marker);
            self.send(now, outbox, &header, |room| {
                room.get_mut(..payload.len())?.copy_from_slice(payload);
                Some(payload.len())
            });
        }
        self.sender.pass(Ticks::FRAME);
    }

    fn send(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
        header: &Header,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let Some(to) = self.target else {
            return false;
        };
        let destination = Destination {
            side: self.side,
            channel: Channel::Rtp,
            to,
        };
        let protection = &mut self.protection;
        let mut octets = 0;
        let sent = outbox.push(destination, |buffer| {
            let room = buffer.len().checked_sub(srtp::MAX_OVERHEAD)?;
            let (head, body) = buffer.get_mut(..room)?.split_first_chunk_mut()?;
            *head = header.to_bytes();
            octets = write(body)?;
            protection.protect_rtp(buffer, Header::LEN + octets)
        });
        if sent {
            self.sender.sent(now, header, octets);
        }
        sent
    }
}

/// Of RTP timestamps: Opus always counts 48 kHz (RFC 7587 §4.1), and G.722 8 kHz (RFC 3551 §4.5.2).
pub fn clock_rate(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::G722 | Codec::Pcmu | Codec::Pcma => 8_000,
    }
}
