//! A command's way to the daemon: one request a connection, as the other end has it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::{self, Body};
use axum::http::uri::{Authority, Scheme};
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::words::{ErrorBody, ErrorWords};
use crate::config::AdminDoor;

/// Longer than the daemon itself waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Thousands of calls.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Where the daemon listens.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Socket(PathBuf),
    Address {
        authority: Authority,
        token: SecretString,
    },
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("wabridge is not running, or not listening at {place}: {error}")]
    NotThere { place: String, error: io::Error },
    #[error("this user may not use {place}; its group may")]
    NotAllowed { place: String },
    #[error("wabridge did not answer in time")]
    TimedOut,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("{}", .0.message)]
    Refused(ErrorWords),
    #[error("the answer ({0}) is not understood: is the other end wabridge of this version?")]
    NotUnderstood(StatusCode),
}

impl Place {
    /// `http://HOST:PORT`.
    pub(super) fn of_url(url: &str, token: SecretString) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| "this is no URL")?;
        if uri.scheme() != Some(&Scheme::HTTP) || !matches!(uri.path(), "" | "/") {
            return Err("write it as in http://127.0.0.1:8480".to_owned());
        }
        let authority = uri.authority().ok_or("the host is missing")?;
        Ok(Self::Address {
            authority: authority.clone(),
            token,
        })
    }

    pub(super) fn of_door(door: AdminDoor) -> Result<Self, String> {
        match door {
            AdminDoor::Socket(path) => Ok(Self::Socket(path)),
            AdminDoor::Address(listener) => {
                Self::of_url(&format!("http://{}", listener.bind), listener.token)
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Address { authority, .. } => authority.to_string(),
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| broken(&error))?;
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.exchange(Method::DELETE, path, None).await.map(drop)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, ClientError> {
        let (status, answer) = self.exchange(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|_| ClientError::NotUnderstood(status))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, body::Bytes), ClientError> {
        let request = self.request(method, path, body)?;
        let conversed = async {
            match self {
                Self::Socket(path) => {
                    let stream = UnixStream::connect(path).await;
                    converse(stream.map_err(|error| self.unreached(error))?, request).await
                }
                Self::Address { authority, .. } => {
                    let port = authority.port_u16().unwrap_or(80);
                    let host = authority.host().trim_matches(['[', ']']);
                    let stream = TcpStream::connect((host, port)).await;
                    converse(stream.map_err(|error| self.unreached(error))?, request).await
                }
            }
        };
        let answered = tokio::time::timeout(PATIENCE, conversed).await;
        let (status, answer) = answered.map_err(|_| ClientError::TimedOut)??;
        if status.is_success() {
            return Ok((status, answer));
        }
        Err(match serde_json::from_slice::<ErrorBody>(&answer) {
            Ok(body) => ClientError::Refused(body.error),
            Err(_) => ClientError::NotUnderstood(status),
        })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Request<Body>, ClientError> {
        let mut request = Request::builder().method(method).uri(path);
        let host = match self {
            Self::Socket(_) => "localhost",
            Self::Address { authority, token } => {
                let bearer = format!("Bearer {}", token.expose_secret());
                let mut bearer = HeaderValue::try_from(bearer).map_err(|error| broken(&error))?;
                bearer.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, bearer);
                authority.as_str()
            }
        };
        request = request.header(header::HOST, host);
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body)
            }
            None => Body::empty(),
        };
        request.body(body).map_err(|error| broken(&error))
    }

    fn unreached(&self, error: io::Error) -> ClientError {
        let place = self.shown();
        match error.kind() {
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed { place },
            _ => ClientError::NotThere { place, error },
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Result<(StatusCode, body::Bytes), ClientError> {
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| broken(&error))?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = body::to_bytes(Body::new(response.into_body()), MAX_ANSWER).await;
        Ok::<_, hyper::Error>((status, answer))
    };
    let (_, answered) = tokio::join!(connection, answered);
    let (status, answer) = answered.map_err(|error| broken(&error))?;
    Ok((status, answer.map_err(|error| broken(&error))?))
}

fn broken(error: &dyn std::error::Error) -> ClientError {
    ClientError::Broken(error.to_string())
}

/// A part of a path: whatever it holds, it names nothing but itself (RFC 3986 §2.1).
pub(super) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment += &format!("%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_names_nothing_but_itself() {
        for (text, expected) in [
            ("019abc-00ff", "019abc-00ff"),
            ("+4917", "%2B4917"),
            ("../status?x#y", "..%2Fstatus%3Fx%23y"),
            ("a b\r\nX: y", "a%20b%0D%0AX%3A%20y"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(segment(text), expected);
        }
    }

    #[test]
    fn urls_are_plain_http_with_nothing_behind() {
        let place = |url| Place::of_url(url, SecretString::from("x"));
        for url in ["http://127.0.0.1:8480", "http://[::1]:8480/", "http://pbx"] {
            assert!(place(url).is_ok(), "{url}");
        }
        for url in ["https://x", "http://x/v1", "127.0.0.1:8480", "", "unix:/x"] {
            assert!(place(url).is_err(), "{url}");
        }
    }
}
