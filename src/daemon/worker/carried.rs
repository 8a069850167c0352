//! One call on a worker: its bridge and its sockets.
//!
//! Its four sockets are bound and not connected, so that a peer that moves is heard and injected packets are counted.
//! Once a side's RTP goes to one address steadily, a fifth and sixth beside them are connected there: both ways the
//! kernel then takes about a seventh less time for a packet.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use crate::media::bridge::{Bridge, Channel, Command, Event, Relief, Report};
use crate::net::ports::{BoundPair, connect_beside, in_own_family};
use crate::side::{Pair, Side};

use super::poller::Poller;

pub struct Carried {
    bridge: Bridge,
    sockets: Pair<BoundPair>,
    ways: Pair<Way>,
}

/// How RTP goes to a side.
struct Way {
    /// The last packet went there.
    to: Option<SocketAddr>,
    /// And so did the last one when this was looked at before.
    was: Option<SocketAddr>,
    direct: Direct,
}

enum Direct {
    NotYet,
    Connected {
        socket: UdpSocket,
        to: SocketAddr,
    },
    /// The system does not do it; it works without.
    Refused,
}

/// Which socket of which slot, as one number for epoll.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketName {
    pub slot: usize,
    pub side: Side,
    pub socket: Socket,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Socket {
    Rtp,
    Rtcp,
    /// Connected to the peer's RTP.
    Direct,
}

impl SocketName {
    pub fn number(self) -> u64 {
        let side = match self.side {
            Side::A => 0,
            Side::B => 4,
        };
        let socket = match self.socket {
            Socket::Rtp => 0,
            Socket::Rtcp => 1,
            Socket::Direct => 2,
        };
        (self.slot as u64) << 3 | side | socket
    }

    pub fn from_number(number: u64) -> Self {
        Self {
            slot: (number >> 3) as usize,
            side: if number & 4 == 0 { Side::A } else { Side::B },
            socket: match number & 3 {
                0 => Socket::Rtp,
                1 => Socket::Rtcp,
                _ => Socket::Direct,
            },
        }
    }
}

impl Carried {
    pub fn new(bridge: Bridge, sockets: Pair<BoundPair>) -> Self {
        Self {
            bridge,
            sockets,
            ways: Pair::new(Way::new(), Way::new()),
        }
    }

    pub fn register(&self, poller: &Poller, slot: usize) -> io::Result<()> {
        for side in Side::BOTH {
            let pair = &self.sockets[side];
            for (socket, bound) in [(Socket::Rtp, &pair.rtp), (Socket::Rtcp, &pair.rtcp)] {
                let name = SocketName { slot, side, socket };
                poller.add(bound, name.number())?;
            }
        }
        Ok(())
    }

    /// Takes one datagram; what else waits is told again by epoll, after the other calls had their turn.
    pub fn receive(&mut self, side: Side, socket: Socket, buffer: &mut [u8]) {
        let pair = &self.sockets[side];
        let (channel, received) = match socket {
            Socket::Rtp => (Channel::Rtp, pair.rtp.recv_from(buffer)),
            Socket::Rtcp => (Channel::Rtcp, pair.rtcp.recv_from(buffer)),
            Socket::Direct => (Channel::Rtp, self.ways[side].receive(buffer)),
        };
        let Ok((len, from)) = received else {
            // Nothing there after all, or an ICMP error of a packet sent before.
            return;
        };
        let now = Instant::now();
        if let Some(datagram) = buffer.get_mut(..len) {
            self.bridge
                .handle_datagram(now, side, channel, in_own_family(from), datagram);
        }
        self.transmit();
    }

    pub fn handle_command(&mut self, now: Instant, command: Command) {
        self.bridge.handle_command(now, command);
        self.transmit();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.bridge.handle_timeout(now);
        self.transmit();
    }

    pub fn relieve(&mut self, relief: Relief) {
        self.bridge.relieve(relief);
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.bridge.poll_event()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.bridge.poll_timeout()
    }

    pub fn report(&self, now: Instant) -> Report {
        self.bridge.report(now)
    }

