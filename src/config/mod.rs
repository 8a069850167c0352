//! What the operator wrote, checked once. Everything here is a checked value: no string that still has to be parsed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::media::bridge::Habits;
use crate::sdp::{Codec, Policy};
use crate::sip::flow::{Host, ListenerId, NextHop, Transport};

#[derive(Clone, Debug)]
pub struct Config {
    pub listeners: BTreeMap<ListenerId, Listener>,
    pub media: Media,
    pub profiles: BTreeMap<String, Profile>,
    pub whatsapp: WhatsApp,
    /// By number, `+` and digits.
    pub numbers: BTreeMap<String, Number>,
    pub trunks: BTreeMap<String, Trunk>,
    /// First match wins; a number's own trunk is the last resort.
    pub routes: Vec<Route>,
    pub cdr: CdrFiles,
    pub log: Log,
    pub limits: Limits,
}

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

#[derive(Clone, Debug)]
pub struct Media {
    /// RTP sockets bind here.
    pub bind: IpAddr,
    /// What SDP toward WhatsApp says.
    pub public_address: IpAddr,
    /// What SDP toward PBXs says.
    pub pbx_address: IpAddr,
    /// Inclusive.
    pub first_port: u16,
    pub last_port: u16,
    /// A closed call's ports rest so long.
    pub port_rest: Duration,
    /// 0: one a core.
    pub workers: usize,
}

/// A peer kind's habits: `sip-profiles/NAME.toml`.
#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub sip: SipHabits,
    pub sdp: Policy,
    pub media: Habits,
}

#[derive(Clone, Debug)]
pub struct SipHabits {
    /// Nothing but ACK, BYE and CANCEL ever leaves toward this peer inside a call (WhatsApp: dossier 2.8).
    pub frozen: bool,
    /// Send 180 when the far side rings.
    pub ringing: bool,
    /// Challenge its INVITEs.
    pub challenge: Challenge,
    pub session_timer: Option<SessionTimerHabit>,
    pub reliable_provisionals: bool,
    /// How long the far side may ring before we give up.
    pub answer_timeout: Duration,
    /// No provisional response from this peer for so long: the next one is tried.
    pub first_response_timeout: Duration,
    /// DTMF toward this peer.
    pub dtmf: DtmfHabit,
    /// Which of WhatsApp's headers are passed on, as `X-WA-...` (lower-case names without `x-wa-meta-`).
    pub pass_headers: Vec<String>,
    /// Identify callers by P-Asserted-Identity as well as From.
    pub asserted_identity: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Challenge {
    No,
    /// 401 WWW-Authenticate.
    Unauthorized,
    /// 407 Proxy-Authenticate.
    ProxyAuthentication,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionTimerHabit {
    pub ask: bool,
    pub expires: Duration,
    pub min_se: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtmfHabit {
    /// RFC 4733 when agreed.
    Rtp,
    /// SIP INFO, `application/dtmf-relay`.
    Info,
}

/// WhatsApp's side as a peer.
#[derive(Clone, Debug)]
pub struct WhatsApp {
    pub profile: String,
    /// Allow list of source addresses (dossier 2.1); empty allows all that digest lets in.
    pub source_prefixes: Vec<Prefix>,
    /// Digest realm of our challenge.
    pub realm: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    pub address: IpAddr,
    pub length: u8,
}

/// One WhatsApp business number.
#[derive(Clone, Debug)]
pub struct Number {
    pub number: String,
    /// Password that WhatsApp generated for this number.
    pub password: SecretString,
    /// Overrides `WhatsApp::profile`.
    pub profile: Option<String>,
    pub trunk: String,
    /// Extension dialled on the PBX; the number itself when `None`.
    pub extension: Option<String>,
    pub concurrent_calls: u32,
}

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

/// Which calls go where. All given conditions must hold.
#[derive(Clone, Debug)]
pub struct Route {
    pub number: Option<String>,
    /// Prefix of the call button's or deep link's payload.
    pub payload_prefix: Option<String>,
    /// ISO country of the user as WhatsApp tells it, upper case.
    pub countries: Vec<String>,
    pub hours: Option<Hours>,
    pub trunk: String,
    pub extension: Option<String>,
}

/// Weekly hours in a time zone.
#[derive(Clone, Debug)]
pub struct Hours {
    pub zone: jiff::tz::TimeZone,
    /// Day (Monday first), from, to; `to` may be 24:00.
    pub windows: Vec<(jiff::civil::Weekday, jiff::civil::Time, jiff::civil::Time)>,
}

#[derive(Clone, Debug)]
pub struct CdrFiles {
    pub json_lines: PathBuf,
    pub database: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub json: bool,
    /// `tracing` filter directives.
    pub filter: String,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub calls: usize,
    pub connections: usize,
    pub connections_per_address: usize,
    /// Unauthenticated INVITEs a second from one address before 503.
    pub invites_per_second: u32,
    pub drain: Duration,
}

/// Codec names as in profiles.
pub const CODEC_NAMES: [(&str, Codec); 3] = [
    ("opus", Codec::Opus),
    ("pcmu", Codec::Pcmu),
    ("pcma", Codec::Pcma),
];
