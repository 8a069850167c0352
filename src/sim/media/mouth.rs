//! What a party says, frame by frame, as RTP packets; and its ways of saying it wrong.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use rtp::header::Header;
use rtp::packet::Packet;

use crate::entropy::Entropy;
use crate::sim::fault::{Fault, Faults};
use crate::sim::media::codec::{Codec, Encoder};
use crate::sim::media::dtmf::{self, Event};
use crate::sim::speech::Voice;

/// Before the first word: the far side's jitter buffer may settle.
pub const LEAD_IN: Duration = Duration::from_millis(300);
/// Between two repetitions of the speech.
const PAUSE: Duration = Duration::from_millis(1_000);
const DIGIT: Duration = Duration::from_millis(160);
const AFTER_DIGIT: Duration = Duration::from_millis(100);
/// When the faults of a moment strike.
const STRIKE: Duration = Duration::from_secs(3);
const STALL: Duration = Duration::from_secs(2);

/// What is in the packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    Voice(Voice),
    Silence,
    /// What was heard.
    Echo,
}

#[derive(Clone, Debug)]
pub struct Style {
    pub says: Says,
    /// Discontinuous transmission: Opus frames of two bytes or less are not sent.
    pub dtx: bool,
    pub ptime: Duration,
    pub ssrc: u32,
    pub faults: Faults,
}

/// How packets are to be written; changes when a call is re-negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    pub codec: Codec,
    pub pt: u8,
    /// Payload type and clock.
    pub telephone_event: Option<(u8, u32)>,
}

pub struct Mouth {
    style: Style,
    format: Format,
    encoder: Encoder,
    /// The whole text at the codec's rate, with lead-in and pause.
    text: Vec<i16>,
    /// Where in it we are, as time, so that it survives a change of codec.
    elapsed: Duration,
    echo: VecDeque<i16>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    digits: VecDeque<char>,
    playing: Option<Playing>,
    quiet_until: Duration,
    held_back: Option<Packet>,
    entropy: Entropy,
}

/// A digit under way.
struct Playing {
    code: u8,
    timestamp: u32,
    since: Duration,
}

impl Mouth {
    pub fn new(style: Style, format: Format, mut entropy: Entropy) -> Result<Self, opus::Error> {
        Ok(Self {
            text: text(&style, format.codec),
            encoder: Encoder::new(format.codec, style.dtx)?,
            elapsed: Duration::ZERO,
            echo: VecDeque::new(),
            sequence: entropy.u16(),
            timestamp: entropy.u32(),
            ssrc: style.ssrc,
            digits: VecDeque::new(),
            playing: None,
            quiet_until: Duration::ZERO,
            held_back: None,
            style,
            format,
            entropy,
        })
    }

    /// The call was re-negotiated.
    pub fn change(&mut self, format: Format) -> Result<(), opus::Error> {
        if format.codec != self.format.codec {
            self.encoder = Encoder::new(format.codec, self.style.dtx)?;
            self.text = text(&self.style, format.codec);
            self.echo.clear();
        }
        self.format = format;
        Ok(())
    }

    pub fn dial(&mut self, digits: &str) {
        self.digits.extend(digits.chars());
    }

    /// What was heard, for [`Says::Echo`]; at most two seconds are kept.
    pub fn echo(&mut self, samples: &[i16]) {
        if self.style.says == Says::Echo {
            self.echo.extend(samples);
            let limit = self.format.codec.samples(Duration::from_secs(2));
            let excess = self.echo.len().saturating_sub(limit);
            self.echo.drain(..excess);
        }
    }

    /// SSRC, timestamp of the next packet: for the sender report.
    pub fn position(&self) -> (u32, u32) {
        (self.ssrc, self.timestamp)
    }

    /// The packets of the next packet time.
    pub fn tick(&mut self) -> Vec<Packet> {
        self.strike();
        let mut packets = Vec::new();
        if self.playing.is_some() || self.may_dial() {
            self.digit(&mut packets);
            // Speech waits while a digit is played; time goes on.
        } else if let Some(packet) = self.speech() {
            packets.push(packet);
        }
        self.rest();
        self.mangle(packets)
    }

