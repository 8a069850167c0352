use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpStream;
use wabridge::net::{Capacity, NetEvent, Patience};
use wabridge::sip::flow::TransportError;
use wabridge::sip::limits;

use crate::support::*;

async fn good_peer_is_served(world: &mut World) {
    let mut peer = world.tls_peer().await;
    write(&mut peer, &message("good")).await;
    loop {
        if let NetEvent::Received { source, bytes } = world.event().await {
            assert_eq!(bytes, message("good"));
            world.send(99, reply_to(source), message("answer"));
            return expect(&mut peer, &message("answer")).await;
        }
    }
}

#[tokio::test]
async fn a_handshake_that_never_finishes_holds_nobody_up_and_ends() {
    let patience = Patience {
        handshake: Duration::from_millis(400),
        ..Patience::default()
    };
    let mut world = World::open_with(Capacity::default(), patience);
    let mut mute = TcpStream::connect(world.address(TLS)).await.unwrap();
    let mut babbler = TcpStream::connect(world.address(TLS)).await.unwrap();
    write(&mut babbler, b"INVITE sip:not-tls SIP/2.0\r\n\r\n").await;
    good_peer_is_served(&mut world).await;
    expect_close(&mut mute).await;
    expect_close(&mut babbler).await;
    let failed = &world.network.counters().handshakes_failed;
    assert_eq!(failed.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn two_hundred_silent_connections_hold_nobody_up() {
    let mut world = World::open();
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(world.address(TLS)).await.unwrap());
        idle.push(world.tcp_peer().await);
    }
    good_peer_is_served(&mut world).await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_closed() {
    let patience = Patience {
        first_byte: Duration::from_millis(100),
        ..Patience::default()
    };
    let mut world = World::open_with(Capacity::default(), patience);
    let mut silent = world.tcp_peer().await;
    expect_close(&mut silent).await;
    assert!(matches!(world.event().await, NetEvent::FlowClosed { .. }));
}

#[tokio::test]
async fn a_message_that_drips_is_not_waited_for() {
    let patience = Patience {
        message: Duration::from_millis(300),
        ..Patience::default()
    };
    let mut world = World::open_with(Capacity::default(), patience);
    let mut slow = world.tcp_peer().await;
    let drip = async {
        // For ever: only the end of the connection ends this.
        while tokio::io::AsyncWriteExt::write_all(&mut slow, b"A")
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, drip).await.expect("still open");
    good_peer_is_served(&mut world).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let patience = Patience {
        idle: Duration::from_millis(200),
        ..Patience::default()
    };
    let mut world = World::open_with(Capacity::default(), patience);
    let mut peer = world.tcp_peer().await;
    write(&mut peer, &message("one")).await;
    world.received().await;
    expect_close(&mut peer).await;
}

#[tokio::test]
async fn a_message_too_large_closes_its_connection() {
    let mut world = World::open();
    let mut peer = world.tcp_peer().await;
    let head = format!(
        "MESSAGE sip:a@b SIP/2.0\r\nContent-Length: {}\r\n\r\n",
        limits::MESSAGE
    );
    write(&mut peer, head.as_bytes()).await;
    expect_close(&mut peer).await;
    let mut endless = world.tcp_peer().await;
    // The write itself may fail half way: that is the point.
    let line = vec![b'x'; 4 * limits::MESSAGE];
    tokio::io::AsyncWriteExt::write_all(&mut endless, &line)
        .await
        .ok();
    expect_close(&mut endless).await;
    good_peer_is_served(&mut world).await;
    let unframeable = &world.network.counters().unframeable;
    assert_eq!(unframeable.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_peer_that_does_not_read_loses_its_connection() {
    let capacity = Capacity {
        queue: 8,
        ..Capacity::default()
    };
    let mut world = World::open_with(capacity, Patience::default());
    let mut deaf = world.tcp_peer().await;
    write(&mut deaf, &message("one")).await;
    let (source, _) = world.received().await;
    let big = [b"MESSAGE ", &vec![b'x'; 60_000][..]].concat();
    let mut full = false;
    let mut closed = false;
    for tag in 0..10_000 {
        world.send(tag, reply_to(source), big.clone());
        tokio::task::yield_now().await;
        let event = tokio::time::timeout(Duration::from_millis(1), world.network.next()).await;
        match event {
            Ok(NetEvent::TransmitFailed { error, .. }) => {
                full |= error == TransportError::QueueFull;
                closed |= error == TransportError::Closed;
            }
            Ok(NetEvent::FlowClosed { flow }) if flow == source.flow => break,
            Ok(_) | Err(_) => {}
        }
    }
    assert!(full && closed, "full {full}, closed {closed}");
    good_peer_is_served(&mut world).await;
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let capacity = Capacity {
        connections_per_address: 3,
        ..Capacity::default()
    };
    let mut world = World::open_with(capacity, Patience::default());
    let mut peers = Vec::new();
    for number in 0..3 {
        let mut peer = world.tcp_peer().await;
        write(&mut peer, &message(&number.to_string())).await;
        world.received().await;
        peers.push(peer);
    }
    let mut refused = world.tcp_peer().await;
    expect_close(&mut refused).await;
    let refused = &world.network.counters().refused;
    assert_eq!(refused.load(Ordering::Relaxed), 1);
    drop(peers.pop());
    assert!(matches!(world.event().await, NetEvent::FlowClosed { .. }));
    let mut next = world.tcp_peer().await;
    write(&mut next, &message("next")).await;
    assert_eq!(world.received().await.1, message("next"));
}
