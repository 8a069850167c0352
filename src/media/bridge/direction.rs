//! One direction of the bridge: packets of one side, in order, become packets of the other.
//!
//! Opus to Opus is passed through packet by packet; a loss stays a gap in the sequence numbers, so that the receiver can
//! use the in-band FEC. Everything else goes by linear sound, of 16 kHz where both ends are as wide as that and else of
//! 8 kHz: losses are recovered or concealed, any packet time becomes 20 ms. G.711 to the same law is exact that way (but for
//! the two codes of zero in μ-law). Opus of another packet time than 20 ms goes that way too when the other side is
//! WhatsApp, which takes nothing else (dossier 1.2).

use std::time::{Duration, Instant};

use crate::media::bridge::Digits;
use crate::media::bridge::codecs::{Codecs, Hole, MadeUp, Plan, copy, length};
use crate::media::bridge::egress::{Content, Egress};
use crate::media::bridge::in_band::{InBand, Tones};
use crate::media::bridge::ingress::Payload;
use crate::media::bridge::no_audio::Came;
use crate::media::bridge::pcm::{Frame, Pcm, is_silent};
use crate::media::bridge::timeline::{Before, LONGEST_LOSS, Timeline};
use crate::media::event_in::{EventReceiver, Heard};
use crate::media::gain::{Decibels, Gain};
use crate::media::opus::{self, Relief};
use crate::media::outbox::Outbox;
use crate::media::pacer::{Candidate, Gap, Verdict};
use crate::media::rate::Rate;
use crate::media::reorder::Ordered;
use crate::media::shorten::Need;
use crate::media::ticks::Ticks;
use crate::sdp::Codec;

/// An Opus packet of a byte or two tells that there is nothing to tell.
const DTX_BYTES: usize = 2;
/// So much at hand can be shortened.
const ENOUGH: Ticks = Ticks(320);
/// More waits than can be played a little faster.
const LONG: Ticks = Ticks(1_600);

pub struct Direction {
    codecs: Codecs,
    pcm: Pcm,
    /// So much waits, but for a slot that is due.
    held: Ticks,
    events: EventReceiver,
    timeline: Timeline,
    /// Fill sent since the last sound.
    filled: Ticks,
    made_up: MadeUp,
    left_out: Ticks,
    came: Came,
    gain: Option<Gain>,
    /// So much is kept of what is said before the other side can be sent to.
    early: Ticks,
    /// When digits come as tones.
    in_band: Option<InBand>,
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
    pub fn new(level: Decibels, digits: Digits) -> Self {
        Self {
            codecs: Codecs::new(),
            pcm: Pcm::new(Rate::Narrow),
            held: Ticks::ZERO,
            events: EventReceiver::default(),
            timeline: Timeline::default(),
            filled: Ticks::ZERO,
            made_up: MadeUp::default(),
            left_out: Ticks::ZERO,
            came: Came::default(),
            gain: Gain::of(level),
            early: Ticks::ZERO,
            in_band: match digits {
                Digits::Events => None,
                Digits::InBand => Some(InBand::new()),
            },
        }
    }

    pub fn set_level(&mut self, level: Decibels) {
        self.gain = Gain::of(level);
    }

    pub fn plan(&mut self, plan: &Plan<'_>) -> Result<(), opus::NoCodec> {
        self.pcm.set_rate(plan.rate);
        self.codecs.plan(plan)
    }

    /// Another run of packets begins. The digit that was down has ended.
    pub fn begin_run(&mut self) -> Option<Heard> {
        self.timeline.reset();
        self.drop_rest();
        self.events.reset()
    }

    /// Digits that were tones, since this was asked last.
    pub fn take_tones(&mut self) -> impl Iterator<Item = Heard> + use<> {
        let heard = self.in_band.as_mut().map(InBand::take_heard);
        heard.into_iter().flatten().flatten()
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
        if let Some(in_band) = &mut self.in_band {
            in_band.handle_timeout(now);
        }
        self.events.handle_timeout(now)
    }

    pub fn deadline(&self) -> Option<Instant> {
        let tones = self.in_band.as_ref().and_then(InBand::deadline);
        self.events.deadline().into_iter().chain(tones).min()
    }

    /// Sound waits for its slot.
    pub fn is_waiting(&self) -> bool {
        self.pcm.has_frame()
    }

