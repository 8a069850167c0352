use tokio::net::UdpSocket;
use tokio::time::timeout;
use wabridge::net::{MAX_DATAGRAM, NetEvent};
use wabridge::sip::flow::{Target, TransmitTag, Transport, TransportError};

use crate::support::*;

async fn peer() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

async fn expect_datagram(peer: &UdpSocket, expected: &[u8]) -> std::net::SocketAddr {
    let mut buffer = vec![0; 70_000];
    let received = timeout(LONG, peer.recv_from(&mut buffer)).await;
    let (length, from) = received.expect("nothing came").unwrap();
    assert_eq!(&buffer[..length], expected);
    from
}

#[tokio::test]
async fn a_message_comes_with_its_source_and_the_answer_goes_back() {
    let mut world = World::open();
    let peer = peer().await;
    let address = world.address(UDP);
    peer.send_to(&message("one"), address).await.unwrap();
    let (source, bytes) = world.received().await;
    assert_eq!(bytes, message("one"));
    assert_eq!(source.remote, peer.local_addr().unwrap());
    assert_eq!(source.local, address);
    assert_eq!((source.listener, source.transport), (UDP, Transport::Udp));
    world.send(1, reply_to(source), message("two"));
    assert_eq!(expect_datagram(&peer, &message("two")).await, address);
}

#[tokio::test]
async fn keep_alives_are_no_messages() {
    let mut world = World::open();
    let peer = peer().await;
    for keep_alive in [&b"\r\n\r\n"[..], b"\r\n", b"\0\0\0\0", b""] {
        peer.send_to(keep_alive, world.address(UDP)).await.unwrap();
    }
    peer.send_to(&message("one"), world.address(UDP))
        .await
        .unwrap();
    assert_eq!(world.received().await.1, message("one"));
}

#[tokio::test]
async fn a_request_leaves_to_an_address_from_the_listener() {
    let mut world = World::open();
    let peer = peer().await;
    let hop = hop(UDP, Transport::Udp, peer.local_addr().unwrap());
    world.send(1, Target::Hop(hop), message("one"));
    let from = expect_datagram(&peer, &message("one")).await;
    assert_eq!(from, world.address(UDP));
}

#[tokio::test]
async fn requests_to_a_name_leave_in_order() {
    let mut world = World::open();
    let peer = peer().await;
    let port = peer.local_addr().unwrap().port();
    let hop = named_hop(UDP, Transport::Udp, "localhost", Some(port));
    for number in 0..20 {
        let bytes = message(&number.to_string());
        world.send(number, Target::Hop(hop.clone()), bytes);
    }
    for number in 0..20 {
        expect_datagram(&peer, &message(&number.to_string())).await;
    }
}

#[tokio::test]
async fn what_cannot_leave_is_told_at_once() {
    let mut world = World::open();
    let to = peer().await.local_addr().unwrap();
    let target = Target::Hop(hop(UDP, Transport::Udp, to));
    world.send(7, target, vec![b'x'; MAX_DATAGRAM + 1]);
    let NetEvent::TransmitFailed { tag, error } = world.event().await else {
        panic!("no failure");
    };
    assert_eq!(tag, TransmitTag(7));
    assert_eq!(error, TransportError::TooLarge(MAX_DATAGRAM + 1));
}

#[tokio::test]
async fn a_hop_needs_a_udp_listener() {
    let mut world = World::open();
    let to = peer().await.local_addr().unwrap();
    world.send(8, Target::Hop(hop(TCP, Transport::Udp, to)), message("one"));
    let NetEvent::TransmitFailed { tag, error } = world.event().await else {
        panic!("no failure");
    };
    assert_eq!(tag, TransmitTag(8));
    assert!(matches!(error, TransportError::NotConnected(_)));
}

#[tokio::test]
async fn both_internet_protocols_have_their_own_listener_on_one_port() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        return eprintln!("no IPv6 on this machine");
    }
    let port = peer().await.local_addr().unwrap().port();
    let mut listeners = World::open().listeners;
    for (id, bind) in [
        (UDP, format!("0.0.0.0:{port}")),
        (TCP, format!("[::]:{port}")),
    ] {
        let listener = listeners.get_mut(&id).unwrap();
        listener.bind = bind.parse().unwrap();
        listener.transport = Transport::Udp;
    }
    listeners.remove(&TLS);
    let mut world = World::open_listeners(listeners);
    for (id, from) in [(UDP, "127.0.0.1"), (TCP, "::1")] {
        let peer = UdpSocket::bind((from, 0)).await.unwrap();
        peer.send_to(&message(from), (from, port)).await.unwrap();
        let (source, bytes) = world.received().await;
        assert_eq!((source.listener, bytes), (id, message(from)));
        assert_eq!(source.remote, peer.local_addr().unwrap());
        world.send(1, reply_to(source), message("answer"));
        expect_datagram(&peer, &message("answer")).await;
    }
}
