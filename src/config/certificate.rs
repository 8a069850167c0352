//! Whether a certificate chain and its key will do, before anyone connects (RFC 5280, RFC 6125).

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::sip::flow::Host;

/// A warning comes so long before the end.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) struct Inspection<'a> {
    /// PEM.
    pub chain: &'a [u8],
    /// PEM.
    pub private_key: &'a [u8],
    /// What peers connect to.
    pub host: Option<&'a Host>,
    /// Strangers must believe it: a public authority has signed it.
    pub is_public: bool,
    pub now: SystemTime,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("there is no certificate in PEM form in it")]
    NoCertificate,
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    #[error("there is no private key in PEM form in it")]
    NoKey,
    #[error("the key cannot be used: {0}")]
    Key(String),
    #[error("the key does not belong to the certificate")]
    Mismatch,
    #[error("the certificate has expired ({0})")]
    Expired(String),
    #[error("the certificate is not valid yet ({0})")]
    NotYetValid(String),
    #[error("the certificate expires within two weeks ({0})")]
    ExpiresSoon(String),
    #[error("the certificate is for {names}, not for {host}")]
    Name { host: String, names: String },
    #[error("the certificate is signed by itself, which WhatsApp refuses")]
    SelfSigned,
}

impl Fault {
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Self::NoCertificate
            | Self::Certificate(_)
            | Self::NoKey
            | Self::Key(_)
            | Self::Mismatch
            | Self::Expired(_)
            | Self::NotYetValid(_)
            | Self::Name { .. } => true,
            Self::ExpiresSoon(_) | Self::SelfSigned => false,
        }
    }

    pub(super) fn is_about_key(&self) -> bool {
        matches!(self, Self::NoKey | Self::Key(_) | Self::Mismatch)
    }

    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::NoCertificate | Self::Certificate(_) => {
                "name the PEM file with the whole chain (Let's Encrypt: fullchain.pem)"
            }
            Self::NoKey | Self::Key(_) => {
                "name the PEM file with the unencrypted key (Let's Encrypt: privkey.pem)"
            }
            Self::Mismatch => "name the key that the certificate was made for",
            Self::Expired(_) | Self::ExpiresSoon(_) => "renew the certificate",
            Self::NotYetValid(_) => "check the clock of this machine, or take another certificate",
            Self::Name { .. } => "take a certificate that covers the advertised host name",
            Self::SelfSigned => "take a certificate of a public authority",
        }
    }
}

impl Inspection<'_> {
    /// Everything that is wrong, worst things not first but in the order of looking.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let chain = read_chain(self.chain)
            .map_err(|fault| faults.push(fault))
            .ok();
        let key = read_key(self.private_key)
            .map_err(|fault| faults.push(fault))
            .ok();
        if let Some(leaf) = chain.as_ref().and_then(|chain| chain.first()) {
            match X509Certificate::from_der(leaf) {
                Ok((_, leaf)) => self.inspect_leaf(&leaf, &mut faults),
                Err(error) => faults.push(Fault::Certificate(error.to_string())),
            }
        }
        if let (Some(chain), Some(key)) = (chain, key) {
            faults.extend(check_pair(chain, key));
        }
        faults
    }

    fn inspect_leaf(&self, leaf: &X509Certificate<'_>, faults: &mut Vec<Fault>) {
        let (begin, end) = (leaf.validity().not_before, leaf.validity().not_after);
        if self.now < time(begin) {
            faults.push(Fault::NotYetValid(begin.to_string()));
        }
        if self.now > time(end) {
            faults.push(Fault::Expired(end.to_string()));
        } else if self.now + SOON > time(end) {
            faults.push(Fault::ExpiresSoon(end.to_string()));
        }
        if self.is_public && leaf.issuer() == leaf.subject() {
            faults.push(Fault::SelfSigned);
        }
        let names = names(leaf);
        if let Some(host) = self.host
            && !names.iter().any(|name| name.covers(host))
        {
            let names: Vec<String> = names.iter().take(8).map(Name::to_string).collect();
            faults.push(Fault::Name {
                host: host.to_string(),
                names: if names.is_empty() {
                    "no name at all".to_owned()
                } else {
                    names.join(", ")
                },
            });
        }
    }
}

/// All certificates of a PEM text; at least one.
pub(super) fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(Fault::NoCertificate),
        Ok(chain) => Ok(chain),
        Err(error) => Err(Fault::Certificate(error.to_string())),
    }
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| Fault::NoKey)
}

fn check_pair(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Option<Fault> {
    match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        Ok(_) => None,
        Err(rustls::Error::InconsistentKeys(_)) => Some(Fault::Mismatch),
        Err(error) => Some(Fault::Key(error.to_string())),
    }
}

/// What a certificate is for. The common name has not counted since RFC 6125.
enum Name {
    Dns(String),
    Address(IpAddr),
}

impl Name {
    /// A `*` stands for one whole label, the first (RFC 6125 §6.4.3).
    fn covers(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Dns(ours), Host::Name(host)) => {
                let host = host.trim_end_matches('.');
                match ours.strip_prefix("*.") {
                    Some(domain) => host
                        .split_once('.')
                        .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
                    None => ours.eq_ignore_ascii_case(host),
                }
            }
            (Self::Address(ours), Host::Address(host)) => ours == host,
            (Self::Dns(_), Host::Address(_)) | (Self::Address(_), Host::Name(_)) => false,
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

fn names(leaf: &X509Certificate<'_>) -> Vec<Name> {
    let Ok(Some(extension)) = leaf.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names.filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<Name> {
    match name {
        GeneralName::DNSName(name) => Some(Name::Dns((*name).to_owned())),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).ok().map(Name::Address)
        }
        _ => None,
    }
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
