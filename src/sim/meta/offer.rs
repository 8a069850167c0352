//! WhatsApp's offer, and what must be true of the answer to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::entropy::Entropy;
use crate::sim::media::Codec;
use crate::sim::media::crypto::{Key, Suite};
use crate::sim::media::ear::Expected;
use crate::sim::media::link::Local;
use crate::sim::media::mouth::Format;
use crate::sim::media::session::Settled;
use crate::sim::meta::description::{Description, EVENT, Security};
use crate::sim::meta::plan::Offer;
use crate::sim::sdp::webrtc::Setup;
use crate::sim::sdp::{Described, Direction};
use crate::sim::verdict::Verdict;

const OPUS: u8 = 111;
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9);

/// The offer as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub text: String,
    secret: Secret,
    codecs: Vec<Codec>,
    profile: String,
}

/// What the answer is held against.
#[derive(Clone, Debug)]
enum Secret {
    Sdes(Key),
    /// What we described ourselves as.
    Dtls(Setup),
}

/// Where and how we take media.
pub struct Ours {
    pub media: SocketAddr,
    pub ssrc: u32,
    pub link: Option<(Local, Vec<SocketAddr>)>,
}

/// An offer in WhatsApp's own numbering.
pub fn write(offer: &Offer, ours: Ours, entropy: &mut Entropy) -> Sent {
    let key = Key::random(Suite::Cm128Sha80, entropy);
    let secret = match &ours.link {
        None => Secret::Sdes(key.clone()),
        Some((local, _)) => Secret::Dtls(local.setup),
    };
    let security = match &ours.link {
        None => Security::Sdes(1, &key),
        Some((local, candidates)) => Security::Dtls {
            local,
            candidates: candidates.clone(),
        },
    };
    let profile = offer.profile.as_deref();
    let profile = profile.unwrap_or(security.profile()).to_owned();
    let codecs: Vec<(u8, Codec)> = offer
        .codecs
        .iter()
        .map(|codec| (payload_type(*codec), *codec))
        .collect();
    let description = Description {
        media: ours.media,
        ssrc: ours.ssrc,
        profile: &profile,
        codecs: &codecs,
        event: EVENT,
        security,
    };
    Sent {
        text: description.write(entropy),
        secret,
        codecs: offer.codecs.clone(),
        profile,
    }
}

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => OPUS,
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    }
}

/// Reads the answer, writes down what is wrong with it, and returns what media can run on.
pub fn settle(sent: &Sent, answer: &str, verdict: &mut Verdict) -> Option<Settled> {
    let read = match Described::read(answer) {
        Ok(read) => read,
        Err(error) => {
            verdict.violation("answer is an SDP", error.to_string());
            return None;
        }
    };
    let faults = faults_of(sent, &read);
    let found = if faults.is_empty() {
        summary(&read)
    } else {
        faults.join("; ")
    };
    verdict.check("SDP answer", faults.is_empty(), found);
    let &(pt, codec) = read.codecs().first()?;
    let keys = match &sent.secret {
        Secret::Sdes(key) => Some((key.clone(), read.crypto.first()?.key.clone())),
        Secret::Dtls(_) => None,
    };
    let peer = match &sent.secret {
        Secret::Sdes(_) => None,
        Secret::Dtls(_) => Some(read.webrtc.peer()?),
    };
    let (send_key, key) = keys.unzip();
    Some(Settled {
        // Of no account where ICE finds it.
        remote: read.rtp().or(peer.as_ref().map(|_| NOWHERE))?,
        remote_rtcp: read.rtcp().or(peer.as_ref().map(|_| NOWHERE))?,
        format: Format {
            codec,
            pt,
            telephone_event: read.telephone_event(),
        },
        expected: Expected {
            payloads: read.codecs(),
            telephone_event: read.telephone_event(),
            key,
        },
        send_key,
        direction: Direction::Sendrecv,
        peer,
    })
}

fn faults_of(sent: &Sent, read: &Described) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |held: bool, fault: String| {
        if !held {
            faults.push(fault);
        }
    };
    let lines = (read.audio_lines, read.other_lines);
    must(lines == (1, 0), format!("m-lines {lines:?}"));
    must(read.port != 0, "port 0".into());
    must(read.address.is_some(), "no c= address".into());
    must(
        read.profile == sent.profile,
        format!("profile {}", read.profile),
    );
    must(
        read.ptime.is_none_or(|ptime| ptime == 20),
        format!("ptime {:?}", read.ptime),
    );
    must(
        read.maxptime.is_none_or(|most| most >= 20),
        format!("maxptime {:?}", read.maxptime),
    );
    let codecs: Vec<Codec> = read.codecs().iter().map(|(_, codec)| *codec).collect();
    must(!codecs.is_empty(), "no codec".into());
    must(
        codecs.iter().all(|codec| sent.codecs.contains(codec)),
        format!("codecs {codecs:?}"),
    );
    must(
        read.codecs()
            .iter()
            .all(|(pt, codec)| *pt == payload_type(*codec)),
        "payload types renumbered".into(),
    );
    must(
        read.telephone_event()
            .is_none_or(|event| event == (EVENT, 8_000)),
        format!("telephone-event {:?}", read.telephone_event()),
    );
    must(
        read.direction == Direction::Sendrecv,
        format!("direction {}", read.direction.name()),
    );
    faults.extend(match &sent.secret {
        Secret::Sdes(key) => faults_of_sdes(key, read),
        Secret::Dtls(setup) => faults_of_dtls(*setup, read),
    });
    faults
}

fn faults_of_sdes(key: &Key, read: &Described) -> Vec<String> {
    let crypto: Vec<(u32, Suite)> = read
        .crypto
        .iter()
        .map(|one| (one.tag, one.key.suite()))
        .collect();
    let must = [
        (
            crypto == [(1, Suite::Cm128Sha80)],
            format!("crypto {crypto:?}"),
        ),
        (
            read.crypto.iter().all(|one| one.key != *key),
            "our own key came back".into(),
        ),
        (
            !read.webrtc.are_there() && !read.webrtc.ice_lite,
            "ICE or DTLS beside SDES".into(),
        ),
    ];
    let broken = must.into_iter().filter(|(held, _)| !held);
    broken.map(|(_, fault)| fault).collect()
}

/// `passive` does not work in practice (dossier 3.2).
fn faults_of_dtls(ours: Setup, read: &Described) -> Vec<String> {
    let allowed = match ours {
        Setup::Actpass | Setup::Passive => Setup::Active,
        Setup::Active => Setup::Passive,
    };
    let mut faults = read.webrtc.faults(&[allowed]);
    if !read.crypto.is_empty() {
        faults.push("a=crypto beside DTLS".into());
    }
    if !read.rtcp_mux {
        faults.push("no rtcp-mux".into());
    }
    faults
}

fn summary(read: &Described) -> String {
    let codec = read
        .codecs()
        .first()
        .map_or("", |(_, codec)| codec.rtpmap());
    let mux = if read.rtcp_mux { ", rtcp-mux" } else { "" };
    format!("{}, {codec}{mux}", read.profile)
}
