//! SRTP by webrtc-srtp, with keys of SDES (RFC 4568) or of a DTLS handshake.

use std::fmt;

use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

use crate::entropy::Entropy;

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Suite {
    Cm128Sha80,
    Cm128Sha32,
    Cm256Sha80,
    Cm256Sha32,
    Gcm128,
    Gcm256,
}

const NAMES: [(Suite, &str, ProtectionProfile); 6] = [
    (
        Suite::Cm128Sha80,
        "AES_CM_128_HMAC_SHA1_80",
        ProtectionProfile::Aes128CmHmacSha1_80,
    ),
    (
        Suite::Cm128Sha32,
        "AES_CM_128_HMAC_SHA1_32",
        ProtectionProfile::Aes128CmHmacSha1_32,
    ),
    (
        Suite::Cm256Sha80,
        "AES_256_CM_HMAC_SHA1_80",
        ProtectionProfile::Aes256CmHmacSha1_80,
    ),
    (
        Suite::Cm256Sha32,
        "AES_256_CM_HMAC_SHA1_32",
        ProtectionProfile::Aes256CmHmacSha1_32,
    ),
    (
        Suite::Gcm128,
        "AEAD_AES_128_GCM",
        ProtectionProfile::AeadAes128Gcm,
    ),
    (
        Suite::Gcm256,
        "AEAD_AES_256_GCM",
        ProtectionProfile::AeadAes256Gcm,
    ),
];

impl Suite {
    pub fn named(name: &str) -> Option<Self> {
        let row = NAMES.iter().find(|row| row.1.eq_ignore_ascii_case(name))?;
        Some(row.0)
    }

    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Of master key and salt, in octets.
    pub fn lengths(self) -> (usize, usize) {
        let profile = self.profile();
        (profile.key_len(), profile.salt_len())
    }

    fn profile(self) -> ProtectionProfile {
        self.row().2
    }

    fn row(self) -> &'static (Self, &'static str, ProtectionProfile) {
        let row = NAMES.iter().find(|row| row.0 == self);
        row.expect("every suite has a row")
    }
}

/// Master key and salt of one direction.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    suite: Suite,
    bytes: Vec<u8>,
}

impl Key {
    /// `None` when the length is not the suite's.
    pub fn of(suite: Suite, bytes: Vec<u8>) -> Option<Self> {
        let profile = suite.profile();
        let length = profile.key_len() + profile.salt_len();
        (bytes.len() == length).then_some(Self { suite, bytes })
    }

    pub fn random(suite: Suite, entropy: &mut Entropy) -> Self {
        let profile = suite.profile();
        let mut bytes = vec![0; profile.key_len() + profile.salt_len()];
        entropy.fill(&mut bytes);
        Self { suite, bytes }
    }

    pub fn suite(&self) -> Suite {
        self.suite
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One direction's state.
    pub fn context(&self) -> Result<Context, webrtc_srtp::Error> {
        let profile = self.suite.profile();
        let (key, salt) = self.bytes.split_at(profile.key_len());
        Context::new(
            key,
            salt,
            profile,
            Some(srtp_replay_protection(128)),
            Some(srtcp_replay_protection(128)),
        )
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.suite.name())
    }
}