    /// This side is there: what it says before the other side can be sent to is kept, the last so much of it.
    pub fn keep_early(&mut self, most: Duration) {
        self.early = Ticks::in_duration(most);
    }

    /// A slot that is due: what waits takes it. A short hole is concealed, a long one is silence.
    pub fn fill(&mut self, now: Instant, out: &mut Out<'_>) {
        if self.pcm.has_frame() {
            self.held = Ticks::ZERO;
            return self.catch_up(now, out);
        }
        let made_up = Ticks::FRAME - self.pcm.len();
        let conceals = self
            .timeline
            .codec()
            .filter(|_| self.filled < LONGEST_LOSS && !self.holds_tone())
            .is_some_and(|codec| self.codecs.conceal(codec, made_up, &mut self.pcm));
        self.filled += made_up;
        let frame = match self.pcm.pop().filter(|_| conceals) {
            Some(frame) => frame,
            None => self.pcm.pop_rest(),
        };
        self.send(now, &frame, Content::Fill, out);
    }

    /// What waits is played faster than it was said until it is gone.
    fn catch_up(&mut self, now: Instant, out: &mut Out<'_>) {
        let need = match self.pcm.len() < LONG {
            true => Need::Urgent,
            false => Need::Absolute,
        };
        if self.pcm.len() >= ENOUGH {
            self.left_out += self.pcm.shorten(Ticks::FRAME, need);
        }
        if let Some(frame) = self.take_frame(now, out) {
            self.send_sound(now, &frame, out);
        }
    }

    /// What came last was a tone, which must not go on as what is made up.
    fn holds_tone(&self) -> bool {
        self.in_band.as_ref().is_some_and(InBand::holds_tone)
    }

    fn take_frame(&mut self, now: Instant, out: &Out<'_>) -> Option<Frame> {
        let frame = self.pcm.pop()?;
        self.came.sound += u64::from(!is_silent(&frame));
        self.filled = Ticks::ZERO;
        let tones = match out.egress.takes_events() {
            true => Tones::Silenced,
            false => Tones::Left,
        };
        Some(match &mut self.in_band {
            Some(in_band) => in_band.exchange(now, frame, tones),
            None => frame,
        })
    }

