//! TCP and TLS connections that peers open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{Instrument, debug, info, info_span, warn};

use super::limits::{Admission, Counters, Permit, Throttle, count};
use super::notice::{FlowHandle, Notice, Notices};
use super::stream::{self, Opener, Stream};
use super::{Capacity, Patience};
use crate::sip::flow::{ListenerId, Source, Transport};

const BACKLOG: u32 = 1024;
/// After EMFILE and its like: connections wait in the backlog meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Between two log lines about connections that strangers opened.
pub(super) const TALK: Duration = Duration::from_secs(1);
/// A silent connection is probed by the kernel after so long, so that peers which vanished do not fill the table.
const PROBE_AFTER: Duration = Duration::from_secs(60);
/// A peer that vanished without a word is noticed so long after something was sent to it.
const UNACKNOWLEDGED_MS: u32 = 30_000;

/// What every accepted connection needs.
#[derive(Clone)]
pub(super) struct Acceptor {
    pub(super) listener: ListenerId,
    pub(super) name: Arc<str>,
    /// `None` for plain TCP.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) flows: super::open::FlowIds,
    pub(super) notices: Notices,
    pub(super) admission: Admission,
    pub(super) counters: Arc<Counters>,
    pub(super) talk: Arc<Throttle>,
    pub(super) patience: Patience,
    pub(super) capacity: Capacity,
}

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // A restart does not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Acceptor {
    /// Accepts for ever. A failing accept (no descriptor left, peer gone already) never ends it.
    pub(super) async fn run(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => self.admit(stream, remote),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    count(&self.counters.accept_errors);
                    if let Some(left_out) = self.talk.speak(Instant::now()) {
                        warn!(listener = %self.name, %error, left_out, "cannot accept connections");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, remote: SocketAddr) {
        match self.admission.admit(remote.ip()) {
            Ok(permit) => {
                count(&self.counters.accepted);
                let span = info_span!("flow", listener = %self.name, %remote);
                tokio::spawn(self.clone().serve(stream, remote, permit).instrument(span));
            }
            Err(refused) => {
                count(&self.counters.refused);
                debug!(listener = %self.name, %remote, %refused, "connection refused");
            }
        }
    }

    /// One connection, from its handshake to its end.
    async fn serve(self, stream: TcpStream, remote: SocketAddr, _place: Permit) {
        let local = match prepare(&stream) {
            Ok(local) => local,
            Err(error) => return debug!(%error, "connection lost"),
        };
        let Some((stream, transport)) = self.secure(stream).await else {
            return;
        };
        let (handle, orders) = FlowHandle::pair(self.capacity.queue);
        let flow = self.flows.next();
        let opened = Notice::Opened { flow, handle };
        if self.notices.send(opened).await.is_err() {
            return;
        }
        let source = Source {
            flow,
            listener: self.listener,
            transport,
            local,
            remote,
        };
        let context = stream::Context {
            opener: Opener::Peer,
            notices: self.notices,
            counters: self.counters,
            patience: self.patience,
        };
        stream::run(stream, source, orders, context).await;
    }

    /// The TLS handshake, where there is one.
    async fn secure(&self, stream: TcpStream) -> Option<(Stream, Transport)> {
        let Some(tls) = &self.tls else {
            return Some((Stream::Plain(stream), Transport::Tcp));
        };
        let problem = match timeout(self.patience.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => return Some((Stream::Tls(Box::new(stream.into())), Transport::Tls)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "not finished in time".to_owned(),
        };
        count(&self.counters.handshakes_failed);
        if let Some(left_out) = self.talk.speak(Instant::now()) {
            info!(problem, left_out, "TLS handshake failed");
        }
        None
    }
}

/// Socket options of every stream; gives the local address.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_AFTER / 4)?;
    sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MS)?;
    stream.local_addr()
}

/// The peer gave up between its SYN and our accept: nothing is wrong with us.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
