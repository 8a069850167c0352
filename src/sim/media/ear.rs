//! What a party hears: recorded, and looked at packet by packet.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rtp::packet::Packet;
use webrtc_srtp::context::Context;
use webrtc_util::marshal::Unmarshal;

use crate::sim::media::codec::{Codec, Decoder};
use crate::sim::media::crypto::Key;
use crate::sim::media::dtmf::{self, Event};
use crate::sim::media::link::Facts;
use crate::sim::score::resample::resample;
use crate::sim::wav::Audio;

/// Longest pause of a sender that is filled with silence in the recording.
const LONGEST_FILL: Duration = Duration::from_secs(60);

/// All that can be said of one received stream.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub audio: Audio,
    pub packets: u64,
    pub payload_octets: u64,
    /// From sequence numbers.
    pub lost: u64,
    /// Behind an earlier packet, or twice.
    pub late: u64,
    pub sequence_jumps: u64,
    /// Timestamp steps that are not the packet time.
    pub irregular_steps: u64,
    pub packet_times: BTreeSet<u32>,
    pub ssrcs: BTreeSet<u32>,
    pub codecs: BTreeSet<Codec>,
    pub unknown_payload_types: u64,
    pub undecodable: u64,
    pub unauthentic: u64,
    pub wrong_source: u64,
    /// The first packet, if it came before the far side had answered.
    pub early: Option<Instant>,
    pub rtcp: u64,
    /// A sender report named another SSRC than the stream's.
    pub rtcp_of_strangers: u64,
    /// Of our packets, as the far side says (RFC 3550 §6.4.1), in 1/256.
    pub worst_reported_loss: u8,
    pub first: Option<Instant>,
    /// The first packet that was louder than silence.
    pub first_sound: Option<Instant>,
    pub last: Option<Instant>,
    pub longest_gap: Duration,
    pub digits: Vec<(char, Duration)>,
    /// The latest that a packet of our own left: this machine had no time for us.
    pub held_up: Duration,
    /// Where media came by ICE and DTLS.
    pub link: Option<Facts>,
}

impl Heard {
    /// Bits a second of payload over the time heard.
    pub fn bitrate(&self) -> f64 {
        let time = match (self.first, self.last) {
            (Some(first), Some(last)) => (last - first).as_secs_f64(),
            _ => 0.0,
        };
        self.payload_octets as f64 * 8.0 / time.max(0.02)
    }

    /// What a stream in order has nothing of, in words.
    pub fn oddities(&self) -> Vec<String> {
        let further_ssrcs = (self.ssrcs.len() as u64).saturating_sub(1);
        let counts = [
            (further_ssrcs, "further SSRCs"),
            (self.lost, "packets lost"),
            (self.late, "packets late or twice"),
            (self.sequence_jumps, "jumps of sequence"),
            (self.unknown_payload_types, "unknown payload types"),
            (self.undecodable, "undecodable packets"),
            (self.unauthentic, "packets failed authentication"),
            (
                self.wrong_source,
                "packets from another address than the SDP's",
            ),
        ];
        let odd = counts.into_iter().filter(|(count, _)| *count > 0);
        odd.map(|(count, what)| format!("{count} {what}")).collect()
    }

    pub fn digits(&self) -> String {
        self.digits.iter().map(|(digit, _)| digit).collect()
    }

    /// Puts what was heard `before`, at another port, in front.
    pub fn follow(&mut self, before: Self) {
        if before.packets == 0 {
            return;
        }
        let after = std::mem::replace(self, before);
        if self.audio.rate == 0 {
            self.audio = after.audio;
        } else {
            let audio = resample(&after.audio.samples, after.audio.rate, self.audio.rate);
            self.audio.samples.extend(audio);
        }
        self.packets += after.packets;
        self.payload_octets += after.payload_octets;
        self.lost += after.lost;
        self.late += after.late;
        self.sequence_jumps += after.sequence_jumps;
        self.irregular_steps += after.irregular_steps;
        self.packet_times.extend(after.packet_times);
        self.ssrcs.extend(after.ssrcs);
        self.codecs.extend(after.codecs);
        self.unknown_payload_types += after.unknown_payload_types;
        self.undecodable += after.undecodable;
        self.unauthentic += after.unauthentic;
        self.wrong_source += after.wrong_source;
        self.rtcp += after.rtcp;
        self.rtcp_of_strangers += after.rtcp_of_strangers;
        self.worst_reported_loss = self.worst_reported_loss.max(after.worst_reported_loss);
        self.first_sound = self.first_sound.or(after.first_sound);
        self.last = after.last;
        self.longest_gap = self.longest_gap.max(after.longest_gap);
        self.digits.extend(after.digits);
        self.held_up = self.held_up.max(after.held_up);
    }
}

