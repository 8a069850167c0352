//! What we show: one self-signed certificate with its key, for all calls of the process.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Failure;
use super::certificate::ECDSA_P256_SHA256;

/// An ECDSA P-256 certificate and its key: small enough for one datagram (dossier 3.2).
pub struct Identity {
    certificate: Vec<u8>,
    key: Key,
    fingerprint: [u8; 32],
}

enum Key {
    Ecdsa(EcdsaKeyPair),
    #[cfg(test)]
    Rsa(aws_lc_rs::rsa::KeyPair),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the private key is not an ECDSA P-256 key in PKCS #8")]
    Key,
    #[error("the certificate is not DER of X.509")]
    Certificate,
    #[error("the certificate is of another key")]
    Mismatch,
}

impl Identity {
    /// A certificate in DER, and its key in PKCS #8.
    pub fn new(certificate: Vec<u8>, key: &[u8]) -> Result<Self, IdentityError> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key)
            .map_err(|_| IdentityError::Key)?;
        let (_, parsed) =
            X509Certificate::from_der(&certificate).map_err(|_| IdentityError::Certificate)?;
        if *parsed.public_key().subject_public_key.data != *key.public_key().as_ref() {
            return Err(IdentityError::Mismatch);
        }
        let mut fingerprint = [0; 32];
        let hash = digest::digest(&digest::SHA256, &certificate);
        fingerprint.copy_from_slice(hash.as_ref());
        Ok(Self {
            certificate,
            key: Key::Ecdsa(key),
            fingerprint,
        })
    }

    /// SHA-256 of the certificate, for `a=fingerprint` (RFC 8122).
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Shows a certificate of which it does not have the key.
    #[cfg(test)]
    pub(super) fn showing(self, other: &Self) -> Self {
        Self {
            certificate: other.certificate.clone(),
            fingerprint: other.fingerprint,
            ..self
        }
    }

    /// How it signs.
    pub(super) fn scheme(&self) -> u16 {
        self.key.scheme()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        self.key.sign(message)
    }

    /// As a peer may be: RSA, for 1.3 alone.
    #[cfg(test)]
    pub(super) fn of_rsa(certificate: Vec<u8>, key: aws_lc_rs::rsa::KeyPair) -> Self {
        let hash = digest::digest(&digest::SHA256, &certificate);
        Self {
            fingerprint: *hash.as_ref().first_chunk().unwrap(),
            certificate,
            key: Key::Rsa(key),
        }
    }
}

impl Key {
    fn scheme(&self) -> u16 {
        match self {
            Self::Ecdsa(_) => ECDSA_P256_SHA256,
            #[cfg(test)]
            Self::Rsa(_) => 0x0804,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(key) => {
                let signature = key.sign(&random, message);
                let signature = signature.map_err(|_| Failure::Library)?;
                Ok(signature.as_ref().to_vec())
            }
            #[cfg(test)]
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let pss = &aws_lc_rs::signature::RSA_PSS_SHA256;
                let signed = key.sign(pss, &random, message, &mut signature);
                signed.map_err(|_| Failure::Library)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
