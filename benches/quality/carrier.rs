//! What may stand between the two parties.

use std::time::Duration;

use wabridge::media::g711::Law;
use wabridge::media::rtp::{Header, RtpTime, SequenceNumber};
use wabridge::sdp::{PayloadType, Ssrc};

use crate::ear::Heard;
use crate::network::Network;
use crate::rows::Path;
use crate::speech::{FRAME, HERTZ, Speech};

mod through_bridge;

pub use through_bridge::ThroughBridge;

/// Carries speech from one party to the other, over the bad network.
pub trait Carrier {
    fn name(&self) -> &'static str;

    /// Whether the phone at the end makes up what is missing, where its codec can.
    fn receiver_conceals(&self) -> bool;

    /// What arrives at the far end, in the order of arrival.
    fn carry(&self, path: Path, speech: &Speech, network: &mut Network) -> Vec<Heard>;
}

/// Each packet is decoded and encoded as it comes, and nothing is repaired: what is lost is silence.
pub struct BareDecoding;

impl Carrier for BareDecoding {
    fn name(&self) -> &'static str {
        "no repair"
    }

    fn receiver_conceals(&self) -> bool {
        false
    }

    fn carry(&self, path: Path, speech: &Speech, network: &mut Network) -> Vec<Heard> {
        match path {
            Path::UserToAgent => {
                let mut decoder = opus::Decoder::new(HERTZ, opus::Channels::Mono)
                    .expect("libopus makes a decoder");
                transcode(arriving(path, speech, network), |payload| {
                    let mut samples = [0; FRAME];
                    decoder.decode(payload, &mut samples, false).unwrap_or(0);
                    encode_pcmu(&samples)
                })
            }
            Path::AgentToUser => {
                let mut encoder = encoder();
                transcode(arriving(path, speech, network), |payload| {
                    encode_opus(&mut encoder, payload)
                })
            }
            Path::Downlink => {
                let mut encoder = encoder();
                let sent = transcode(sent(path, speech), |payload| {
                    encode_opus(&mut encoder, payload)
                });
                over(sent, network)
            }
        }
    }
}

/// What the speaking party sends, every 20 ms.
pub fn sent(path: Path, speech: &Speech) -> Vec<Heard> {
    let (payloads, payload_type, units) = match path {
        Path::UserToAgent => (speech.opus(), PayloadType(111), 960),
        Path::AgentToUser | Path::Downlink => (speech.pcmu(), PayloadType(0), 160),
    };
    let number = |(n, payload): (u32, Vec<u8>)| Heard {
        at: Duration::from_millis(20) * n,
        header: Header {
            marker: n == 0,
            payload_type,
            sequence: SequenceNumber(n as u16),
            timestamp: RtpTime(n * units),
            ssrc: Ssrc(5),
        },
        payload,
    };
    (0..).zip(payloads).map(number).collect()
}

/// The same as it arrives.
pub fn arriving(path: Path, speech: &Speech, network: &mut Network) -> Vec<Heard> {
    over(sent(path, speech), network)
}

pub fn over(sent: Vec<Heard>, network: &mut Network) -> Vec<Heard> {
    let pass = |heard: Heard| network.pass(heard.at).map(|at| Heard { at, ..heard });
    let mut arrived: Vec<Heard> = sent.into_iter().filter_map(pass).collect();
    arrived.sort_by_key(|heard| heard.at);
    arrived
}

fn transcode(packets: Vec<Heard>, mut payload: impl FnMut(&[u8]) -> Vec<u8>) -> Vec<Heard> {
    let transcoded = |heard: Heard| {
        let payload = payload(&heard.payload);
        let mut header = heard.header;
        header.timestamp = match header.payload_type {
            PayloadType(0) => RtpTime(header.timestamp.0.wrapping_mul(6)),
            _ => RtpTime(header.timestamp.0 / 6),
        };
        Heard {
            header,
            payload,
            ..heard
        }
    };
    packets.into_iter().map(transcoded).collect()
}

fn encode_pcmu(samples: &[i16]) -> Vec<u8> {
    let mut codes = vec![0; FRAME];
    Law::Mu.encode(samples, &mut codes);
    codes
}

fn encode_opus(encoder: &mut opus::Encoder, payload: &[u8]) -> Vec<u8> {
    let mut samples = [0; FRAME];
    Law::Mu.decode(payload, &mut samples);
    encoder.encode_vec(&samples, 400).unwrap_or_default()
}

fn encoder() -> opus::Encoder {
    let mut encoder = opus::Encoder::new(HERTZ, opus::Channels::Mono, opus::Application::Voip)
        .expect("libopus makes an encoder");
    let told = encoder
        .set_bitrate(opus::Bitrate::Bits(20_000))
        .and_then(|()| encoder.set_complexity(5));
    told.expect("libopus takes both");
    encoder
}
