//! Opus (RFC 6716, RFC 7587) by libopus, always mono and at the rate of the direction on our side, whatever was sent: so
//! there is no resampler. And what can be told of an Opus packet without decoding it.

use crate::media::activity::{Activity, Detector};
use crate::media::bridge::{Dtx, Habits};
use crate::media::rate::Rate;
use crate::media::redundancy::Redundancy;
use crate::media::ticks::Ticks;
use crate::sdp::OpusLimits;

/// Longest Opus packet: 120 ms.
pub const LONGEST: Ticks = Ticks(960);
/// What a frame of 20 ms may take: far above any bitrate of speech, far below a datagram.
const MAX_FRAME_BYTES: usize = 400;
/// RFC 7587 §6.1: lowest bitrate worth asking for.
const LEAST_BITRATE: u32 = 6_000;

/// libopus could not make a codec: it has no memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("libopus cannot make a codec")]
pub struct NoCodec;

pub struct Decoder(::opus::Decoder);

impl Decoder {
    pub fn new(rate: Rate) -> Result<Self, NoCodec> {
        ::opus::Decoder::new(rate.hertz(), ::opus::Channels::Mono)
            .map(Self)
            .map_err(|_| NoCodec)
    }

    /// Decodes a packet; `samples` holds `LONGEST`. Returns how many samples it gave.
    pub fn decode(&mut self, packet: &[u8], samples: &mut [i16]) -> Option<usize> {
        self.0.decode(packet, samples, false).ok()
    }

    /// What was lost before `next`, as far as `next` carries it (in-band FEC); the rest is concealed. A multiple of
    /// 2.5 ms.
    pub fn recover(&mut self, next: &[u8], samples: &mut [i16]) -> bool {
        self.0.decode(next, samples, true).is_ok()
    }

    /// Makes up what was lost. A multiple of 2.5 ms.
    pub fn conceal(&mut self, samples: &mut [i16]) -> bool {
        self.0.decode(&[], samples, false).is_ok()
    }
}

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
    effort: u8,
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

