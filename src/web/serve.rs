//! Connections. Each carries one request and has so long for all of it, so that who sends or reads slowly holds a place
//! for a bounded time; and there are so many places.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::guard::Caller;

/// At once, on one listener; the rest wait in the system's queue.
const CONNECTIONS: usize = 64;
/// From the connection to its end.
const PATIENCE: Duration = Duration::from_secs(20);
const HEAD_PATIENCE: Duration = Duration::from_secs(5);
const MAX_HEADERS: usize = 32;
/// What is buffered of a request before it is asked for, bytes; a head must fit.
const MAX_BUFFER: usize = 16 * 1024;
/// After the system refused to accept, for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

pub(super) enum Listener {
    Socket(UnixListener),
    Address(TcpListener),
}

/// Either kind, as hyper takes it.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// For ever.
pub(super) async fn serve(listener: Listener, router: Router) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, caller)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    converse(stream, caller, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "admin API cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Caller)> {
        Ok(match self {
            Self::Socket(listener) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred().ok().map(|peer| peer.uid());
                (Box::new(stream), Caller::Socket { uid })
            }
            Self::Address(listener) => {
                let (stream, address) = listener.accept().await?;
                (Box::new(stream), Caller::Address(address))
            }
        })
    }
}

async fn converse(stream: Box<dyn Stream>, caller: Caller, router: Router) {
    let api = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(caller);
        let answered = api.call(request);
        async move {
            Ok::<hyper::Response<Body>, Infallible>(
                answered.await.unwrap_or_else(|never| match never {}),
            )
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .keep_alive(false)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(PATIENCE, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%caller, %error, "admin connection"),
        Err(_) => debug!(%caller, "admin connection took too long"),
    }
}
