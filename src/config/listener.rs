//! Where SIP comes in and goes out: listeners and their TLS.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::certificate;
use super::host::{parse_host_port, parse_socket_address};
use super::surroundings::Surroundings;
use super::toml_file::{Table, Value};
use crate::sip::flow::{Host, ListenerId, Transport};

pub(super) const TRANSPORTS: [(&str, Transport); 3] = [
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
];

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

/// The listeners of a configuration, as far as they could be read.
#[derive(Default)]
pub(super) struct Listeners {
    pub known: BTreeMap<ListenerId, Listener>,
    /// Some could not: that one is missing is then no mistake of its own.
    pub has_gaps: bool,
}

impl Listener {
    pub(super) fn read(name: String, table: &Table<'_>, around: Surroundings<'_>) -> Option<Self> {
        let faces = table
            .required("faces", "write faces = \"whatsapp\" or faces = \"pbx\"")
            .and_then(|value| value.choice(&[("whatsapp", Faces::WhatsApp), ("pbx", Faces::Pbx)]));
        let transport = read_transport(table, faces);
        let bind = table
            .required(
                "bind",
                "write the address and port to listen on, as in bind = \"0.0.0.0:5061\"",
            )
            .and_then(|value| {
                value.parse(
                    "write an IP address and a port, as in \"0.0.0.0:5061\"",
                    parse_socket_address,
                )
            });
        let advertise = read_advertise(table, bind);
        let tls = read_tls(table, transport, around);
        check_certificate(table, transport, faces, advertise.as_ref(), around);
        let (faces, advertise) = (faces?, advertise?);
        warn_of_plain_names(table, faces, &advertise.0);
        Some(Self {
            name,
            transport,
            bind: bind?,
            advertise,
            faces,
            tls: tls?,
        })
    }

    /// Both want the same socket of the machine. TLS is TCP there; a listener on IPv6 leaves IPv4 alone.
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        let is_udp = |listener: &Self| !listener.transport.is_reliable();
        is_udp(self) == is_udp(other)
            && self.bind.is_ipv6() == other.bind.is_ipv6()
            && self.bind.port() == other.bind.port()
            && self.bind.port() != 0
            && overlap(self.bind.ip(), other.bind.ip())
    }
}

/// Whether a socket on one address takes packets for the other. `[::]` takes IPv4 too.
pub(super) fn overlap(a: IpAddr, b: IpAddr) -> bool {
    let takes =
        |wide: IpAddr, other: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || other.is_ipv4());
    a == b || takes(a, b) || takes(b, a)
}

/// WhatsApp speaks TLS alone (dossier 2.1).
fn read_transport(table: &Table<'_>, faces: Option<Faces>) -> Transport {
    let default = match faces {
        Some(Faces::WhatsApp) => Transport::Tls,
        Some(Faces::Pbx) | None => Transport::Udp,
    };
    let Some(value) = table.value("transport") else {
        return default;
    };
    let transport = value.choice(&TRANSPORTS).unwrap_or(default);
    if faces == Some(Faces::WhatsApp) && transport != Transport::Tls {
        value.error(
            "WhatsApp connects by TLS alone",
            "write transport = \"tls\"",
        );
    }
    transport
}

fn read_advertise(table: &Table<'_>, bind: Option<SocketAddr>) -> Option<(Host, u16)> {
    let Some(value) = table.value("advertise") else {
        let bind = bind?;
        if bind.ip().is_unspecified() {
            table.error(
                "advertise is missing, and the address to listen on is no address to answer to",
                "write advertise = \"...\": the name or address that peers reach this listener by",
            );
            return None;
        }
        return Some((Host::Address(bind.ip()), bind.port()));
    };
    let remedy = "write a host name or an address, with a port if it differs, as in \"sip.example.com:5061\"";
    let (host, port) = value.parse(remedy, parse_host_port)?;
    if let Host::Address(address) = host
        && (address.is_unspecified() || address.is_multicast())
    {
        value.error("nobody can reach this address", remedy);
        return None;
    }
    Some((host, port.or(bind.map(|bind| bind.port()))?))
}

