//! Who we are, whom we expect, and what we would agree on: the same in every version.

use std::sync::Arc;

use super::certificate::PeerKey;
use super::suite::srtp_profile;
use super::{Failure, Identity};
use crate::entropy::Entropy;
use crate::sdp::{self, DtlsTerms, DtlsVersion, Fingerprint};

pub struct Party {
    pub identity: Arc<Identity>,
    pub newest: DtlsVersion,
    fingerprints: Vec<Fingerprint>,
    /// In our order.
    profiles: Vec<sdp::Suite>,
    pub entropy: Entropy,
}

impl Party {
    pub fn new(
        terms: DtlsTerms,
        identity: Arc<Identity>,
        profiles: Vec<sdp::Suite>,
        entropy: Entropy,
    ) -> Self {
        Self {
            identity,
            newest: terms.newest,
            fingerprints: terms.fingerprints,
            profiles,
            entropy,
        }
    }

    /// For an engine of another version.
    pub fn hand_over(&mut self) -> Self {
        Self {
            identity: self.identity.clone(),
            newest: self.newest,
            fingerprints: std::mem::take(&mut self.fingerprints),
            profiles: std::mem::take(&mut self.profiles),
            entropy: self.entropy.fork(),
        }
    }

    /// Keys were made: whom we expected is of no use any more.
    pub fn forget(&mut self) {
        self.fingerprints = Vec::new();
        self.profiles = Vec::new();
    }

    /// SRTP's profiles as numbers for a hello.
    pub fn profile_numbers(&self) -> Vec<u16> {
        let profiles = self.profiles.iter().copied();
        profiles.filter_map(srtp_profile).collect()
    }

    pub fn profile(&self, is_chosen: impl Fn(u16) -> bool) -> Option<sdp::Suite> {
        let fits = |suite: &sdp::Suite| srtp_profile(*suite).is_some_and(&is_chosen);
        self.profiles.iter().copied().find(fits)
    }

    /// Of the peer's own certificate, in DER.
    pub fn peer_key(&self, leaf: Option<&[u8]>) -> Result<PeerKey, Failure> {
        PeerKey::of(leaf.ok_or(Failure::NoCertificate)?, &self.fingerprints)
    }
}
