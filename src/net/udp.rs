//! UDP: one socket a listener, which is one flow.

use std::io;
use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::time::Duration;

use rustix::net::{self, AddressFamily, SocketType, sockopt};
use tokio::net::UdpSocket;
use tracing::{trace, warn};

use super::MAX_DATAGRAM;
use super::notice::{Notice, Notices};
use crate::sip::flow::{Source, TransportError};

/// Asked of the kernel for each direction: some thousand messages, so that a burst survives a busy moment.
const SOCKET_BUFFER: usize = 4 << 20;

/// The sending end. The receiving end is another descriptor of the same socket.
#[derive(Debug)]
pub(super) struct UdpSender(StdUdpSocket);

/// Binds a listener's socket.
pub(super) fn bind(address: SocketAddr) -> io::Result<(UdpSender, UdpSocket)> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = net::socket(family, SocketType::DGRAM, None)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two listeners; a source address then always looks as the operator writes it.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // The kernel cuts these to its own limits.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER);
    let _ = sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER);
    net::bind(&socket, &address)?;
    let socket = StdUdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    let sender = UdpSender(socket.try_clone()?);
    Ok((sender, UdpSocket::from_std(socket)?))
}

impl UdpSender {
    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// `Ok(false)`: the kernel's buffer is full and the datagram is lost, as it might be on its way.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) -> Result<bool, TransportError> {
        if bytes.len() > MAX_DATAGRAM {
            return Err(TransportError::TooLarge(bytes.len()));
        }
        match self.0.send_to(bytes, to) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(TransportError::NotConnected(format!("{to}: {error}"))),
        }
    }
}

/// Hands on what arrives, until nobody wants it. `source` lacks only the remote address.
pub(super) async fn receive(socket: UdpSocket, source: Source, notices: Notices) {
    let mut buffer = vec![0; MAX_DATAGRAM + 1];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, remote)) => {
                let Some(bytes) = buffer.get(..length).filter(|bytes| is_message(bytes)) else {
                    continue;
                };
                let bytes = bytes.to_vec();
                let source = Source { remote, ..source };
                trace!(%remote, length, "datagram");
                if notices
                    .send(Notice::Received { source, bytes })
                    .await
                    .is_err()
                {
                    return;
                }
            }
            Err(error) => {
                warn!(local = %source.local, %error, "UDP receive");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Not a keep-alive (CRLF, or the zero bytes some NAT helpers send), and not cut off.
fn is_message(datagram: &[u8]) -> bool {
    datagram.len() <= MAX_DATAGRAM
        && !datagram
            .iter()
            .all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0))
}
