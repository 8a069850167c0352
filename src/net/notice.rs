//! What a flow's task and the [`Network`](super::Network) tell each other.

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::sip::flow::{FlowId, NextHop, Source, TransmitTag, TransportError};

/// Whole messages that wait for the signalling task, of all flows together.
pub(super) const NOTICES: usize = 1024;

pub(super) type Notices = mpsc::Sender<Notice>;

/// From a flow's task.
pub(super) enum Notice {
    /// A connection was accepted; comes before everything else about it.
    Opened {
        flow: FlowId,
        handle: FlowHandle,
    },
    Received {
        source: Source,
        bytes: Vec<u8>,
    },
    /// A message given to the flow did not leave.
    Undelivered {
        message: Outgoing,
        error: TransportError,
    },
    /// The connection that we opened stands.
    Connected {
        flow: FlowId,
    },
    /// The peer was not reached; what was given to the flow comes back.
    Unreachable {
        flow: FlowId,
    },
    /// The last word about a flow.
    Closed {
        flow: FlowId,
    },
}

/// A message on its way out.
pub(super) struct Outgoing {
    pub(super) tag: TransmitTag,
    pub(super) bytes: Vec<u8>,
    /// Where it is sent when this flow turns out to be dead.
    pub(super) retry: Option<NextHop>,
}

/// The network's end of a flow. Dropped: the flow writes what it was given and closes.
pub(super) struct FlowHandle {
    queue: mpsc::Sender<Outgoing>,
    abort: oneshot::Sender<()>,
}

/// The flow's own end.
pub(super) struct FlowOrders {
    pub(super) queue: mpsc::Receiver<Outgoing>,
    pub(super) abort: oneshot::Receiver<()>,
}

pub(super) enum Refusal {
    Full(Outgoing),
    Closed(Outgoing),
}

impl FlowHandle {
    pub(super) fn pair(capacity: usize) -> (Self, FlowOrders) {
        let (queue, queued) = mpsc::channel(capacity);
        let (abort, aborted) = oneshot::channel();
        let orders = FlowOrders {
            queue: queued,
            abort: aborted,
        };
        (Self { queue, abort }, orders)
    }

    pub(super) fn send(&self, message: Outgoing) -> Result<(), Refusal> {
        self.queue.try_send(message).map_err(|error| match error {
            TrySendError::Full(message) => Refusal::Full(message),
            TrySendError::Closed(message) => Refusal::Closed(message),
        })
    }

    /// Closes the flow at once, whatever waits.
    pub(super) fn abort(self) {
        // The flow may have ended by itself: then nobody listens.
        let _ = self.abort.send(());
    }
}

impl FlowOrders {
    /// Resolves when the network wants the flow closed at once; never when the handle is merely dropped.
    pub(super) async fn aborted(abort: &mut oneshot::Receiver<()>) {
        if abort.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Gives every message that did not leave back to the network. Nothing can be added any more.
    pub(super) async fn give_back(&mut self, notices: &Notices, error: &TransportError) {
        self.queue.close();
        while let Some(message) = self.queue.recv().await {
            let error = error.clone();
            // Nobody listens any more: the process is closing the network.
            let _ = notices.send(Notice::Undelivered { message, error }).await;
        }
    }
}
