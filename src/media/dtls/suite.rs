//! What is negotiated, as numbers of the registries.

use aws_lc_rs::{aead, digest, hkdf, hmac};

use crate::sdp;

/// ECDHE with AES-GCM: what RFC 8827 §6.5 makes every WebRTC peer speak, for peers with either kind of key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CipherSuite {
    EcdsaAes128,
    RsaAes128,
    EcdsaAes256,
    RsaAes256,
}

/// The kind of key in the server's certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    Ecdsa,
    Rsa,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hash {
    Sha256,
    Sha384,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    X25519,
    P256,
    /// Not for its exchange: a server shows a certificate of this curve only to a client that lists it.
    P384,
}

impl CipherSuite {
    /// In order of preference.
    pub const ALL: [Self; 4] = [
        Self::EcdsaAes128,
        Self::RsaAes128,
        Self::EcdsaAes256,
        Self::RsaAes256,
    ];

    /// RFC 5289.
    pub fn code(self) -> u16 {
        match self {
            Self::EcdsaAes128 => 0xc02b,
            Self::EcdsaAes256 => 0xc02c,
            Self::RsaAes128 => 0xc02f,
            Self::RsaAes256 => 0xc030,
        }
    }

    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.code() == code)
    }

    pub fn key_kind(self) -> KeyKind {
        match self {
            Self::EcdsaAes128 | Self::EcdsaAes256 => KeyKind::Ecdsa,
            Self::RsaAes128 | Self::RsaAes256 => KeyKind::Rsa,
        }
    }

    pub fn hash(self) -> Hash {
        match self {
            Self::EcdsaAes128 | Self::RsaAes128 => Hash::Sha256,
            Self::EcdsaAes256 | Self::RsaAes256 => Hash::Sha384,
        }
    }

    pub fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::EcdsaAes128 | Self::RsaAes128 => &aead::AES_128_GCM,
            Self::EcdsaAes256 | Self::RsaAes256 => &aead::AES_256_GCM,
        }
    }
}

impl Hash {
    pub fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }

    pub fn of(self, message: &[u8]) -> digest::Digest {
        digest::digest(self.digest(), message)
    }

    pub fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }

    pub fn hkdf(self) -> hkdf::Algorithm {
        match self {
            Self::Sha256 => hkdf::HKDF_SHA256,
            Self::Sha384 => hkdf::HKDF_SHA384,
        }
    }
}

impl Group {
    /// In order of preference.
    pub const ALL: [Self; 3] = [Self::X25519, Self::P256, Self::P384];

    /// RFC 8422 §5.1.1.
    pub fn code(self) -> u16 {
        match self {
            Self::X25519 => 29,
            Self::P256 => 23,
            Self::P384 => 24,
        }
    }

    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.code() == code)
    }
}

/// RFC 5764 §4.1.2, RFC 7714 §14.2. AES-256 in counter mode has no number.
pub fn srtp_profile(suite: sdp::Suite) -> Option<u16> {
    match suite {
        sdp::Suite::AesCm128HmacSha1_80 => Some(0x0001),
        sdp::Suite::AesCm128HmacSha1_32 => Some(0x0002),
        sdp::Suite::AeadAes128Gcm => Some(0x0007),
        sdp::Suite::AeadAes256Gcm => Some(0x0008),
        sdp::Suite::AesCm256HmacSha1_80 | sdp::Suite::AesCm256HmacSha1_32 => None,
    }
}
