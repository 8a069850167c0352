use std::time::{Duration, Instant};

use wabridge::config::{StaticAddress, StaticHosts, Trust};
use wabridge::net::{Capacity, NetEvent, Patience};
use wabridge::sip::flow::{Target, TransmitTag, Transport, TransportError};

use crate::support::*;

async fn failure(world: &mut World) -> (TransmitTag, TransportError) {
    loop {
        match world.event().await {
            NetEvent::TransmitFailed { tag, error } => return (tag, error),
            NetEvent::FlowClosed { .. } => {}
            NetEvent::Received { .. } => panic!("a message from nowhere"),
        }
    }
}

#[tokio::test]
async fn requests_to_one_hop_share_a_connection_and_its_answers_come_in() {
    let mut world = World::open();
    let pbx = local_listener().await;
    let hop = hop(TCP, Transport::Tcp, pbx.local_addr().unwrap());
    world.send(1, Target::Hop(hop.clone()), message("one"));
    world.send(2, Target::Hop(hop.clone()), message("two"));
    let mut stream = accept(&pbx).await;
    expect(&mut stream, &message("one")).await;
    expect(&mut stream, &message("two")).await;
    write(&mut stream, &message("answer")).await;
    let (source, bytes) = world.received().await;
    assert_eq!(bytes, message("answer"));
    assert_eq!(source.remote, pbx.local_addr().unwrap());
    assert_eq!(source.listener, TCP);
    world.send(3, Target::Hop(hop), message("three"));
    expect(&mut stream, &message("three")).await;
    assert_eq!(world.network.flows(), 1);
}

#[tokio::test]
async fn a_hop_whose_connection_went_away_gets_a_new_one() {
    let mut world = World::open();
    let pbx = local_listener().await;
    let target = Target::Hop(hop(TCP, Transport::Tcp, pbx.local_addr().unwrap()));
    world.send(1, target.clone(), message("one"));
    let mut first = accept(&pbx).await;
    expect(&mut first, &message("one")).await;
    drop(first);
    assert!(matches!(world.event().await, NetEvent::FlowClosed { .. }));
    world.send(2, target, message("two"));
    expect(&mut accept(&pbx).await, &message("two")).await;
}

