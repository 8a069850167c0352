//! The certificate that a party shows in DTLS, and its fingerprint (RFC 8122 §5).

use std::fmt;
use std::sync::{Arc, OnceLock};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509Name};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Algorithm {
    /// P-256.
    #[default]
    Ecdsa,
    /// 2048 bits.
    Rsa,
}

pub struct Identity {
    pub key: PKey<Private>,
    pub certificate: X509,
    pub fingerprint: Vec<u8>,
}

impl Identity {
    fn new(algorithm: Algorithm) -> Result<Self, ErrorStack> {
        let key = match algorithm {
            Algorithm::Ecdsa => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                PKey::from_ec_key(EcKey::generate(&group)?)?
            }
            Algorithm::Rsa => PKey::from_rsa(Rsa::generate(2_048)?)?,
        };
        let certificate = signed_by_itself(&key)?;
        let fingerprint = certificate.digest(MessageDigest::sha256())?.to_vec();
        Ok(Self {
            key,
            certificate,
            fingerprint,
        })
    }

    /// One for all calls of a process: an RSA key takes a while.
    pub fn shared(algorithm: Algorithm) -> Result<Arc<Self>, ErrorStack> {
        static MADE: [OnceLock<Arc<Identity>>; 2] = [OnceLock::new(), OnceLock::new()];
        let made = &MADE[algorithm as usize];
        if let Some(identity) = made.get() {
            return Ok(identity.clone());
        }
        let identity = Arc::new(Self::new(algorithm)?);
        Ok(made.get_or_init(|| identity).clone())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", hex(&self.fingerprint))
    }
}

fn signed_by_itself(key: &PKey<Private>) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", "WebRTC")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(63, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(30)?.as_ref())?;
    builder.set_pubkey(key)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// `AB:CD:..`, as in `a=fingerprint`.
pub fn hex(octets: &[u8]) -> String {
    let octets: Vec<String> = octets.iter().map(|one| format!("{one:02X}")).collect();
    octets.join(":")
}
