//! The way from a request to the signalling task and back.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::metrics::Scrape;
use super::refusal::Refusal;
use crate::call::operator::{OperatorAnswer, OperatorCommand};

/// Orders that wait for the signalling task; it takes them one by one among messages and deadlines.
const QUEUE: usize = 16;

/// The signalling task answers within milliseconds, or something is very wrong.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What the signalling task is asked.
pub enum Order {
    Operator(Question<OperatorCommand, OperatorAnswer>),
    Scrape(Question<(), Scrape>),
}

/// It waits for its answer.
pub struct Question<Q, A> {
    asked: Q,
    answer: oneshot::Sender<A>,
}

/// The signalling task's end.
pub struct Orders(mpsc::Receiver<Order>);

/// The requests' end.
#[derive(Clone)]
pub(super) struct Door(mpsc::Sender<Order>);

impl<Q, A> Question<Q, A> {
    /// Tells who asked; that they may be gone is their matter.
    pub fn answer(self, handle: impl FnOnce(Q) -> A) {
        let _ = self.answer.send(handle(self.asked));
    }
}

impl Orders {
    /// The next order; pending for ever when the admin API is off. Dropping the future loses none.
    pub async fn next(&mut self) -> Order {
        match self.0.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }
}

impl Door {
    pub(super) fn new() -> (Self, Orders) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), Orders(receiver))
    }

    pub(super) async fn ask(&self, command: OperatorCommand) -> Result<OperatorAnswer, Refusal> {
        self.answered(command, Order::Operator).await
    }

    pub(super) async fn scrape(&self) -> Result<Scrape, Refusal> {
        self.answered((), Order::Scrape).await
    }

    async fn answered<Q, A>(
        &self,
        asked: Q,
        order: impl FnOnce(Question<Q, A>) -> Order,
    ) -> Result<A, Refusal> {
        let (answer, receiver) = oneshot::channel();
        let order = order(Question { asked, answer });
        let asked = async {
            self.0.send(order).await.ok()?;
            receiver.await.ok()
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Refusal::unavailable("wabridge is stopping")),
            Err(_) => Err(Refusal::unavailable("wabridge did not answer in time")),
        }
    }
}
