//! The words between the calls and the media workers.

use crate::call::cdr::CallRef;
use crate::media::bridge::{self, BridgeSpec};
use crate::side::Pair;

/// Two bound UDP sockets of a leg, RTP even, RTCP the next odd one. The number names the daemon's sockets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortPair {
    pub rtp: u16,
    pub rtcp: u16,
}

/// What the media workers are told.
#[derive(Clone, PartialEq, Debug)]
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
    /// The call is over: sockets rest, counters come back by `MediaEvent::Closed`. Every `Open` is followed by exactly
    /// one of these, also after `MediaEvent::Failed`.
    Close { call: CallRef },
}

/// What the media workers tell.
#[derive(Clone, PartialEq, Debug)]
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

impl MediaEvent {
    pub fn call(&self) -> &CallRef {
        match self {
            Self::Bridge { call, .. } | Self::Closed { call, .. } | Self::Failed { call, .. } => {
                call
            }
        }
    }
}
