//! The RTP port range: even port for RTP, the next odd one for RTCP (RFC 3550 §11). Pairs are bound before they are
//! promised in a description, and rest after a call, so that a late packet of one call never reaches the next.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

/// Which ports, on which address, and how long a used pair stays unbound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortRange {
    pub address: IpAddr,
    pub ports: RangeInclusive<u16>,
    pub rest: Duration,
}

/// Two bound, non-blocking sockets of one leg.
#[derive(Debug)]
pub struct BoundPair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

/// A pair of ports is named by its even port.
pub struct PortStock {
    address: IpAddr,
    rest: Duration,
    /// Never used, or rested long enough by `resting_until`; oldest first.
    free: VecDeque<(u16, Option<Instant>)>,
    ready: BTreeMap<u16, BoundPair>,
}

#[derive(Debug, thiserror::Error)]
#[error("the RTP port range {first}-{last} holds no even port with its odd neighbour")]
pub struct EmptyRange {
    first: u16,
    last: u16,
}

impl PortStock {
    pub fn new(range: PortRange) -> Result<Self, EmptyRange> {
        let (first, last) = (*range.ports.start(), *range.ports.end());
        let free: VecDeque<_> = range
            .ports
            .filter(|port| port % 2 == 0 && *port < last)
            .map(|port| (port, None))
            .collect();
        if free.is_empty() {
            return Err(EmptyRange { first, last });
        }
        Ok(Self {
            address: range.address,
            rest: range.rest,
            free,
            ready: BTreeMap::new(),
        })
    }

    /// Binds up to `wanted` more pairs and names them. Fewer come when the range is used up or resting; a port that
    /// another program holds goes to the end of the queue.
    pub fn bind(&mut self, now: Instant, wanted: usize) -> Vec<u16> {
        let mut bound = Vec::with_capacity(wanted);
        for _ in 0..self.free.len() {
            if bound.len() == wanted || !self.first_is_rested(now) {
                break;
            }
            let Some((port, _)) = self.free.pop_front() else {
                break;
            };
            match BoundPair::bind(self.address, port) {
                Ok(pair) => {
                    self.ready.insert(port, pair);
                    bound.push(port);
                }
                Err(error) => {
                    tracing::debug!(port, %error, "RTP port pair is taken by another program");
                    self.release(now, port);
                }
            }
        }
        bound
    }

    /// Hands out a bound pair, emptied of what arrived for whoever had the ports before.
    pub fn take(&mut self, port: u16) -> Option<BoundPair> {
        let pair = self.ready.remove(&port)?;
        pair.drain();
        Some(pair)
    }

    /// The call is over and the sockets are closed: the ports rest.
    pub fn release(&mut self, now: Instant, port: u16) {
        self.free.push_back((port, now.checked_add(self.rest)));
    }

    /// Pairs that could be bound now.
    pub fn available(&self, now: Instant) -> usize {
        self.free
            .iter()
            .filter(|(_, rests_until)| rests_until.is_none_or(|until| until <= now))
            .count()
    }

    fn first_is_rested(&self, now: Instant) -> bool {
        self.free
            .front()
            .is_some_and(|(_, rests_until)| rests_until.is_none_or(|until| until <= now))
    }
}

impl BoundPair {
    fn bind(address: IpAddr, port: u16) -> io::Result<Self> {
        Ok(Self {
            rtp: bound(SocketAddr::new(address, port), Sharing::Alone)?,
            rtcp: bound(SocketAddr::new(address, port + 1), Sharing::Alone)?,
        })
    }

    fn drain(&self) {
        let mut scratch = [0; 64];
        for socket in [&self.rtp, &self.rtcp] {
            while socket.recv_from(&mut scratch).is_ok() {}
        }
    }
}

/// A second socket on the port of `listening`, which takes what comes from `peer` and sends there at less cost: the kernel
/// has looked up the way beforehand. What comes from elsewhere still reaches `listening`.
///
/// The port is shared only now and by us alone: binding a port that another program holds still fails.
pub fn connect_beside(listening: &UdpSocket, peer: SocketAddr) -> io::Result<UdpSocket> {
    sockopt::set_socket_reuseport(listening, true)?;
    let socket = bound(listening.local_addr()?, Sharing::WithOurs)?;
    socket.connect(peer)?;
    Ok(socket)
}

/// DSCP EF for voice (RFC 4594 §4.1), in the upper six bits of the former TOS byte.
const EXPEDITED_FORWARDING: u8 = 46 << 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    /// With another socket of this process that allows it.
    WithOurs,
}

