//! How the bridge does, as Prometheus reads it (text exposition format 0.0.4).
//!
//! What calls were like is counted by the signalling task when their records are finished; what is now it looks up when
//! somebody asks. It hands out both as one value, which is written down on another thread. Packets know nothing of it.
//! No label tells who called whom: their values are words of this program, and names from the configuration.

mod finished;
mod histogram;
mod live;
mod page;
mod process;

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

pub use live::{Live, Worker};

use crate::call::cdr::Cdr;
use finished::Finished;
use page::Page;
use process::Process;

/// The media type of what [`Scrape::text`] gives.
pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Of this process, since its start.
pub struct Metrics {
    started: SystemTime,
    finished: Finished,
}

/// Everything at one moment.
#[derive(Debug)]
pub struct Scrape {
    started: SystemTime,
    finished: Finished,
    live: Live,
}

impl Metrics {
    pub fn new(now: SystemTime) -> Self {
        Self {
            started: now,
            finished: Finished::default(),
        }
    }

    /// A call is over: once each.
    pub fn count(&mut self, cdr: &Cdr) {
        self.finished.count(cdr);
    }

    pub fn scrape(&self, live: Live) -> Scrape {
        Scrape {
            started: self.started,
            finished: self.finished.clone(),
            live,
        }
    }
}

impl Scrape {
    /// Asks the system about the process: not for threads that must not wait.
    pub(super) fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        let process = Process::read(self.started);
        registry.register_collector(Box::new(Written {
            scrape: self,
            process,
        }));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Written {
    scrape: Scrape,
    process: Process,
}

impl Collector for Written {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        self.scrape.live.write(&mut page)?;
        self.scrape.finished.write(&mut page)?;
        self.process.write(&mut page)
    }
}

#[cfg(test)]
mod tests;
