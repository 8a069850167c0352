//! Opus (RFC 6716, RFC 7587) by libopus, always mono and at the rate of the direction on our side, whatever was sent: so
//! there is no resampler. And what can be told of an Opus packet without decoding it.

use crate::media::bridge::Habits;
use crate::media::rate::Rate;
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
    /// Percent, as libopus was told.
    expected_loss: u8,
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
            encoder.set_max_bandwidth(bandwidth(rate, limits))
        };
        speech().map_err(|_| NoCodec)?;
        let mut this = Self {
            encoder,
            expected_loss: 0,
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
            encoder.set_complexity(habits.opus_complexity.min(10).into())?;
            encoder.set_inband_fec(fec)
        };
        keep().map_err(|_| NoCodec)
    }

    /// One frame of 20 ms.
    pub fn encode(&mut self, frame: &[i16], packet: &mut [u8]) -> Option<usize> {
        let room = packet.len().min(MAX_FRAME_BYTES);
        self.encoder.encode(frame, packet.get_mut(..room)?).ok()
    }

    /// The peer's RTCP tells how much it loses. Redundancy costs quality on a clean line, so libopus spends bits on it
    /// only for a loss it was told of.
    pub fn expect_loss(&mut self, fraction: f32) {
        let percent = (fraction.clamp(0.0, 0.3) * 100.0).round() as u8;
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
pub struct Silence {
    packet: [u8; 64],
    len: usize,
}

impl Silence {
    pub fn new(habits: &Habits, limits: &OpusLimits) -> Result<Self, NoCodec> {
        let mut encoder = Encoder::new(Rate::Narrow, habits, limits)?;
        let mut packet = [0; 64];
        let mut len = 0;
        // The first frames of a codec state describe a start; the later ones nothing but silence.
        for _ in 0..5 {
            len = encoder.encode(&[0; 160], &mut packet).ok_or(NoCodec)?;
        }
        Ok(Self { packet, len })
    }

    pub fn packet(&self) -> &[u8] {
        self.packet.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            gain_from: Decibels(0),
            gain_to: Decibels(0),
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
