//! Names that are found without DNS.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::host::{parse_host, parse_host_port};
use super::toml_file::{Table, Value};
use crate::sip::flow::Host;

const REMEDY: &str = "write an IP address, perhaps with a port, as in \"127.0.0.1:7061\"";

/// `[hosts]`: names and their addresses, as an operator's hosts file would have them, with ports besides.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct StaticHosts(BTreeMap<String, Vec<StaticAddress>>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticAddress {
    pub address: IpAddr,
    /// Instead of whatever port the one who looks for the name would take.
    pub port: Option<u16>,
}

impl StaticHosts {
    /// The addresses of a name, in their order; `port` where none is written. A dot at the end makes no difference. `None`:
    /// the name is to be looked for elsewhere.
    pub fn find(&self, name: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let addresses = self.0.get(&name.to_ascii_lowercase())?;
        let place =
            |found: &StaticAddress| SocketAddr::new(found.address, found.port.unwrap_or(port));
        Some(addresses.iter().map(place).collect())
    }

    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut hosts = BTreeMap::new();
        for (name, value) in table.named(str::to_owned) {
            let Ok(Host::Name(known)) = parse_host(&name) else {
                value.error(
                    "this is no host name",
                    "write a name to be found, as in \"wa.meta.vc\" = \"127.0.0.1:7061\"",
                );
                continue;
            };
            let addresses = read_addresses(&value);
            if hosts.insert(known, addresses).is_some() {
                value.error(
                    "this name is written above",
                    "write all addresses of a name as one list",
                );
            }
        }
        Self(hosts)
    }
}

impl FromIterator<(String, Vec<StaticAddress>)> for StaticHosts {
    /// Names in lower case, without a dot at the end.
    fn from_iter<T: IntoIterator<Item = (String, Vec<StaticAddress>)>>(hosts: T) -> Self {
        Self(hosts.into_iter().collect())
    }
}

fn read_addresses(value: &Value<'_>) -> Vec<StaticAddress> {
    if !value.is_list() {
        return read_address(value).into_iter().collect();
    }
    let values = value.list().unwrap_or_default();
    if values.is_empty() {
        value.error("the list is empty", REMEDY);
    }
    values.iter().filter_map(read_address).collect()
}

fn read_address(value: &Value<'_>) -> Option<StaticAddress> {
    value.parse(REMEDY, |text| match parse_host_port(text) {
        Ok((Host::Address(address), port)) => Ok(StaticAddress { address, port }),
        Ok((Host::Name(_), _)) => Err("a name for a name"),
        Err(_) => Err("this is no IP address"),
    })
}