/// What may arrive.
#[derive(Clone, Debug)]
pub struct Expected {
    pub payloads: Vec<(u8, Codec)>,
    pub telephone_event: Option<(u8, u32)>,
    pub key: Option<Key>,
}

pub struct Ear {
    expected: Expected,
    srtp: Option<Context>,
    decoder: Option<Decoder>,
    /// Sequence and timestamp of the newest audio packet, and its ticks.
    newest: Option<Newest>,
    /// Timestamp of the last digit that was taken.
    last_digit: Option<u32>,
    heard: Heard,
}

#[derive(Clone, Copy)]
struct Newest {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    ticks: u32,
    audio: bool,
}

impl Ear {
    pub fn new(expected: Expected) -> Result<Self, webrtc_srtp::Error> {
        Ok(Self {
            srtp: expected.key.as_ref().map(Key::context).transpose()?,
            decoder: None,
            newest: None,
            last_digit: None,
            heard: Heard::default(),
            expected,
        })
    }

    /// The call was re-negotiated. An unchanged key keeps its state.
    pub fn change(&mut self, expected: Expected) -> Result<(), webrtc_srtp::Error> {
        if expected.key != self.expected.key {
            self.srtp = expected.key.as_ref().map(Key::context).transpose()?;
        }
        self.expected = expected;
        Ok(())
    }

    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    pub fn into_heard(self) -> Heard {
        self.heard
    }

    /// `Some` when the packet was ours and whole: what it sounded like (empty for a digit).
    pub fn rtp(&mut self, now: Instant, datagram: &[u8]) -> Option<Vec<i16>> {
        let clear = self.decrypt(datagram)?;
        let Ok(packet) = Packet::unmarshal(&mut clear.as_slice()) else {
            self.heard.undecodable += 1;
            return None;
        };
        self.count(now, &packet);
        match self.expected.telephone_event {
            Some((pt, clock)) if pt == packet.header.payload_type => {
                self.follow(&packet, 0, false);
                self.digit(&packet, clock);
                Some(Vec::new())
            }
            _ => self.audio(now, &packet),
        }
    }

    fn decrypt(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let Some(srtp) = &mut self.srtp else {
            return Some(datagram.to_vec());
        };
        match srtp.decrypt_rtp(datagram) {
            Ok(clear) => Some(clear.to_vec()),
            Err(_) => {
                self.heard.unauthentic += 1;
                None
            }
        }
    }

    fn count(&mut self, now: Instant, packet: &Packet) {
        let heard = &mut self.heard;
        heard.packets += 1;
        heard.payload_octets += packet.payload.len() as u64;
        heard.ssrcs.insert(packet.header.ssrc);
        heard.first.get_or_insert(now);
        if let Some(last) = heard.last {
            heard.longest_gap = heard.longest_gap.max(now - last);
        }
        heard.last = Some(now);
    }

    fn audio(&mut self, now: Instant, packet: &Packet) -> Option<Vec<i16>> {
        let pt = packet.header.payload_type;
        let known = self.expected.payloads.iter().find(|(one, _)| *one == pt);
        let Some(&(_, codec)) = known else {
            self.heard.unknown_payload_types += 1;
            return None;
        };
        let samples = self.decode(codec, &packet.payload)?;
        let ticks = samples.len() as u32 * (codec.clock() / codec.rate());
        let missing = self.follow(packet, ticks, true)?;
        self.heard.codecs.insert(codec);
        self.heard.packet_times.insert(ticks * 1000 / codec.clock());
        self.fill(codec, missing);
        self.record(codec, &samples);
        if samples.iter().any(|sample| sample.unsigned_abs() > 400) {
            self.heard.first_sound.get_or_insert(now);
        }
        Some(samples)
    }

    fn decode(&mut self, codec: Codec, payload: &[u8]) -> Option<Vec<i16>> {
        if self.decoder.as_ref().map(Decoder::codec) != Some(codec) {
            self.decoder = Decoder::new(codec).ok();
        }
        let samples = self.decoder.as_mut()?.decode(payload);
        if samples.is_none() {
            self.heard.undecodable += 1;
        }
        samples
    }

