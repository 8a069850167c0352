//! One leg of one call, seen from outside the bridge: frames of speech go in every 20 ms, and what comes back is counted.

use std::net::UdpSocket;
use std::time::Instant;

use wabridge::media::rtp::{Header, Kind, Packet, RtpTime, SequenceNumber};
use wabridge::media::srtp::{Inbound, MAX_OVERHEAD, Outbound};
use wabridge::sdp::{PayloadType, Ssrc};
use wabridge::side::Side;
use wabridge::sim::media::link::Link;

use crate::speech::Speech;

/// Larger than any packet here.
pub const DATAGRAM: usize = 512;
/// In a row, at most: a comfort frame comes every 400 ms.
const FRAMES_LEFT_OUT: u32 = 25;

pub struct Stream {
    /// Number of the call.
    pub call: usize,
    /// A: we are WhatsApp's side; B: we are the PBX.
    pub side: Side,
    pub socket: UdpSocket,
    pub speech: Speech,
    pub protection: Option<(Outbound, Inbound)>,
    /// Answers checks.
    pub link: Option<Box<Link>>,
    pub payload_type: PayloadType,
    /// It may come without packets where nothing is said.
    pub pauses: bool,
    pub sent: Sent,
    pub came: Came,
    /// `None`: only counted.
    pub recording: Option<Recording>,
}

/// What went into the bridge.
#[derive(Default)]
pub struct Sent {
    pub packets: u64,
    /// While measuring.
    pub measured: u64,
    /// Not taken by our own kernel.
    pub refused: u64,
}

/// What came out of it.
#[derive(Default)]
pub struct Came {
    pub packets: u64,
    /// While measuring.
    pub measured: u64,
    pub missing: u64,
    pub duplicate_or_old: u64,
    /// Timestamps that did not move by one frame.
    pub wrong_steps: u64,
    pub other_sources: u64,
    pub unreadable: u64,
    last: Option<Header>,
}

/// For listening afterwards.
#[derive(Default)]
pub struct Recording {
    /// When each frame of the speech was sent, from the first.
    pub sent_at: Vec<Instant>,
    pub heard: Vec<Heard>,
}

pub struct Heard {
    pub at: Instant,
    /// Nothing for a frame that was left out.
    pub payload: Vec<u8>,
    pub measured: bool,
}

impl Stream {
    /// The next frame.
    pub fn send(&mut self, now: Instant, measuring: bool) {
        let number = self.sent.packets;
        let frame = &self.speech.frames[number as usize % self.speech.frames.len()];
        let header = Header {
            marker: number == 0,
            payload_type: self.payload_type,
            sequence: SequenceNumber((1000 + number) as u16),
            timestamp: RtpTime((number * u64::from(self.speech.step())) as u32),
            ssrc: self.ssrc(),
        };
        let mut buffer = [0; DATAGRAM];
        let length = Header::LEN + frame.len();
        buffer[..Header::LEN].copy_from_slice(&header.to_bytes());
        buffer[Header::LEN..length].copy_from_slice(frame);
        let length = match &mut self.protection {
            Some((outbound, _)) => outbound
                .protect_rtp(&mut buffer[..length + MAX_OVERHEAD], length)
                .expect("our own packets can be protected"),
            None => length,
        };
        if let Some(recording) = &mut self.recording {
            recording.sent_at.push(now);
        }
        if self.socket.send(&buffer[..length]).is_err() {
            self.sent.refused += 1;
        }
        self.sent.packets += 1;
        self.sent.measured += u64::from(measuring);
    }

    pub fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8], measuring: bool) {
        if let Some(0..=63) = datagram.first() {
            return self.answer_check(now, datagram);
        }
        if Kind::of(datagram) == Kind::Rtcp {
            return;
        }
        let length = match &mut self.protection {
            Some((_, inbound)) => inbound.unprotect_rtp(datagram).ok(),
            None => Some(datagram.len()),
        };
        let packet = length.and_then(|length| Packet::parse(&datagram[..length]).ok());
        let Some(packet) = packet else {
            self.came.unreadable += 1;
            return;
        };
        let step = self.speech.step();
        let paused = match self.pauses {
            true => self.came.frames_left_out(&packet.header, step),
            false => 0,
        };
        self.came.count(&packet.header, step, paused, measuring);
        if let Some(recording) = &mut self.recording {
            let nothing: &[u8] = &[];
            let payloads = std::iter::repeat_n(nothing, paused as usize);
            for payload in payloads.chain([packet.payload]) {
                recording.heard.push(Heard {
                    at: now,
                    payload: payload.to_vec(),
                    measured: measuring,
                });
            }
        }
    }

    /// STUN, or a flight of DTLS that is repeated.
    fn answer_check(&mut self, now: Instant, datagram: &[u8]) {
        let (Some(link), Ok(from)) = (&mut self.link, self.socket.peer_addr()) else {
            return;
        };
        match datagram.first() {
            Some(0..=3) => link.stun(now, from, datagram),
            _ => drop(link.dtls(now, from, datagram)),
        }
        for (_, datagram) in link.take_outgoing() {
            let _ = self.socket.send(&datagram);
        }
    }

    fn ssrc(&self) -> Ssrc {
        let side = match self.side {
            Side::A => 0xa000_0000,
            Side::B => 0xb000_0000,
        };
        Ssrc(side + self.call as u32)
    }
}

impl Came {
    /// Between the last packet and the next one in order: what its timestamp says.
    fn frames_left_out(&self, header: &Header, step: u32) -> u32 {
        let last = self.last.filter(|last| {
            last.ssrc == header.ssrc && header.sequence.ahead_of(last.sequence) == 1
        });
        let passed = last.map_or(step, |last| {
            header.timestamp.0.wrapping_sub(last.timestamp.0)
        });
        match passed % step {
            0 => (passed / step).saturating_sub(1).min(FRAMES_LEFT_OUT),
            _ => 0,
        }
    }

    fn count(&mut self, header: &Header, step: u32, paused: u32, measuring: bool) {
        self.packets += 1;
        self.measured += u64::from(measuring);
        let Some(last) = self.last else {
            self.last = Some(*header);
            return;
        };
        if header.ssrc != last.ssrc {
            self.other_sources += 1;
            self.last = Some(*header);
            return;
        }
        let ahead = header.sequence.ahead_of(last.sequence);
        if ahead <= 0 {
            self.duplicate_or_old += 1;
            return;
        }
        self.missing += u64::from(ahead.unsigned_abs()) - 1;
        let frames = u32::from(ahead.unsigned_abs()) + paused;
        let expected = last.timestamp.plus(step * frames);
        self.wrong_steps += u64::from(header.timestamp != expected);
        self.last = Some(*header);
    }
}
