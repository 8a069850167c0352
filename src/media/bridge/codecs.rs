//! The codec states of one direction, and what they make of packets, of holes and of frames.

use crate::media::bridge::Habits;
use crate::media::bridge::bands::Bands;
use crate::media::bridge::pcm::{Frame, Pcm};
use crate::media::g711::Law;
use crate::media::opus::{self, Relief};
use crate::media::rate::Rate;
use crate::media::ticks::Ticks;
use crate::sdp::{Codec, OpusLimits};

/// libopus conceals in steps of 2.5 ms.
const OPUS_STEP: u32 = 20;

pub struct Codecs {
    rate: Rate,
    decoder: Option<opus::Decoder>,
    bands: Bands,
    encoder: Option<opus::Encoder>,
    silence: Option<opus::Silence>,
    relief: Relief,
    /// For codecs that only an unusual peer needs.
    terms: Option<Terms>,
}

/// Of the side that frames go to.
struct Terms {
    habits: Habits,
    limits: OpusLimits,
}

/// What the direction works between.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Of what is between them.
    pub rate: Rate,
    /// Codecs that may come in.
    pub from: &'a [Codec],
    pub to: Codec,
    /// Of the side that it goes to.
    pub habits: &'a Habits,
    pub limits: &'a OpusLimits,
}

/// A hole to be made up.
#[derive(Clone, Copy)]
pub struct Hole<'a> {
    pub length: Ticks,
    /// The packet right behind it: its in-band FEC may tell of the hole.
    pub next: Option<&'a [u8]>,
}

/// Frames, by how they were made up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MadeUp {
    pub recovered: u64,
    pub concealed: u64,
}

impl Codecs {
    pub fn new() -> Self {
        Self {
            rate: Rate::Narrow,
            decoder: None,
            bands: Bands::new(),
            encoder: None,
            silence: None,
            relief: Relief::None,
            terms: None,
        }
    }

    /// Makes what is needed and not there yet; a call that only holds and resumes keeps its own.
    pub fn plan(&mut self, plan: &Plan<'_>) -> Result<(), opus::NoCodec> {
        let to_opus = plan.to == Codec::Opus;
        let from_opus = plan.from.contains(&Codec::Opus);
        let from_others = plan.from.iter().any(|codec| *codec != Codec::Opus);
        let (rate, habits, limits) = (plan.rate, plan.habits, plan.limits);
        self.set_rate(rate);
        self.decoder = kept(self.decoder.take(), from_opus && !to_opus, || {
            opus::Decoder::new(rate)
        })?;
        self.encoder = kept(self.encoder.take(), to_opus && from_others, || {
            opus::Encoder::new(rate, habits, limits)
        })?;
        self.silence = kept(self.silence.take(), to_opus && !from_others, || {
            opus::Silence::new(habits, limits)
        })?;
        if let Some(encoder) = &mut self.encoder {
            encoder.keep_to(habits, limits)?;
            encoder.relieve(self.relief);
        }
        self.terms = Some(Terms {
            habits: habits.clone(),
            limits: *limits,
        });
        Ok(())
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }

    fn set_rate(&mut self, rate: Rate) {
        if self.rate != rate {
            self.rate = rate;
            self.decoder = None;
            self.encoder = None;
            self.bands.set_rate(rate);
        }
    }

    /// Opus to Opus through sound, for a peer that does not keep to 20 ms. The one allocation after an agreement, once
    /// in a call.
    pub fn prepare_for_other_packet_time(&mut self) {
        if self.decoder.is_none() {
            self.decoder = opus::Decoder::new(self.rate).ok();
        }
        if self.encoder.is_none() {
            let rate = self.rate;
            let encoder =
                |terms: &Terms| opus::Encoder::new(rate, &terms.habits, &terms.limits).ok();
            self.encoder = self.terms.as_ref().and_then(encoder);
        }
    }