    /// Compares with the newest packet. `Some` is how many ticks are missing in between; `None` that the packet is late.
    fn follow(&mut self, packet: &Packet, ticks: u32, audio: bool) -> Option<u32> {
        let header = &packet.header;
        let next = Newest {
            ssrc: header.ssrc,
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            ticks,
            audio,
        };
        let Some(newest) = self.newest.filter(|newest| newest.ssrc == next.ssrc) else {
            self.newest = Some(next);
            return Some(0);
        };
        let advance = next.sequence.wrapping_sub(newest.sequence) as i16;
        if advance <= 0 {
            self.heard.late += 1;
            return None;
        }
        match advance {
            1 => {}
            2..=500 => self.heard.lost += advance as u64 - 1,
            _ => self.heard.sequence_jumps += 1,
        }
        self.newest = Some(next);
        let step = next.timestamp.wrapping_sub(newest.timestamp);
        if audio && newest.audio && step != newest.ticks * advance as u32 {
            self.heard.irregular_steps += 1;
        }
        Some(step.saturating_sub(newest.ticks))
    }

    fn fill(&mut self, codec: Codec, missing: u32) {
        let time = Duration::from_millis(u64::from(missing) * 1000 / u64::from(codec.clock()));
        if time.is_zero() || time > LONGEST_FILL {
            return;
        }
        let samples = codec.samples(time);
        let concealed = codec.samples(Duration::from_millis(60)).min(samples);
        let mut made_up = match &mut self.decoder {
            Some(decoder) => decoder.conceal(concealed),
            None => Vec::new(),
        };
        made_up.resize(samples, 0);
        self.record(codec, &made_up);
    }

    /// The recording keeps the rate of the first codec.
    fn record(&mut self, codec: Codec, samples: &[i16]) {
        let audio = &mut self.heard.audio;
        if audio.rate == 0 {
            audio.rate = codec.rate();
        }
        match audio.rate == codec.rate() {
            true => audio.samples.extend_from_slice(samples),
            false => {
                let fitted = resample(samples, codec.rate(), audio.rate);
                audio.samples.extend_from_slice(&fitted);
            }
        }
    }

    fn digit(&mut self, packet: &Packet, clock: u32) {
        let Some(event) = Event::read(&packet.payload) else {
            self.heard.undecodable += 1;
            return;
        };
        let timestamp = packet.header.timestamp;
        if event.end && self.last_digit != Some(timestamp) {
            self.last_digit = Some(timestamp);
            if let Some(digit) = dtmf::digit(event.code) {
                self.heard.digits.push((digit, event.time(clock)));
            }
        }
    }

    pub fn rtcp(&mut self, datagram: &[u8]) -> bool {
        let clear = match &mut self.srtp {
            Some(srtp) => srtp.decrypt_rtcp(datagram).map(|clear| clear.to_vec()),
            None => Ok(datagram.to_vec()),
        };
        let Ok(clear) = clear else {
            self.heard.unauthentic += 1;
            return false;
        };
        let Ok(packets) = rtcp::packet::unmarshal(&mut clear.as_slice()) else {
            self.heard.undecodable += 1;
            return false;
        };
        self.heard.rtcp += 1;
        for packet in packets {
            self.report(packet.as_any());
        }
        true
    }

    fn report(&mut self, packet: &(dyn std::any::Any + Send + Sync)) {
        use rtcp::receiver_report::ReceiverReport;
        use rtcp::sender_report::SenderReport;
        let (ssrc, reports) = if let Some(sender) = packet.downcast_ref::<SenderReport>() {
            (sender.ssrc, &sender.reports)
        } else if let Some(receiver) = packet.downcast_ref::<ReceiverReport>() {
            (receiver.ssrc, &receiver.reports)
        } else {
            return;
        };
        if !self.heard.ssrcs.is_empty() && !self.heard.ssrcs.contains(&ssrc) {
            self.heard.rtcp_of_strangers += 1;
        }
        for report in reports {
            let worst = &mut self.heard.worst_reported_loss;
            *worst = (*worst).max(report.fraction_lost);
        }
    }

    pub fn note_wrong_source(&mut self) {
        self.heard.wrong_source += 1;
    }
}

/// RTP and RTCP on one port (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [_, 192..=223, ..])
}
