//! The media plane: the workers that carry all calls' media, as one value for the signalling task.
//!
//! Commands go to a call's worker through a bounded queue and an eventfd; events come back through a bounded channel
//! that tokio can await. Neither is touched by a packet.

use std::time::Instant;

use crate::call::cdr::CallRef;
use crate::call::switchboard::{MediaCommand, MediaEvent, PortPair};
use crate::entropy::Entropy;
use crate::net::ports::PortStock;

pub struct PlaneSettings {
    /// OS threads that carry media.
    pub workers: usize,
    /// Pin worker `n` to core `n` modulo the cores there are.
    pub pinned: bool,
}

pub struct MediaPlane {
    _stock: PortStock,
}

/// A command that could not be carried out; the call it was for is not carried.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    #[error("ports of call {0:?} are not in stock")]
    NoPorts(CallRef),
    #[error("media worker's queue is full")]
    Busy,
}

impl MediaPlane {
    pub fn start(
        _settings: PlaneSettings,
        _stock: PortStock,
        _entropy: Entropy,
    ) -> std::io::Result<Self> {
        todo!()
    }

    /// Binds up to `wanted` more port pairs, ready for `MediaCommand::Open`.
    pub fn bind_ports(&mut self, _now: Instant, _wanted: usize) -> Vec<PortPair> {
        todo!()
    }

    /// Never blocks. A refused `Open` also comes as `MediaEvent::Failed`, so the caller may ignore the error.
    pub fn handle_command(
        &mut self,
        _now: Instant,
        _command: MediaCommand,
    ) -> Result<(), PlaneError> {
        todo!()
    }

    /// The next event. Cancel-safe: for `tokio::select!`.
    pub async fn event(&mut self) -> MediaEvent {
        todo!()
    }

    /// Share of the last second that the busiest worker spent working, 0.0-1.0: for admission and OPTIONS.
    pub fn utilisation(&self) -> f32 {
        todo!()
    }

    /// Calls open now.
    pub fn calls(&self) -> usize {
        todo!()
    }
}
