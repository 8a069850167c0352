//! Brings each message to the call that it belongs to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::sim::sip::message::Message;
use crate::sim::sip::wire::Wire;

/// A message and the way back.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub message: Message,
    pub wire: Wire,
}

/// Calls by Call-ID; what belongs to none goes to the strangers' queue.
pub struct Hub {
    calls: Mutex<HashMap<String, mpsc::Sender<Incoming>>>,
    strangers: mpsc::Sender<Incoming>,
    notes: Mutex<Vec<String>>,
}

impl Hub {
    /// The receiver gets every message outside the joined calls.
    pub fn new() -> (std::sync::Arc<Self>, mpsc::Receiver<Incoming>) {
        let (strangers, queue) = mpsc::channel(256);
        let hub = Self {
            calls: Mutex::default(),
            strangers,
            notes: Mutex::default(),
        };
        (std::sync::Arc::new(hub), queue)
    }

    /// From now on messages of this Call-ID come here.
    pub fn join(&self, call_id: &str) -> mpsc::Receiver<Incoming> {
        let (sender, receiver) = mpsc::channel(64);
        self.calls().insert(call_id.into(), sender);
        receiver
    }

    pub fn leave(&self, call_id: &str) {
        self.calls().remove(call_id);
    }

    pub async fn deliver(&self, incoming: Incoming) {
        let call = self.calls().get(incoming.message.call_id()).cloned();
        let receiver = call.unwrap_or_else(|| self.strangers.clone());
        let _ = receiver.send(incoming).await;
    }

    /// Something worth a line in the verdict that no call can be blamed for.
    pub fn note(&self, text: String) {
        tracing::debug!(%text, "noted");
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < 100 {
            notes.push(text);
        }
    }

    pub fn take_notes(&self) -> Vec<String> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut notes)
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, HashMap<String, mpsc::Sender<Incoming>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