/// Of what is no speech: the least that libopus knows.
const QUIET_COMPLEXITY: u8 = 0;
const RELIEVED_COMPLEXITY: u8 = 1;
/// In-band FEC does nothing below.
const FEC_COMPLEXITY: u8 = 2;
/// Frames of silence after which its packets are all the same: half a second.
const SETTLED: u32 = 25;
/// With DTX, a packet so often (RFC 6716 §2.1.9): every 400 ms.
const COMFORT: u32 = 20;

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

    fn encode_sound(
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

/// A short packet that is kept.
struct Packet<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Packet<N> {
    fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    fn get(&self) -> Option<&[u8]> {
        self.bytes.get(..self.len).filter(|bytes| !bytes.is_empty())
    }

    /// Unless it is too long.
    fn set(&mut self, packet: &[u8]) {
        if let Some(room) = self.bytes.get_mut(..packet.len()) {
            room.copy_from_slice(packet);
            self.len = packet.len();
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

fn bitrate(habits: &Habits, limits: &OpusLimits) -> i32 {
    let allowed = limits.max_average_bitrate.unwrap_or(u32::MAX);
    let wanted = habits.opus_bitrate.min(allowed).max(LEAST_BITRATE);
    i32::try_from(wanted).unwrap_or(i32::MAX)
}

/// How much sound a packet holds (RFC 6716 §3.1, §3.2). `None`: it is no Opus packet.
pub fn length(packet: &[u8]) -> Option<Ticks> {
    if packet.is_empty() {
        return None;
    }
    let samples = ::opus::packet::get_nb_samples(packet, Ticks::RATE).ok()?;
    let ticks = Ticks(u32::try_from(samples).ok()?);
    (ticks > Ticks::ZERO && ticks <= LONGEST).then_some(ticks)
}

/// Whether a packet tells of the one before it (LBRR, RFC 6716 §4.2.4): after the voice activity bits of its frames, the
/// next bit of the first SILK frame. Packets of three or more frames are not looked into.
pub fn carries_fec(packet: &[u8]) -> bool {
    let Some((toc, rest)) = packet.split_first() else {
        return false;
    };
    let first = match (toc & 3, rest) {
        (0 | 1, [first, ..]) => first,
        (2, [0..=251, first, ..]) => first,
        (2, [252..=255, _, first, ..]) => first,
        _ => return false,
    };
    let activity_bits = match toc >> 3 {
        0..=11 => [1, 1, 2, 3][usize::from(toc >> 3 & 3)],
        12..=15 => 1,
        _ => return false,
    };
    first & 0x80 >> activity_bits != 0
}

/// Whether there may be more than silence in a packet: the voice activity bits of its SILK frames (RFC 6716 §4.2.3), which
/// stand before the one of [`carries_fec`]. What has no such bits may hold anything.
pub fn may_hold_voice(packet: &[u8]) -> bool {
    match packet {
        // DTX.
        [] | [_] | [_, _] => false,
        [toc, first, ..] if toc & 3 == 0 => match toc >> 3 {
            0..=11 => {
                let activity_bits = [1, 1, 2, 3][usize::from(toc >> 3 & 3)];
                first >> (8 - activity_bits) != 0
            }
            12..=15 => first & 0x80 != 0,
            _ => true,
        },
        [..] => true,
    }
}

/// A frame of silence, for a stream that is passed through and so has no encoder.
pub struct Silence(Packet<64>);

impl Silence {
    pub fn new(habits: &Habits, limits: &OpusLimits) -> Result<Self, NoCodec> {
        let mut encoder = Encoder::new(Rate::Narrow, habits, limits)?;
        let mut packet = [0; MAX_FRAME_BYTES];
        let mut silence = Packet::new();
        // The first frames of a codec state describe a start; the later ones nothing but silence.
        for _ in 0..5 {
            let len = encoder
                .encode_sound(Activity::Noise, &[0; 160], &mut packet)
                .ok_or(NoCodec)?;
            silence.set(packet.get(..len).unwrap_or_default());
        }
        Ok(Self(silence))
    }

    pub fn packet(&self) -> &[u8] {
        self.0.get().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::bridge::Digits;
    use crate::media::gain::Decibels;
    use std::time::Duration;

    fn habits() -> Habits {
        Habits {
            keep_fed: true,
            latch: true,
            media_timeout: Duration::ZERO,
            opus_bitrate: 20_000,
            opus_complexity: 5,
            opus_fec: true,
            early_audio: Duration::from_secs(1),
            gain_from: Decibels(0),
            gain_to: Decibels(0),
            opus_dtx: Dtx::IfAsked,
            digits: Digits::Events,
        }
    }

    fn whatsapp() -> OpusLimits {
        OpusLimits {
            max_average_bitrate: Some(20_000),
            max_playback_rate: Some(16_000),
            in_band_fec: true,
            dtx: false,
        }
    }

    fn voice(n: usize) -> Vec<i16> {
        (n * 160..(n + 1) * 160)
            .map(|t| {
                let t = t as f64 / 8000.0;
                let pitch = (t * 140.0 * std::f64::consts::TAU).sin();
                let formant = (t * 900.0 * std::f64::consts::TAU).sin();
                ((pitch + 0.5 * formant) * 6000.0 * (1.0 + (t * 12.0).sin())) as i16
            })
            .collect()
    }

    fn loudness(samples: &[i16]) -> f64 {
        let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
        (energy / samples.len() as f64).sqrt()
    }

    #[test]
    fn voice_survives_at_the_peers_bitrate() {
        let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
        let mut decoder = Decoder::new(Rate::Narrow).unwrap();
        let mut packet = [0; 1500];
        let mut samples = [0; 960];
        let (mut bytes, mut heard) = (0, 0.0);
        for n in 0..100 {
            let len = encoder.encode(&voice(n), &mut packet).unwrap();
            assert_eq!(length(&packet[..len]), Some(Ticks::FRAME));
            assert_eq!(decoder.decode(&packet[..len], &mut samples), Some(160));
            bytes += len;
            heard += loudness(&samples[..160]);
        }
        let bitrate = bytes * 8 / 2;
        assert!((10_000..24_000).contains(&bitrate), "{bitrate} bit/s");
        let spoken: f64 = (0..100).map(|n| loudness(&voice(n))).sum();
        assert!((0.7..1.3).contains(&(heard / spoken)), "{heard} {spoken}");
    }

    #[test]
    fn lost_frame_comes_back_with_the_next() {
        let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
        encoder.expect_loss(0.2);
        let packets: Vec<Vec<u8>> = (0..50)
            .map(|n| {
                let mut packet = [0; 400];
                let len = encoder.encode(&voice(n), &mut packet).unwrap();
                packet[..len].to_vec()
            })
            .collect();
        let mut decoder = Decoder::new(Rate::Narrow).unwrap();
        let mut samples = [0; 960];
        for packet in &packets[..40] {
            decoder.decode(packet, &mut samples).unwrap();
        }
        assert!(carries_fec(&packets[41]));
        let mut recovered = [0; 160];
        assert!(decoder.recover(&packets[41], &mut recovered));
        let ratio = loudness(&recovered) / loudness(&voice(40));
        assert!((0.4..1.6).contains(&ratio), "{ratio}");
    }

    #[test]
    fn peers_limit_and_habit_both_hold() {
        let limits = OpusLimits {
            max_average_bitrate: Some(12_000),
            ..whatsapp()
        };
        assert_eq!(bitrate(&habits(), &limits), 12_000);
        assert_eq!(bitrate(&habits(), &OpusLimits::default()), 20_000);
        let absurd = OpusLimits {
            max_average_bitrate: Some(0),
            ..whatsapp()
        };
        assert_eq!(bitrate(&habits(), &absurd), 6_000);
    }

    #[test]
    fn silence_is_short_and_silent() {
        let silence = Silence::new(&habits(), &whatsapp()).unwrap();
        assert_eq!(length(silence.packet()), Some(Ticks::FRAME));
        let mut samples = [1; 960];
        let decoded = Decoder::new(Rate::Narrow)
            .unwrap()
            .decode(silence.packet(), &mut samples);
        assert_eq!(decoded, Some(160));
        assert!(loudness(&samples[..160]) < 10.0);
    }

    /// As the bridge is asked to, at the pace of frames: what each came to, and what it sounds like.
    fn through(encoder: &mut Encoder, decoder: &mut Decoder, frame: &[i16]) -> (Vec<u8>, Vec<i16>) {
        let mut packet = [0; 400];
        let mut samples = [0; 960];
        let len = encoder.encode(frame, &mut packet).unwrap();
        let count = decoder.decode(&packet[..len], &mut samples).unwrap();
        (packet[..len].to_vec(), samples[..count].to_vec())
    }

    #[test]
    fn long_silence_is_one_packet_again_and_again_and_speech_after_it_is_whole() {
        let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
        let mut decoder = Decoder::new(Rate::Narrow).unwrap();
        for n in 0..50 {
            through(&mut encoder, &mut decoder, &voice(n));
        }
        let silence: Vec<_> = (0..500)
            .map(|_| through(&mut encoder, &mut decoder, &[0; 160]))
            .collect();
        let (last, _) = silence.last().unwrap();
        assert!(silence[100..].iter().all(|(packet, _)| packet == last));
        assert!(
            silence[100..]
                .iter()
                .all(|(_, heard)| loudness(heard) < 10.0)
        );
        let heard: f64 = (0..50)
            .map(|n| loudness(&through(&mut encoder, &mut decoder, &voice(n)).1))
            .sum();
        let spoken: f64 = (0..50).map(|n| loudness(&voice(n))).sum();
        assert!((0.8..1.2).contains(&(heard / spoken)), "{heard} {spoken}");
    }

    #[test]
    fn speech_is_worth_the_effort_and_a_room_is_not() {
        let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
        let mut decoder = Decoder::new(Rate::Narrow).unwrap();
        let room: Vec<i16> = (0..160).map(|n| (n * 7919 % 97 - 48) as i16).collect();
        for _ in 0..50 {
            through(&mut encoder, &mut decoder, &room);
        }
        assert_eq!(encoder.effort, QUIET_COMPLEXITY);
        through(&mut encoder, &mut decoder, &voice(0));
        assert_eq!(encoder.effort, 5);
        encoder.relieve(Relief::Full);
        through(&mut encoder, &mut decoder, &voice(1));
        assert_eq!(encoder.effort, RELIEVED_COMPLEXITY);
        encoder.expect_loss(0.1);
        through(&mut encoder, &mut decoder, &voice(2));
        assert_eq!(encoder.effort, FEC_COMPLEXITY);
    }

    #[test]
    fn with_dtx_a_room_is_told_of_now_and_then() {
        let asked = OpusLimits {
            dtx: true,
            ..whatsapp()
        };
        let mut encoder = Encoder::new(Rate::Narrow, &habits(), &asked).unwrap();
        let mut packet = [0; 400];
        for n in 0..50 {
            assert!(encoder.encode(&voice(n), &mut packet).is_some());
        }
        let sent = (0..500)
            .filter(|_| encoder.encode(&[0; 160], &mut packet).is_some())
            .count();
        assert!((35..=45).contains(&sent), "{sent}");
        assert!(encoder.encode(&voice(0), &mut packet).is_some());
    }

    #[test]
    fn clean_line_carries_no_fec() {
        let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
        let mut packet = [0; 400];
        for n in 0..50 {
            let len = encoder.encode(&voice(n), &mut packet).unwrap();
            assert!(!carries_fec(&packet[..len]));
        }
        assert!(!carries_fec(&[]));
    }

    #[test]
    fn voice_is_told_from_silence_without_decoding() {
        let mut encoder = Encoder::new(Rate::Narrow, &habits(), &whatsapp()).unwrap();
        let mut packet = [0; 400];
        let mut voices = |sound: &dyn Fn(usize) -> Vec<i16>| {
            let frames = (0..50).filter(|n| {
                let len = encoder.encode(&sound(*n), &mut packet).unwrap();
                *n >= 10 && may_hold_voice(&packet[..len])
            });
            frames.count()
        };
        assert!(voices(&voice) > 30);
        assert_eq!(voices(&|_| vec![0; 160]), 0);
        assert!(!may_hold_voice(&[0x08]));
    }

    #[test]
    fn noise_is_no_packet() {
        assert_eq!(length(&[]), None);
        assert_eq!(length(&[0xff, 0xff]), None);
    }
}
