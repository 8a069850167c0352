//! Ephemeral Diffie-Hellman (RFC 8422).

use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use aws_lc_rs::rand::SystemRandom;
use zeroize::Zeroizing;

use super::Failure;
use super::suite::Group;

/// Our half of an exchange, used once.
pub struct Exchange {
    group: Group,
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl Exchange {
    pub fn new(group: Group) -> Result<Self, Failure> {
        let random = SystemRandom::new();
        let private = EphemeralPrivateKey::generate(algorithm(group), &random);
        let private = private.map_err(|_| Failure::Library)?;
        let public = private.compute_public_key().map_err(|_| Failure::Library)?;
        Ok(Self {
            group,
            public: public.as_ref().to_vec(),
            private,
        })
    }

    pub fn group(&self) -> Group {
        self.group
    }

    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The secret shared with whoever has the other half.
    pub fn agree(self, theirs: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let theirs = UnparsedPublicKey::new(algorithm(self.group), theirs);
        agreement::agree_ephemeral(self.private, theirs, Failure::KeyExchange, |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })
    }
}

fn algorithm(group: Group) -> &'static agreement::Algorithm {
    match group {
        Group::X25519 => &agreement::X25519,
        Group::P256 => &agreement::ECDH_P256,
        Group::P384 => &agreement::ECDH_P384,
    }
}
