//! Our session descriptions: always written fresh, from values (RFC 8866).

use std::net::IpAddr;
use std::time::Duration;

use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};

use super::codec::Encoding;
use super::description::{MediaLine, Proto};
use super::dtls::Setup;
use super::extended_reports;
use super::{
    Codec, CryptoLine, Direction, ExtendedReports, IceCredentials, IceMode, Local, PayloadType,
    Policy,
};

/// One `m=` line of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum OwnLine {
    Audio(OwnAudio),
    /// Port 0 (RFC 3264 §6), in the place where the peer offered it.
    Declined {
        kind: String,
        proto: String,
        formats: String,
    },
}

/// The audio stream as we describe it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OwnAudio {
    /// Of `c=`.
    pub address: IpAddr,
    pub proto: Proto,
    /// In order of preference; telephone-events last.
    pub formats: Vec<(PayloadType, Encoding)>,
    pub direction: Direction,
    pub security: OwnSecurity,
    pub rtcp_mux: bool,
    pub extended_reports: ExtendedReports,
    pub mid: Option<String>,
    /// The line stands in `a=group:BUNDLE`.
    pub bundled: bool,
}

/// How we describe its protection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum OwnSecurity {
    Clear,
    Sdes(Vec<CryptoLine>),
    Dtls(OwnDtls),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OwnDtls {
    pub setup: Setup,
    pub ice: Option<OwnIce>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OwnIce {
    pub credentials: IceCredentials,
    pub mode: IceMode,
}

impl OwnAudio {
    fn is_lite(&self) -> bool {
        match &self.security {
            OwnSecurity::Dtls(OwnDtls { ice: Some(ice), .. }) => ice.mode == IceMode::Lite,
            OwnSecurity::Dtls(_) | OwnSecurity::Sdes(_) | OwnSecurity::Clear => false,
        }
    }
}

impl OwnLine {
    pub(super) fn declined(offered: &MediaLine) -> Self {
        Self::Declined {
            kind: offered.kind.clone(),
            proto: offered.proto.clone(),
            formats: offered.formats.clone(),
        }
    }
}

/// Of `o=`, what stays for the session and what does not (RFC 3264 §8).
#[derive(Clone, Copy)]
pub(super) struct OwnOrigin {
    pub address: IpAddr,
    pub version: u64,
}

pub(super) fn write(
    policy: &Policy,
    local: &Local,
    origin: OwnOrigin,
    lines: &[OwnLine],
) -> String {
    let OwnOrigin { address, version } = origin;
    let origin = Origin::with_ip_addr(local.session_id, version, address);
    let mut session = Session::new(origin, "-");
    let address = described_address(lines).unwrap_or(local.address);
    session.connection = Some(Connection::from_ip_addr(address));
    session.times = vec![Time {
        start_time: 0,
        stop_time: 0,
        repeats: Vec::new(),
    }];
    for line in lines {
        if let OwnLine::Audio(audio) = line {
            session.attributes.extend(session_attributes(audio));
        }
        session.medias.push(write_line(policy, local, line));
    }
    let mut bytes = Vec::with_capacity(1024);
    // Writing to memory cannot fail.
    let _ = session.write(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn described_address(lines: &[OwnLine]) -> Option<IpAddr> {
    lines.iter().find_map(|line| match line {
        OwnLine::Audio(audio) => Some(audio.address),
        OwnLine::Declined { .. } => None,
    })
}

/// What its audio has to say for the whole session.
fn session_attributes(audio: &OwnAudio) -> impl Iterator<Item = Attribute> {
    let mid = audio.mid.as_ref().filter(|_| audio.bundled);
    let group = mid.map(|mid| attribute("group", format!("BUNDLE {mid}")));
    let lite = audio.is_lite().then(|| flag("ice-lite"));
    group.into_iter().chain(lite)
}

fn write_line(policy: &Policy, local: &Local, line: &OwnLine) -> Media {
    match line {
        OwnLine::Audio(audio) => {
            let numbers: Vec<String> = audio.formats.iter().map(|(n, _)| n.to_string()).collect();
            Media {
                attributes: audio_attributes(policy, local, audio),
                ..media(
                    "audio",
                    local.rtp_port,
                    audio.proto.token(),
                    numbers.join(" "),
                )
            }
        }
        OwnLine::Declined {
            kind,
            proto,
            formats,
        } => media(kind, 0, proto, formats.clone()),
    }
}

fn media(kind: &str, port: u16, proto: &str, formats: String) -> Media {
    Media {
        media: kind.to_owned(),
        port,
        num_ports: None,
        proto: proto.to_owned(),
        fmt: formats,
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

fn audio_attributes(policy: &Policy, local: &Local, audio: &OwnAudio) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(16);
    if let Some(mid) = &audio.mid {
        attributes.push(attribute("mid", mid.clone()));
    }
    for &(number, encoding) in &audio.formats {
        attributes.push(attribute("rtpmap", format!("{number} {encoding}")));
        if let Some(fmtp) = fmtp(policy, encoding) {
            attributes.push(attribute("fmtp", format!("{number} {fmtp}")));
        }
    }
    attributes.push(milliseconds("ptime", policy.packet_time));
    if let Some(time) = policy.max_packet_time {
        attributes.push(milliseconds("maxptime", time));
    }
    if audio.rtcp_mux {
        attributes.push(flag("rtcp-mux"));
    } else if local.rtp_port.checked_add(1) != Some(local.rtcp_port) {
        attributes.push(attribute("rtcp", local.rtcp_port.to_string()));
    }
    if let Some(reports) = audio.extended_reports.to_value() {
        attributes.push(attribute(extended_reports::ATTRIBUTE, reports));
    }
    if policy.announce_ssrc {
        let source = format!("{} cname:{}", local.ssrc.0, local.cname);
        attributes.push(attribute("ssrc", source));
    }
    match &audio.security {
        OwnSecurity::Clear => {}
        OwnSecurity::Sdes(lines) => attributes.extend(
            lines
                .iter()
                .map(|line| attribute("crypto", line.to_value())),
        ),
        OwnSecurity::Dtls(dtls) => write_dtls(local, dtls, &mut attributes),
    }
    attributes.push(flag(audio.direction.name()));
    attributes
}

fn write_dtls(local: &Local, dtls: &OwnDtls, attributes: &mut Vec<Attribute>) {
    if let Some(ice) = &dtls.ice {
        attributes.push(attribute("ice-ufrag", ice.credentials.ufrag.clone()));
        attributes.push(attribute("ice-pwd", ice.credentials.pwd.clone()));
        for candidate in &local.candidates {
            attributes.push(attribute("candidate", candidate.to_value()));
        }
    }
    attributes.push(attribute("fingerprint", local.fingerprint.to_string()));
    attributes.push(attribute("setup", dtls.setup.name().to_owned()));
}

fn fmtp(policy: &Policy, encoding: Encoding) -> Option<String> {
    match encoding {
        Encoding::Audio(Codec::Opus) => {
            (!policy.opus_fmtp.is_empty()).then(|| policy.opus_fmtp.clone())
        }
        Encoding::Audio(Codec::G722 | Codec::Pcmu | Codec::Pcma) => None,
        Encoding::TelephoneEvent(_) => Some("0-16".to_owned()),
    }
}

fn milliseconds(name: &str, time: Duration) -> Attribute {
    attribute(name, time.as_millis().to_string())
}

fn attribute(name: &str, value: String) -> Attribute {
    Attribute {
        attribute: name.to_owned(),
        value: Some(value),
    }
}

fn flag(name: &str) -> Attribute {
    Attribute {
        attribute: name.to_owned(),
        value: None,
    }
}