/// A socket at `::` serves both families, whatever the system's habit is (RFC 3493 §5.3). It takes IPv4 addresses to send
/// to as they are, and tells them in the form that [`in_own_family`] undoes.
fn bound(address: SocketAddr, sharing: Sharing) -> io::Result<UdpSocket> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !address.ip().is_unspecified())?;
    }
    if sharing == Sharing::WithOurs {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    let socket = UdpSocket::from(socket);
    mark_as_voice(&socket, address);
    Ok(socket)
}

/// The mark is a wish: a system that refuses it still carries calls.
fn mark_as_voice(socket: &UdpSocket, address: SocketAddr) {
    let (has_v4, has_v6) = (
        address.is_ipv4() || address.ip().is_unspecified(),
        address.is_ipv6(),
    );
    let v4 = has_v4.then(|| sockopt::set_ip_tos(socket, EXPEDITED_FORWARDING));
    let v6 = has_v6.then(|| sockopt::set_ipv6_tclass(socket, EXPEDITED_FORWARDING.into()));
    for error in [v4, v6].into_iter().flatten().filter_map(Result::err) {
        tracing::debug!(%address, %error, "media packets leave without a DSCP mark");
    }
}

/// An IPv4 sender as a socket of both families tells it (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2), as IPv4 again.
pub fn in_own_family(sender: SocketAddr) -> SocketAddr {
    match sender.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), sender.port()),
        IpAddr::V6(_) => sender,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn stock(ports: RangeInclusive<u16>) -> PortStock {
        let range = PortRange {
            address: LOCALHOST,
            ports,
            rest: Duration::from_secs(30),
        };
        PortStock::new(range).unwrap()
    }

    #[test]
    fn pairs_are_even_and_next_odd() {
        let now = Instant::now();
        let mut stock = stock(41001..=41006);
        let ports = stock.bind(now, 9);
        assert_eq!(ports, [41002, 41004]);
        let pair = stock.take(41002).unwrap();
        assert_eq!(pair.rtp.local_addr().unwrap().port(), 41002);
        assert_eq!(pair.rtcp.local_addr().unwrap().port(), 41003);
        assert!(stock.take(41002).is_none());
    }

    #[test]
    fn used_pair_rests() {
        let now = Instant::now();
        let mut stock = stock(41010..=41011);
        assert_eq!(stock.bind(now, 1), [41010]);
        drop(stock.take(41010));
        stock.release(now, 41010);
        assert!(stock.bind(now + Duration::from_secs(29), 1).is_empty());
        assert_eq!(stock.bind(now + Duration::from_secs(30), 1), [41010]);
    }

    fn send_until_read(from: &UdpSocket, to: u16, at: &UdpSocket) -> Vec<u8> {
        let mut buffer = [0; 16];
        from.send_to(b"word", (LOCALHOST, to)).unwrap();
        at.set_nonblocking(false).unwrap();
        at.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (len, _) = at.recv_from(&mut buffer).expect("it came to this socket");
        at.set_nonblocking(true).unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn connected_socket_takes_its_peer_and_the_listening_one_all_others() {
        let now = Instant::now();
        let mut stock = stock(41070..=41071);
        stock.bind(now, 1);
        let pair = stock.take(41070).unwrap();
        let peers = [0; 20].map(|_| UdpSocket::bind((LOCALHOST, 0)).unwrap());
        let [first, second, others @ ..] = &peers;

        let connected = connect_beside(&pair.rtp, first.local_addr().unwrap()).unwrap();
        assert_eq!(connected.local_addr().unwrap().port(), 41070);
        assert_eq!(send_until_read(first, 41070, &connected), b"word");
        for other in others {
            assert_eq!(send_until_read(other, 41070, &pair.rtp), b"word");
        }
        assert!(connected.recv_from(&mut [0; 16]).is_err());

        connected.connect(second.local_addr().unwrap()).unwrap();
        assert_eq!(send_until_read(second, 41070, &connected), b"word");
        assert_eq!(send_until_read(first, 41070, &pair.rtp), b"word");
    }

    #[test]
    fn socket_of_both_families_is_connected_to_either() {
        let (v4, v6) = (LOCALHOST, IpAddr::V6(Ipv6Addr::LOCALHOST));
        for (port, address) in [(41060, v4), (41062, v6)] {
            let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
            let listening = bound(any, Sharing::Alone).unwrap();
            let peer = UdpSocket::bind((address, 0)).unwrap();
            let there = peer.local_addr().unwrap();
            let connected = connect_beside(&listening, there).unwrap();
            connected.set_nonblocking(false).unwrap();
            connected.send(b"there?").unwrap();
            let (_, ours) = peer.recv_from(&mut [0; 16]).unwrap();
            assert_eq!(ours, SocketAddr::new(address, port));
            peer.send_to(b"here", ours).unwrap();
            let (_, from) = connected.recv_from(&mut [0; 16]).unwrap();
            assert_eq!(in_own_family(from), there);
        }
    }

    #[test]
    fn port_of_a_connected_pair_is_no_other_program_s() {
        let now = Instant::now();
        let mut stock = stock(41080..=41081);
        stock.bind(now, 1);
        let pair = stock.take(41080).unwrap();
        let peer = UdpSocket::bind((LOCALHOST, 0)).unwrap();
        let _connected = connect_beside(&pair.rtp, peer.local_addr().unwrap()).unwrap();
        assert!(UdpSocket::bind((LOCALHOST, 41080)).is_err());
    }

    #[test]
    fn stale_datagrams_are_gone() {
        let now = Instant::now();
        let mut stock = stock(41020..=41021);
        stock.bind(now, 1);
        let stranger = UdpSocket::bind((LOCALHOST, 0)).unwrap();
        stranger.send_to(b"late", (LOCALHOST, 41020)).unwrap();
        stranger.send_to(b"later", (LOCALHOST, 41021)).unwrap();
        let pair = stock.take(41020).unwrap();
        assert!(pair.rtp.recv_from(&mut [0; 16]).is_err());
        assert!(pair.rtcp.recv_from(&mut [0; 16]).is_err());
    }

    fn wait_with(socket: &UdpSocket) {
        socket.set_nonblocking(false).unwrap();
        let patience = Some(Duration::from_secs(5));
        socket.set_read_timeout(patience).unwrap();
    }

    #[test]
    fn sockets_at_no_address_serve_both_families() {
        let now = Instant::now();
        let range = PortRange {
            address: Ipv6Addr::UNSPECIFIED.into(),
            ports: 41050..=41051,
            rest: Duration::ZERO,
        };
        let mut stock = PortStock::new(range).unwrap();
        stock.bind(now, 1);
        let pair = stock.take(41050).unwrap();
        wait_with(&pair.rtp);
        let (v4, v6) = (LOCALHOST, IpAddr::V6(Ipv6Addr::LOCALHOST));
        for address in [v4, v6] {
            let peer = UdpSocket::bind((address, 0)).unwrap();
            wait_with(&peer);
            peer.send_to(b"there?", (address, 41050)).unwrap();
            let (_, from) = pair.rtp.recv_from(&mut [0; 16]).unwrap();
            let from = in_own_family(from);
            assert_eq!(from, peer.local_addr().unwrap());
            pair.rtp.send_to(b"here", from).unwrap();
            let (_, back) = peer.recv_from(&mut [0; 16]).unwrap();
            assert_eq!(back, SocketAddr::new(address, 41050));
        }
        let mark = EXPEDITED_FORWARDING;
        assert_eq!(sockopt::ip_tos(&pair.rtp), Ok(mark));
        assert_eq!(sockopt::ipv6_tclass(&pair.rtp), Ok(mark.into()));
    }

    #[test]
    fn beside_a_socket_of_both_families_one_is_connected_to_either() {
        let range = PortRange {
            address: Ipv6Addr::UNSPECIFIED.into(),
            ports: 41052..=41053,
            rest: Duration::ZERO,
        };
        let mut stock = PortStock::new(range).unwrap();
        stock.bind(Instant::now(), 1);
        let pair = stock.take(41052).unwrap();
        wait_with(&pair.rtp);
        for address in [LOCALHOST, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let [peer, stranger] = [0; 2].map(|_| UdpSocket::bind((address, 0)).unwrap());
            let at = peer.local_addr().unwrap();
            let connected = connect_beside(&pair.rtp, at).unwrap();
            [&connected, &peer].into_iter().for_each(wait_with);
            connected.send(b"here").unwrap();
            let (_, to) = peer.recv_from(&mut [0; 16]).unwrap();
            for (sender, socket) in [(&peer, &connected), (&stranger, &pair.rtp)] {
                sender.send_to(b"there", to).unwrap();
                let (_, from) = socket.recv_from(&mut [0; 16]).unwrap();
                assert_eq!(in_own_family(from), sender.local_addr().unwrap());
            }
        }
    }

    #[test]
    fn port_of_another_program_is_passed_over() {
        let now = Instant::now();
        let _other = UdpSocket::bind((LOCALHOST, 41031)).unwrap();
        let mut stock = stock(41030..=41033);
        assert_eq!(stock.bind(now, 2), [41032]);
    }

    #[test]
    fn range_without_a_pair_is_refused() {
        let range = PortRange {
            address: LOCALHOST,
            ports: 41041..=41042,
            rest: Duration::ZERO,
        };
        assert!(PortStock::new(range).is_err());
    }
}
