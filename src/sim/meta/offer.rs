//! WhatsApp's offer, and what must be true of the answer to it.

use std::net::SocketAddr;

use crate::entropy::Entropy;
use crate::sim::media::Codec;
use crate::sim::media::crypto::{Key, Suite};
use crate::sim::media::ear::Expected;
use crate::sim::media::mouth::Format;
use crate::sim::media::session::Settled;
use crate::sim::meta::description::{Description, EVENT};
use crate::sim::meta::plan::Offer;
use crate::sim::sdp::{Described, Direction};
use crate::sim::verdict::Verdict;

const OPUS: u8 = 111;

/// The offer as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub text: String,
    pub key: Key,
    offer: Offer,
}

/// An SDES offer in WhatsApp's own numbering.
pub fn write(offer: &Offer, media: SocketAddr, ssrc: u32, entropy: &mut Entropy) -> Sent {
    let key = Key::random(Suite::Cm128Sha80, entropy);
    let codecs: Vec<(u8, Codec)> = offer
        .codecs
        .iter()
        .map(|codec| (payload_type(*codec), *codec))
        .collect();
    let description = Description {
        media,
        ssrc,
        profile: &offer.profile,
        codecs: &codecs,
        event: EVENT,
        crypto: (1, &key),
    };
    Sent {
        text: description.write(entropy),
        key,
        offer: offer.clone(),
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
    let crypto = read.crypto.first()?;
    let remote = read.rtp()?;
    Some(Settled {
        remote,
        remote_rtcp: read.rtcp()?,
        format: Format {
            codec,
            pt,
            telephone_event: read.telephone_event(),
        },
        expected: Expected {
            payloads: read.codecs(),
            telephone_event: read.telephone_event(),
            key: Some(crypto.key.clone()),
        },
        send_key: Some(sent.key.clone()),
        direction: Direction::Sendrecv,
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
        read.profile == sent.offer.profile,
        format!("profile {}", read.profile),
    );
    let crypto: Vec<(u32, Suite)> = read
        .crypto
        .iter()
        .map(|one| (one.tag, one.key.suite()))
        .collect();
    must(
        crypto == [(1, Suite::Cm128Sha80)],
        format!("crypto {crypto:?}"),
    );
    must(
        read.crypto.iter().all(|one| one.key != sent.key),
        "our own key came back".into(),
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
        codecs.iter().all(|codec| sent.offer.codecs.contains(codec)),
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
    must(!read.ice_lite, "a=ice-lite".into());
    must(
        read.direction == Direction::Sendrecv,
        format!("direction {}", read.direction.name()),
    );
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
