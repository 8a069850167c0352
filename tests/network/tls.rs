use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use wabridge::config::{StaticHosts, Tls};
use wabridge::net::{Capacity, NetError, Network, Patience};

use crate::support::*;

fn shown(peer: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    peer.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

fn files(world: &World) -> Tls {
    world.listeners[&TLS].tls.clone().unwrap()
}

async fn works(world: &mut World, peer: &mut TlsStream<TcpStream>, name: &str) {
    write(peer, &message(name)).await;
    let (source, bytes) = world.received().await;
    assert_eq!(bytes, message(name));
    world.send(1, reply_to(source), message("answer"));
    expect(peer, &message("answer")).await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    let mut world = World::open();
    let mut old = world.tls_peer().await;
    works(&mut world, &mut old, "before").await;
    world.authority.issue("bridge", "localhost");
    assert!(
        world
            .network
            .reload(&world.listeners, &StaticHosts::default())
            .is_empty()
    );
    let mut new = world.tls_peer().await;
    assert_ne!(shown(&old), shown(&new));
    works(&mut world, &mut new, "new").await;
    works(&mut world, &mut old, "after").await;
}

#[tokio::test]
async fn bad_files_leave_the_old_certificate_in_place() {
    let mut world = World::open();
    let before = shown(&world.tls_peer().await);
    let files = files(&world);
    let good = std::fs::read(&files.certificate).unwrap();
    world.authority.issue("another", "localhost");
    let another = std::fs::read(world.authority.file("another.pem")).unwrap();
    let wrongs: [&[u8]; 3] = [b"", b"-----BEGIN CERTIFICATE-----\nAAAA", &another];
    for wrong in wrongs {
        std::fs::write(&files.certificate, wrong).unwrap();
        let errors = world
            .network
            .reload(&world.listeners, &StaticHosts::default());
        assert!(matches!(errors[..], [NetError::Tls { .. }]), "{errors:?}");
        assert_eq!(shown(&world.tls_peer().await), before);
    }
    std::fs::write(&files.certificate, good).unwrap();
    assert!(
        world
            .network
            .reload(&world.listeners, &StaticHosts::default())
            .is_empty()
    );
    let mut peer = world.tls_peer().await;
    works(&mut world, &mut peer, "again").await;
}

#[tokio::test]
async fn both_versions_are_spoken_and_alpn_is_passed_over() {
    let mut world = World::open();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = world.authority.client_config_of(version);
        config.alpn_protocols = vec![b"sip".to_vec()];
        let mut peer = world.tls_peer_with(config).await;
        let session = peer.get_ref().1;
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(session.alpn_protocol(), None);
        works(&mut world, &mut peer, "hello").await;
    }
}

#[tokio::test]
async fn health_knows_names_and_expiry() {
    let world = World::open();
    let states = world.network.listeners();
    let state = states.iter().find(|state| state.listener == TLS).unwrap();
    assert!(state.listening);
    let facts = state.certificate.clone().unwrap();
    assert_eq!(facts.names, ["localhost"]);
    assert!(facts.is_valid_at(SystemTime::now()));
    assert!(!facts.is_valid_at(SystemTime::UNIX_EPOCH));
}

#[tokio::test]
async fn an_unusable_certificate_is_said_at_the_start() {
    let world = World::open();
    std::fs::write(files(&world).private_key, "no key").unwrap();
    let entropy = wabridge::entropy::Entropy::from_seed([0; 32]);
    let opened = Network::open(
        &world.listeners,
        &StaticHosts::default(),
        Capacity::default(),
        Patience::default(),
        entropy,
    );
    let error = opened.err().unwrap().to_string();
    assert!(error.starts_with("listener tls: cannot read"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_said_at_the_start() {
    let world = World::open();
    let mut listeners = world.listeners.clone();
    listeners.get_mut(&TCP).unwrap().bind = world.address(TCP);
    let entropy = wabridge::entropy::Entropy::from_seed([0; 32]);
    let opened = Network::open(
        &listeners,
        &StaticHosts::default(),
        Capacity::default(),
        Patience::default(),
        entropy,
    );
    let error = opened.err().unwrap().to_string();
    assert!(
        error.starts_with("listener tcp: cannot bind 127.0.0.1:"),
        "{error}"
    );
}
