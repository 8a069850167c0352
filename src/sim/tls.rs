//! TLS for the simulators (rustls), and a throw-away certificate authority (rcgen) for the demo and the tests.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    ClientConfig, Error as RustlsError, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {cause}")]
    File { path: String, cause: String },
    #[error("making a certificate: {0}")]
    Making(#[from] rcgen::Error),
    #[error("TLS: {0}")]
    Rustls(#[from] RustlsError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Believes certificates that chain to one in the PEM file `ca`, for the name that is asked for. No ALPN and no client
/// certificate; `asked` notes when one was asked for.
pub fn connector(ca: &Path, asked: Arc<Asked>) -> Result<TlsConnector, TlsError> {
    Ok(TlsConnector::from(Arc::new(client(ca, asked)?)))
}

fn client(ca: &Path, asked: Arc<Asked>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate)?;
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_cert_resolver(asked))
}

/// Never asks for a client certificate. It knows the ALPN name `none` alone, so a client that offers another one is
/// refused with alert 120 as at wa.meta.vc, and a client that offers none is served.
pub fn acceptor(chain: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| file_error(key, error))?;
    server(certificates(chain)?, key_der)
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"none".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| file_error(path, error))
}

fn file_error(path: &Path, cause: impl std::fmt::Display) -> TlsError {
    TlsError::File {
        path: path.display().to_string(),
        cause: cause.to_string(),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Has no client certificate, and remembers whether one was asked for.
#[derive(Debug, Default)]
pub struct Asked(AtomicBool);

impl Asked {
    pub fn was_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// A certificate authority that lives as long as a directory.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    /// PEM of the authority itself.
    pub fn pem(&self) -> String {
        self.pem.clone()
    }

    pub fn save(&self, path: &Path) -> Result<(), TlsError> {
        Ok(std::fs::write(path, &self.pem)?)
    }

    /// Serves with a certificate for these names (DNS names or addresses); see [`acceptor`].
    pub fn acceptor(&self, names: &[&str]) -> Result<TlsAcceptor, TlsError> {
        let (certificate, pair) = self.certify(names)?;
        server(vec![certificate.der().clone()], pair.into())
    }

    fn certify(&self, names: &[&str]) -> Result<(Certificate, KeyPair), TlsError> {
        let pair = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&pair, &self.issuer)?;
        Ok((certificate, pair))
    }

    /// Writes a certificate for these names and its key, PEM both.
    pub fn issue(&self, names: &[&str], chain: &Path, key: &Path) -> Result<(), TlsError> {
        let (certificate, pair) = self.certify(names)?;
        std::fs::write(chain, certificate.pem())?;
        std::fs::write(key, pair.serialize_pem())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    /// What a client gets that offers these names.
    async fn greeted_with(names: &[&[u8]]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = (folder.path().join("pem"), folder.path().join("key"));
        let authority = Authority::new("a test").unwrap();
        authority.issue(&["wa.meta.vc"], &chain, &key).unwrap();
        let ca = folder.path().join("ca");
        authority.save(&ca).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = acceptor(&chain, &key).unwrap();
        tokio::spawn(async move { acceptor.accept(listener.accept().await.unwrap().0).await });
        let mut config = client(&ca, Arc::default()).unwrap();
        config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = TcpStream::connect(address).await.unwrap();
        let name = "wa.meta.vc".try_into().unwrap();
        let greeting = connector.connect(name, stream).await;
        greeting.map(drop).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn an_offered_alpn_name_is_refused() {
        let refusal = greeted_with(&[b"sip"]).await.unwrap_err();
        assert!(refusal.contains("NoApplicationProtocol"), "{refusal}");
        assert_eq!(greeted_with(&[]).await, Ok(()));
    }
}
