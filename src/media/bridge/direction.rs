//! One direction of the bridge: packets of one side, in order, become packets of the other.
//!
//! Opus to Opus is passed through packet by packet; a loss stays a gap in the sequence numbers, so that the receiver can
//! use the in-band FEC. Everything else goes by linear sound, of 16 kHz where both ends are as wide as that and else of
//! 8 kHz: losses are recovered or concealed, any packet time becomes 20 ms. G.711 to the same law is exact that way (but for
//! the two codes of zero in μ-law). Opus of another packet time than 20 ms goes that way too when the other side is
//! WhatsApp, which takes nothing else (dossier 1.2).

use std::time::Instant;

use crate::media::bridge::codecs::{Codecs, Hole, MadeUp, Plan, copy, length};
use crate::media::bridge::egress::{Content, Egress};
use crate::media::bridge::ingress::Payload;
use crate::media::bridge::no_audio::Came;
use crate::media::bridge::pcm::{Frame, Pcm, is_quiet, is_silent};
use crate::media::bridge::timeline::{Before, LONGEST_LOSS, Timeline};
use crate::media::event_in::{EventReceiver, Heard};
use crate::media::gain::{Decibels, Gain};
use crate::media::opus::{self, Relief};
use crate::media::outbox::Outbox;
use crate::media::pacer::{Candidate, Gap, Verdict};
use crate::media::rate::Rate;
use crate::media::reorder::Ordered;
use crate::media::ticks::Ticks;
use crate::sdp::Codec;

/// An Opus packet of a byte or two tells that there is nothing to tell.
const DTX_BYTES: usize = 2;

pub struct Direction {
    codecs: Codecs,
    pcm: Pcm,
    events: EventReceiver,
    timeline: Timeline,
    /// Fill sent since the last sound.
    filled: Ticks,
    made_up: MadeUp,
    came: Came,
    gain: Option<Gain>,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Also when there was no use for it.
    Used,
    Undecodable,
    UnknownPayloadType,
    Heard([Option<Heard>; 3]),
}

/// Where frames go.
pub struct Out<'a> {
    pub egress: &'a mut Egress,
    pub outbox: &'a mut Outbox,
}

/// A packet of audio in its place.
#[derive(Clone, Copy)]
struct Sound<'a> {
    codec: Codec,
    payload: &'a [u8],
    length: Ticks,
    before: Before,
}

impl Direction {
    pub fn new(level: Decibels) -> Self {
        Self {
            codecs: Codecs::new(),
            pcm: Pcm::new(Rate::Narrow),
            events: EventReceiver::default(),
            timeline: Timeline::default(),
            filled: Ticks::ZERO,
            made_up: MadeUp::default(),
            came: Came::default(),
            gain: Gain::of(level),
        }
    }

    pub fn plan(&mut self, plan: &Plan<'_>) -> Result<(), opus::NoCodec> {
        self.pcm.set_rate(plan.rate);
        self.codecs.plan(plan)
    }

    /// Another run of packets begins. The digit that was down has ended.
    pub fn begin_run(&mut self) -> Option<Heard> {
        self.timeline.reset();
        self.pcm.clear();
        self.events.reset()
    }

