//! WhatsApp's session description, line by line (dossier 3.1). An answer has the same lines as an offer.

use std::net::SocketAddr;

use crate::entropy::Entropy;
use crate::sim::media::Codec;
use crate::sim::media::crypto::Key;
use crate::sim::media::link::Local;
use crate::sim::sdp::crypto_line;

const FMTP: &str = "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1";
pub const CNAME: &str = "WhatsAppAudioStream1";
/// Payload type of telephone-event in WhatsApp's own numbering.
pub const EVENT: u8 = 126;

/// What differs from one description to the next.
pub struct Description<'a> {
    pub media: SocketAddr,
    pub ssrc: u32,
    pub profile: &'a str,
    pub codecs: &'a [(u8, Codec)],
    pub event: u8,
    pub security: Security<'a>,
}

pub enum Security<'a> {
    /// Tag and key.
    Sdes(u32, &'a Key),
    Dtls {
        local: &'a Local,
        candidates: Vec<SocketAddr>,
    },
}

impl Security<'_> {
    pub fn profile(&self) -> &'static str {
        match self {
            Self::Sdes(..) => "RTP/SAVP",
            Self::Dtls { .. } => "UDP/TLS/RTP/SAVPF",
        }
    }
}

impl Description<'_> {
    pub fn write(&self, entropy: &mut Entropy) -> String {
        let stream = uuid(entropy);
        let mut lines = vec![
            "v=0".into(),
            format!("o=- {} 2 IN IP4 127.0.0.1", entropy.u32()),
            "s=-".into(),
            "t=0 0".into(),
            "a=group:BUNDLE audio".into(),
            format!("a=msid-semantic: WMS {stream}"),
        ];
        if let Security::Dtls { .. } = self.security {
            lines.push("a=ice-lite".into());
        }
        lines.extend([
            self.media_line(),
            self.address_line(),
            "a=rtcp:9 IN IP4 0.0.0.0".into(),
        ]);
        if let Security::Dtls { local, candidates } = &self.security {
            lines.extend(candidate_lines(candidates, entropy));
            lines.extend([
                format!("a=ice-ufrag:{}", local.ufrag),
                format!("a=ice-pwd:{}", local.password),
                format!("a=fingerprint:sha-256 {}", local.fingerprint()),
                format!("a=setup:{}", local.setup.name()),
            ]);
        }
        lines.extend([
            "a=mid:audio".into(),
            "a=sendrecv".into(),
            format!("a=msid:{stream} WhatsAppTrack1"),
            "a=rtcp-mux".into(),
        ]);
        if let Security::Sdes(tag, key) = self.security {
            lines.push(crypto_line(tag, key));
        }
        for &(pt, codec) in self.codecs {
            lines.push(format!("a=rtpmap:{pt} {}", codec.rtpmap()));
            if codec == Codec::Opus && matches!(self.security, Security::Dtls { .. }) {
                lines.push(format!("a=rtcp-fb:{pt} transport-cc"));
            }
            if codec == Codec::Opus {
                lines.push(format!("a=fmtp:{pt} {FMTP}"));
            }
        }
        lines.extend([
            format!("a=rtpmap:{} telephone-event/8000", self.event),
            "a=maxptime:20".into(),
            "a=ptime:20".into(),
            format!("a=ssrc:{} cname:{CNAME}", self.ssrc),
        ]);
        lines.join("\r\n") + "\r\n"
    }

    fn media_line(&self) -> String {
        let payloads = self.codecs.iter().map(|(pt, _)| *pt).chain([self.event]);
        let payloads: Vec<String> = payloads.map(|pt| pt.to_string()).collect();
        let (port, profile) = (self.media.port(), self.profile);
        format!("m=audio {port} {profile} {}", payloads.join(" "))
    }

    fn address_line(&self) -> String {
        let family = if self.media.is_ipv4() { "IP4" } else { "IP6" };
        format!("c=IN {family} {}", self.media.ip())
    }
}

/// The later ones have the higher priorities, as WhatsApp's IPv6 has.
fn candidate_lines(candidates: &[SocketAddr], entropy: &mut Entropy) -> Vec<String> {
    let numbered = candidates.iter().zip(0u32..);
    let line = |(at, number): (&SocketAddr, u32)| {
        let (foundation, priority) = (entropy.u32(), 2_122_260_223 + 2_560 * number);
        format!(
            "a=candidate:{foundation} 1 udp {priority} {} {} typ host generation 0 network-cost 50",
            at.ip(),
            at.port()
        )
    };
    numbered.map(line).collect()
}

pub fn uuid(entropy: &mut Entropy) -> String {
    let hex = entropy.hex(16);
    let cuts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    cuts.join("-")
}
