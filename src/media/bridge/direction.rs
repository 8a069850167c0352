//! One direction of the bridge: packets of one side, in order, become packets of the other.
//!
//! Opus to Opus is passed through packet by packet; a loss stays a gap in the sequence numbers, so that the receiver can
//! use the in-band FEC. Everything else goes by 8 kHz linear sound: losses are recovered or concealed, any packet time
//! becomes 20 ms. G.711 to the same law is exact that way (but for the two codes of zero in μ-law). Opus of another packet
//! time than 20 ms goes that way too when the other side is WhatsApp, which takes nothing else (dossier 1.2).

use std::time::Instant;

use crate::media::bridge::Habits;
use crate::media::bridge::egress::{Content, Egress, clock_rate};
use crate::media::bridge::ingress::Payload;
use crate::media::bridge::pcm::{Frame, Pcm, is_quiet};
use crate::media::conceal::Concealer;
use crate::media::event_in::{EventReceiver, Heard};
use crate::media::g711::Law;
use crate::media::opus;
use crate::media::outbox::Outbox;
use crate::media::pacer::{Candidate, Gap, Verdict};
use crate::media::reorder::Ordered;
use crate::media::rtp::RtpTime;
use crate::media::ticks::Ticks;
use crate::sdp::{Codec, OpusLimits};

/// A hole is concealed for 100 ms; then it is silence.
const CONCEALED: Ticks = Ticks(800);
/// A greater jump of timestamps is no pause but another story.
const LONGEST_PAUSE: Ticks = Ticks(600 * Ticks::RATE);
/// libopus conceals in steps of 2.5 ms.
const OPUS_STEP: u32 = 20;

pub struct Direction {
    decoder: Option<opus::Decoder>,
    concealer: Concealer,
    encoder: Option<opus::Encoder>,
    silence: Option<opus::Silence>,
    pcm: Pcm,
    events: EventReceiver,
    playhead: Option<Playhead>,
    /// Fill sent since the last sound.
    filled: Ticks,
    recovered: u64,
    concealed: u64,
    /// For codecs that only an unusual peer needs.
    terms: Option<Terms>,
}

/// Of the side that frames go to.
struct Terms {
    habits: Habits,
    limits: OpusLimits,
}

/// Where the sender's stream stands.
#[derive(Clone, Copy)]
struct Playhead {
    codec: Codec,
    next: RtpTime,
}

/// What lies between the last packet and this one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Before {
    lost: Ticks,
    pause: Gap,
}

/// The packet that ends a hole, and how much of the hole is to be made up.
#[derive(Clone, Copy)]
struct Repair<'a> {
    next: &'a [u8],
    length: Ticks,
    /// Nothing but the hole lies between: in-band FEC of `next` tells of it.
    adjacent: bool,
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

/// What the direction works between.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Codecs that may come in.
    pub from: &'a [Codec],
    pub to: Codec,
    /// Of the side that it goes to.
    pub habits: &'a Habits,
    pub limits: &'a OpusLimits,
}

/// Where frames go.
pub struct Out<'a> {
    pub egress: &'a mut Egress,
    pub outbox: &'a mut Outbox,
}

impl Direction {
    pub fn new() -> Self {
        Self {
            decoder: None,
            concealer: Concealer::new(),
            encoder: None,
            silence: None,
            pcm: Pcm::new(),
            events: EventReceiver::default(),
            playhead: None,
            filled: Ticks::ZERO,
            recovered: 0,
            concealed: 0,
            terms: None,
        }
    }

    /// Makes the codec states that are needed and not there yet; a call that only holds and resumes keeps its own.
    pub fn plan(&mut self, plan: &Plan<'_>) -> Result<(), opus::NoCodec> {
        let to_opus = plan.to == Codec::Opus;
        let from_opus = plan.from.contains(&Codec::Opus);
        let from_others = plan.from.iter().any(|codec| *codec != Codec::Opus);
        let passes = to_opus && !from_others;
        let terms = Terms {
            habits: plan.habits.clone(),
            limits: *plan.limits,
        };
        self.decoder = kept(self.decoder.take(), from_opus && !to_opus, || {
            opus::Decoder::new()
        })?;
        self.encoder = kept(self.encoder.take(), to_opus && from_others, || {
            terms.encoder()
        })?;
        self.silence = kept(self.silence.take(), passes, || {
            opus::Silence::new(plan.habits, plan.limits)
        })?;
        if let Some(encoder) = &mut self.encoder {
            encoder.keep_to(plan.habits, plan.limits)?;
        }
        self.terms = Some(terms);
        Ok(())
    }

