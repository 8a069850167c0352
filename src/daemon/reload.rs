//! SIGHUP: which settings follow a running process, and which need a new one.

use std::path::Path;

use super::log;
use crate::config::{self, Config, Listener};

/// Why the old configuration stays.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error("{0}")]
    Config(config::Report),
    #[error("{0} changes only with a restart")]
    NeedsRestart(&'static str),
}

/// The new configuration, when a running process can follow it.
pub(super) fn read(path: &Path, running: &Config) -> Result<Config, ReloadError> {
    let (new, doubts) = config::load(path).map_err(ReloadError::Config)?;
    log::doubts(&doubts);
    match fixed_difference(running, &new) {
        Some(what) => Err(ReloadError::NeedsRestart(what)),
        None => Ok(new),
    }
}

/// Sockets, threads and files are opened once.
fn fixed_difference(running: &Config, new: &Config) -> Option<&'static str> {
    let same_listeners = running.listeners.len() == new.listeners.len()
        && running.listeners.iter().all(|(id, listener)| {
            let new = new.listeners.get(id);
            new.is_some_and(|new| fixed(new) == fixed(listener))
        });
    let media = |config: &Config| {
        let media = &config.media;
        (media.bind, media.first_port, media.last_port, media.workers)
    };
    let connections = |config: &Config| {
        let limits = &config.limits;
        (limits.connections, limits.connections_per_address)
    };
    let files = |config: &Config| (config.cdr.json_lines.clone(), config.cdr.database.clone());
    let admin = |config: &Config| {
        let admin = &config.admin;
        let bind = admin.listener.as_ref().map(|listener| listener.bind);
        (admin.socket.clone(), bind)
    };
    let differences = [
        (
            same_listeners,
            "a listener's name, transport, address or peer kind",
        ),
        (
            media(running) == media(new),
            "the media address, port range or number of workers",
        ),
        (
            connections(running) == connections(new),
            "the limit of connections",
        ),
        (files(running) == files(new), "the place of the CDRs"),
        (
            running.consent.database == new.consent.database,
            "the place of the consent ledger",
        ),
        (admin(running) == admin(new), "the place of the admin API"),
        (running.metrics == new.metrics, "the place of the metrics"),
        (running.log.json == new.log.json, "the log's format"),
    ];
    let difference = differences.into_iter().find(|(same, _)| !same);
    difference.map(|(_, what)| what)
}

fn fixed(listener: &Listener) -> impl PartialEq + '_ {
    (
        &listener.name,
        listener.transport,
        listener.bind,
        &listener.advertise,
        listener.faces,
        listener.tls.is_some(),
    )
}
