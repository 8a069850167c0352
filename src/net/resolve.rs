//! From a hop to addresses: RFC 3263 §4.2 with the transport given. A port stands for "no SRV".

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use tracing::warn;

use crate::entropy::Entropy;
use crate::sip::flow::{Host, NextHop, Transport, TransportError};

/// One query. All attempts together stay below `Patience::resolve`.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// More targets of one name than this are not tried.
const MAX_TARGETS: usize = 8;
const MAX_ADDRESSES: usize = 16;
/// How long an address literal stays what it is.
const LITERAL_LIFE: Duration = Duration::from_secs(3600);

/// The system's resolver: resolv.conf and the hosts file, read at start and at `reload`; answers are kept as long as
/// their TTL.
pub(super) struct Resolver {
    system: ArcSwap<System>,
    entropy: Mutex<Entropy>,
}

struct System {
    dns: Option<TokioResolver>,
    hosts: Hosts,
}

/// Addresses in the order they are to be tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) until: Instant,
}

/// An SRV record (RFC 2782).
#[derive(Clone, PartialEq, Eq, Debug)]
struct Service {
    priority: u16,
    weight: u16,
    port: u16,
    target: String,
}

impl Resolver {
    pub(super) fn new(entropy: Entropy) -> Self {
        Self {
            system: ArcSwap::from_pointee(System::read()),
            entropy: Mutex::new(entropy),
        }
    }

    /// Reads resolv.conf and the hosts file again, and forgets all answers.
    pub(super) fn reload(&self) {
        self.system.store(System::read().into());
    }

    pub(super) async fn resolve(&self, hop: &NextHop) -> Result<Found, TransportError> {
        let default = hop.transport.default_port();
        match (&hop.host, hop.port) {
            (Host::Address(address), port) => {
                let address = SocketAddr::new(*address, port.unwrap_or(default));
                Ok(Found {
                    addresses: vec![address],
                    until: Instant::now() + LITERAL_LIFE,
                })
            }
            (Host::Name(name), Some(port)) => self.addresses(name, port).await,
            (Host::Name(name), None) => match self.services(name, hop.transport).await {
                Some((services, until)) => self.targets(name, services, until).await,
                None => self.addresses(name, default).await,
            },
        }
    }

    /// The name's SRV records in order, `None` when it has none.
    async fn services(&self, name: &str, transport: Transport) -> Option<(Vec<Service>, Instant)> {
        let system = self.system.load_full();
        let prefix = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
        };
        let dns = system.dns.as_ref().filter(|_| !system.is_host(name))?;
        let lookup = dns.srv_lookup(format!("{prefix}.{name}")).await.ok()?;
        let services: Vec<_> = lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(Service {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target: srv.target.to_utf8(),
                }),
                _ => None,
            })
            .collect();
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        let ordered = in_order(services, &mut entropy);
        (!ordered.is_empty()).then(|| (ordered, lookup.valid_until()))
    }

    async fn targets(
        &self,
        name: &str,
        services: Vec<Service>,
        mut until: Instant,
    ) -> Result<Found, TransportError> {
        let mut addresses = Vec::new();
        for service in services.into_iter().take(MAX_TARGETS) {
            // A target of "." says that the service is decidedly not there (RFC 2782).
            if service.target == "." {
                continue;
            }
            if let Ok(found) = self.addresses(&service.target, service.port).await {
                addresses.extend(found.addresses);
                until = until.min(found.until);
            }
        }
        found(name, addresses, until)
    }

    async fn addresses(&self, name: &str, port: u16) -> Result<Found, TransportError> {
        let system = self.system.load_full();
        let Some(dns) = &system.dns else {
            return Err(TransportError::NotResolved(name.to_owned()));
        };
        let lookup = dns
            .lookup_ip(name)
            .await
            .map_err(|_| TransportError::NotResolved(name.to_owned()))?;
        let addresses = lookup
            .iter()
            .map(|address| SocketAddr::new(address, port))
            .collect();
        found(name, addresses, lookup.valid_until())
    }
}

