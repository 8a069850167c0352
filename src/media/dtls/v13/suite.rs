//! Cipher suites (RFC 8446 §B.4): no key exchange and no kind of certificate in them any more.

use aws_lc_rs::aead::{self, quic};

use crate::media::dtls::suite::Hash;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CipherSuite {
    Aes128,
    Aes256,
    ChaCha20,
}

impl CipherSuite {
    /// In order of preference.
    pub const ALL: [Self; 3] = [Self::Aes128, Self::Aes256, Self::ChaCha20];

    pub const fn code(self) -> u16 {
        match self {
            Self::Aes128 => 0x1301,
            Self::Aes256 => 0x1302,
            Self::ChaCha20 => 0x1303,
        }
    }

    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.code() == code)
    }

    pub fn hash(self) -> Hash {
        match self {
            Self::Aes128 | Self::ChaCha20 => Hash::Sha256,
            Self::Aes256 => Hash::Sha384,
        }
    }

    pub fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128 => &aead::AES_128_GCM,
            Self::Aes256 => &aead::AES_256_GCM,
            Self::ChaCha20 => &aead::CHACHA20_POLY1305,
        }
    }

    /// What encrypts record numbers: the same as QUIC's header protection (RFC 9147 §4.2.3, RFC 9001 §5.4).
    pub fn numbers(self) -> &'static quic::Algorithm {
        match self {
            Self::Aes128 => &quic::AES_128,
            Self::Aes256 => &quic::AES_256,
            Self::ChaCha20 => &quic::CHACHA20,
        }
    }
}