    /// Time goes on without a packet (on hold).
    pub fn rest(&mut self) {
        self.elapsed += self.style.ptime;
        let ticks = self.format.codec.ticks(self.style.ptime);
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    fn speech(&mut self) -> Option<Packet> {
        let samples = self.frame();
        let payload = self.encoder.encode(&samples);
        if self.style.dtx && payload.len() <= 2 {
            return None;
        }
        let first = self.elapsed.is_zero();
        Some(self.packet(self.format.pt, first, self.timestamp, payload))
    }

    fn frame(&mut self) -> Vec<i16> {
        let length = self.format.codec.samples(self.style.ptime);
        let has = |fault| self.style.faults.contains(&fault);
        if has(Fault::Noise) {
            return (0..length).map(|_| self.entropy.u16() as i16 / 4).collect();
        }
        let clipped = has(Fault::Clipped) && self.elapsed < LEAD_IN + Duration::from_secs(2);
        let half_lost = has(Fault::HalfLost) && self.elapsed.as_secs() % 2 == 1;
        let missing = clipped || half_lost || has(Fault::Mute);
        match self.style.says {
            Says::Echo => {
                let ready = length.min(self.echo.len());
                let mut frame: Vec<i16> = self.echo.drain(..ready).collect();
                frame.resize(length, 0);
                frame
            }
            Says::Voice(_) if !missing => {
                let start = self.format.codec.samples(self.elapsed);
                let text = self.text.iter().cycle();
                text.skip(start % self.text.len())
                    .take(length)
                    .copied()
                    .collect()
            }
            Says::Voice(_) | Says::Silence => vec![0; length],
        }
    }

    fn may_dial(&mut self) -> bool {
        if self.elapsed < self.quiet_until || self.format.telephone_event.is_none() {
            return false;
        }
        let Some(code) = self.digits.pop_front().and_then(dtmf::code) else {
            return false;
        };
        self.playing = Some(Playing {
            code,
            timestamp: self.timestamp,
            since: self.elapsed,
        });
        true
    }

    /// The next packet of the running digit; three when it ends. The timestamp stays where the digit began, on the audio's
    /// clock; the duration counts on the event's clock.
    fn digit(&mut self, packets: &mut Vec<Packet>) {
        let (Some(playing), Some((pt, clock))) = (&self.playing, self.format.telephone_event)
        else {
            return;
        };
        let time = self.elapsed - playing.since + self.style.ptime;
        let (code, timestamp) = (playing.code, playing.timestamp);
        let (first, end) = (time == self.style.ptime, time >= DIGIT);
        let duration = (u64::from(clock) * time.as_millis() as u64 / 1000) as u16;
        let event = Event {
            code,
            end,
            duration,
        };
        for _ in 0..if end { 3 } else { 1 } {
            packets.push(self.packet(pt, first, timestamp, event.write().to_vec()));
        }
        if end {
            self.playing = None;
            self.quiet_until = self.elapsed + AFTER_DIGIT;
        }
    }

    fn packet(&mut self, pt: u8, marker: bool, timestamp: u32, payload: Vec<u8>) -> Packet {
        self.sequence = self.sequence.wrapping_add(1);
        Packet {
            header: Header {
                version: 2,
                marker,
                payload_type: pt,
                sequence_number: self.sequence,
                timestamp,
                ssrc: self.ssrc,
                ..Header::default()
            },
            payload: Bytes::from(payload),
        }
    }

    /// Faults that happen once.
    fn strike(&mut self) {
        if self.elapsed < STRIKE || self.elapsed >= STRIKE + self.style.ptime {
            return;
        }
        if self.style.faults.contains(&Fault::SsrcChange) {
            self.ssrc = self.ssrc.wrapping_add(0x0101_0101);
            self.sequence = self.entropy.u16();
        }
        if self.style.faults.contains(&Fault::TimestampJump) {
            let jump = self.format.codec.ticks(Duration::from_secs(600));
            self.timestamp = self.timestamp.wrapping_add(jump);
        }
    }

    /// Faults of the network.
    fn mangle(&mut self, packets: Vec<Packet>) -> Vec<Packet> {
        let mut sent = Vec::with_capacity(packets.len() + 1);
        for packet in packets {
            let number = packet.header.sequence_number;
            if self.is_dropped() {
                continue;
            }
            if self.style.faults.contains(&Fault::Reorder) && number.is_multiple_of(20) {
                self.held_back = Some(packet);
                continue;
            }
            if self.style.faults.contains(&Fault::Duplicate) && number.is_multiple_of(10) {
                sent.push(packet.clone());
            }
            sent.push(packet);
            sent.extend(self.held_back.take());
        }
        sent
    }

    fn is_dropped(&mut self) -> bool {
        let has = |fault| self.style.faults.contains(&fault);
        let stalled = self.elapsed > STRIKE && self.elapsed <= STRIKE + STALL;
        let percent = match () {
            () if has(Fault::Silent) || (has(Fault::Stall) && stalled) => 100,
            () if has(Fault::HeavyLoss) => 30,
            () if has(Fault::LightLoss) => 2,
            () => 0,
        };
        percent > 0 && self.entropy.below(100) < percent
    }
}

/// Lead-in, speech, pause.
fn text(style: &Style, codec: Codec) -> Vec<i16> {
    let Says::Voice(voice) = style.says else {
        return vec![0; 1];
    };
    let swapped = style.faults.contains(&Fault::Swapped);
    let voice = if swapped { voice.other() } else { voice };
    let mut text = vec![0; codec.samples(LEAD_IN)];
    text.extend(voice.samples_at(codec.rate()).iter());
    text.resize(text.len() + codec.samples(PAUSE), 0);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mouth(codec: Codec, faults: Faults) -> Mouth {
        let style = Style {
            says: Says::Voice(Voice::User),
            dtx: false,
            ptime: Duration::from_millis(20),
            ssrc: 7,
            faults,
        };
        let format = Format {
            codec,
            pt: 111,
            telephone_event: Some((126, 8000)),
        };
        Mouth::new(style, format, Entropy::from_seed([1; 32])).unwrap()
    }

    #[test]
    fn a_digit_keeps_the_audio_timestamp_and_counts_in_its_own_clock() {
        let mut mouth = mouth(Codec::Opus, Faults::new());
        let before = mouth.tick().remove(0).header;
        mouth.dial("5");
        let digit: Vec<Packet> = (0..8).flat_map(|_| mouth.tick()).collect();
        let after = mouth.tick().remove(0).header;
        assert_eq!(digit.len(), 10, "seven and three end packets");
        let start = before.timestamp.wrapping_add(960);
        assert!(digit.iter().all(|one| one.header.timestamp == start));
        assert!(digit[0].header.marker && !digit[1].header.marker);
        let last = Event::read(&digit[9].payload).unwrap();
        assert_eq!((last.code, last.end, last.duration), (5, true, 1280));
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(9 * 960));
        assert_eq!(
            after.sequence_number,
            before.sequence_number.wrapping_add(11)
        );
    }

    #[test]
    fn rest_takes_time_but_no_sequence_numbers() {
        let mut mouth = mouth(Codec::Pcmu, Faults::new());
        let before = mouth.tick().remove(0).header;
        mouth.rest();
        let after = mouth.tick().remove(0).header;
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(320));
        assert_eq!(
            after.sequence_number,
            before.sequence_number.wrapping_add(1)
        );
    }

    #[test]
    fn a_silent_mouth_sends_nothing() {
        let mut mouth = mouth(Codec::Pcmu, Faults::from([Fault::Silent]));
        assert!((0..100).all(|_| mouth.tick().is_empty()));
    }
}
