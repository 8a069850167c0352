//! Our certificate chain and key, read from PEM files.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::TlsError;
use crate::config::Tls;

/// A chain with its key, and what it says about itself.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: CertificateFacts,
}

/// What an operator wants to know about a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFacts {
    /// Names and addresses it is good for.
    pub names: Vec<String>,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

impl CertificateFacts {
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

impl Identity {
    pub(super) fn read(tls: &Tls, provider: &CryptoProvider) -> Result<Self, TlsError> {
        let chain = read_chain(&tls.certificate)?;
        let facts = read_facts(&tls.certificate, &chain)?;
        let key = PrivateKeyDer::from_pem_file(&tls.private_key)
            .map_err(|error| unreadable(&tls.private_key, error.to_string()))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| TlsError::Key {
            key: tls.private_key.clone(),
            certificate: tls.certificate.clone(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            key: Arc::new(key),
            facts,
        })
    }
}

/// All certificates of a PEM file; at least one.
pub(super) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file)
        .map_err(|error| unreadable(file, error.to_string()))?
        .collect();
    let chain = chain.map_err(|error| unreadable(file, error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable(file, "no certificate in it".to_owned()));
    }
    Ok(chain)
}

fn read_facts(file: &Path, chain: &[CertificateDer<'_>]) -> Result<CertificateFacts, TlsError> {
    let unusable = |problem: String| TlsError::Certificate {
        file: file.to_owned(),
        problem,
    };
    let leaf = chain
        .first()
        .ok_or_else(|| unusable("it is empty".to_owned()))?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| unusable(error.to_string()))?;
    Ok(CertificateFacts {
        names: names(&leaf),
        not_before: time(leaf.validity().not_before),
        not_after: time(leaf.validity().not_after),
    })
}

/// The subject alternative names: the common name has not counted since RFC 6125.
fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = leaf.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension.value.general_names.iter();
    names.filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(v6).to_string())
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn unreadable(file: &Path, problem: String) -> TlsError {
    TlsError::File {
        file: file.to_owned(),
        problem,
    }
}
