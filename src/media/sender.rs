//! One stream as we send it: one SSRC, one row of sequence numbers, one row of timestamps for the whole call, whatever
//! the far side does (dossier 3.3: several SSRCs are undefined behaviour at WhatsApp).

use std::time::Instant;

use crate::entropy::Entropy;
use crate::media::rtp::{Header, RtpTime, SequenceNumber};
use crate::media::ticks::Ticks;
use crate::sdp::{PayloadType, Ssrc};

pub struct Sender {
    ssrc: Ssrc,
    sequence: SequenceNumber,
    timestamp: RtpTime,
    /// Hz of the timestamps; another codec's clock goes on from where the last one stopped.
    clock: u32,
    marker: bool,
    packets: u64,
    octets: u64,
    /// When the last packet left, and its timestamp.
    last: Option<(Instant, RtpTime)>,
}

impl Sender {
    pub fn new(ssrc: Ssrc, entropy: &mut Entropy) -> Self {
        Self {
            ssrc,
            sequence: SequenceNumber::initial(entropy.u16()),
            timestamp: RtpTime(entropy.u32()),
            clock: Ticks::RATE,
            marker: true,
            packets: 0,
            octets: 0,
            last: None,
        }
    }

    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    pub fn packets(&self) -> u64 {
        self.packets
    }

    pub fn octets(&self) -> u64 {
        self.octets
    }

    pub fn clock(&self) -> u32 {
        self.clock
    }

    /// Of the next frame.
    pub fn timestamp(&self) -> RtpTime {
        self.timestamp
    }

    pub fn set_clock(&mut self, clock: u32) {
        if self.clock != clock {
            self.clock = clock;
            self.marker = true;
        }
    }

    /// Time passes without a packet: the next one begins a talkspurt (RFC 3551 §4.1).
    pub fn skip(&mut self, ticks: Ticks) {
        if ticks > Ticks::ZERO {
            self.pass(ticks);
            self.marker = true;
        }
    }

    /// A slot passes: used by an event, or by nothing.
    pub fn pass(&mut self, ticks: Ticks) {
        self.timestamp = self.timestamp.plus(ticks.to_clock(self.clock));
    }

    /// Packets of `length` that never came to us are missing from our row as well.
    pub fn lose(&mut self, lost: Ticks, length: Ticks) {
        self.pass(lost);
        let packets = lost.0.div_ceil(length.0.max(1));
        self.sequence = self
            .sequence
            .plus(u16::try_from(packets).unwrap_or(u16::MAX));
    }

    /// The header of the next packet of audio.
    pub fn audio_header(&self, payload_type: PayloadType) -> Header {
        self.header(payload_type, self.timestamp, self.marker)
    }

    pub fn event_header(
        &self,
        payload_type: PayloadType,
        timestamp: RtpTime,
        marker: bool,
    ) -> Header {
        self.header(payload_type, timestamp, marker)
    }

    /// The packet with `header` has left, or was lost on the way out: its number is used.
    pub fn sent(&mut self, now: Instant, header: &Header, octets: usize) {
        self.sequence = self.sequence.next();
        self.packets += 1;
        self.octets += octets as u64;
        self.last = Some((now, self.timestamp));
        if header.timestamp == self.timestamp {
            self.marker = false;
        }
    }

    /// The stream's time now, for an SR.
    pub fn timestamp_at(&self, now: Instant) -> Option<RtpTime> {
        let (left, timestamp) = self.last?;
        let passed = Ticks::in_duration(now.saturating_duration_since(left));
        Some(timestamp.plus(passed.to_clock(self.clock)))
    }

    fn header(&self, payload_type: PayloadType, timestamp: RtpTime, marker: bool) -> Header {
        Header {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PT: PayloadType = PayloadType(111);

    fn send(sender: &mut Sender, now: Instant) -> Header {
        let header = sender.audio_header(PT);
        sender.sent(now, &header, 60);
        sender.pass(Ticks::FRAME);
        header
    }

    #[test]
    fn rows_go_on_through_skips_and_another_clock() {
        let now = Instant::now();
        let mut sender = Sender::new(Ssrc(7), &mut Entropy::from_seed([1; 32]));
        let first = send(&mut sender, now);
        let second = send(&mut sender, now);
        sender.skip(Ticks(320));
        let third = send(&mut sender, now);
        sender.set_clock(48_000);
        let fourth = send(&mut sender, now);
        let fifth = send(&mut sender, now);
        let headers = [first, second, third, fourth, fifth];
        let steps: Vec<_> = headers
            .windows(2)
            .map(|pair| {
                let sequence = pair[1].sequence.ahead_of(pair[0].sequence);
                let time = pair[1].timestamp.ahead_of(pair[0].timestamp);
                (sequence, time)
            })
            .collect();
        assert_eq!(steps, [(1, 160), (1, 480), (1, 160), (1, 960)]);
        assert_eq!(headers.map(|h| h.marker), [true, false, true, true, false]);
    }
}
