//! What the peer says of its transport, read: ICE (RFC 8839), fingerprints and roles of DTLS (RFC 8842). Either at its
//! audio or for the whole session.

use sdp_types::Attribute;

use super::description::{find, value, values};
use super::dtls::{Fingerprint, FingerprintFault, Setup, best};
use super::ice::{Candidate, IceCredentials, IceEnd, IceFault, IceMode};

const MAX_CANDIDATES: usize = 32;
const MAX_FINGERPRINTS: usize = 16;

#[derive(Debug)]
pub(super) struct Transport {
    /// `None`: it speaks no ICE.
    pub ice: Option<Result<IceEnd, IceFault>>,
    fingerprints: Vec<Result<Fingerprint, FingerprintFault>>,
    pub setup: Option<Setup>,
}

impl Transport {
    pub(super) fn read(own: &[Attribute], session: &[Attribute]) -> Self {
        let anywhere = |name| value(own, name).or_else(|| value(session, name));
        let of_media: Vec<_> = read_fingerprints(own).collect();
        Self {
            ice: read_ice(own, session),
            fingerprints: if of_media.is_empty() {
                read_fingerprints(session).collect()
            } else {
                of_media
            },
            setup: anywhere("setup").and_then(Setup::from_name),
        }
    }

    /// Whether there is any fingerprint, be it of use or not.
    pub(super) fn has_fingerprint(&self) -> bool {
        !self.fingerprints.is_empty()
    }

    /// Those that the peer's certificate is held against, or what is wrong with all of them.
    pub(super) fn fingerprints(&self) -> Result<Vec<Fingerprint>, String> {
        let best = best(&self.fingerprints);
        if !best.is_empty() {
            return Ok(best);
        }
        let faults = self.fingerprints.iter().filter_map(|f| f.as_ref().err());
        let words: Vec<String> = faults.take(6).map(ToString::to_string).collect();
        Err(words.join("; "))
    }
}

fn read_fingerprints(
    attributes: &[Attribute],
) -> impl Iterator<Item = Result<Fingerprint, FingerprintFault>> {
    values(attributes, "fingerprint")
        .take(MAX_FINGERPRINTS)
        .map(Fingerprint::parse)
}

fn read_ice(own: &[Attribute], session: &[Attribute]) -> Option<Result<IceEnd, IceFault>> {
    let anywhere = |name| value(own, name).or_else(|| value(session, name));
    let ufrag = anywhere("ice-ufrag")?;
    let pwd = anywhere("ice-pwd").unwrap_or_default();
    let credentials = IceCredentials::read(ufrag, pwd);
    Some(credentials.map(|credentials| {
        IceEnd {
            credentials,
            mode: read_mode(own, session),
            candidates: values(own, "candidate")
                .take(MAX_CANDIDATES)
                .filter_map(Candidate::parse)
                .collect(),
            complete: is_complete(own, session),
        }
    }))
}

/// `a=ice-lite` belongs to the session; some write it at the media.
fn read_mode(own: &[Attribute], session: &[Attribute]) -> IceMode {
    let flag = find(session, "ice-lite").or_else(|| find(own, "ice-lite"));
    flag.map_or(IceMode::Full, |_| IceMode::Lite)
}

fn is_complete(own: &[Attribute], session: &[Attribute]) -> bool {
    let either = || own.iter().chain(session);
    let is_trickling = [own, session].into_iter().any(|attributes| {
        values(attributes, "ice-options").any(|options| {
            let mut options = options.split_ascii_whitespace();
            options.any(|option| option.eq_ignore_ascii_case("trickle"))
        })
    });
    let is_ended = either().any(|a| a.attribute.trim().eq_ignore_ascii_case("end-of-candidates"));
    is_ended || !is_trickling
}
