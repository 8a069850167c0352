//! The peer's certificate: it is the one that the description named, and who shows it has its key. There is no chain to
//! follow: in DTLS-SRTP the signalling vouches for the fingerprint (RFC 5763 §5).

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::Failure;
use super::suite::KeyKind;
use crate::sdp::Fingerprint;

/// Signature schemes that we verify, in order of preference (RFC 8446 §4.2.3, RFC 5246 §7.4.1.4.1).
pub const SCHEMES: [u16; 8] = [
    0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601,
];
/// ECDSA with P-256 and SHA-256: what our own signatures are.
pub const ECDSA_P256_SHA256: u16 = 0x0403;

/// The public key of a certificate whose fingerprint was right.
pub struct PeerKey {
    curve: Kind,
    key: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Rsa,
}

impl PeerKey {
    pub fn of(certificate: &[u8], fingerprints: &[Fingerprint]) -> Result<Self, Failure> {
        if !fingerprints.iter().any(|named| named.matches(certificate)) {
            return Err(Failure::Fingerprint);
        }
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| Failure::Certificate)?;
        let info = parsed.public_key();
        Ok(Self {
            curve: kind_of(info).ok_or(Failure::Certificate)?,
            key: info.subject_public_key.data.to_vec(),
        })
    }

    pub fn kind(&self) -> KeyKind {
        match self.curve {
            Kind::P256 | Kind::P384 => KeyKind::Ecdsa,
            Kind::Rsa => KeyKind::Rsa,
        }
    }

    pub fn verify(&self, scheme: u16, message: &[u8], signature: &[u8]) -> Result<(), Failure> {
        let algorithm = self.algorithm(scheme).ok_or(Failure::Signature)?;
        UnparsedPublicKey::new(algorithm, &self.key)
            .verify(message, signature)
            .map_err(|_| Failure::Signature)
    }

    /// As 1.3 has it: the scheme names the curve as well, and RSA signs by PSS alone (RFC 8446 §4.2.3).
    pub fn verify_strictly(
        &self,
        scheme: u16,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Failure> {
        match (self.curve, scheme) {
            (Kind::P256, 0x0403) | (Kind::P384, 0x0503) | (Kind::Rsa, 0x0804..=0x0806) => {
                self.verify(scheme, message, signature)
            }
            (Kind::P256 | Kind::P384 | Kind::Rsa, _) => Err(Failure::Signature),
        }
    }

    /// In TLS 1.2 the curve follows from the key, and the scheme names the hash alone (RFC 8422 §5.10).
    fn algorithm(&self, scheme: u16) -> Option<&'static dyn VerificationAlgorithm> {
        match (self.curve, scheme) {
            (Kind::P256, 0x0403) => Some(&signature::ECDSA_P256_SHA256_ASN1),
            (Kind::P256, 0x0503) => Some(&signature::ECDSA_P256_SHA384_ASN1),
            (Kind::P384, 0x0403) => Some(&signature::ECDSA_P384_SHA256_ASN1),
            (Kind::P384, 0x0503) => Some(&signature::ECDSA_P384_SHA384_ASN1),
            (Kind::Rsa, 0x0401) => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            (Kind::Rsa, 0x0501) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            (Kind::Rsa, 0x0601) => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            (Kind::Rsa, 0x0804) => Some(&signature::RSA_PSS_2048_8192_SHA256),
            (Kind::Rsa, 0x0805) => Some(&signature::RSA_PSS_2048_8192_SHA384),
            (Kind::Rsa, 0x0806) => Some(&signature::RSA_PSS_2048_8192_SHA512),
            (Kind::P256 | Kind::P384 | Kind::Rsa, _) => None,
        }
    }
}

fn kind_of(info: &SubjectPublicKeyInfo<'_>) -> Option<Kind> {
    let algorithm = &info.algorithm;
    if algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
        return Some(Kind::Rsa);
    }
    if algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return None;
    }
    let curve = algorithm.parameters.as_ref()?.as_oid().ok()?;
    if curve == OID_EC_P256 {
        Some(Kind::P256)
    } else if curve == OID_NIST_EC_P384 {
        Some(Kind::P384)
    } else {
        None
    }
}
