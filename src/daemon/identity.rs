//! Who this process is in DTLS: one self-signed certificate from start to end, made fresh, in memory alone (RFC 5763 §3).
//! Peers believe its fingerprint, which our descriptions carry.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::media::dtls;
use crate::sdp::Fingerprint;

/// ECDSA on P-256, as WhatsApp recommends it: the certificate fits into one flight (dossier 3.2).
pub struct Identity {
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS #8.
    pub key: Zeroizing<Vec<u8>>,
}

impl Identity {
    pub fn generate() -> Result<Self, rcgen::Error> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        // Says nothing about its owner.
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "WebRTC");
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().to_vec(),
            key: Zeroizing::new(key.serialize_der()),
        })
    }

    /// For the media plane.
    pub fn for_dtls(&self) -> Result<Arc<dtls::Identity>, dtls::IdentityError> {
        dtls::Identity::new(self.certificate.clone(), &self.key).map(Arc::new)
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_is_another_one_and_its_certificate_is_small() {
        let (first, second) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        assert_ne!(first.fingerprint(), second.fingerprint());
        assert!(first.fingerprint().matches(&first.certificate));
        assert!(first.certificate.len() < 600, "{}", first.certificate.len());
        assert!(first.for_dtls().is_ok());
        assert!(rcgen::KeyPair::try_from(first.key.as_slice()).is_ok());
    }
}