    /// Another run of packets begins. The digit that was down has ended.
    pub fn begin_run(&mut self) -> Option<Heard> {
        self.playhead = None;
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

    /// A slot that nothing came for.
    pub fn fill(&mut self, now: Instant, out: &mut Out<'_>) {
        let mut frame = [0; Ticks::FRAME.0 as usize];
        if self.filled < CONCEALED {
            self.make_up(&mut frame);
        }
        self.filled += Ticks::FRAME;
        self.send(now, &frame, Content::Fill, out);
    }

    /// What the peer of the other side loses, by its RTCP.
    pub fn expect_loss(&mut self, fraction: f32) {
        if let Some(encoder) = &mut self.encoder {
            encoder.expect_loss(fraction);
        }
    }

    pub fn recovered(&self) -> u64 {
        self.recovered
    }

    pub fn concealed(&self) -> u64 {
        self.concealed
    }

    fn handle_event(&mut self, now: Instant, packet: &Ordered<'_>, clock: u32) -> Outcome {
        self.playhead = None;
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
        let before = self.advance(codec, packet, length);
        if self.events.is_active() {
            self.playhead = None;
            return Outcome::Used;
        }
        if !out.egress.takes_sound() {
            return Outcome::Used;
        }
        if codec == Codec::Opus && out.egress.codec() == Some(Codec::Opus) {
            if length == Ticks::FRAME || !out.egress.is_fed() {
                self.pass(now, packet, length, before, out);
                return Outcome::Used;
            }
            self.prepare_for_other_packet_time();
        }
        match self.transcode(now, codec, packet, length, before, out) {
            true => Outcome::Used,
            false => Outcome::Undecodable,
        }
    }

    /// Moves the playhead behind this packet and says what lies before it.
    fn advance(&mut self, codec: Codec, packet: &Ordered<'_>, length: Ticks) -> Before {
        let clock = clock_rate(codec);
        let timestamp = packet.header.timestamp;
        let next = timestamp.plus(length.to_clock(clock));
        let known = self.playhead.replace(Playhead { codec, next });
        let Some(known) = known.filter(|playhead| playhead.codec == codec) else {
            return Before::UNKNOWN;
        };
        let Ok(ahead) = u32::try_from(timestamp.ahead_of(known.next)) else {
            return Before::UNKNOWN;
        };
        let ahead = Ticks::from_clock(ahead, clock);
        let could_be_lost = length
            .max(Ticks::FRAME)
            .0
            .saturating_mul(packet.missing.into());
        match ahead {
            Ticks::ZERO => Before::NOTHING,
            ahead if ahead > LONGEST_PAUSE => Before::UNKNOWN,
            ahead => {
                let lost = ahead.min(Ticks(could_be_lost)).min(CONCEALED);
                let pause = Gap::Silence(ahead - lost);
                Before { lost, pause }
            }
        }
    }

    /// The one allocation after an agreement, once in a call, for a peer that does not keep to 20 ms.
    fn prepare_for_other_packet_time(&mut self) {
        if self.decoder.is_none() {
            self.decoder = opus::Decoder::new().ok();
        }
        if self.encoder.is_none() {
            self.encoder = self.terms.as_ref().and_then(|terms| terms.encoder().ok());
        }
    }

    fn pass(
        &mut self,
        now: Instant,
        packet: &Ordered<'_>,
        length: Ticks,
        before: Before,
        out: &mut Out<'_>,
    ) {
        out.egress.lose(before.lost - self.filled, length);
        let candidate = Candidate {
            length,
            gap: before.pause,
            quiet: packet.payload.len() <= 3,
        };
        match out.egress.admit(now, candidate) {
            Verdict::Drop => return,
            Verdict::FillFirst => self.send(now, &SILENT, Content::Fill, out),
            Verdict::Send { .. } => {}
        }
        self.filled = Ticks::ZERO;
        out.egress
            .send_audio(now, out.outbox, length, Content::Sound, |room| {
                copy(packet.payload, room)
            });
    }

    /// Says no to a packet that cannot be decoded.
    fn transcode(
        &mut self,
        now: Instant,
        codec: Codec,
        packet: &Ordered<'_>,
        length: Ticks,
        before: Before,
        out: &mut Out<'_>,
    ) -> bool {
        if before.pause != Gap::None {
            self.pcm.clear();
        }
        let repair = Repair {
            next: packet.payload,
            length: before.lost - self.filled,
            adjacent: before.pause == Gap::Silence(Ticks::ZERO),
        };
        self.repair(codec, repair);
        self.drain(now, Gap::None, out);
        let decoded = match codec {
            Codec::Opus => self.decode_opus(packet.payload),
            Codec::Pcmu => self.decode_g711(Law::Mu, packet.payload, length),
            Codec::Pcma => self.decode_g711(Law::A, packet.payload, length),
        };
        self.drain(now, before.pause, out);
        decoded
    }

    fn decode_opus(&mut self, packet: &[u8]) -> bool {
        let Some(decoder) = &mut self.decoder else {
            return false;
        };
        self.pcm
            .append(opus::LONGEST, |room| decoder.decode(packet, room))
    }

    fn decode_g711(&mut self, law: Law, packet: &[u8], length: Ticks) -> bool {
        let concealer = &mut self.concealer;
        self.pcm.append(length, |room| {
            let count = law.decode(packet, room);
            concealer.hear(room);
            Some(count)
        })
    }

    /// Makes up a hole as far as fill has not covered it.
    fn repair(&mut self, codec: Codec, repair: Repair<'_>) {
        let length = Ticks(repair.length.0 - repair.length.0 % OPUS_STEP);
        if length == Ticks::ZERO {
            return;
        }
        let recovers = codec == Codec::Opus && repair.adjacent && opus::carries_fec(repair.next);
        let (decoder, concealer) = (&mut self.decoder, &mut self.concealer);
        self.pcm.append(length, |room| {
            let made = match decoder {
                Some(decoder) if recovers => decoder.recover(repair.next, room),
                Some(decoder) if codec == Codec::Opus => decoder.conceal(room),
                Some(_) | None => {
                    concealer.conceal(room);
                    true
                }
            };
            made.then_some(room.len())
        });
        let recovered = u64::from(recovers);
        self.recovered += recovered;
        self.concealed += length.frames().saturating_sub(recovered);
    }

    fn make_up(&mut self, frame: &mut Frame) {
        let made = match (self.playhead, &mut self.decoder) {
            (None, _) => false,
            (Some(playhead), Some(decoder)) if playhead.codec == Codec::Opus => {
                decoder.conceal(frame)
            }
            (Some(playhead), _) if playhead.codec != Codec::Opus => {
                self.concealer.conceal(frame);
                true
            }
            (Some(_), _) => false,
        };
        if !made {
            frame.fill(0);
        }
    }

    fn drain(&mut self, now: Instant, mut gap: Gap, out: &mut Out<'_>) {
        while let Some(frame) = self.pcm.pop() {
            self.offer(now, &frame, std::mem::replace(&mut gap, Gap::None), out);
        }
    }

    fn offer(&mut self, now: Instant, frame: &Frame, gap: Gap, out: &mut Out<'_>) {
        let candidate = Candidate {
            length: Ticks::FRAME,
            gap,
            quiet: is_quiet(frame),
        };
        match out.egress.admit(now, candidate) {
            Verdict::Drop => return,
            Verdict::FillFirst => self.send(now, &SILENT, Content::Fill, out),
            Verdict::Send { .. } => {}
        }
        self.filled = Ticks::ZERO;
        self.send(now, frame, Content::Sound, out);
    }

    fn send(&mut self, now: Instant, frame: &Frame, content: Content, out: &mut Out<'_>) {
        let Some(codec) = out.egress.codec() else {
            return;
        };
        let (encoder, silence) = (&mut self.encoder, &self.silence);
        out.egress
            .send_audio(now, out.outbox, Ticks::FRAME, content, |room| match codec {
                Codec::Pcmu => encode_g711(Law::Mu, frame, room),
                Codec::Pcma => encode_g711(Law::A, frame, room),
                Codec::Opus => match encoder {
                    Some(encoder) => encoder.encode(frame, room),
                    None => copy(silence.as_ref()?.packet(), room),
                },
            });
    }
}

const SILENT: Frame = [0; Ticks::FRAME.0 as usize];

impl Before {
    const NOTHING: Self = Self {
        lost: Ticks::ZERO,
        pause: Gap::None,
    };
    const UNKNOWN: Self = Self {
        lost: Ticks::ZERO,
        pause: Gap::Unknown,
    };
}

impl Terms {
    fn encoder(&self) -> Result<opus::Encoder, opus::NoCodec> {
        opus::Encoder::new(&self.habits, &self.limits)
    }
}

fn kept<T>(
    known: Option<T>,
    needed: bool,
    make: impl FnOnce() -> Result<T, opus::NoCodec>,
) -> Result<Option<T>, opus::NoCodec> {
    match (known, needed) {
        (_, false) => Ok(None),
        (Some(known), true) => Ok(Some(known)),
        (None, true) => make().map(Some),
    }
}

fn length(codec: Codec, payload: &[u8]) -> Option<Ticks> {
    match codec {
        Codec::Opus => opus::length(payload),
        Codec::Pcmu | Codec::Pcma => {
            let ticks = Ticks(u32::try_from(payload.len()).ok()?);
            (ticks > Ticks::ZERO && ticks <= opus::LONGEST).then_some(ticks)
        }
    }
}

fn encode_g711(law: Law, frame: &Frame, room: &mut [u8]) -> Option<usize> {
    Some(law.encode(frame, room.get_mut(..frame.len())?))
}

fn copy(payload: &[u8], room: &mut [u8]) -> Option<usize> {
    room.get_mut(..payload.len())?.copy_from_slice(payload);
    Some(payload.len())
}
