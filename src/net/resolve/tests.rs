//! Against a name server of this test's own on loopback.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::Record;
use hickory_resolver::proto::rr::rdata::{A, SRV};
use tokio::net::UdpSocket;

use super::*;
use crate::config::StaticAddress;
use crate::sip::flow::ListenerId;

type Zone = HashMap<(String, RecordType), Vec<RData>>;

struct NameServer {
    resolver: Resolver,
    /// For A records; the others of a name come and go with them.
    queries: Arc<AtomicUsize>,
}

/// A resolver that asks a server which knows `zone`, every record for `ttl` seconds.
async fn name_server(zone: Zone, ttl: u32) -> NameServer {
    name_server_beside(StaticHosts::default(), zone, ttl).await
}

async fn name_server_beside(fixed: StaticHosts, zone: Zone, ttl: u32) -> NameServer {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut connection = ConnectionConfig::udp();
    connection.port = socket.local_addr().unwrap().port();
    let queries = Arc::new(AtomicUsize::new(0));
    tokio::spawn(serve(socket, zone, ttl, queries.clone()));
    let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let resolver = Resolver {
        system: ArcSwap::from_pointee(System::build(builder, fixed)),
        entropy: Mutex::new(Entropy::from_seed([3; 32])),
    };
    NameServer { resolver, queries }
}

async fn serve(socket: UdpSocket, zone: Zone, ttl: u32, queries: Arc<AtomicUsize>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let mut message = Message::from_vec(&buffer[..length]).unwrap();
        let query = message.queries[0].clone();
        if query.query_type() == RecordType::A {
            queries.fetch_add(1, Ordering::SeqCst);
        }
        let name = query.name().to_utf8().to_lowercase();
        let records = zone.get(&(name.clone(), query.query_type()));
        message.metadata.message_type = MessageType::Response;
        let known = zone.keys().any(|(known, _)| *known == name);
        if !known {
            message.metadata.response_code = ResponseCode::NXDomain;
        }
        for data in records.into_iter().flatten() {
            let record = Record::from_rdata(query.name().clone(), ttl, data.clone());
            message.add_answer(record);
        }
        let answer = message.to_vec().unwrap();
        socket.send_to(&answer, from).await.unwrap();
    }
}

fn zone() -> Zone {
    let address = |last| RData::A(A(Ipv4Addr::new(192, 0, 2, last)));
    let service = |priority, port, target: &str| {
        RData::SRV(SRV::new(
            priority,
            0,
            port,
            Name::from_utf8(target).unwrap(),
        ))
    };
    let key = |name: &str, kind| (name.to_owned(), kind);
    [
        (
            key("_sips._tcp.pbx.test.", RecordType::SRV),
            vec![
                service(20, 5071, "b.pbx.test."),
                service(10, 5081, "a.pbx.test."),
            ],
        ),
        (
            key("_sip._udp.gone.test.", RecordType::SRV),
            vec![service(0, 0, ".")],
        ),
        (
            key("a.pbx.test.", RecordType::A),
            vec![address(1), address(2)],
        ),
        (key("b.pbx.test.", RecordType::A), vec![address(3)]),
        (key("pbx.test.", RecordType::A), vec![address(9)]),
        (key("gone.test.", RecordType::A), vec![address(8)]),
    ]
    .into()
}

fn hop(transport: Transport, name: &str, port: Option<u16>) -> NextHop {
    NextHop {
        listener: ListenerId(0),
        transport,
        host: Host::Name(name.to_owned()),
        port,
    }
}

