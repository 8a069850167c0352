//! From a hop to addresses: RFC 3263 §4.2 with the transport given. A port stands for "no SRV".

mod srv;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, ResolverBuilder, TokioResolver};
use tracing::warn;

use srv::Service;

use crate::config::StaticHosts;
use crate::entropy::Entropy;
use crate::sip::flow::{Host, NextHop, Transport, TransportError};

/// One query. All attempts together stay below `Patience::resolve`.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// More targets of one name than this are not tried.
const MAX_TARGETS: usize = 8;
const MAX_ADDRESSES: usize = 16;
/// How long an address that was written down stays what it is.
const LITERAL_LIFE: Duration = Duration::from_secs(3600);

/// The operator's own names before the system's resolver: resolv.conf and the hosts file, read at start and at `reload`;
/// answers are kept as long as their TTL.
pub(super) struct Resolver {
    system: ArcSwap<System>,
    entropy: Mutex<Entropy>,
}

struct System {
    dns: Option<TokioResolver>,
    hosts: Hosts,
    /// Of the configuration.
    fixed: StaticHosts,
}

/// Addresses in the order they are to be tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) until: Instant,
}

impl Resolver {
    pub(super) fn new(fixed: &StaticHosts, entropy: Entropy) -> Self {
        Self {
            system: ArcSwap::from_pointee(System::read(fixed.clone())),
            entropy: Mutex::new(entropy),
        }
    }

    /// Reads resolv.conf and the hosts file again, and forgets all answers.
    pub(super) fn reload(&self, fixed: &StaticHosts) {
        self.system.store(System::read(fixed.clone()).into());
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
        let ordered = srv::in_order(services, &mut entropy);
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
        if let Some(addresses) = system.fixed.find(name, port) {
            return found(name, addresses, Instant::now() + LITERAL_LIFE);
        }
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
    fn read(fixed: StaticHosts) -> Self {
        let builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            warn!(%error, "no usable resolv.conf: only the hosts file and addresses resolve");
            let config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        Self::build(builder, fixed)
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>, fixed: StaticHosts) -> Self {
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
            fixed,
        }
    }

    /// Names of the configuration and of the hosts file have no SRV records: nobody is asked for them.
    fn is_host(&self, name: &str) -> bool {
        if self.fixed.find(name, 0).is_some() {
            return true;
        }
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

#[cfg(test)]
mod tests;
