//! Session descriptions as the simulators need them: one audio stream, read line by line.

pub mod webrtc;

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::sim::media::Codec;
use crate::sim::media::crypto::{Key, Suite};

/// What the far side described.
#[derive(Clone, Debug, Default)]
pub struct Described {
    pub audio_lines: usize,
    pub other_lines: usize,
    pub address: Option<IpAddr>,
    pub port: u16,
    pub rtcp_port: Option<u16>,
    /// `RTP/SAVP` and the like, as written.
    pub profile: String,
    pub payloads: Vec<u8>,
    pub rtpmap: Vec<(u8, String)>,
    pub fmtp: Vec<(u8, String)>,
    pub crypto: Vec<Crypto>,
    pub ptime: Option<u32>,
    pub maxptime: Option<u32>,
    /// `sendrecv` when nothing is written.
    pub direction: Direction,
    pub rtcp_mux: bool,
    pub ssrc: Option<u32>,
    pub webrtc: webrtc::Lines,
    pub version: u64,
}

/// One `a=crypto` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crypto {
    pub tag: u32,
    pub suite: Suite,
    pub key: Key,
}

/// Of a description, from its writer's view.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Direction {
    #[default]
    Sendrecv,
    Sendonly,
    Recvonly,
    Inactive,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sendrecv => "sendrecv",
            Self::Sendonly => "sendonly",
            Self::Recvonly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Self::Sendrecv | Self::Sendonly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Self::Sendrecv | Self::Recvonly)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line `{line}`: {problem}")]
pub struct Garbled {
    line: String,
    problem: &'static str,
}

impl Described {
    pub fn read(text: &str) -> Result<Self, Garbled> {
        let mut described = Self::default();
        for line in text.lines() {
            described.read_line(line).map_err(|problem| Garbled {
                line: line.chars().take(60).collect(),
                problem,
            })?;
        }
        Ok(described)
    }

    fn read_line(&mut self, line: &str) -> Result<(), &'static str> {
        match line.split_once('=') {
            Some(("o", value)) => self.read_origin(value),
            Some(("c", value)) => self.read_address(value),
            Some(("m", value)) => self.read_media(value),
            Some(("a", value)) => self.read_attribute(value),
            Some(_) => Ok(()),
            None => Err("no `=`"),
        }
    }

    fn read_origin(&mut self, value: &str) -> Result<(), &'static str> {
        let version = value.split(' ').nth(2).ok_or("no version")?;
        self.version = version.parse().map_err(|_| "version")?;
        Ok(())
    }

    fn read_address(&mut self, value: &str) -> Result<(), &'static str> {
        let address = value.split(' ').nth(2).ok_or("no address")?;
        self.address = address.parse().ok();
        Ok(())
    }

    fn read_media(&mut self, value: &str) -> Result<(), &'static str> {
        let mut words = value.split(' ');
        if words.next() != Some("audio") {
            self.other_lines += 1;
            return Ok(());
        }
        self.audio_lines += 1;
        let port = words.next().ok_or("no port")?;
        self.port = port.parse().map_err(|_| "port")?;
        self.profile = words.next().ok_or("no profile")?.into();
        self.payloads = words.filter_map(|word| word.parse().ok()).collect();
        Ok(())
    }

    fn read_attribute(&mut self, value: &str) -> Result<(), &'static str> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "rtpmap" => self.rtpmap.push(numbered(value)?),
            "fmtp" => self.fmtp.push(numbered(value)?),
            "ptime" => self.ptime = value.parse().ok(),
            "maxptime" => self.maxptime = value.parse().ok(),
            "rtcp" => self.rtcp_port = value.split(' ').next().and_then(|p| p.parse().ok()),
            "rtcp-mux" => self.rtcp_mux = true,
            "ssrc" => self.ssrc = value.split(' ').next().and_then(|s| s.parse().ok()),
            "crypto" => self.crypto.extend(read_crypto(value)?),
            "sendrecv" => self.direction = Direction::Sendrecv,
            "sendonly" => self.direction = Direction::Sendonly,
            "recvonly" => self.direction = Direction::Recvonly,
            "inactive" => self.direction = Direction::Inactive,
            _ => drop(self.webrtc.read(name, value)),
        }
        Ok(())
    }

    /// Payload types of audio in the writer's order.
    pub fn codecs(&self) -> Vec<(u8, Codec)> {
        self.payloads
            .iter()
            .filter_map(|&pt| Some((pt, self.codec_of(pt)?)))
            .collect()
    }

    fn codec_of(&self, pt: u8) -> Option<Codec> {
        let Some((_, map)) = self.rtpmap.iter().find(|(one, _)| *one == pt) else {
            return match pt {
                0 => Some(Codec::Pcmu),
                8 => Some(Codec::Pcma),
                _ => None,
            };
        };
        let map = map.to_ascii_lowercase();
        match map.split('/').next()? {
            "opus" => Some(Codec::Opus),
            "pcmu" => Some(Codec::Pcmu),
            "pcma" => Some(Codec::Pcma),
            _ => None,
        }
    }

    /// Payload type and clock of `telephone-event`.
    pub fn telephone_event(&self) -> Option<(u8, u32)> {
        self.payloads.iter().find_map(|pt| {
            let (_, map) = self.rtpmap.iter().find(|(one, _)| one == pt)?;
            let (name, clock) = map.split_once('/')?;
            let event = name.eq_ignore_ascii_case("telephone-event");
            event.then_some((*pt, clock.parse().ok()?))
        })
    }

    pub fn rtp(&self) -> Option<SocketAddr> {
        let port = (self.port != 0).then_some(self.port)?;
        Some(SocketAddr::new(self.address?, port))
    }

    pub fn rtcp(&self) -> Option<SocketAddr> {
        let rtp = self.rtp()?;
        match self.rtcp_mux {
            true => Some(rtp),
            false => {
                let port = self.rtcp_port.unwrap_or(rtp.port().wrapping_add(1));
                Some(SocketAddr::new(rtp.ip(), port))
            }
        }
    }
}

