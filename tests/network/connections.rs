use wabridge::net::NetEvent;
use wabridge::sip::flow::{Target, TransmitTag, Transport, TransportError};

use crate::support::*;

#[tokio::test]
async fn messages_cross_a_tcp_connection_both_ways() {
    let mut world = World::open();
    let mut peer = world.tcp_peer().await;
    write(&mut peer, &message("one")).await;
    let (source, bytes) = world.received().await;
    assert_eq!(bytes, message("one"));
    assert_eq!(source.remote, peer.local_addr().unwrap());
    assert_eq!((source.listener, source.transport), (TCP, Transport::Tcp));
    world.send(1, reply_to(source), message("two"));
    expect(&mut peer, &message("two")).await;
}

#[tokio::test]
async fn messages_cross_a_tls_connection_both_ways() {
    let mut world = World::open();
    let mut peer = world.tls_peer().await;
    write(&mut peer, &message("one")).await;
    let (source, bytes) = world.received().await;
    assert_eq!(bytes, message("one"));
    assert_eq!((source.listener, source.transport), (TLS, Transport::Tls));
    world.send(1, reply_to(source), message("two"));
    expect(&mut peer, &message("two")).await;
}

#[tokio::test]
async fn messages_are_cut_however_they_arrive() {
    let mut world = World::open();
    let mut peer = world.tcp_peer().await;
    let two = [message("one"), message("two")].concat();
    let (half, rest) = two.split_at(message("one").len() + 20);
    write(&mut peer, half).await;
    assert_eq!(world.received().await.1, message("one"));
    for byte in rest {
        write(&mut peer, &[*byte]).await;
    }
    assert_eq!(world.received().await.1, message("two"));
}

#[tokio::test]
async fn a_ping_is_answered_with_a_pong() {
    let mut world = World::open();
    let mut peer = world.tcp_peer().await;
    write(&mut peer, b"\r\n\r\n").await;
    expect(&mut peer, b"\r\n").await;
    write(&mut peer, &message("one")).await;
    assert_eq!(world.received().await.1, message("one"));
}

#[tokio::test]
async fn a_peer_that_leaves_closes_its_flow_and_no_other() {
    let mut world = World::open();
    let mut first = world.tcp_peer().await;
    let mut second = world.tcp_peer().await;
    write(&mut first, &message("first")).await;
    let (gone, _) = world.received().await;
    write(&mut second, &message("second")).await;
    let (stays, _) = world.received().await;
    assert_ne!(gone.flow, stays.flow);
    drop(first);
    let NetEvent::FlowClosed { flow } = world.event().await else {
        panic!("not closed");
    };
    assert_eq!(flow, gone.flow);
    world.send(5, reply_to(gone), message("late"));
    let NetEvent::TransmitFailed { tag, error } = world.event().await else {
        panic!("not failed");
    };
    assert_eq!((tag, error), (TransmitTag(5), TransportError::Closed));
    world.send(6, reply_to(stays), message("still"));
    expect(&mut second, &message("still")).await;
}

#[tokio::test]
async fn an_answer_for_a_closed_flow_takes_the_fallback() {
    let mut world = World::open();
    let elsewhere = local_listener().await;
    let mut peer = world.tcp_peer().await;
    write(&mut peer, &message("one")).await;
    let (source, _) = world.received().await;
    drop(peer);
    assert!(matches!(world.event().await, NetEvent::FlowClosed { .. }));
    let fallback = hop(TCP, Transport::Tcp, elsewhere.local_addr().unwrap());
    let target = Target::Flow {
        flow: source.flow,
        remote: source.remote,
        fallback: Some(fallback),
    };
    world.send(1, target, message("two"));
    expect(&mut accept(&elsewhere).await, &message("two")).await;
}

#[tokio::test]
async fn closing_writes_out_what_was_handed_over() {
    let mut world = World::open();
    let mut peer = world.tls_peer().await;
    write(&mut peer, &message("one")).await;
    let (source, _) = world.received().await;
    for number in 0..50 {
        let bytes = message(&number.to_string());
        world.send(number, reply_to(source), bytes);
    }
    let deadline = tokio::time::Instant::now() + LONG;
    let closed = tokio::spawn(world.network.close(deadline));
    for number in 0..50 {
        expect(&mut peer, &message(&number.to_string())).await;
    }
    expect_close(&mut peer).await;
    closed.await.unwrap();
}

#[tokio::test]
async fn nothing_is_kept_of_connections_that_are_gone() {
    let mut world = World::open();
    for _ in 0..5 {
        let mut peers = Vec::new();
        for number in 0..20 {
            let mut peer = world.tcp_peer().await;
            write(&mut peer, &message(&number.to_string())).await;
            world.received().await;
            peers.push(peer);
        }
        assert_eq!(world.network.flows(), 20);
        drop(peers);
        for _ in 0..20 {
            assert!(matches!(world.event().await, NetEvent::FlowClosed { .. }));
        }
        assert_eq!(world.network.flows(), 0);
    }
}
