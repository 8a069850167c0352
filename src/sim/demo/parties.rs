//! Who places the demo's calls, and what those who are called report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::sim::demo::stories::{Call, LANES, Story};
use crate::sim::meta::Endpoint;
use crate::sim::pbx::{Exchange, Target};
use crate::sim::report::{Outcome, Report};

/// How long a callee may take to report after the caller is done.
const PATIENCE: Duration = Duration::from_secs(40);

pub type Played = (Story, Report);

/// Who places calls.
#[derive(Clone)]
pub struct Callers {
    pub meta: Arc<Endpoint>,
    pub exchange: Arc<Exchange>,
    pub trunk: Target,
}

impl Callers {
    pub async fn play(self, stories: Vec<Story>, played: mpsc::Sender<Played>) {
        for story in stories {
            let report = match &story.call {
                Call::ByUser(call) => self.meta.call(call.0.clone()).await,
                Call::ByAgent(call) => self.exchange.call(&self.trunk, call.0.clone()).await,
            };
            let _ = played.send((story, report)).await;
        }
    }
}

/// Calls of a lane follow each other; lanes run side by side.
pub fn lanes(
    callers: &Callers,
    stories: Vec<Story>,
) -> (mpsc::Sender<Played>, mpsc::Receiver<Played>) {
    let (sender, receiver) = mpsc::channel(stories.len().max(1));
    for lane in 0..LANES {
        let mine: Vec<Story> = stories.iter().filter(|s| s.lane == lane).cloned().collect();
        tokio::spawn(callers.clone().play(mine, sender.clone()));
    }
    (sender, receiver)
}

/// The reports of those who are called, on both sides.
pub struct Callees {
    agents: mpsc::Receiver<(String, Report)>,
    users: mpsc::Receiver<(String, Report)>,
    unclaimed: Vec<(String, Report)>,
}

impl Callees {
    pub fn new(
        agents: mpsc::Receiver<(String, Report)>,
        users: mpsc::Receiver<(String, Report)>,
    ) -> Self {
        Self {
            agents,
            users,
            unclaimed: Vec::new(),
        }
    }

    /// The callee's report of a call. Those of others are kept.
    pub async fn report_of(&mut self, caller: &Report, story: &Story) -> Option<Report> {
        // Refused before the callee was asked, perhaps.
        let asked = caller.setup.is_some() || caller.outcome == Outcome::Cancelled;
        let patience = if asked {
            PATIENCE
        } else {
            Duration::from_secs(1)
        };
        let deadline = Instant::now() + patience;
        let called = story.called();
        loop {
            let mut unclaimed = self.unclaimed.iter();
            if let Some(at) = unclaimed.position(|(number, _)| *number == called) {
                return Some(self.unclaimed.swap_remove(at).1);
            }
            let next = async {
                tokio::select! {
                    Some(agent) = self.agents.recv() => Some(agent),
                    Some(user) = self.users.recv() => Some(user),
                    else => None,
                }
            };
            let next = tokio::time::timeout_at(deadline.into(), next);
            self.unclaimed.push(next.await.ok().flatten()?);
        }
    }
}