    pub fn handle_packet(
        &mut self,
        now: Instant,
        payload: Payload,
        packet: &Ordered<'_>,
        out: &mut Out<'_>,
    ) -> Outcome {
        match payload {
            Payload::Audio(codec) => self.handle_audio(now, codec, packet, out),
            Payload::Event { clock } => self.handle_event(now, packet, clock),
            Payload::Unasked => Outcome::Used,
            Payload::Unknown => Outcome::UnknownPayloadType,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Option<Heard> {
        self.events.handle_timeout(now)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.events.deadline()
    }

    /// A slot that nothing came for: a short hole is concealed, a long one is silence.
    pub fn fill(&mut self, now: Instant, out: &mut Out<'_>) {
        let silent = Frame::silent(self.codecs.rate());
        let mut frame = silent;
        let conceals = self
            .timeline
            .codec()
            .filter(|_| self.filled < LONGEST_LOSS)
            .is_some_and(|codec| self.codecs.conceal(codec, &mut frame));
        self.filled += Ticks::FRAME;
        let frame = if conceals { frame } else { silent };
        self.send(now, &frame, Content::Fill, out);
    }

    /// What the peer of the other side loses, by its RTCP.
    pub fn expect_loss(&mut self, fraction: f32) {
        self.codecs.expect_loss(fraction);
    }

    pub fn relieve(&mut self, relief: Relief) {
        self.codecs.relieve(relief);
    }

    pub fn made_up(&self) -> MadeUp {
        self.made_up
    }

    /// Of use to the other side, so far.
    pub fn came(&self) -> Came {
        self.came
    }

    /// A packet whose sound is not looked at.
    fn take_unheard(&mut self) -> Outcome {
        self.came.packets += 1;
        self.came.sound += 1;
        Outcome::Used
    }

    fn handle_event(&mut self, now: Instant, packet: &Ordered<'_>, clock: u32) -> Outcome {
        self.timeline.reset();
        self.take_unheard();
        let timestamp = packet.header.timestamp;
        let heard = self
            .events
            .handle_packet(now, timestamp, packet.payload, clock);
        Outcome::Heard(heard)
    }

    fn handle_audio(
        &mut self,
        now: Instant,
        codec: Codec,
        packet: &Ordered<'_>,
        out: &mut Out<'_>,
    ) -> Outcome {
        let Some(length) = length(codec, packet.payload) else {
            return Outcome::Undecodable;
        };
        let before = self.timeline.advance(codec, packet, length);
        if self.events.is_active() {
            self.timeline.reset();
            return self.take_unheard();
        }
        if !out.egress.takes_sound() {
            return self.take_unheard();
        }
        let sound = Sound {
            codec,
            payload: packet.payload,
            length,
            before,
        };
        self.carry(now, sound, out)
    }

    fn carry(&mut self, now: Instant, sound: Sound<'_>, out: &mut Out<'_>) -> Outcome {
        let opus_to_opus = sound.codec == Codec::Opus && out.egress.codec() == Some(Codec::Opus);
        if opus_to_opus {
            if sound.length == Ticks::FRAME || !out.egress.is_fed() {
                self.pass(now, sound, out);
                return Outcome::Used;
            }
            self.codecs.prepare_for_other_packet_time();
        }
        self.transcode(now, sound, out)
    }

    fn pass(&mut self, now: Instant, sound: Sound<'_>, out: &mut Out<'_>) {
        self.came.packets += 1;
        self.came.sound += u64::from(opus::may_hold_voice(sound.payload));
        let lost = sound.before.lost - self.filled;
        out.egress.lose(lost, sound.length);
        let candidate = Candidate {
            length: sound.length,
            gap: sound.before.pause,
            quiet: sound.payload.len() <= DTX_BYTES,
        };
        if self.is_admitted(now, candidate, out) {
            let write = |room: &mut [u8]| copy(sound.payload, room);
            out.egress
                .send_audio(now, out.outbox, sound.length, Content::Sound, write);
        }
    }

    fn transcode(&mut self, now: Instant, sound: Sound<'_>, out: &mut Out<'_>) -> Outcome {
        let Sound {
            codec,
            payload,
            length,
            before,
        } = sound;
        if before.pause != Gap::None {
            self.pcm.clear();
        }
        let hole = Hole {
            length: before.lost - self.filled,
            next: Some(payload).filter(|_| before.pause == Gap::None),
        };
        self.repair(codec, hole);
        self.offer_frames(now, Gap::None, out);
        let decoded = self.codecs.decode(codec, payload, length, &mut self.pcm);
        if !decoded {
            self.repair(codec, Hole { length, next: None });
        }
        self.came.packets += u64::from(decoded);
        self.offer_frames(now, before.pause, out);
        match decoded {
            true => Outcome::Used,
            false => Outcome::Undecodable,
        }
    }

    fn repair(&mut self, codec: Codec, hole: Hole<'_>) {
        let made_up = self.codecs.repair(codec, hole, &mut self.pcm);
        self.made_up.recovered += made_up.recovered;
        self.made_up.concealed += made_up.concealed;
    }

    /// `gap` lies before the first of them.
    fn offer_frames(&mut self, now: Instant, mut gap: Gap, out: &mut Out<'_>) {
        while let Some(frame) = self.pcm.pop() {
            self.came.sound += u64::from(!is_silent(&frame));
            let candidate = Candidate {
                length: Ticks::FRAME,
                gap: std::mem::replace(&mut gap, Gap::None),
                quiet: is_quiet(&frame),
            };
            if self.is_admitted(now, candidate, out) {
                self.send(now, &frame, Content::Sound, out);
            }
        }
    }

    fn is_admitted(&mut self, now: Instant, candidate: Candidate, out: &mut Out<'_>) -> bool {
        match out.egress.admit(now, candidate) {
            Verdict::Drop => return false,
            Verdict::FillFirst => {
                let silent = Frame::silent(self.codecs.rate());
                self.send(now, &silent, Content::Fill, out);
            }
            Verdict::Send { .. } => {}
        }
        self.filled = Ticks::ZERO;
        true
    }

    fn send(&mut self, now: Instant, frame: &Frame, content: Content, out: &mut Out<'_>) {
        let Some(codec) = out.egress.codec() else {
            return;
        };
        let louder = self.gain.map(|gain| {
            let mut louder = *frame;
            gain.apply(&mut louder);
            louder
        });
        let frame = louder.as_ref().unwrap_or(frame);
        let encode = |room: &mut [u8]| self.codecs.encode(codec, frame, room);
        out.egress
            .send_audio(now, out.outbox, Ticks::FRAME, content, encode);
    }
}
