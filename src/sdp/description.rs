//! The peer's session description, read: sdp-types takes the text apart, this gives it types (RFC 8866).
//!
//! Reading is lenient where peers are known to be careless (bare LF, missing `s=` or `t=`, text that is not UTF-8,
//! `a=rtcp:9 IN IP4 0.0.0.0`) and bounded everywhere.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sdp_types::{Attribute, Connection, Media, Session};

use super::codec::Encoding;
use super::extended_reports::{self, ExtendedReports};
use super::transport::Transport;
use super::{CryptoFault, CryptoLine, Direction, OpusLimits, PayloadType, Refusal, Ssrc};

/// Larger descriptions are refused unread.
pub(super) const MAX_BYTES: usize = 16 * 1024;
const MAX_LINES: usize = 1_000;
const MAX_MEDIA: usize = 16;
const MAX_FORMATS: usize = 64;
const MAX_CRYPTO: usize = 16;

/// "Nothing here" as a port (RFC 863): WhatsApp's `a=rtcp:9` (dossier 3.1), WebRTC's `m=audio 9`.
const DISCARD_PORT: u16 = 9;

pub(super) struct Description {
    pub media: Vec<MediaLine>,
}

/// One `m=` line with what belongs to it.
pub(super) struct MediaLine {
    pub kind: String,
    pub proto: String,
    /// The formats as written.
    pub formats: String,
    /// `None`: not audio, or turned off (port 0).
    pub audio: Option<Audio>,
}

/// An audio stream that the peer describes.
#[derive(Debug)]
pub(super) struct Audio {
    pub proto: Option<Proto>,
    /// The token as written.
    pub proto_text: String,
    pub address: Option<IpAddr>,
    pub port: u16,
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    pub rtcp_mux: bool,
    pub extended_reports: ExtendedReports,
    /// In the peer's order of preference.
    pub formats: Vec<Format>,
    pub direction: Direction,
    pub packet_time: Option<Duration>,
    pub max_packet_time: Option<Duration>,
    pub crypto: Vec<Result<CryptoLine, CryptoFault>>,
    pub transport: Transport,
    pub mid: Option<String>,
    /// `mid` is in an `a=group:BUNDLE`.
    pub bundled: bool,
    pub ssrc: Option<Ssrc>,
}

/// One payload type number of an `m=` line.
#[derive(Debug)]
pub(super) struct Format {
    pub number: PayloadType,
    /// `None`: nothing we carry.
    pub encoding: Option<Encoding>,
    /// As the peer calls it, for words to the operator.
    pub label: String,
    pub opus: OpusLimits,
}

/// The transports of RTP (RFC 3551, 4585, 3711, 5124, 5764).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Proto {
    Avp,
    Avpf,
    Savp,
    Savpf,
    DtlsSavp,
    DtlsSavpf,
}

impl Proto {
    const ALL: [Self; 6] = [
        Self::Avp,
        Self::Avpf,
        Self::Savp,
        Self::Savpf,
        Self::DtlsSavp,
        Self::DtlsSavpf,
    ];

    pub(super) fn token(self) -> &'static str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
            Self::DtlsSavp => "UDP/TLS/RTP/SAVP",
            Self::DtlsSavpf => "UDP/TLS/RTP/SAVPF",
        }
    }

    fn from_token(token: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|proto| proto.token().eq_ignore_ascii_case(token))
    }
}

impl Description {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let session = parse_session(bytes)?;
        if session.medias.len() > MAX_MEDIA {
            return Err(malformed(format!("more than {MAX_MEDIA} m= lines")));
        }
        let bundles: Vec<&str> = session
            .attributes
            .iter()
            .filter(|a| a.attribute == "group")
            .filter_map(|a| a.value.as_deref()?.strip_prefix("BUNDLE "))
            .collect();
        let media = session
            .medias
            .iter()
            .map(|media| MediaLine::read(&session, media, &bundles))
            .collect();
        Ok(Self { media })
    }

    /// Audio streams that are not turned off, with their places.
    pub(super) fn audio(&self) -> impl Iterator<Item = (usize, &Audio)> {
        self.media
            .iter()
            .enumerate()
            .filter_map(|(place, line)| Some((place, line.audio.as_ref()?)))
    }
}

fn parse_session(bytes: &[u8]) -> Result<Session, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(malformed(format!("larger than {MAX_BYTES} bytes")));
    }
    if bytes.iter().filter(|&&byte| byte == b'\n').count() > MAX_LINES {
        return Err(malformed(format!("more than {MAX_LINES} lines")));
    }
    let text = String::from_utf8_lossy(bytes);
    Session::parse(text.trim().as_bytes())
        .map_err(|error| malformed(excerpt(&error.to_string(), 120)))
}

