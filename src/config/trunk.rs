//! The company's side: trunks of PBX peers.

use std::time::Duration;

use secrecy::SecretString;

use super::Prefix;
use crate::sip::flow::NextHop;

#[derive(Clone, Debug)]
pub struct Trunk {
    pub name: String,
    pub profile: String,
    pub peers: Vec<TrunkPeer>,
    pub probe: Probe,
}

#[derive(Clone, Debug)]
pub struct TrunkPeer {
    /// `trunk/host:port`, for logs.
    pub name: String,
    pub hop: NextHop,
    /// Lower first; among equals by weight.
    pub priority: u16,
    pub weight: u16,
    /// For when it challenges us.
    pub credentials: Option<PeerCredentials>,
    /// Requests from these addresses on a PBX listener are this peer's.
    pub source_prefixes: Vec<Prefix>,
    /// We challenge it instead of (or besides) trusting its address.
    pub authenticate: Option<PeerCredentials>,
    pub register: Option<Register>,
}

#[derive(Clone, Debug)]
pub struct PeerCredentials {
    pub username: String,
    pub password: SecretString,
}

#[derive(Clone, Debug)]
pub struct Register {
    pub user: String,
    pub expires: Duration,
}

/// OPTIONS probing with hysteresis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Zero: no probing, every peer counts as up.
    pub interval: Duration,
    pub down_after: u32,
    pub up_after: u32,
}