/// The outer `None`: wrong, and noted.
fn read_tls(
    table: &Table<'_>,
    transport: Transport,
    around: Surroundings<'_>,
) -> Option<Option<Tls>> {
    let certificate = table.value("certificate");
    let private_key = table.value("private_key");
    let trust = read_trust(table, around);
    match transport {
        Transport::Udp | Transport::Tcp => {
            for value in [certificate, private_key].into_iter().flatten() {
                value.warning("this is used with transport = \"tls\" alone", "remove it");
            }
            Some(None)
        }
        Transport::Tls => {
            for (key, value) in [("certificate", &certificate), ("private_key", &private_key)] {
                if value.is_none() {
                    table.error(
                        &format!("{key} is missing: a TLS listener has a certificate and its key"),
                        &format!("write {key} = \"...\": the path of a PEM file"),
                    );
                }
            }
            Some(Some(Tls {
                certificate: around.path(&certificate?)?,
                private_key: around.path(&private_key?)?,
                trust: trust?,
            }))
        }
    }
}

fn read_trust(table: &Table<'_>, around: Surroundings<'_>) -> Option<Trust> {
    let (word, file) = (table.value("trust"), table.value("trust_file"));
    if let (Some(_), Some(file)) = (&word, &file) {
        file.error("trust is given as well", "keep one of trust and trust_file");
        return None;
    }
    if let Some(file) = file {
        let path = around.path(&file)?;
        let content = around.content(&file, &path)?;
        if let Err(problem) = certificate::read_chain(&content) {
            file.error(&problem.to_string(), "name a PEM file of root certificates");
            return None;
        }
        return Some(Trust::File(path));
    }
    let names: [(&str, bool); 2] = [("system", true), ("unverified", false)];
    match word.map(|word| word.choice(&names)) {
        None | Some(Some(true)) => Some(Trust::System),
        Some(Some(false)) => Some(Trust::Unverified),
        Some(None) => None,
    }
}

fn check_certificate(
    table: &Table<'_>,
    transport: Transport,
    faces: Option<Faces>,
    advertise: Option<&(Host, u16)>,
    around: Surroundings<'_>,
) {
    let (Some(certificate), Some(key)) = (table.value("certificate"), table.value("private_key"))
    else {
        return;
    };
    if transport != Transport::Tls {
        return;
    }
    let chain = read_file(&certificate, around);
    let private_key = read_file(&key, around);
    if let Some(path) = around.path(&key).filter(|_| private_key.is_some()) {
        around.warn_if_public(&key, &path);
    }
    let (Some(chain), Some(private_key)) = (chain, private_key) else {
        return;
    };
    let inspection = certificate::Inspection {
        chain: &chain,
        private_key: &private_key,
        host: advertise.map(|(host, _)| host),
        is_public: faces == Some(Faces::WhatsApp),
        now: around.outside.now(),
    };
    for fault in inspection.faults() {
        let place = if fault.is_about_key() {
            &key
        } else {
            &certificate
        };
        if fault.is_fatal() {
            place.error(&fault.to_string(), fault.remedy());
        } else {
            place.warning(&fault.to_string(), fault.remedy());
        }
    }
}

fn read_file(value: &Value<'_>, around: Surroundings<'_>) -> Option<Vec<u8>> {
    around.content(value, &around.path(value)?)
}

/// WhatsApp connects to the configured host name and checks the certificate against it (dossier 2.1).
fn warn_of_plain_names(table: &Table<'_>, faces: Faces, host: &Host) {
    if let (Faces::WhatsApp, Host::Address(_), Some(value)) =
        (faces, host, table.value("advertise"))
    {
        value.warning(
            "WhatsApp wants a host name that a public certificate covers, this is an address",
            "write the hostname of WhatsApp's SIP settings",
        );
    }
}
