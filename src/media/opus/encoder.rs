//! From frames of sound to packets: with as much effort as the sound is worth, within what the peer takes.

use crate::media::activity::{Activity, Detector};
use crate::media::bridge::{Dtx, Habits};
use crate::media::opus::silence::Packet;
use crate::media::opus::{MAX_FRAME_BYTES, NoCodec};
use crate::media::rate::Rate;
use crate::media::redundancy::Redundancy;
use crate::sdp::OpusLimits;

/// RFC 7587 §6.1: lowest bitrate worth asking for.
const LEAST_BITRATE: u32 = 6_000;
/// Of what is no speech: the least that libopus knows.
pub(super) const QUIET_COMPLEXITY: u8 = 0;
pub(super) const RELIEVED_COMPLEXITY: u8 = 1;
/// In-band FEC does nothing below.
pub(super) const FEC_COMPLEXITY: u8 = 2;
/// Frames of silence after which its packets are all the same: half a second.
const SETTLED: u32 = 25;
/// With DTX, a packet so often (RFC 6716 §2.1.9): every 400 ms.
const COMFORT: u32 = 20;

pub struct Encoder {
    encoder: ::opus::Encoder,
    redundancy: Redundancy,
    /// Percent, as libopus was told.
    expected_loss: u8,
    detector: Detector,
    /// Of speech, as the profile says.
    complexity: u8,
    relief: Relief,
    /// As libopus was told.
    pub(super) effort: u8,
    dtx: bool,
    silence: Packet<64>,
    /// Frames since the last packet, while there is nothing to tell.
    paused: u32,
}

/// How much of its quality an encoder gives up, so that a busy machine carries every call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Relief {
    #[default]
    None,
    /// Complexity 1: a third of the work of 8, and by PESQ a tenth of a point.
    Full,
}

impl Encoder {
    /// Within what the peer said of itself (RFC 7587 §6.1) and what the profile allows.
    pub fn new(rate: Rate, habits: &Habits, limits: &OpusLimits) -> Result<Self, NoCodec> {
        let mut encoder = ::opus::Encoder::new(
            rate.hertz(),
            ::opus::Channels::Mono,
            ::opus::Application::Voip,
        )
        .map_err(|_| NoCodec)?;
        let mut speech = || -> ::opus::Result<()> {
            encoder.set_signal(::opus::Signal::Voice)?;
            encoder.set_complexity(habits.opus_complexity.min(10).into())?;
            encoder.set_max_bandwidth(bandwidth(rate, limits))
        };
        speech().map_err(|_| NoCodec)?;
        let mut this = Self {
            encoder,
            redundancy: Redundancy::None,
            expected_loss: 0,
            detector: Detector::new(),
            complexity: 0,
            relief: Relief::None,
            effort: habits.opus_complexity.min(10),
            dtx: false,
            silence: Packet::new(),
            paused: 0,
        };
        this.keep_to(habits, limits)?;
        Ok(this)
    }

    /// The peer may say something else in a later description.
    pub fn keep_to(&mut self, habits: &Habits, limits: &OpusLimits) -> Result<(), NoCodec> {
        let bitrate = ::opus::Bitrate::Bits(bitrate(habits, limits));
        let fec = habits.opus_fec && limits.in_band_fec;
        let encoder = &mut self.encoder;
        let mut keep = || -> ::opus::Result<()> {
            encoder.set_bitrate(bitrate)?;
            encoder.set_inband_fec(fec)
        };
        keep().map_err(|_| NoCodec)?;
        self.complexity = habits.opus_complexity.min(10);
        self.dtx = match habits.opus_dtx {
            Dtx::Never => false,
            Dtx::IfAsked => limits.dtx,
            Dtx::Always => true,
        };
        self.silence = Packet::new();
        Ok(())
    }

    pub fn relieve(&mut self, relief: Relief) {
        self.relief = relief;
    }

