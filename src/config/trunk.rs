//! The company's side: trunks of PBX peers.

use std::time::Duration;

use secrecy::SecretString;

use super::dialling::read_dialling;
use super::host::parse_host;
use super::listener::{Listeners, TRANSPORTS};
use super::profile::read_prefix;
use super::profiles::Profiles;
use super::surroundings::Surroundings;
use super::toml_file::{Table, Value};
use super::whatsapp::read_extension;
use super::{Faces, OwnLevels, OwnSecurity, Prefix};
use crate::party::{Dialling, PhoneNumber};
use crate::sip::flow::{Host, ListenerId, NextHop, Transport};

const DEFAULT_PROBE_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_REGISTER_EXPIRES: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
pub struct Trunk {
    pub name: String,
    pub profile: String,
    pub peers: Vec<TrunkPeer>,
    pub probe: Probe,
    /// The business number that calls from here are made with, when the caller shows none of ours.
    pub number: Option<PhoneNumber>,
    /// How its PBXs dial WhatsApp users.
    pub dialling: Dialling,
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
    /// Overrides that of the trunk's profile.
    pub security: OwnSecurity,
    /// Override those of the trunk's profile.
    pub levels: OwnLevels,
    /// We challenge it instead of (or besides) trusting its address.
    pub authenticate: Option<PeerCredentials>,
    pub register: Option<Register>,
}

#[derive(Clone, Debug)]
pub struct PeerCredentials {
    pub username: String,
    pub password: SecretString,
}

#[derive(Clone, PartialEq, Eq, Debug)]
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

impl Trunk {
    pub(super) fn read(
        name: String,
        value: &Value<'_>,
        listeners: &Listeners,
        around: Surroundings<'_>,
        profiles: &mut Profiles<'_>,
        dialling: &Dialling,
    ) -> Option<Self> {
        value.table()?.read(|table| {
            let profile = match table.value("profile") {
                Some(value) => profiles.require(&value),
                None => Some("generic".to_owned()),
            };
            let tables = table.tables("peers");
            if tables.is_empty() {
                table.error(
                    "the trunk has no peer",
                    &format!(
                        "write [[{}.peers]] and host = \"...\" under it",
                        table.path()
                    ),
                );
            }
            let peers: Vec<Option<TrunkPeer>> = tables
                .into_iter()
                .map(|peer| peer.read(|peer| TrunkPeer::read(&name, peer, listeners, around)))
                .collect();
            let number = table
                .value("number")
                .map(|value| value.parse("write it as in \"+17015550100\"", PhoneNumber::parse));
            let probe = Probe {
                interval: table.seconds("probe_interval_s", 0..=3_600, DEFAULT_PROBE_INTERVAL),
                down_after: table.number("probe_down_after", 1..=100, 3),
                up_after: table.number("probe_up_after", 1..=100, 2),
            };
            let dialling = match table.table("dialling") {
                Some(table) => table.read(|table| read_dialling(table, dialling)),
                None => Some(dialling.clone()),
            };
            Some(Self {
                dialling: dialling?,
                profile: profile?,
                peers: peers.into_iter().collect::<Option<_>>()?,
                probe,
                number: number.map_or(Some(None), |number| number.map(Some))?,
                name: name.clone(),
            })
        })
    }
}

