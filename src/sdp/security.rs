//! How a stream is protected: SDES (RFC 4568 §5), DTLS (RFC 5763 §5, RFC 8842 §5) or not at all, chosen of what the peer
//! shows. Any transport token is taken when the keys, or the fingerprint, say what is meant (dossier 3.1).

use super::description::{Audio, Proto};
use super::dtls::DtlsRole;
use super::ice::{IceEnd, IceRole};
use super::writing::{OwnDtls, OwnIce, OwnSecurity};
use super::{
    Agreement, CryptoFault, CryptoLine, CryptoPair, DtlsTerms, IceCredentials, IceTerms, Local,
    Offers, Policy, Protection, Refusal, Security,
};

/// What a description asks for.
enum Kind {
    Clear,
    /// Plain RTP, but keys are taken when they can be (RFC 8643).
    ClearOrSdes,
    Sdes,
    Dtls,
}

/// A stream's protection as we describe it and as it runs.
pub(super) struct Secured {
    pub own: OwnSecurity,
    pub protection: Protection,
    pub ice: Option<IceTerms>,
}

impl Secured {
    fn clear() -> Self {
        Self {
            own: OwnSecurity::Clear,
            protection: Protection::Clear,
            ice: None,
        }
    }

    fn sdes(local: &Local, theirs: &CryptoLine) -> Self {
        let ours = CryptoLine {
            key: local.key.for_suite(theirs.suite),
            ..theirs.clone()
        };
        Self {
            protection: Protection::Sdes(pair(&ours, theirs)),
            own: OwnSecurity::Sdes(vec![ours]),
            ice: None,
        }
    }
}

/// What is taken of an offer. `before`: what the session agreed on so far.
pub(super) fn accept(
    policy: &Policy,
    local: &Local,
    audio: &Audio,
    before: Option<&Agreement>,
) -> Result<Secured, Refusal> {
    match asked(policy, audio)? {
        Kind::Clear => Ok(Secured::clear()),
        Kind::ClearOrSdes => Ok(first_usable(policy, audio)
            .map_or_else(|_| Secured::clear(), |line| Secured::sdes(local, line))),
        Kind::Sdes => first_usable(policy, audio).map(|line| Secured::sdes(local, line)),
        Kind::Dtls => accept_dtls(policy, local, audio, before),
    }
}

fn asked(policy: &Policy, audio: &Audio) -> Result<Kind, Refusal> {
    let has_keys = !audio.crypto.is_empty();
    let has_fingerprint = audio.transport.has_fingerprint();
    let is_plain = match audio.proto {
        Some(Proto::Avp | Proto::Avpf) => true,
        Some(Proto::Savp | Proto::Savpf | Proto::DtlsSavp | Proto::DtlsSavpf) | None => false,
    };
    let takes_plain = is_plain && policy.security.takes_plain();
    match &policy.security {
        Security::Plain if takes_plain => Ok(Kind::Clear),
        Security::Sdes(_) if has_keys => Ok(Kind::Sdes),
        Security::Dtls if has_fingerprint => Ok(Kind::Dtls),
        Security::SdesIfOffered(_) if takes_plain => Ok(Kind::ClearOrSdes),
        Security::SdesIfOffered(_) if has_keys => Ok(Kind::Sdes),
        Security::AsOffered { .. } if has_fingerprint && (audio.is_dtls() || !has_keys) => {
            Ok(Kind::Dtls)
        }
        Security::AsOffered { .. } if takes_plain => Ok(Kind::ClearOrSdes),
        Security::AsOffered { .. } if has_keys => Ok(Kind::Sdes),
        Security::Plain
        | Security::Sdes(_)
        | Security::SdesIfOffered(_)
        | Security::Dtls
        | Security::AsOffered { .. } => Err(mismatch(policy, audio)),
    }
}