async fn found(server: &NameServer, hop: &NextHop) -> Vec<String> {
    let found = server.resolver.resolve(hop).await.unwrap();
    found.addresses.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn services_come_by_priority_each_with_its_own_port() {
    let server = name_server(zone(), 60).await;
    let found = found(&server, &hop(Transport::Tls, "pbx.test", None)).await;
    assert_eq!(found.len(), 3);
    assert!(
        found[..2].contains(&"192.0.2.1:5081".to_owned()),
        "{found:?}"
    );
    assert!(
        found[..2].contains(&"192.0.2.2:5081".to_owned()),
        "{found:?}"
    );
    assert_eq!(found[2], "192.0.2.3:5071");
}

#[tokio::test]
async fn a_port_stands_for_no_srv() {
    let server = name_server(zone(), 60).await;
    let hop = hop(Transport::Tls, "pbx.test", Some(5099));
    assert_eq!(found(&server, &hop).await, ["192.0.2.9:5099"]);
}

#[tokio::test]
async fn without_services_the_name_itself_is_asked_with_the_default_port() {
    let server = name_server(zone(), 60).await;
    let tcp = hop(Transport::Tcp, "pbx.test", None);
    assert_eq!(found(&server, &tcp).await, ["192.0.2.9:5060"]);
}

#[tokio::test]
async fn a_service_that_is_decidedly_not_there_does_not_resolve() {
    let server = name_server(zone(), 60).await;
    let found = server
        .resolver
        .resolve(&hop(Transport::Udp, "gone.test", None))
        .await;
    assert_eq!(
        found,
        Err(TransportError::NotResolved("gone.test".to_owned()))
    );
}

#[tokio::test]
async fn an_unknown_name_does_not_resolve() {
    let server = name_server(zone(), 60).await;
    let found = server
        .resolver
        .resolve(&hop(Transport::Udp, "who.test", None))
        .await;
    assert_eq!(
        found,
        Err(TransportError::NotResolved("who.test".to_owned()))
    );
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_live() {
    for (ttl, asked_again) in [(60, false), (0, true)] {
        let server = name_server(zone(), ttl).await;
        let hop = hop(Transport::Tls, "pbx.test", Some(5061));
        found(&server, &hop).await;
        let before = server.queries.load(Ordering::SeqCst);
        found(&server, &hop).await;
        let after = server.queries.load(Ordering::SeqCst);
        assert_eq!(after > before, asked_again, "ttl {ttl}");
    }
}

#[tokio::test]
async fn an_address_needs_no_dns() {
    let hop = NextHop {
        host: Host::Address("2001:db8::1".parse().unwrap()),
        ..hop(Transport::Tls, "", None)
    };
    let server = name_server(zone(), 60).await;
    assert_eq!(found(&server, &hop).await, ["[2001:db8::1]:5061"]);
    assert_eq!(server.queries.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_hosts_file_answers_without_dns() {
    let server = name_server(zone(), 60).await;
    let found = found(&server, &hop(Transport::Udp, "localhost", None)).await;
    assert!(found.contains(&"127.0.0.1:5060".to_owned()), "{found:?}");
    assert_eq!(server.queries.load(Ordering::SeqCst), 0);
}

fn fixed(name: &str, addresses: &[(&str, Option<u16>)]) -> (String, Vec<StaticAddress>) {
    let read = |&(address, port): &(&str, Option<u16>)| StaticAddress {
        address: address.parse().unwrap(),
        port,
    };
    (name.to_owned(), addresses.iter().map(read).collect())
}

#[tokio::test]
async fn names_of_the_configuration_need_no_dns_and_no_port() {
    let fixed = StaticHosts::from_iter([fixed(
        "pbx.test",
        &[("127.0.0.9", None), ("2001:db8::9", Some(7061))],
    )]);
    let server = name_server_beside(fixed, zone(), 60).await;
    for (name, port, first) in [
        ("pbx.test", None, "127.0.0.9:5061"),
        ("PBX.test.", None, "127.0.0.9:5061"),
        ("pbx.test", Some(5099), "127.0.0.9:5099"),
    ] {
        let found = found(&server, &hop(Transport::Tls, name, port)).await;
        assert_eq!(found, [first, "[2001:db8::9]:7061"]);
    }
    assert_eq!(server.queries.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn targets_of_services_are_found_in_the_configuration_too() {
    let fixed = StaticHosts::from_iter([fixed("b.pbx.test", &[("127.0.0.9", Some(7061))])]);
    let server = name_server_beside(fixed, zone(), 60).await;
    let found = found(&server, &hop(Transport::Tls, "pbx.test", None)).await;
    assert_eq!(found.last().map(String::as_str), Some("127.0.0.9:7061"));
}

#[tokio::test]
async fn other_static_hosts_hold_from_the_reload_on() {
    let first = StaticHosts::from_iter([fixed("lab.test", &[("127.0.0.8", None)])]);
    let second = StaticHosts::from_iter([fixed("lab.test", &[("127.0.0.9", None)])]);
    let resolver = Resolver::new(&first, Entropy::from_seed([3; 32]));
    let hop = hop(Transport::Tls, "lab.test", Some(5061));
    for (hosts, expected) in [(first, "127.0.0.8:5061"), (second, "127.0.0.9:5061")] {
        resolver.reload(&hosts);
        let found = resolver.resolve(&hop).await.unwrap();
        assert_eq!(found.addresses, [expected.parse().unwrap()]);
    }
}