impl System {
    fn read() -> Self {
        let builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            warn!(%error, "no usable resolv.conf: only the hosts file and addresses resolve");
            let config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        let mut builder = builder;
        let options = builder.options_mut();
        options.timeout = QUERY_TIMEOUT;
        options.attempts = 1;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let dns = builder
            .build()
            .inspect_err(|error| warn!(%error, "names do not resolve"))
            .ok();
        Self {
            dns,
            hosts: Hosts::from_system().unwrap_or_default(),
        }
    }

    /// Names of the hosts file have no SRV records: nobody is asked for them.
    fn is_host(&self, name: &str) -> bool {
        let Ok(name) = Name::from_utf8(name) else {
            return false;
        };
        let known = |kind| {
            let query = Query::query(name.clone(), kind);
            self.hosts.lookup_static_host(&query).is_some()
        };
        name.is_localhost() || known(RecordType::A) || known(RecordType::AAAA)
    }
}

fn found(
    name: &str,
    mut addresses: Vec<SocketAddr>,
    until: Instant,
) -> Result<Found, TransportError> {
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() {
        return Err(TransportError::NotResolved(name.to_owned()));
    }
    Ok(Found { addresses, until })
}

/// RFC 2782: lower priorities first; among equals a weighted draw, weight 0 last in chance but not impossible.
fn in_order(mut services: Vec<Service>, entropy: &mut Entropy) -> Vec<Service> {
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(first) = services.first() {
        let priority = first.priority;
        let equals = services
            .iter()
            .take_while(|service| service.priority == priority)
            .count();
        let weights: Vec<u32> = services
            .iter()
            .take(equals)
            .map(|service| service.weight.into())
            .collect();
        ordered.push(services.remove(draw(&weights, entropy)));
    }
    ordered
}

/// An index, each with the chance of its weight.
fn draw(weights: &[u32], entropy: &mut Entropy) -> usize {
    let total: u32 = weights.iter().sum();
    let mut left = entropy.below(total.saturating_add(1));
    for (index, weight) in weights.iter().enumerate() {
        if left <= *weight {
            return index;
        }
        left -= weight;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service {
            priority,
            weight,
            port: 5061,
            target: target.to_owned(),
        }
    }

    fn firsts(services: &[Service], rounds: u32) -> std::collections::BTreeMap<String, u32> {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..rounds {
            let ordered = in_order(services.to_vec(), &mut entropy);
            assert_eq!(ordered.len(), services.len());
            *counts.entry(ordered[0].target.clone()).or_default() += 1;
        }
        counts
    }

    #[test]
    fn lower_priority_always_comes_first() {
        let services = [
            service(20, 100, "b"),
            service(10, 0, "a"),
            service(30, 0, "c"),
        ];
        assert_eq!(firsts(&services, 50), [("a".to_owned(), 50)].into());
    }

    #[test]
    fn equals_are_drawn_by_weight() {
        let services = [service(10, 75, "often"), service(10, 25, "seldom")];
        let counts = firsts(&services, 4000);
        let often = counts["often"];
        assert!((2800..=3200).contains(&often), "{counts:?}");
    }

    #[test]
    fn a_hop_with_an_address_needs_no_dns() {
        let hop = NextHop {
            listener: crate::sip::flow::ListenerId(0),
            transport: Transport::Tls,
            host: Host::Address("2001:db8::1".parse().unwrap()),
            port: None,
        };
        let resolver = Resolver {
            system: ArcSwap::from_pointee(System {
                dns: None,
                hosts: Hosts::default(),
            }),
            entropy: Mutex::new(Entropy::from_seed([0; 32])),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let found = runtime.block_on(resolver.resolve(&hop)).unwrap();
        assert_eq!(found.addresses, ["[2001:db8::1]:5061".parse().unwrap()]);
    }

    #[tokio::test]
    async fn the_hosts_file_answers_for_localhost() {
        let hop = NextHop {
            listener: crate::sip::flow::ListenerId(0),
            transport: Transport::Udp,
            host: Host::Name("localhost".to_owned()),
            port: None,
        };
        let resolver = Resolver::new(Entropy::from_seed([0; 32]));
        let found = resolver.resolve(&hop).await.unwrap();
        assert!(found.addresses.contains(&"127.0.0.1:5060".parse().unwrap()));
    }
}
