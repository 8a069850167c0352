//! TLS of a listener: our certificate for those who connect, our trust for those we connect to.
//!
//! TLS 1.2 and 1.3, no client certificate asked and none shown, and no ALPN in either direction: WhatsApp's server ends
//! the handshake with alert 120 when it is offered `sip` (dossier 2.1).

mod certificate;
mod trust;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};

use crate::config::Tls;
pub use certificate::CertificateFacts;
use certificate::Identity;

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {file}: {problem}")]
    File { file: PathBuf, problem: String },
    #[error("{file} is not a usable certificate: {problem}")]
    Certificate { file: PathBuf, problem: String },
    #[error("the key {key} does not fit the certificate {certificate}: {problem}")]
    Key {
        key: PathBuf,
        certificate: PathBuf,
        problem: String,
    },
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// The TLS side of one listener. Certificate and trust can change while it runs: connections that are up stay as they
/// are, new ones see the new files.
pub(super) struct TlsListener {
    provider: Arc<CryptoProvider>,
    server: Arc<ServerConfig>,
    shown: Arc<Shown>,
    client: ArcSwap<ClientConfig>,
}

/// The certificate shown to whoever connects.
#[derive(Debug)]
struct Shown(ArcSwap<Identity>);

impl TlsListener {
    pub(super) fn open(tls: &Tls) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let identity = Identity::read(tls, &provider)?;
        let shown = Arc::new(Shown(ArcSwap::from_pointee(identity)));
        Ok(Self {
            server: Arc::new(server_config(&provider, shown.clone())?),
            client: ArcSwap::from_pointee(trust::client_config(&provider, &tls.trust)?),
            shown,
            provider,
        })
    }

    /// Reads the files again. On an error everything stays as it was.
    pub(super) fn reload(&self, tls: &Tls) -> Result<(), TlsError> {
        let identity = Identity::read(tls, &self.provider)?;
        let client = trust::client_config(&self.provider, &tls.trust)?;
        self.shown.0.store(Arc::new(identity));
        self.client.store(Arc::new(client));
        Ok(())
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    pub(super) fn client_config(&self) -> Arc<ClientConfig> {
        self.client.load_full()
    }

    pub(super) fn facts(&self) -> CertificateFacts {
        self.shown.0.load().facts.clone()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().key.clone())
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    shown: Arc<Shown>,
) -> Result<ServerConfig, TlsError> {
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|error| TlsError::Setup(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    Ok(config)
}