    /// What is left of a packet belongs to nothing that follows, unless more waits.
    fn drop_rest(&mut self) {
        self.held = Ticks::ZERO;
        if !self.pcm.has_frame() {
            self.pcm.clear();
            self.in_band.iter_mut().for_each(InBand::reset);
        }
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

    /// What was said and not sent, so that no delay stays: so far.
    pub fn left_out(&self) -> Ticks {
        self.left_out
    }

    /// Mean squares of speech and of the room, where sound is encoded as Opus and nothing changes its level before that.
    pub fn levels(&self) -> (Option<u64>, Option<u64>) {
        match self.gain {
            None => self.codecs.levels(),
            Some(_) => (None, None),
        }
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
        let sound = Sound {
            codec,
            payload: packet.payload,
            length,
            before,
        };
        if !out.egress.takes_sound() {
            if out.egress.is_awaited() {
                self.keep(sound);
            } else if self.in_band.is_some() {
                self.listen(now, sound, out);
            }
            return self.take_unheard();
        }
        self.carry(now, sound, out)
    }

    /// An event has the place of sound, and sound tells when it ends.
    fn listen(&mut self, now: Instant, sound: Sound<'_>, out: &Out<'_>) {
        self.codecs
            .decode(sound.codec, sound.payload, sound.length, &mut self.pcm);
        while self.take_frame(now, out).is_some() {}
    }

    /// Nothing can leave yet: the newest is kept.
    fn keep(&mut self, sound: Sound<'_>) {
        if self.early > Ticks::ZERO {
            let Sound {
                codec,
                payload,
                length,
                ..
            } = sound;
            self.pcm
                .keep_newest(self.early.min(self.pcm.most()) - length);
            self.codecs.decode(codec, payload, length, &mut self.pcm);
        }
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
        if is_left_out(sound, out.egress) {
            self.left_out += sound.length;
            return;
        }
        let candidate = Candidate {
            length: sound.length,
            gap: sound.before.pause,
        };
        match out.egress.admit(now, candidate) {
            Verdict::Wait | Verdict::Closed => return,
            Verdict::FillFirst => self.send_silence(now, out),
            Verdict::Send { .. } => {}
        }
        self.filled = Ticks::ZERO;
        let write = |room: &mut [u8]| copy(sound.payload, room);
        out.egress
            .send_audio(now, out.outbox, sound.length, Content::Sound, write);
    }

    fn transcode(&mut self, now: Instant, sound: Sound<'_>, out: &mut Out<'_>) -> Outcome {
        let Sound {
            codec,
            payload,
            length,
            before,
        } = sound;
        if before.pause != Gap::None {
            self.drop_rest();
        }
        let catches_up = self.pcm.len() >= ENOUGH;
        let hole = Hole {
            length: before.lost - self.filled,
            next: Some(payload).filter(|_| before.pause == Gap::None),
        };
        if self.filled > before.lost {
            self.codecs.expect_late();
        }
        self.repair(codec, hole);
        if !catches_up {
            self.offer_frames(now, Gap::None, out);
        }
        let decoded = self.codecs.decode(codec, payload, length, &mut self.pcm);
        if !decoded {
            self.repair(codec, Hole { length, next: None });
        }
        self.came.packets += u64::from(decoded);
        self.pcm.keep_newest(self.pcm.most());
        if !catches_up {
            self.leave_out_rest(length, out);
            self.offer_frames(now, before.pause, out);
        }
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

    /// What waits for nothing goes in the next pause, and until then little by little.
    fn leave_out_rest(&mut self, length: Ticks, out: &mut Out<'_>) {
        self.hold_back(length, out);
        let is_whole = length.whole_frames() == length;
        let rest = match is_whole {
            true => self.pcm.len() - length,
            // Of such packets part of a frame is always left.
            false => self.held,
        };
        if rest == Ticks::ZERO || !out.egress.is_in_time() {
            return;
        }
        let left_out = self.take_out(rest);
        self.left_out += left_out;
        match is_whole {
            true if self.pcm.len() < length + self.held => self.held = Ticks::ZERO,
            true => {}
            false => self.held = self.held - left_out,
        }
    }

    fn take_out(&mut self, most: Ticks) -> Ticks {
        let before = self.pcm.len();
        let need = match most >= Ticks::FRAME {
            true => Need::Slight,
            false => Need::Quiet,
        };
        // A tone keeps its pitch: it may be a digit.
        if self.pcm.shorten(most, need) == Ticks::ZERO && !self.holds_tone() {
            self.pcm.squeeze();
        }
        before - self.pcm.len()
    }

    /// Where the stream is ahead of the clock for nothing, a frame waits for the next from now on: so it can be left out.
    fn hold_back(&mut self, length: Ticks, out: &mut Out<'_>) {
        let (surplus, _) = out.egress.surplus();
        if surplus >= Ticks::FRAME && self.pcm.len() < length + Ticks::FRAME {
            out.egress.leave_out(Ticks::FRAME);
            self.held += Ticks::FRAME;
        }
    }

    /// `gap` lies before the first of them.
    fn offer_frames(&mut self, now: Instant, mut gap: Gap, out: &mut Out<'_>) {
        while self.pcm.len() >= Ticks::FRAME + self.held {
            let candidate = Candidate {
                length: Ticks::FRAME,
                gap: std::mem::replace(&mut gap, Gap::None),
            };
            let verdict = out.egress.admit(now, candidate);
            if verdict == Verdict::Wait {
                return;
            }
            let frame = self.take_frame(now, out);
            match (verdict, frame) {
                (Verdict::Wait | Verdict::Closed, _) | (_, None) => {}
                (Verdict::Send { .. }, Some(frame)) => self.send_sound(now, &frame, out),
                (Verdict::FillFirst, Some(frame)) => {
                    self.send_silence(now, out);
                    self.send_sound(now, &frame, out);
                }
            }
        }
    }

    fn send_sound(&mut self, now: Instant, frame: &Frame, out: &mut Out<'_>) {
        self.send(now, frame, Content::Sound, out);
    }

    fn send_silence(&mut self, now: Instant, out: &mut Out<'_>) {
        let silent = Frame::silent(self.codecs.rate());
        self.send(now, &silent, Content::Fill, out);
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

/// Of packets that pass as they are only a whole one can be left out: a silent one, if there is any soon.
fn is_left_out(sound: Sound<'_>, egress: &mut Egress) -> bool {
    let (surplus, need) = egress.surplus();
    let quiet = sound.payload.len() <= DTX_BYTES || need == Need::Absolute;
    let left_out = surplus >= sound.length && quiet;
    if left_out {
        egress.leave_out(sound.length);
    }
    left_out
}