    /// Looks, now and then, whether a side's RTP goes to one address for good, and connects a socket there.
    pub fn settle(&mut self, poller: &Poller, slot: usize) {
        for side in Side::BOTH {
            let name = SocketName {
                slot,
                side,
                socket: Socket::Direct,
            };
            let listening = &self.sockets[side].rtp;
            self.ways[side].settle(listening, poller, name.number());
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.bridge.poll_transmit() {
            let pair = &self.sockets[transmit.side];
            let (bytes, to) = (transmit.bytes, transmit.to);
            let sent = match transmit.channel {
                Channel::Rtp => self.ways[transmit.side].send(&pair.rtp, bytes, to),
                Channel::Rtcp => pair.rtcp.send_to(bytes, to),
            };
            if let Err(error) = sent {
                tracing::trace!(%to, %error, "media packet not sent");
            }
        }
    }
}

impl Way {
    fn new() -> Self {
        Self {
            to: None,
            was: None,
            direct: Direct::NotYet,
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.direct {
            Direct::Connected { socket, .. } => socket.recv_from(buffer),
            Direct::NotYet | Direct::Refused => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn send(&mut self, listening: &UdpSocket, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.to = Some(to);
        if let Direct::Connected { socket, to: there } = &self.direct
            && *there == to
        {
            // The first error may be the ICMP answer to a packet sent before; telling it has cleared it.
            if let Ok(len) = socket.send(bytes).or_else(|_| socket.send(bytes)) {
                return Ok(len);
            }
            // Its own address may be gone from this machine.
            self.direct = Direct::NotYet;
        }
        listening.send_to(bytes, to)
    }

    fn settle(&mut self, listening: &UdpSocket, poller: &Poller, number: u64) {
        let steady = self.to.filter(|_| self.to == self.was);
        self.was = self.to;
        let Some(peer) = steady else {
            return;
        };
        let connected = match &self.direct {
            Direct::Refused => return,
            Direct::Connected { to, .. } if *to == peer => return,
            // A socket keeps the address of ours that it was first connected from: another peer gets another one.
            Direct::Connected { .. } | Direct::NotYet => {
                self.connect(listening, peer, poller, number)
            }
        };
        if let Err(error) = connected {
            tracing::debug!(%peer, %error, "media goes by the socket that is not connected");
            self.direct = Direct::Refused;
        }
    }

    fn connect(
        &mut self,
        listening: &UdpSocket,
        peer: SocketAddr,
        poller: &Poller,
        number: u64,
    ) -> io::Result<()> {
        let socket = connect_beside(listening, peer)?;
        poller.add(&socket, number)?;
        self.direct = Direct::Connected { socket, to: peer };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::super::poller::{Batch, Ready};

    /// What the peer hears when `way` sends.
    fn heard(way: &mut Way, ours: &UdpSocket, peer: &UdpSocket) -> SocketAddr {
        way.send(ours, b"frame", peer.local_addr().unwrap())
            .unwrap();
        peer.recv_from(&mut [0; 16]).unwrap().1
    }

    #[test]
    fn steady_way_gets_a_socket_of_its_own_and_follows_the_peer() {
        let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (ours, poller, mut way) = (socket(), Poller::new().unwrap(), Way::new());
        let address = ours.local_addr().unwrap();
        let mut batch = Batch::new();
        for peer in [socket(), socket()] {
            for _ in 0..2 {
                assert_eq!(heard(&mut way, &ours, &peer), address);
                way.settle(&ours, &poller, 7);
            }
            let there = peer.local_addr().unwrap();
            assert!(matches!(way.direct, Direct::Connected { to, .. } if to == there));
            assert_eq!(heard(&mut way, &ours, &peer), address);

            peer.send_to(b"answer", address).unwrap();
            poller.wait(&mut batch, None).unwrap();
            assert_eq!(batch.ready().collect::<Vec<_>>(), [Ready::Socket(7)]);
            let mut buffer = [0; 16];
            assert_eq!(way.receive(&mut buffer).unwrap(), (6, there));
        }
    }

    #[test]
    fn peer_of_another_family_gets_a_socket_too() {
        let ours = UdpSocket::bind("[::]:0").unwrap();
        let (poller, mut way) = (Poller::new().unwrap(), Way::new());
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let peer = UdpSocket::bind(address).unwrap();
            for _ in 0..2 {
                heard(&mut way, &ours, &peer);
                way.settle(&ours, &poller, 7);
            }
            let there = peer.local_addr().unwrap();
            assert!(matches!(way.direct, Direct::Connected { to, .. } if to == there));
            let from = heard(&mut way, &ours, &peer);
            assert_eq!(from.port(), ours.local_addr().unwrap().port());
        }
    }

    #[test]
    fn peer_that_is_gone_for_a_moment_misses_no_later_packet() {
        let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (ours, poller, mut way, peer) =
            (socket(), Poller::new().unwrap(), Way::new(), socket());
        for _ in 0..2 {
            heard(&mut way, &ours, &peer);
            way.settle(&ours, &poller, 7);
        }
        let there = peer.local_addr().unwrap();
        drop(peer);
        let _ = way.send(&ours, b"lost", there);
        let again = UdpSocket::bind(there).unwrap();
        assert_eq!(heard(&mut way, &ours, &again), ours.local_addr().unwrap());
    }

    #[test]
    fn sockets_have_one_number_each() {
        let mut numbers = Vec::new();
        for slot in [0, 1, 77_777] {
            for side in Side::BOTH {
                for socket in [Socket::Rtp, Socket::Rtcp, Socket::Direct] {
                    let name = SocketName { slot, side, socket };
                    assert_eq!(SocketName::from_number(name.number()), name);
                    numbers.push(name.number());
                }
            }
        }
        numbers.dedup();
        assert_eq!(numbers.len(), 18);
    }
}
