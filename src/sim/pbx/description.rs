//! The PBX's session descriptions.

use std::net::SocketAddr;
use std::time::Duration;

use crate::sim::media::Codec;
use crate::sim::media::crypto::Key;
use crate::sim::media::ear::Expected;
use crate::sim::media::mouth::Format;
use crate::sim::media::session::Settled;
use crate::sim::sdp::{Described, Direction, crypto_line};

const OPUS: u8 = 107;
const EVENT: u8 = 101;

/// What we say about ourselves.
#[derive(Clone, Debug)]
pub struct Own {
    pub media: SocketAddr,
    pub rtcp_port: u16,
    /// With payload types, in order.
    pub codecs: Vec<(u8, Codec)>,
    /// Payload type and clock.
    pub event: Option<(u8, u32)>,
    pub key: Option<(u32, Key)>,
    pub ptime: Duration,
    pub direction: Direction,
    pub rtcp_mux: bool,
    pub version: u64,
}

impl Own {
    /// For an offer of ours: our own payload types.
    pub fn numbered(codecs: &[Codec]) -> Vec<(u8, Codec)> {
        let number = |codec| match codec {
            Codec::Opus => OPUS,
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        };
        codecs.iter().map(|&codec| (number(codec), codec)).collect()
    }

    /// For an offer of ours.
    pub const EVENT: (u8, u32) = (EVENT, 8_000);

    pub fn write(&self) -> String {
        let family = if self.media.is_ipv4() { "IP4" } else { "IP6" };
        let ip = self.media.ip();
        let payloads = self.codecs.iter().map(|(pt, _)| *pt);
        let payloads = payloads.chain(self.event.map(|(pt, _)| pt));
        let payloads: Vec<String> = payloads.map(|pt| pt.to_string()).collect();
        let profile = if self.key.is_some() {
            "RTP/SAVP"
        } else {
            "RTP/AVP"
        };
        let mut lines = vec![
            "v=0".into(),
            format!("o=pbx 4711 {} IN {family} {ip}", self.version),
            "s=pbx".into(),
            format!("c=IN {family} {ip}"),
            "t=0 0".into(),
            format!(
                "m=audio {} {profile} {}",
                self.media.port(),
                payloads.join(" ")
            ),
            format!("a=rtcp:{}", self.rtcp_port),
        ];
        for (pt, codec) in &self.codecs {
            lines.push(format!("a=rtpmap:{pt} {}", codec.rtpmap()));
        }
        if let Some((pt, clock)) = self.event {
            lines.push(format!("a=rtpmap:{pt} telephone-event/{clock}"));
            lines.push(format!("a=fmtp:{pt} 0-16"));
        }
        if let Some((tag, key)) = &self.key {
            lines.push(crypto_line(*tag, key));
        }
        if self.rtcp_mux {
            lines.push("a=rtcp-mux".into());
        }
        lines.push(format!("a=ptime:{}", self.ptime.as_millis()));
        lines.push(format!("a={}", self.direction.name()));
        lines.join("\r\n") + "\r\n"
    }

    /// What media can run on, given what the far side said. `None` without a codec in common or without an address.
    pub fn settle(&self, theirs: &Described) -> Option<Settled> {
        let shared = |(_, codec): &(u8, Codec)| self.codecs.iter().any(|(_, own)| own == codec);
        let (pt, codec) = theirs.codecs().into_iter().find(shared)?;
        let key = self.key.as_ref().map(|(_, key)| key.clone());
        let their_key = theirs.crypto.iter().find(|crypto| {
            let ours = self.key.as_ref();
            ours.is_some_and(|(tag, key)| *tag == crypto.tag && key.suite() == crypto.key.suite())
        });
        // An `inactive` or `sendonly` far side does not want to hear us.
        let sends = self.direction.sends() && theirs.direction.receives();
        Some(Settled {
            remote: theirs.rtp()?,
            remote_rtcp: theirs.rtcp()?,
            format: Format {
                codec,
                pt,
                telephone_event: theirs.telephone_event(),
            },
            expected: Expected {
                payloads: self.codecs.clone(),
                telephone_event: self.event,
                key: their_key.map(|crypto| crypto.key.clone()),
            },
            send_key: key,
            direction: if sends {
                Direction::Sendrecv
            } else {
                Direction::Recvonly
            },
            peer: None,
        })
    }
}