impl TrunkPeer {
    fn read(
        trunk: &str,
        table: &Table<'_>,
        listeners: &Listeners,
        around: Surroundings<'_>,
    ) -> Option<Self> {
        let host = table
            .required(
                "host",
                "write host = \"...\": the name or address of the PBX",
            )
            .and_then(|value| value.parse("write a host name or an IP address", parse_host));
        let transport = table.choice("transport", &TRANSPORTS, Transport::Udp);
        let port = match table.value("port") {
            Some(value) => value
                .number(1..=65_535)
                .map(|port| u16::try_from(port).ok()),
            None => Some(None),
        };
        let listener = choose_listener(table, listeners, transport);
        let priority = table.number("priority", 0..=65_535, 1);
        let weight = table.number("weight", 1..=65_535, 1);
        let sources = table.list("source_prefixes", |value| read_prefix(&value));
        let security = OwnSecurity::read(table);
        let levels = OwnLevels::read(table);
        let credentials = read_credentials(table, around);
        let authenticate = match table.table("authenticate") {
            Some(table) => table
                .read(|table| read_required_credentials(table, around))
                .map(Some),
            None => Some(None),
        };
        let register = match table.table("register") {
            Some(table) => table.read(read_register).map(Some),
            None => Some(None),
        };
        let (host, port) = (host?, port?);
        let shown = port.unwrap_or_else(|| transport.default_port());
        Some(Self {
            name: format!("{trunk}/{host}:{shown}"),
            source_prefixes: sources.unwrap_or_else(|| own_address(&host)),
            hop: NextHop {
                listener: listener?,
                transport,
                host,
                port,
            },
            priority: u16::try_from(priority).ok()?,
            weight: u16::try_from(weight).ok()?,
            security,
            levels,
            credentials: credentials?,
            authenticate: authenticate?,
            register: register?,
        })
    }
}

fn own_address(host: &Host) -> Vec<Prefix> {
    match host {
        Host::Address(address) => vec![Prefix::of(*address)],
        Host::Name(_) => Vec::new(),
    }
}

/// The named listener, or the first that faces PBXs with this transport.
fn choose_listener(
    table: &Table<'_>,
    listeners: &Listeners,
    transport: Transport,
) -> Option<ListenerId> {
    let mut fitting = listeners
        .known
        .iter()
        .filter(|(_, listener)| listener.faces == Faces::Pbx && listener.transport == transport);
    let Some(value) = table.value("listener") else {
        let first = fitting.next().map(|(id, _)| *id);
        if first.is_none() && !listeners.has_gaps {
            let token = transport.token().to_ascii_lowercase();
            table.error(
                &format!("no listener faces PBXs by {token}"),
                &format!(
                    "add one with faces = \"pbx\" and transport = \"{token}\", or change this peer's transport"
                ),
            );
        }
        return first;
    };
    let name = value.text()?;
    let chosen = fitting.find(|(_, listener)| listener.name == name);
    if chosen.is_none() && !listeners.has_gaps {
        value.error(
            &format!("there is no usable listener \"{name}\""),
            "name one that faces PBXs and has this peer's transport",
        );
    }
    chosen.map(|(id, _)| *id)
}

/// The outer `None`: wrong, and noted.
fn read_credentials(
    table: &Table<'_>,
    around: Surroundings<'_>,
) -> Option<Option<PeerCredentials>> {
    let username = table.value("username");
    let has_password = ["password", "password_file", "password_env"]
        .iter()
        .any(|key| table.value(key).is_some());
    match (username, has_password) {
        (None, false) => Some(None),
        (Some(_), false) => {
            table.error(
                "username without a password",
                "write password_file = \"...\"",
            );
            None
        }
        (None, true) => {
            table.error("a password without username", "write username = \"...\"");
            None
        }
        (Some(username), true) => {
            let password = around.password(table);
            let username = read_username(&username)?;
            Some(Some(PeerCredentials {
                username,
                password: password?,
            }))
        }
    }
}

fn read_required_credentials(
    table: &Table<'_>,
    around: Surroundings<'_>,
) -> Option<PeerCredentials> {
    let credentials = read_credentials(table, around)?;
    if credentials.is_none() {
        table.error(
            "username and password are missing",
            "write username = \"...\" and password_file = \"...\"",
        );
    }
    credentials
}

fn read_username(value: &Value<'_>) -> Option<String> {
    value.parse("write a user name", |text| {
        let is_fit = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        is_fit
            .then(|| text.to_owned())
            .ok_or("a user name has 1 to 128 printable characters, no quotes")
    })
}

fn read_register(table: &Table<'_>) -> Option<Register> {
    let user = table
        .required("user", "write user = \"...\": the account's user part")
        .and_then(|value| read_extension(&value));
    let expires = table.seconds("expires_s", 60..=86_400, DEFAULT_REGISTER_EXPIRES);
    Some(Register {
        user: user?,
        expires,
    })
}
