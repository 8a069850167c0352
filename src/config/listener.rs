//! Where SIP comes in and goes out: listeners and their TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::sip::flow::{Host, Transport};

/// Where SIP comes in.
#[derive(Clone, Debug)]
pub struct Listener {
    pub name: String,
    pub transport: Transport,
    pub bind: SocketAddr,
    /// What Via and Contact say: the public name or address, and port.
    pub advertise: (Host, u16),
    pub faces: Faces,
    /// For TLS: our certificate chain and key, and whom we trust when we connect out.
    pub tls: Option<Tls>,
}

/// Who may speak to a listener. Decided by where a message came in, never by what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Faces {
    WhatsApp,
    Pbx,
}

#[derive(Clone, Debug)]
pub struct Tls {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
    pub trust: Trust,
}

#[derive(Clone, Debug)]
pub enum Trust {
    /// The operating system's roots.
    System,
    File(PathBuf),
    /// Only toward a PBX on the same host or network: accept any certificate.
    Unverified,
}
