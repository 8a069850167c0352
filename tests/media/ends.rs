//! Two ends that ICE and DTLS join, as negotiation would describe them to each other. The transport's own tests use it too.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use wabridge::media::dtls::Identity;
use wabridge::media::transport::Terms;
use wabridge::sdp::{
    Candidate, DtlsRole, DtlsTerms, DtlsVersion, Fingerprint, IceCredentials, IceEnd, IceMode,
    IceRole, IceTerms,
};

/// What each end is in DTLS, and how the other one knows it.
pub fn identities() -> &'static [(Arc<Identity>, Fingerprint); 2] {
    static BOTH: OnceLock<[(Arc<Identity>, Fingerprint); 2]> = OnceLock::new();
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["test".to_owned()]).unwrap();
        let der = made.cert.der().to_vec();
        let fingerprint = Fingerprint::of(&der);
        let identity = Identity::new(der, &made.signing_key.serialize_der()).unwrap();
        (Arc::new(identity), fingerprint)
    };
    BOTH.get_or_init(|| [make(), make()])
}

pub fn ice_end(name: &str, mode: IceMode, candidate: Option<SocketAddr>) -> IceEnd {
    IceEnd {
        credentials: IceCredentials {
            ufrag: format!("{name}fragment"),
            pwd: format!("{name} password of 24 chars"),
        },
        mode,
        candidates: candidate
            .map(|at| Candidate::host(at, 0))
            .into_iter()
            .collect(),
        complete: true,
    }
}

/// Each end's view of the same ICE session; `ours`: what the first one is in it.
pub fn ice_terms(ours: IceRole, [us, them]: [IceEnd; 2]) -> [IceTerms; 2] {
    let theirs = match ours {
        IceRole::Controlling => IceRole::Controlled,
        IceRole::Controlled => IceRole::Controlling,
    };
    let terms = |role, ours: &IceEnd, theirs: &IceEnd| IceTerms {
        role,
        ours: ours.clone(),
        theirs: theirs.clone(),
    };
    [terms(ours, &us, &them), terms(theirs, &them, &us)]
}

/// Terms of both. `peers`: where each one's peer is; `ours`: the first one's role in DTLS, whose `newest` version both know.
pub fn terms(
    ice: [Option<IceTerms>; 2],
    peers: [SocketAddr; 2],
    ours: DtlsRole,
    newest: DtlsVersion,
) -> [Terms; 2] {
    let theirs = match ours {
        DtlsRole::Client => DtlsRole::Server,
        DtlsRole::Server => DtlsRole::Client,
    };
    let [us, them] = identities();
    let terms = |ice, peer, role, fingerprint: &Fingerprint| Terms {
        ice,
        described: Some(peer),
        dtls: DtlsTerms {
            role,
            newest,
            fingerprints: vec![fingerprint.clone()],
        },
    };
    let [our_ice, their_ice] = ice;
    [
        terms(our_ice, peers[0], ours, &them.1),
        terms(their_ice, peers[1], theirs, &us.1),
    ]
}