#[tokio::test]
async fn a_refused_connection_is_told_for_every_waiting_message() {
    let mut world = World::open();
    let closed = local_listener().await;
    let target = Target::Hop(hop(TCP, Transport::Tcp, closed.local_addr().unwrap()));
    drop(closed);
    let begun = Instant::now();
    for tag in 0..3 {
        world.send(tag, target.clone(), message("one"));
    }
    for expected in 0..3 {
        let (tag, error) = failure(&mut world).await;
        assert_eq!(tag, TransmitTag(expected));
        assert!(matches!(error, TransportError::NotConnected(_)), "{error}");
    }
    // Not after any of the time limits: they are counted in seconds.
    assert!(begun.elapsed() < Patience::default().connect);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told() {
    let mut world = World::open();
    let hop = named_hop(TCP, Transport::Tcp, "no-such-host.invalid", Some(5060));
    world.send(4, Target::Hop(hop), message("one"));
    let (tag, error) = failure(&mut world).await;
    assert_eq!(tag, TransmitTag(4));
    assert!(matches!(error, TransportError::NotResolved(_)), "{error}");
}

#[tokio::test]
async fn a_peer_that_answers_no_handshake_costs_its_own_messages_only() {
    let patience = Patience {
        connect: Duration::from_millis(300),
        ..Patience::default()
    };
    let mut world = World::open_with(Capacity::default(), patience);
    let mute = local_listener().await;
    let pbx = local_listener().await;
    let mute_hop = hop(TLS, Transport::Tls, mute.local_addr().unwrap());
    world.send(1, Target::Hop(mute_hop), message("one"));
    let hop = hop(TCP, Transport::Tcp, pbx.local_addr().unwrap());
    world.send(2, Target::Hop(hop), message("two"));
    expect(&mut accept(&pbx).await, &message("two")).await;
    let (tag, error) = failure(&mut world).await;
    assert_eq!(tag, TransmitTag(1));
    assert!(matches!(error, TransportError::Tls(_)), "{error}");
}

#[tokio::test]
async fn tls_shows_the_name_and_offers_no_alpn() {
    let mut world = World::open();
    let pbx = local_listener().await;
    let mut config = world.authority.server_config("localhost");
    // A server of WhatsApp's kind: it would end the handshake on an ALPN offer that holds none of these.
    config.alpn_protocols = vec![b"none-of-yours".to_vec()];
    let port = pbx.local_addr().unwrap().port();
    let hop = named_hop(TLS, Transport::Tls, "localhost", Some(port));
    world.send(1, Target::Hop(hop), message("one"));
    let mut stream = accept_tls(&pbx, config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    assert_eq!(stream.get_ref().1.server_name(), Some("localhost"));
    expect(&mut stream, &message("one")).await;
    write(&mut stream, &message("two")).await;
    assert_eq!(world.received().await.1, message("two"));
}

#[tokio::test]
async fn a_static_host_is_found_where_it_says_and_verified_by_its_name() {
    let mut world = World::open();
    let pbx = local_listener().await;
    let config = world.authority.server_config("wa.lab.example");
    let address = pbx.local_addr().unwrap();
    let hosts = StaticHosts::from_iter([(
        "wa.lab.example".to_owned(),
        vec![StaticAddress {
            address: address.ip(),
            port: Some(address.port()),
        }],
    )]);
    assert!(world.network.reload(&world.listeners, &hosts).is_empty());
    let hop = named_hop(TLS, Transport::Tls, "wa.lab.example", None);
    world.send(1, Target::Hop(hop), message("one"));
    let mut stream = accept_tls(&pbx, config).await.unwrap();
    assert_eq!(stream.get_ref().1.server_name(), Some("wa.lab.example"));
    expect(&mut stream, &message("one")).await;
}

#[tokio::test]
async fn a_server_of_another_name_is_not_believed() {
    let mut world = World::open();
    let pbx = local_listener().await;
    let config = world.authority.server_config("somebody-else.example");
    let port = pbx.local_addr().unwrap().port();
    let hop = named_hop(TLS, Transport::Tls, "localhost", Some(port));
    world.send(1, Target::Hop(hop), message("one"));
    let handshake = accept_tls(&pbx, config).await;
    let (tag, error) = failure(&mut world).await;
    assert_eq!(tag, TransmitTag(1));
    assert!(matches!(error, TransportError::Tls(_)), "{error}");
    if let Ok(mut stream) = handshake {
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest)
            .await
            .ok();
        assert!(
            rest.is_empty(),
            "a message reached a server that is not believed"
        );
    }
}

#[tokio::test]
async fn unverified_trust_takes_any_name() {
    let mut world = World::open();
    let pbx = local_listener().await;
    let config = world.authority.server_config("somebody-else.example");
    let mut listeners = world.listeners.clone();
    let tls = listeners.get_mut(&TLS).unwrap().tls.as_mut().unwrap();
    tls.trust = Trust::Unverified;
    assert!(
        world
            .network
            .reload(&listeners, &StaticHosts::default())
            .is_empty()
    );
    let hop = hop(TLS, Transport::Tls, pbx.local_addr().unwrap());
    world.send(1, Target::Hop(hop), message("one"));
    let mut stream = accept_tls(&pbx, config).await.unwrap();
    expect(&mut stream, &message("one")).await;
}

#[tokio::test]
async fn connections_of_ours_are_kept_alive() {
    let patience = Patience {
        keep_alive: Duration::from_millis(50),
        ..Patience::default()
    };
    let mut world = World::open_with(Capacity::default(), patience);
    let pbx = local_listener().await;
    let hop = hop(TCP, Transport::Tcp, pbx.local_addr().unwrap());
    world.send(1, Target::Hop(hop), message("one"));
    let mut stream = accept(&pbx).await;
    expect(&mut stream, &message("one")).await;
    expect(&mut stream, b"\r\n\r\n").await;
    write(&mut stream, b"\r\n").await;
    expect(&mut stream, b"\r\n\r\n").await;
    write(&mut stream, &message("two")).await;
    assert_eq!(world.received().await.1, message("two"));
}

/// Not every peer knows keep-alives: its silence says nothing.
#[tokio::test]
async fn a_peer_that_never_answered_a_keep_alive_stays_connected() {
    let patience = Patience {
        keep_alive: Duration::from_millis(20),
        pong: Duration::from_millis(20),
        ..Patience::default()
    };
    let mut world = World::open_with(Capacity::default(), patience);
    let pbx = local_listener().await;
    let hop = hop(TCP, Transport::Tcp, pbx.local_addr().unwrap());
    world.send(1, Target::Hop(hop), message("one"));
    let mut stream = accept(&pbx).await;
    expect(&mut stream, &message("one")).await;
    for _ in 0..5 {
        expect(&mut stream, b"\r\n\r\n").await;
    }
    write(&mut stream, &message("two")).await;
    assert_eq!(world.received().await.1, message("two"));
}

#[tokio::test]
async fn the_number_of_own_connections_is_bounded() {
    let capacity = Capacity {
        outbound: 1,
        ..Capacity::default()
    };
    let mut world = World::open_with(capacity, Patience::default());
    let first = local_listener().await;
    let second = local_listener().await;
    for (tag, pbx) in [(1, &first), (2, &second)] {
        let hop = hop(TCP, Transport::Tcp, pbx.local_addr().unwrap());
        world.send(tag, Target::Hop(hop), message("one"));
    }
    assert_eq!(failure(&mut world).await.0, TransmitTag(2));
    expect(&mut accept(&first).await, &message("one")).await;
}

#[tokio::test]
async fn a_hop_that_was_not_reached_is_not_tried_again_at_once() {
    let mut world = World::open();
    let pbx = local_listener().await;
    let address = pbx.local_addr().unwrap();
    drop(pbx);
    let target = Target::Hop(hop(TCP, Transport::Tcp, address));
    for (tag, words) in [(1, "refused"), (2, "next attempt in 1 s")] {
        world.send(tag, target.clone(), message("one"));
        let (failed, error) = failure(&mut world).await;
        assert_eq!(failed, TransmitTag(tag));
        assert!(error.to_string().contains(words), "{error}");
    }
    let attempts = &world.network.counters().connects_failed;
    assert_eq!(attempts.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_next_address_of_a_name_is_tried_within_the_same_attempt() {
    let mut world = World::open();
    let (gone, pbx) = (local_listener().await, local_listener().await);
    let address = |listener: &tokio::net::TcpListener| {
        let local = listener.local_addr().unwrap();
        StaticAddress {
            address: local.ip(),
            port: Some(local.port()),
        }
    };
    let hosts = vec![address(&gone), address(&pbx)];
    drop(gone);
    let hosts = StaticHosts::from_iter([("pbx.lab.example".to_owned(), hosts)]);
    world.network.reload(&world.listeners, &hosts);
    let hop = named_hop(TCP, Transport::Tcp, "pbx.lab.example", None);
    world.send(1, Target::Hop(hop), message("one"));
    expect(&mut accept(&pbx).await, &message("one")).await;
}

/// Its kernel still takes what we write: only the missing answer tells that nobody is behind it.
#[tokio::test]
async fn a_peer_that_answers_keep_alives_no_more_gets_a_new_connection() {
    let patience = Patience {
        keep_alive: Duration::from_millis(50),
        pong: Duration::from_millis(50),
        ..Patience::default()
    };
    let mut world = World::open_with(Capacity::default(), patience);
    let pbx = local_listener().await;
    let target = Target::Hop(hop(TCP, Transport::Tcp, pbx.local_addr().unwrap()));
    world.send(1, target.clone(), message("one"));
    let mut first = accept(&pbx).await;
    expect(&mut first, &message("one")).await;
    expect(&mut first, b"\r\n\r\n").await;
    write(&mut first, b"\r\n").await;
    expect_close(&mut first).await;
    assert!(matches!(world.event().await, NetEvent::FlowClosed { .. }));
    world.send(2, target, message("two"));
    expect(&mut accept(&pbx).await, &message("two")).await;
}