/// The offerer's first line that we can use (RFC 4568 §5.1.2).
fn first_usable<'a>(policy: &Policy, audio: &'a Audio) -> Result<&'a CryptoLine, Refusal> {
    let mut faults = Vec::new();
    for line in &audio.crypto {
        match line {
            Ok(line) if policy.security.suites().contains(&line.suite) => return Ok(line),
            Ok(line) => faults.push(CryptoFault::SuiteNotAllowed(line.suite).to_string()),
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    faults.truncate(6);
    Err(Refusal::NoCrypto(faults.join("; ")))
}

fn accept_dtls(
    policy: &Policy,
    local: &Local,
    audio: &Audio,
    before: Option<&Agreement>,
) -> Result<Secured, Refusal> {
    let fingerprints = audio.transport.fingerprints().map_err(Refusal::NoDtls)?;
    let role = DtlsRole::answering(
        audio.transport.setup,
        association(before, &fingerprints).map(|terms| terms.role),
    )
    .ok_or_else(no_association)?;
    let before = before.and_then(|agreement| agreement.ice.as_ref());
    let ice = peer_ice(audio)?.map(|theirs| {
        let credentials = answering_credentials(local, before, &theirs.credentials);
        let ours = OwnIce {
            credentials,
            mode: policy.ice,
        };
        ice_terms(local, &ours, theirs, before, false)
    });
    Ok(Secured {
        own: OwnSecurity::Dtls(OwnDtls {
            setup: role.setup(),
            ice: ice.as_ref().map(|terms| OwnIce {
                credentials: terms.ours.credentials.clone(),
                mode: terms.ours.mode,
            }),
        }),
        protection: Protection::Dtls(DtlsTerms {
            role,
            newest: policy.dtls_newest,
            fingerprints,
        }),
        ice,
    })
}

/// The association that goes on: with the same certificate, the roles are those it began with (RFC 8842 §5.3).
fn association<'a>(
    before: Option<&'a Agreement>,
    fingerprints: &[super::Fingerprint],
) -> Option<&'a DtlsTerms> {
    match &before?.protection {
        Protection::Dtls(terms) => (terms.fingerprints == fingerprints).then_some(terms),
        Protection::Clear | Protection::Sdes(_) => None,
    }
}

fn no_association() -> Refusal {
    Refusal::NoDtls("a=setup:holdconn wants no connection".to_owned())
}

fn peer_ice(audio: &Audio) -> Result<Option<IceEnd>, Refusal> {
    let ice = audio.transport.ice.clone().transpose();
    ice.map_err(|fault| Refusal::NoIce(fault.to_string()))
}

/// The same as long as the peer's are; new ones when it restarts ICE (RFC 8839 §4.4.1.1.1, §4.4.2).
fn answering_credentials(
    local: &Local,
    before: Option<&IceTerms>,
    theirs: &IceCredentials,
) -> IceCredentials {
    match before {
        None => local.ice.clone(),
        Some(before) if before.theirs.credentials == *theirs => before.ours.credentials.clone(),
        Some(before) => before.ours.credentials.next(&local.key),
    }
}

fn ice_terms(
    local: &Local,
    ours: &OwnIce,
    theirs: IceEnd,
    before: Option<&IceTerms>,
    we_offered: bool,
) -> IceTerms {
    // Roles stay for the whole session while neither end's mode changes (RFC 8445 §6.1.1).
    let role = before
        .filter(|before| before.ours.mode == ours.mode && before.theirs.mode == theirs.mode)
        .map_or_else(
            || IceRole::of(ours.mode, theirs.mode, we_offered),
            |before| before.role,
        );
    IceTerms {
        role,
        ours: IceEnd {
            credentials: ours.credentials.clone(),
            mode: ours.mode,
            candidates: local.candidates.clone(),
            complete: true,
        },
        theirs,
    }
}

/// What our offer asks for. What the session runs with goes on: once encrypted, it stays so.
pub(super) fn offer(policy: &Policy, local: &Local, before: Option<&Agreement>) -> OwnSecurity {
    let sdes = |suites: &[super::Suite]| offer_sdes(local, suites, before);
    match (&policy.security, before.map(|agreed| &agreed.protection)) {
        (Security::Plain, _) => OwnSecurity::Clear,
        (Security::Sdes(suites), _) => sdes(suites),
        (Security::Dtls, _) | (Security::AsOffered { .. }, Some(Protection::Dtls(_))) => {
            OwnSecurity::Dtls(offer_dtls(policy, local, before))
        }
        (
            Security::SdesIfOffered(_) | Security::AsOffered { .. },
            Some(Protection::Sdes(CryptoPair { suite, .. })),
        ) => sdes(&[*suite]),
        (Security::SdesIfOffered(_), Some(Protection::Clear | Protection::Dtls(_)) | None)
        | (Security::AsOffered { .. }, Some(Protection::Clear)) => OwnSecurity::Clear,
        (Security::AsOffered { offers, suites }, None) => match offers {
            Offers::Plain => OwnSecurity::Clear,
            Offers::Sdes => sdes(suites),
            Offers::Dtls => OwnSecurity::Dtls(offer_dtls(policy, local, before)),
        },
    }
}

