//! From a configuration file to a running bridge. Whatever is missing is said in plain words before anything is up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, info};

use super::identity::Identity;
use super::log::{self, LogControl};
use super::plane::{MediaPlane, PlaneSettings};
use super::signalling::{Signalling, World};
use super::signals::Signals;
use super::{FAILED, MISCONFIGURED, service};
use crate::config::{self, Config};
use crate::entropy::Entropy;
use crate::media::dtls::IdentityError;
use crate::net::ports::{EmptyRange, PortRange, PortStock};
use crate::net::{Capacity, NetError, Network, Patience};
use crate::store::{Keeper, Store, StoreError};
use crate::web::{ListenError, Web};

/// Threads beside the main one for sockets and TLS handshakes, so that a storm of handshakes never delays a call.
const NETWORK_THREADS: usize = 2;

/// Why the bridge does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Config(config::Report),
    #[error("log filter: {0}")]
    LogFilter(String),
    #[error("{0}")]
    Network(#[from] NetError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Web(#[from] ListenError),
    #[error("{0}")]
    Ports(#[from] EmptyRange),
    #[error("cannot start the media workers: {0}")]
    Media(io::Error),
    #[error("cannot make a certificate for DTLS: {0}")]
    Identity(rcgen::Error),
    #[error("cannot use our certificate for DTLS: {0}")]
    Certificate(#[from] IdentityError),
    #[error("cannot start: {0}")]
    System(io::Error),
}

impl StartError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::LogFilter(_) | Self::Ports(_) => MISCONFIGURED,
            Self::Network(_)
            | Self::Store(_)
            | Self::Web(_)
            | Self::Media(_)
            | Self::Identity(_)
            | Self::Certificate(_)
            | Self::System(_) => FAILED,
        }
    }
}

pub(super) fn run(path: &Path) -> Result<(), StartError> {
    let (config, doubts) = config::load(path).map_err(StartError::Config)?;
    let config = Arc::new(config);
    let log = log::start(&config.log)?;
    info!(version = env!("CARGO_PKG_VERSION"), "wabridge starts");
    log::doubts(&doubts);
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(NETWORK_THREADS)
        .thread_name("net")
        .enable_all()
        .build()
        .map_err(StartError::System)?;
    runtime.block_on(async {
        let signalling = open(path.to_owned(), config, log)?;
        signalling.run().await;
        Ok(())
    })
}

fn open(path: PathBuf, config: Arc<Config>, log: LogControl) -> Result<Signalling, StartError> {
    let mut entropy = system_entropy()?;
    // Signals first: one that comes during the start must not be lost.
    let signals = Signals::catch().map_err(StartError::System)?;
    let store = Store::open(&config.cdr)?;
    let keeper = Keeper::open(config.clone(), SystemTime::now())?;
    let capacity = Capacity {
        connections: config.limits.connections,
        connections_per_address: config.limits.connections_per_address,
        ..Capacity::default()
    };
    let patience = Patience::default();
    let network = Network::open(
        &config.listeners,
        &config.hosts,
        capacity,
        patience,
        entropy.fork(),
    )?;
    let identity = Identity::generate().map_err(StartError::Identity)?;
    let plane = media_plane(&config, entropy.fork())?.with_identity(identity.for_dtls()?);
    let (web, orders) = Web::open(&config.admin, config.metrics, keeper.door())?;
    announce(&config, &network);
    let world = World {
        path,
        config,
        network,
        plane,
        store,
        keeper,
        web,
        orders,
        signals,
        log,
    };
    let signalling = Signalling::new(world, identity.fingerprint(), entropy);
    info!("serving");
    service::ready();
    Ok(signalling)
}

fn media_plane(config: &Config, entropy: Entropy) -> Result<MediaPlane, StartError> {
    let media = &config.media;
    let stock = PortStock::new(PortRange {
        address: media.bind,
        ports: media.first_port..=media.last_port,
        rest: media.port_rest,
    })?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = PlaneSettings {
        workers: if media.workers == 0 {
            cores
        } else {
            media.workers
        },
        pinned: media.workers == 0,
    };
    let started = Instant::now();
    let plane = MediaPlane::start(settings, stock, entropy).map_err(StartError::Media)?;
    debug!(took = ?started.elapsed(), "media workers started");
    Ok(plane)
}

/// A call holds six sockets and each peer one: the soft limit of 1024 is far too low. Best effort, told when refused.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        info!(%error, limit = ?limit.current, "the limit of open files cannot be raised");
    }
}

fn system_entropy() -> Result<Entropy, StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StartError::System(io::Error::other(error)))?;
    Ok(Entropy::from_seed(seed))
}

/// What is up, one line each.
fn announce(config: &Config, network: &Network) {
    for state in network.listeners() {
        let (names, not_after) = match &state.certificate {
            Some(facts) => (facts.names.join(" "), log::date(facts.not_after)),
            None => Default::default(),
        };
        info!(name = %state.name, at = %state.local, names, not_after, "listener");
    }
    for (number, settings) in &config.numbers {
        info!(%number, trunk = %settings.trunk, "business number");
    }
    for (name, trunk) in &config.trunks {
        let peers: Vec<_> = trunk.peers.iter().map(|peer| peer.name.as_str()).collect();
        info!(%name, peers = peers.join(" "), "trunk");
    }
    let (first, last) = (config.media.first_port, config.media.last_port);
    info!(address = %config.media.bind, first, last, "media");
}