fn numbered(value: &str) -> Result<(u8, String), &'static str> {
    let (number, rest) = value.split_once(' ').ok_or("no value")?;
    let number = number.parse().map_err(|_| "payload type")?;
    Ok((number, rest.into()))
}

/// `None` for a suite that is not known.
fn read_crypto(value: &str) -> Result<Option<Crypto>, &'static str> {
    let mut words = value.split_ascii_whitespace();
    let tag = words.next().and_then(|tag| tag.parse().ok());
    let tag = tag.ok_or("crypto tag")?;
    let suite = words.next().ok_or("no suite")?;
    let inline = words.next().and_then(|key| key.strip_prefix("inline:"));
    let inline = inline.ok_or("no inline key")?;
    let Some(suite) = Suite::named(suite) else {
        return Ok(None);
    };
    let key = inline.split('|').next().unwrap_or(inline);
    let bytes = BASE64_STANDARD
        .decode(key)
        .map_err(|_| "key is not base64")?;
    let key = Key::of(suite, bytes).ok_or("key length")?;
    Ok(Some(Crypto { tag, suite, key }))
}

/// An `a=crypto` line without line end.
pub fn crypto_line(tag: u32, key: &Key) -> String {
    let inline = BASE64_STANDARD.encode(key.bytes());
    format!("a=crypto:{tag} {} inline:{inline}", key.suite().name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = "v=0\r\no=- 1 7 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
            m=audio 15822 RTP/SAVP 111 126\r\na=rtpmap:111 opus/48000/2\r\n\
            a=rtpmap:126 telephone-event/8000\r\na=ptime:20\r\na=sendonly\r\n\
            a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|2^31\r\n";
        let read = Described::read(text).unwrap();
        assert_eq!(read.rtp(), Some("198.51.100.7:15822".parse().unwrap()));
        assert_eq!(read.rtcp(), Some("198.51.100.7:15823".parse().unwrap()));
        assert_eq!(read.codecs(), [(111, Codec::Opus)]);
        assert_eq!(read.telephone_event(), Some((126, 8000)));
        assert_eq!(read.direction, Direction::Sendonly);
        assert_eq!(read.version, 7);
        assert_eq!(read.crypto[0].tag, 1);
        assert_eq!(read.crypto[0].key.bytes(), [0; 30]);
    }
}