/// A line for each suite; the one in use first.
fn offer_sdes(local: &Local, suites: &[super::Suite], before: Option<&Agreement>) -> OwnSecurity {
    let in_use = before
        .and_then(|agreed| agreed.protection.sdes())
        .map(|pair| pair.suite);
    let mut suites = suites.to_vec();
    suites.sort_by_key(|suite| Some(*suite) != in_use);
    let lines = suites.into_iter().zip(1..);
    OwnSecurity::Sdes(
        lines
            .map(|(suite, tag)| CryptoLine::new(tag, suite, local.key.for_suite(suite)))
            .collect(),
    )
}

/// A running association keeps its roles (RFC 8842 §5.5) and its ICE.
fn offer_dtls(policy: &Policy, local: &Local, before: Option<&Agreement>) -> OwnDtls {
    let running = before.and_then(|agreed| match &agreed.protection {
        Protection::Dtls(terms) => Some((terms, agreed.ice.as_ref())),
        Protection::Clear | Protection::Sdes(_) => None,
    });
    match running {
        None => OwnDtls {
            setup: policy.dtls_setup.setup(),
            ice: Some(OwnIce {
                credentials: local.ice.clone(),
                mode: policy.ice,
            }),
        },
        Some((terms, ice)) => OwnDtls {
            setup: terms.role.setup(),
            ice: ice.map(|ice| OwnIce {
                credentials: ice.ours.credentials.clone(),
                mode: ice.ours.mode,
            }),
        },
    }
}

/// What the answer to `own`, our offer, comes to.
pub(super) fn settle(
    policy: &Policy,
    local: &Local,
    own: &OwnSecurity,
    audio: &Audio,
    before: Option<&Agreement>,
) -> Result<(Protection, Option<IceTerms>), Refusal> {
    match own {
        OwnSecurity::Clear => match audio.proto {
            Some(Proto::Avp | Proto::Avpf) => Ok((Protection::Clear, None)),
            Some(Proto::Savp | Proto::Savpf | Proto::DtlsSavp | Proto::DtlsSavpf) | None => {
                Err(mismatch(policy, audio))
            }
        },
        OwnSecurity::Sdes(lines) => {
            let pair = settle_sdes(policy, lines, audio)?;
            Ok((Protection::Sdes(pair), None))
        }
        OwnSecurity::Dtls(own) => settle_dtls(policy, local, own, audio, before),
    }
}

/// The answer must pick one of our lines by its tag (RFC 4568 §5.1.3).
fn settle_sdes(
    policy: &Policy,
    lines: &[CryptoLine],
    audio: &Audio,
) -> Result<CryptoPair, Refusal> {
    let mut fault = None;
    for line in &audio.crypto {
        match line {
            Ok(theirs) => {
                let ours = lines
                    .iter()
                    .find(|ours| ours.tag == theirs.tag && ours.suite == theirs.suite);
                if let Some(ours) = ours {
                    return Ok(pair(ours, theirs));
                }
                let words = format!("tag {} was not offered with this suite", theirs.tag);
                fault.get_or_insert(words);
            }
            Err(error) => {
                fault.get_or_insert(error.to_string());
            }
        }
    }
    Err(fault.map_or_else(|| mismatch(policy, audio), Refusal::NoCrypto))
}

/// A peer that answers without ICE is sent to where its description says.
fn settle_dtls(
    policy: &Policy,
    local: &Local,
    own: &OwnDtls,
    audio: &Audio,
    before: Option<&Agreement>,
) -> Result<(Protection, Option<IceTerms>), Refusal> {
    if !audio.transport.has_fingerprint() {
        return Err(mismatch(policy, audio));
    }
    let fingerprints = audio.transport.fingerprints().map_err(Refusal::NoDtls)?;
    let role = DtlsRole::answered(own.setup, audio.transport.setup).ok_or_else(no_association)?;
    let ice = match (&own.ice, peer_ice(audio)?) {
        (Some(ours), Some(theirs)) => {
            let before = before.and_then(|agreed| agreed.ice.as_ref());
            Some(ice_terms(local, ours, theirs, before, true))
        }
        (Some(_), None) | (None, _) => None,
    };
    let terms = DtlsTerms {
        role,
        newest: policy.dtls_newest,
        fingerprints,
    };
    Ok((Protection::Dtls(terms), ice))
}

fn pair(ours: &CryptoLine, theirs: &CryptoLine) -> CryptoPair {
    CryptoPair {
        suite: ours.suite,
        send: ours.key.clone(),
        receive: theirs.key.clone(),
    }
}

pub(super) fn mismatch(policy: &Policy, audio: &Audio) -> Refusal {
    Refusal::SecurityMismatch {
        wanted: policy.security.wanted().to_owned(),
        found: audio.offered_security(),
    }
}