    /// Says no to what is no packet of this codec.
    pub fn decode(&mut self, codec: Codec, packet: &[u8], length: Ticks, pcm: &mut Pcm) -> bool {
        match codec {
            Codec::Opus => self.decoder.as_mut().is_some_and(|decoder| {
                pcm.append(opus::LONGEST, |room| decoder.decode(packet, room))
            }),
            Codec::G722 => pcm.append(length, |room| self.bands.decode_g722(packet, room)),
            Codec::Pcmu => pcm.append(length, |room| self.bands.decode_g711(Law::Mu, packet, room)),
            Codec::Pcma => pcm.append(length, |room| self.bands.decode_g711(Law::A, packet, room)),
        }
    }

    pub fn repair(&mut self, codec: Codec, hole: Hole<'_>, pcm: &mut Pcm) -> MadeUp {
        let length = Ticks(hole.length.0 - hole.length.0 % OPUS_STEP);
        if length == Ticks::ZERO {
            return MadeUp::default();
        }
        let fec = hole
            .next
            .filter(|next| codec == Codec::Opus && opus::carries_fec(next));
        pcm.append(length, |room| {
            let made = match (fec, &mut self.decoder) {
                (Some(next), Some(decoder)) => decoder.recover(next, room),
                (None, _) | (_, None) => self.make_up(codec, room),
            };
            made.then_some(room.len())
        });
        let recovered = fec
            .and_then(opus::length)
            .map_or(0, |one| one.min(length).frames());
        MadeUp {
            recovered,
            concealed: length.frames().saturating_sub(recovered),
        }
    }

    /// Appends at least `length` of what the last packets of `codec` would have gone on with.
    pub fn conceal(&mut self, codec: Codec, length: Ticks, pcm: &mut Pcm) -> bool {
        let length = match codec {
            Codec::Opus => Ticks(length.0.next_multiple_of(OPUS_STEP)),
            Codec::G722 | Codec::Pcmu | Codec::Pcma => length,
        };
        pcm.append(length, |room| {
            self.make_up(codec, room).then_some(room.len())
        })
    }

    /// What comes next of G.711 or G.722 was late and not lost: it need not begin where the concealed sound began.
    pub fn expect_late(&mut self) {
        self.bands.expect_late();
    }

    fn make_up(&mut self, codec: Codec, samples: &mut [i16]) -> bool {
        match (codec, &mut self.decoder) {
            (Codec::Opus, Some(decoder)) => decoder.conceal(samples),
            (Codec::Opus, None) => false,
            (Codec::G722 | Codec::Pcmu | Codec::Pcma, _) => {
                self.bands.conceal(samples);
                true
            }
        }
    }

    pub fn encode(&mut self, codec: Codec, frame: &Frame, room: &mut [u8]) -> Option<usize> {
        match codec {
            Codec::G722 => self.bands.encode_g722(frame, room),
            Codec::Pcmu => self.bands.encode_g711(Law::Mu, frame, room),
            Codec::Pcma => self.bands.encode_g711(Law::A, frame, room),
            Codec::Opus => match &mut self.encoder {
                Some(encoder) => encoder.encode(frame, room),
                None => copy(self.silence.as_ref()?.packet(), room),
            },
        }
    }

    pub fn relieve(&mut self, relief: Relief) {
        self.relief = relief;
        if let Some(encoder) = &mut self.encoder {
            encoder.relieve(relief);
        }
    }

    pub fn levels(&self) -> (Option<u64>, Option<u64>) {
        let encoder = self.encoder.as_ref();
        encoder.map(opus::Encoder::levels).unwrap_or_default()
    }

    pub fn expect_loss(&mut self, fraction: f32) {
        if let Some(encoder) = &mut self.encoder {
            encoder.expect_loss(fraction);
        }
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

/// How much sound a payload holds. `None`: it is none, or more than 120 ms.
pub fn length(codec: Codec, payload: &[u8]) -> Option<Ticks> {
    match codec {
        Codec::Opus => opus::length(payload),
        Codec::G722 | Codec::Pcmu | Codec::Pcma => {
            let ticks = Ticks(u32::try_from(payload.len()).ok()?);
            (ticks > Ticks::ZERO && ticks <= opus::LONGEST).then_some(ticks)
        }
    }
}

pub fn copy(payload: &[u8], room: &mut [u8]) -> Option<usize> {
    room.get_mut(..payload.len())?.copy_from_slice(payload);
    Some(payload.len())
}
