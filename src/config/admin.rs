//! Where the operator's commands come in: the admin API.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use super::host::parse_socket_address;
use super::surroundings::{SecretKeys, Surroundings};
use super::toml_file::Table;

const USUAL_SOCKET: &str = "/run/wabridge/admin.sock";

/// What the kernel has room for (`sun_path`), less the zero behind it.
const MAX_SOCKET_PATH: usize = 107;

const TOKEN: SecretKeys = SecretKeys {
    word: "token",
    plain: "token",
    file: "token_file",
    variable: "token_env",
};
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

#[derive(Clone, Debug)]
pub struct Admin {
    /// A Unix socket; whoever may write to it may order everything. `None`: none.
    pub socket: Option<PathBuf>,
    pub listener: Option<AdminListener>,
}

/// Plain HTTP by TCP.
#[derive(Clone, Debug)]
pub struct AdminListener {
    pub bind: SocketAddr,
    /// Whoever shows it may order everything. RFC 6750 §2.1: letters, digits and `-._~+/=`.
    pub token: SecretString,
}

/// How a command on this machine reaches the daemon.
#[derive(Clone, Debug)]
pub enum AdminDoor {
    Socket(PathBuf),
    Address(AdminListener),
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            socket: Some(USUAL_SOCKET.into()),
            listener: None,
        }
    }
}

impl Admin {
    pub(super) fn read(table: &Table<'_>, around: Surroundings<'_>) -> Option<Self> {
        let socket = read_socket(table, around);
        let listener = read_listener(table, around);
        Some(Self {
            socket: socket?,
            listener: listener?,
        })
    }

    /// Nobody configured another one, so nobody counts on it: without its folder the daemon runs without it.
    pub fn is_usual(socket: &std::path::Path) -> bool {
        socket == std::path::Path::new(USUAL_SOCKET)
    }
}

impl AdminDoor {
    /// The socket if there is one: its user needs no token, and need not be able to read it. The outer `None`: wrong, and
    /// noted; the inner one: the admin API is off.
    pub(super) fn read(table: &Table<'_>, around: Surroundings<'_>) -> Option<Option<Self>> {
        if let Some(socket) = read_socket(table, around)? {
            return Some(Some(Self::Socket(socket)));
        }
        Some(read_listener(table, around)?.map(Self::Address))
    }
}

/// The outer `None`: wrong, and noted.
fn read_socket(table: &Table<'_>, around: Surroundings<'_>) -> Option<Option<PathBuf>> {
    let Some(value) = table.value("socket") else {
        return Some(Admin::default().socket);
    };
    if value.text()?.is_empty() {
        return Some(None);
    }
    let path = around.path(&value)?;
    if path.as_os_str().as_bytes().len() > MAX_SOCKET_PATH {
        value.error(
            &format!("the path of a socket has at most {MAX_SOCKET_PATH} bytes"),
            "write a shorter one",
        );
        return None;
    }
    Some(Some(path))
}

/// The outer `None`: wrong, and noted.
fn read_listener(table: &Table<'_>, around: Surroundings<'_>) -> Option<Option<AdminListener>> {
    let token = read_token(table, around);
    let Some(value) = table.value("bind") else {
        if token.is_some() {
            table.error(
                "a token without bind",
                "write bind = \"127.0.0.1:8480\", or remove the token: the socket needs none",
            );
        }
        return Some(None);
    };
    let remedy = "write an IP address and a port, as in \"127.0.0.1:8480\"";
    let bind: SocketAddr = value.parse(remedy, parse_socket_address)?;
    if !bind.ip().is_loopback() {
        value.warning(
            "this is plain HTTP: who reads the network reads the token and every number",
            "bind to 127.0.0.1, with a proxy that speaks TLS before it",
        );
    }
    let token = token?;
    Some(Some(AdminListener { bind, token }))
}

/// `None`: none, or a wrong one, and that is noted.
fn read_token(table: &Table<'_>, around: Surroundings<'_>) -> Option<SecretString> {
    if !TOKEN.are_in(table) {
        if let Some(value) = table.value("bind") {
            value.error(
                "the token is missing",
                "write token_file = \"...\" or token_env = \"...\"; openssl rand -hex 32 makes one",
            );
        }
        return None;
    }
    let token = around.secret(table, &TOKEN)?;
    let text = token.expose_secret();
    let is_fit = TOKEN_LENGTH.contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    if !is_fit {
        table.error(
            "the token is not one of 16 to 512 letters, digits or -._~+/=",
            "make one with openssl rand -hex 32",
        );
        return None;
    }
    Some(token)
}