fn malformed(words: String) -> Refusal {
    Refusal::Malformed(words)
}

/// As it may stand in a line of ours: visible ASCII between single blanks, and never nothing (RFC 8866 §9).
fn words(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_graphic());
    let kept: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    match kept[..] {
        [] => "0".to_owned(),
        _ => kept.join(" "),
    }
}

impl MediaLine {
    fn read(session: &Session, media: &Media, bundles: &[&str]) -> Self {
        let is_audio = media.media.eq_ignore_ascii_case("audio") && media.port != 0;
        Self {
            kind: media.media.clone(),
            proto: words(&media.proto),
            formats: words(&media.fmt),
            audio: is_audio.then(|| Audio::read(session, media, bundles)),
        }
    }
}

impl Audio {
    fn read(session: &Session, media: &Media, bundles: &[&str]) -> Self {
        let own = &media.attributes;
        let mid = value(own, "mid")
            .map(str::trim)
            .filter(|mid| is_token(mid))
            .map(str::to_owned);
        Self {
            proto: Proto::from_token(&media.proto),
            proto_text: excerpt(&media.proto, 40),
            address: media
                .connections
                .first()
                .or(session.connection.as_ref())
                .and_then(read_address),
            port: media.port,
            rtcp: value(own, "rtcp").and_then(read_rtcp),
            rtcp_mux: find(own, "rtcp-mux").is_some(),
            extended_reports: value(own, extended_reports::ATTRIBUTE)
                .or_else(|| value(&session.attributes, extended_reports::ATTRIBUTE))
                .map(ExtendedReports::parse)
                .unwrap_or_default(),
            formats: read_formats(&media.fmt, own),
            direction: read_direction(own)
                .or_else(|| read_direction(&session.attributes))
                .unwrap_or(Direction::SendRecv),
            packet_time: value(own, "ptime").and_then(read_milliseconds),
            max_packet_time: value(own, "maxptime").and_then(read_milliseconds),
            crypto: values(own, "crypto")
                .take(MAX_CRYPTO)
                .map(CryptoLine::parse)
                .collect(),
            transport: Transport::read(own, &session.attributes),
            bundled: mid.as_deref().is_some_and(|mid| {
                bundles
                    .iter()
                    .any(|group| group.split_ascii_whitespace().any(|member| member == mid))
            }),
            mid,
            ssrc: value(own, "ssrc").and_then(read_ssrc),
        }
    }

    /// Where the peer wants RTP, when it says so in a usable way.
    pub(super) fn rtp_address(&self) -> Option<SocketAddr> {
        usable(self.address, self.port)
    }

    /// Of what family the peer's addresses are: as its line says, or its best candidate where that says nothing.
    pub(super) fn default_address(&self) -> Option<IpAddr> {
        let described = self.rtp_address().map(|address| address.ip());
        described.or_else(|| {
            let ice = self.transport.ice.as_ref()?.as_ref().ok()?;
            let best = ice.candidates.iter().max_by_key(|one| one.priority)?;
            Some(best.address.ip())
        })
    }

    /// Where the peer wants RTCP when it is not multiplexed: `a=rtcp` (RFC 3605) or the next port (RFC 3550 §11).
    pub(super) fn rtcp_address(&self) -> Option<SocketAddr> {
        let rtp = self.rtp_address()?;
        match self.rtcp {
            Some((port, address)) if port != DISCARD_PORT && port != 0 => {
                usable(address.or(self.address), port)
            }
            Some(_) | None => Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)),
        }
    }

    /// The peer's direction, without receiving when its address says hold (`0.0.0.0`, RFC 3264 §8.4). With ICE that
    /// address means nothing.
    pub(super) fn effective_direction(&self) -> Direction {
        let held = self.address.is_some_and(|ip| ip.is_unspecified())
            && self.port != DISCARD_PORT
            && self.transport.ice.is_none();
        if held {
            self.direction.and(Direction::SendOnly)
        } else {
            self.direction
        }
    }

    /// Whether the token says DTLS (RFC 5764 §8).
    pub(super) fn is_dtls(&self) -> bool {
        match self.proto {
            Some(Proto::DtlsSavp | Proto::DtlsSavpf) => true,
            Some(Proto::Avp | Proto::Avpf | Proto::Savp | Proto::Savpf) | None => false,
        }
    }

    /// The formats in words: `opus/48000/2, G722/8000`.
    pub(super) fn offered_formats(&self) -> String {
        let labels: Vec<&str> = self
            .formats
            .iter()
            .take(12)
            .map(|format| format.label.as_str())
            .collect();
        labels.join(", ")
    }

    /// Its security in words: `DTLS-SRTP (UDP/TLS/RTP/SAVPF, a=fingerprint, ICE)`.
    pub(super) fn offered_security(&self) -> String {
        let mut marks = vec![self.proto_text.as_str()];
        if self.transport.has_fingerprint() {
            marks.push("a=fingerprint");
        }
        if self.transport.ice.is_some() {
            marks.push("ICE");
        }
        marks.push(if self.crypto.is_empty() {
            "no a=crypto"
        } else {
            "a=crypto"
        });
        let kind = if self.transport.has_fingerprint() {
            "DTLS-SRTP"
        } else {
            match self.proto {
                Some(Proto::Avp | Proto::Avpf) => "plain RTP",
                Some(Proto::Savp | Proto::Savpf) => "SRTP",
                Some(Proto::DtlsSavp | Proto::DtlsSavpf) => "DTLS-SRTP",
                None => "an unknown transport",
            }
        };
        format!("{kind} ({})", marks.join(", "))
    }
}