    /// One frame of 20 ms. `None`: nothing is to be sent for it.
    pub fn encode(&mut self, frame: &[i16], packet: &mut [u8]) -> Option<usize> {
        let activity = self.detector.judge(frame);
        if self.pauses(activity) {
            return None;
        }
        match activity {
            Activity::Silence { frames } if frames > SETTLED => self.encode_silence(frame, packet),
            Activity::Silence { .. } | Activity::Noise | Activity::Speech => {
                self.encode_sound(activity, frame, packet)
            }
        }
    }

    /// Silence is encoded once, then repeated: the receiver's decoder is in the state that it leaves.
    fn encode_silence(&mut self, frame: &[i16], packet: &mut [u8]) -> Option<usize> {
        if let Some(known) = self.silence.get() {
            packet.get_mut(..known.len())?.copy_from_slice(known);
            return Some(known.len());
        }
        let len = self.encode_sound(Activity::Noise, frame, packet)?;
        self.silence.set(packet.get(..len)?);
        Some(len)
    }

    pub(super) fn encode_sound(
        &mut self,
        activity: Activity,
        frame: &[i16],
        packet: &mut [u8],
    ) -> Option<usize> {
        self.work_at(self.effort_for(activity));
        let room = packet.len().min(MAX_FRAME_BYTES);
        self.encoder.encode(frame, packet.get_mut(..room)?).ok()
    }

    /// With DTX a quiet room is told of now and then.
    fn pauses(&mut self, activity: Activity) -> bool {
        let quiet = match activity {
            Activity::Speech => false,
            Activity::Noise | Activity::Silence { .. } => self.dtx,
        };
        self.paused = match quiet && self.paused < COMFORT {
            true => self.paused + 1,
            false => 0,
        };
        self.paused > 0
    }

    fn effort_for(&self, activity: Activity) -> u8 {
        let wanted = match (activity, self.relief) {
            (Activity::Noise | Activity::Silence { .. }, _) => QUIET_COMPLEXITY,
            (Activity::Speech, Relief::Full) => RELIEVED_COMPLEXITY,
            (Activity::Speech, Relief::None) => self.complexity,
        };
        let least = match self.expected_loss {
            0 => 0,
            _ => FEC_COMPLEXITY,
        };
        wanted.max(least).min(self.complexity)
    }

    fn work_at(&mut self, effort: u8) {
        if effort != self.effort && self.encoder.set_complexity(effort.into()).is_ok() {
            self.effort = effort;
        }
    }

    /// Mean squares of speech and of the room behind it.
    pub fn levels(&self) -> (Option<u64>, Option<u64>) {
        self.detector.levels()
    }

    /// The peer's RTCP tells how much it loses. libopus spends bits on redundancy only for a loss it was told of.
    pub fn expect_loss(&mut self, fraction: f32) {
        self.redundancy.handle_report(fraction);
        let percent = self.redundancy.percent();
        if percent != self.expected_loss
            && self.encoder.set_packet_loss_perc(percent.into()).is_ok()
        {
            self.expected_loss = percent;
        }
    }
}

/// What is sent beyond `maxplaybackrate` the peer could not play (RFC 7587 §6.1).
fn bandwidth(rate: Rate, limits: &OpusLimits) -> ::opus::Bandwidth {
    let plays_wide = limits.max_playback_rate.is_none_or(|hertz| hertz >= 16_000);
    match rate {
        Rate::Wide if plays_wide => ::opus::Bandwidth::Wideband,
        Rate::Wide | Rate::Narrow => ::opus::Bandwidth::Narrowband,
    }
}

pub(super) fn bitrate(habits: &Habits, limits: &OpusLimits) -> i32 {
    let allowed = limits.max_average_bitrate.unwrap_or(u32::MAX);
    let wanted = habits.opus_bitrate.min(allowed).max(LEAST_BITRATE);
    i32::try_from(wanted).unwrap_or(i32::MAX)
}
