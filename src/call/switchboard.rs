//! All calls of this process, with the SIP endpoint, the routing, the trunks' health and the challenges they need.
//!
//! The daemon's signalling task feeds it and carries out what it polls; the tests in `tests/world` do the same with a
//! simulated network and clock.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::call::cdr::{CallRef, Cdr};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::media::bridge::{self, BridgeSpec};
use crate::side::Pair;
use crate::sip::flow::{FlowId, Source, Transmit, TransmitTag, TransportError};

/// Both clocks at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    pub instant: Instant,
    pub wall: SystemTime,
}

/// Two bound UDP sockets of a leg, RTP even, RTCP the next odd one. The number names the daemon's sockets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortPair {
    pub rtp: u16,
    pub rtcp: u16,
}

/// What the media workers are told.
#[derive(Debug)]
pub enum MediaCommand {
    /// A call begins: its bridge is to be made on the least loaded worker, with these sockets.
    Open {
        call: CallRef,
        ports: Pair<PortPair>,
        spec: BridgeSpec,
    },
    Bridge {
        call: CallRef,
        command: bridge::Command,
    },
    /// The call is over: sockets rest, counters come back by `MediaEvent::Closed`.
    Close { call: CallRef },
}

/// What the media workers tell.
#[derive(Debug)]
pub enum MediaEvent {
    Bridge {
        call: CallRef,
        event: bridge::Event,
    },
    Closed {
        call: CallRef,
        report: Box<bridge::Report>,
    },
    /// The worker could not go on with this call.
    Failed {
        call: CallRef,
        error: String,
    },
}

/// What the world says about our own health (for OPTIONS).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    Fit,
    /// New calls are refused with 503 and these words; running calls go on.
    Unfit {
        reason: String,
    },
}

pub struct Switchboard {
    _config: Arc<Config>,
    _entropy: Entropy,
}

impl Switchboard {
    pub fn new(_now: Moment, config: Arc<Config>, entropy: Entropy) -> Self {
        Self {
            _config: config,
            _entropy: entropy,
        }
    }

    pub fn handle_received(&mut self, _now: Moment, _source: Source, _bytes: &[u8]) {
        todo!()
    }

    pub fn handle_flow_closed(&mut self, _now: Moment, _flow: FlowId) {
        todo!()
    }

    pub fn handle_transmit_failed(
        &mut self,
        _now: Moment,
        _tag: TransmitTag,
        _error: TransportError,
    ) {
        todo!()
    }

    pub fn handle_media(&mut self, _now: Moment, _event: MediaEvent) {
        todo!()
    }

    /// Bound and ready port pairs; the daemon keeps the stock full (`ports_wanted`) before each handled input.
    pub fn handle_ports(&mut self, _ports: &[PortPair]) {
        todo!()
    }

    pub fn ports_wanted(&self) -> usize {
        todo!()
    }

    /// SIGHUP: new calls follow the new configuration, running ones keep theirs.
    pub fn handle_config(&mut self, _now: Moment, _config: Arc<Config>) {
        todo!()
    }

    /// Listener down, certificate expired, workers full: said by the daemon, told by OPTIONS and 503.
    pub fn handle_condition(&mut self, _now: Moment, _condition: Condition) {
        todo!()
    }

    /// SIGTERM: no new calls; `is_idle` when the last one is gone.
    pub fn drain(&mut self, _now: Moment) {
        todo!()
    }

    /// Second SIGTERM: every call is ended now.
    pub fn end_all(&mut self, _now: Moment) {
        todo!()
    }

    pub fn is_idle(&self) -> bool {
        todo!()
    }

    pub fn handle_timeout(&mut self, _now: Moment) {
        todo!()
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        todo!()
    }

    pub fn poll_media(&mut self) -> Option<MediaCommand> {
        todo!()
    }

    pub fn poll_cdr(&mut self) -> Option<Cdr> {
        todo!()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// Where our media sockets are bound.
    pub fn media_address(&self) -> IpAddr {
        todo!()
    }
}