fn usable(address: Option<IpAddr>, port: u16) -> Option<SocketAddr> {
    let address = address?;
    let nowhere = address.is_unspecified()
        || address.is_multicast()
        || address == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    (!nowhere && port != 0 && port != DISCARD_PORT).then(|| SocketAddr::new(address, port))
}

fn read_address(connection: &Connection) -> Option<IpAddr> {
    let address = connection.try_address().ok()?;
    Some(address.ip.to_canonical())
}

/// `53020`, `53020 IN IP4 192.0.2.1` (RFC 3605 §2.1).
fn read_rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut fields = value.split_ascii_whitespace();
    let port = fields.next()?.parse().ok()?;
    Some((port, fields.nth(2).and_then(|text| text.parse().ok())))
}

fn read_direction(attributes: &[Attribute]) -> Option<Direction> {
    attributes
        .iter()
        .find_map(|attribute| Direction::from_name(attribute.attribute.trim()))
}

/// Whole milliseconds; some peers write `20.0`.
fn read_milliseconds(value: &str) -> Option<Duration> {
    let whole = value.trim().split('.').next()?;
    let milliseconds: u16 = whole.parse().ok()?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds.into()))
}

/// `1615009994 cname:WhatsAppAudioStream1` (RFC 5576 §4.1).
fn read_ssrc(value: &str) -> Option<Ssrc> {
    let number = value.split_ascii_whitespace().next()?;
    number.parse().ok().map(Ssrc)
}

fn read_formats(formats: &str, attributes: &[Attribute]) -> Vec<Format> {
    formats
        .split_ascii_whitespace()
        .take(MAX_FORMATS)
        .filter_map(|text| text.parse::<u8>().ok())
        .filter(|&number| number < 128)
        .map(|number| read_format(PayloadType(number), attributes))
        .collect()
}

fn read_format(number: PayloadType, attributes: &[Attribute]) -> Format {
    let rtpmap = numbered(attributes, "rtpmap", number);
    let fmtp = numbered(attributes, "fmtp", number);
    Format {
        number,
        encoding: match rtpmap {
            Some(text) => Encoding::from_rtpmap(text),
            None => Encoding::from_static(number),
        },
        label: match rtpmap {
            Some(text) => excerpt(text, 32),
            None => format!("payload type {number}"),
        },
        opus: fmtp.map(OpusLimits::from_fmtp).unwrap_or_default(),
    }
}

/// The value of `a=NAME:<number> <value>`.
fn numbered<'a>(attributes: &'a [Attribute], name: &str, number: PayloadType) -> Option<&'a str> {
    values(attributes, name).find_map(|value| {
        let (first, rest) = value.trim().split_once(' ')?;
        (first.parse() == Ok(number.0)).then_some(rest)
    })
}

pub(super) fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.attribute.trim().eq_ignore_ascii_case(name))
}

pub(super) fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    find(attributes, name)?.value.as_deref()
}

pub(super) fn values<'a>(attributes: &'a [Attribute], name: &str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.attribute.eq_ignore_ascii_case(name))
        .filter_map(|attribute| attribute.value.as_deref())
}

/// The peer's text for our words: bounded, without control characters.
fn excerpt(text: &str, length: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(length)
        .collect()
}

/// A name that may be written back (RFC 8866 §9 `token`).
fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte))
}
