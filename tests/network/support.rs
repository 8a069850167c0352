//! What every story needs: a network under test, peers that speak raw bytes, certificates of a made-up authority.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wabridge::config::{Faces, Listener, StaticHosts, Tls, Trust};
use wabridge::entropy::Entropy;
use wabridge::net::{Capacity, NetEvent, Network, Patience};
use wabridge::sip::flow::{
    Host, ListenerId, NextHop, Source, Target, Transmit, TransmitTag, Transport,
};

pub const UDP: ListenerId = ListenerId(1);
pub const TCP: ListenerId = ListenerId(2);
pub const TLS: ListenerId = ListenerId(3);

/// No story waits longer for anything; a test that gets here has failed.
pub const LONG: Duration = Duration::from_secs(20);

/// A whole message with a body.
pub fn message(name: &str) -> Vec<u8> {
    format!("MESSAGE sip:a@b SIP/2.0\r\nCall-ID: {name}\r\nContent-Length: 5\r\n\r\nhello")
        .into_bytes()
}

pub struct World {
    pub network: Network,
    pub authority: Authority,
    pub listeners: BTreeMap<ListenerId, Listener>,
}

impl World {
    pub fn open() -> Self {
        Self::open_with(Capacity::default(), Patience::default())
    }

    pub fn open_with(capacity: Capacity, patience: Patience) -> Self {
        let authority = Authority::new();
        let tls = authority.issue("bridge", "localhost");
        let listeners: BTreeMap<_, _> = [
            (UDP, Transport::Udp, None),
            (TCP, Transport::Tcp, None),
            (TLS, Transport::Tls, Some(tls)),
        ]
        .map(|(id, transport, tls)| (id, listener(transport, tls)))
        .into();
        Self::build(listeners, authority, capacity, patience)
    }

    /// With other listeners than usual.
    pub fn open_listeners(listeners: BTreeMap<ListenerId, Listener>) -> Self {
        let authority = Authority::new();
        Self::build(
            listeners,
            authority,
            Capacity::default(),
            Patience::default(),
        )
    }

    fn build(
        listeners: BTreeMap<ListenerId, Listener>,
        authority: Authority,
        capacity: Capacity,
        patience: Patience,
    ) -> Self {
        let entropy = Entropy::from_seed([1; 32]);
        Self {
            network: Network::open(
                &listeners,
                &StaticHosts::default(),
                capacity,
                patience,
                entropy,
            )
            .unwrap(),
            authority,
            listeners,
        }
    }

    pub fn address(&self, listener: ListenerId) -> SocketAddr {
        let states = self.network.listeners();
        let state = states.iter().find(|state| state.listener == listener);
        state.unwrap().local
    }

    /// The next message; flows of peers that left earlier may close before it.
    pub async fn received(&mut self) -> (Source, Vec<u8>) {
        loop {
            match self.event().await {
                NetEvent::Received { source, bytes } => return (source, bytes),
                NetEvent::FlowClosed { .. } => {}
                NetEvent::TransmitFailed { error, .. } => panic!("{error}"),
            }
        }
    }

    pub async fn event(&mut self) -> NetEvent {
        timeout(LONG, self.network.next())
            .await
            .expect("nothing happened")
    }

    pub fn send(&mut self, tag: u64, target: Target, bytes: Vec<u8>) {
        let tag = TransmitTag(tag);
        self.network.send(Transmit { tag, target, bytes });
    }

    pub async fn tcp_peer(&self) -> TcpStream {
        TcpStream::connect(self.address(TCP)).await.unwrap()
    }

    pub async fn tls_peer(&self) -> tokio_rustls::client::TlsStream<TcpStream> {
        self.tls_peer_with(self.authority.client_config()).await
    }

    pub async fn tls_peer_with(
        &self,
        config: ClientConfig,
    ) -> tokio_rustls::client::TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address(TLS)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    }
}

pub fn reply_to(source: Source) -> Target {
    Target::Flow {
        flow: source.flow,
        remote: source.remote,
        fallback: None,
    }
}

pub fn hop(listener: ListenerId, transport: Transport, to: SocketAddr) -> NextHop {
    NextHop {
        listener,
        transport,
        host: Host::Address(to.ip()),
        port: Some(to.port()),
    }
}

pub fn named_hop(
    listener: ListenerId,
    transport: Transport,
    name: &str,
    port: Option<u16>,
) -> NextHop {
    NextHop {
        listener,
        transport,
        host: Host::Name(name.to_owned()),
        port,
    }
}

/// Reads exactly as many bytes as expected and compares.
pub async fn expect(stream: &mut (impl AsyncRead + Unpin), expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    timeout(LONG, stream.read_exact(&mut bytes))
        .await
        .expect("nothing came")
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&bytes),
        String::from_utf8_lossy(expected)
    );
}

/// Waits for the end of the connection, whatever still comes before.
pub async fn expect_close(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut rest)).await;
    // Ended by FIN or by RST: both are an end.
    read.expect("the connection is still open").ok();
}

pub async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

fn listener(transport: Transport, tls: Option<Tls>) -> Listener {
    Listener {
        name: transport.token().to_lowercase(),
        transport,
        bind: "127.0.0.1:0".parse().unwrap(),
        advertise: (Host::Name("localhost".to_owned()), 5060),
        faces: Faces::Pbx,
        tls,
    }
}

/// A certificate authority of this test alone, with its files.
pub struct Authority {
    directory: TempDir,
    root: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("root.pem"), root.pem()).unwrap();
        Self {
            directory,
            root,
            issuer: Issuer::new(params, key),
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn trust(&self) -> Trust {
        Trust::File(self.file("root.pem"))
    }

    /// Writes `{file}.pem` and `{file}.key`, over what was there.
    pub fn issue(&self, file: &str, name: &str) -> Tls {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let tls = Tls {
            certificate: self.file(&format!("{file}.pem")),
            private_key: self.file(&format!("{file}.key")),
            trust: self.trust(),
        };
        std::fs::write(&tls.certificate, certificate.pem()).unwrap();
        std::fs::write(&tls.private_key, key.serialize_pem()).unwrap();
        tls
    }

    pub fn client_config(&self) -> ClientConfig {
        self.client_config_of(&rustls::version::TLS13)
    }

    pub fn client_config_of(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    pub fn server_config(&self, name: &str) -> ServerConfig {
        let tls = self.issue(name, name);
        let chain = CertificateDer::pem_file_iter(&tls.certificate).unwrap();
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&tls.private_key).unwrap();
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Accepts one connection.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    timeout(LONG, listener.accept())
        .await
        .expect("nobody connects")
        .unwrap()
        .0
}

/// Accepts one connection and its TLS handshake.
pub async fn accept_tls(
    listener: &TcpListener,
    config: ServerConfig,
) -> std::io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    let stream = accept(listener).await;
    TlsAcceptor::from(Arc::new(config)).accept(stream).await
}

pub async fn local_listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}
