//! The media plane: it writes down what it is told, and gives counters back when a call is closed.

use std::collections::BTreeSet;

use wabridge::call::cdr::CallRef;
use wabridge::call::switchboard::{MediaCommand, PortPair};
use wabridge::media::bridge::{Command, Report};
use wabridge::sdp::Direction;
use wabridge::side::Side;

#[derive(Default)]
pub struct Plane {
    /// In words, in order: `open`, `agree b PCMU sendrecv`, `start a`, `digit a 5`, `close`.
    pub log: Vec<String>,
    pub commands: Vec<MediaCommand>,
    pub open: BTreeSet<CallRef>,
    /// Of every call, as `Open` told.
    pub ports: Vec<PortPair>,
    /// What `Closed` brings; `None`: the worker hangs and nothing comes.
    pub report: Option<Report>,
}

impl Plane {
    pub fn new() -> Self {
        Self {
            report: Some(Report::default()),
            ..Self::default()
        }
    }

    /// The call whose counters are due now.
    pub fn take(&mut self, command: MediaCommand) -> Option<CallRef> {
        self.log.push(words(&command));
        let closed = match &command {
            MediaCommand::Open { call, ports, .. } => {
                assert!(self.open.insert(call.clone()), "opened twice");
                self.ports.extend([ports.a, ports.b]);
                None
            }
            MediaCommand::Bridge { call, .. } => {
                assert!(self.open.contains(call), "a command for a closed call");
                None
            }
            MediaCommand::Close { call } => {
                assert!(self.open.remove(call), "closed twice, or never opened");
                Some(call.clone())
            }
        };
        self.commands.push(command);
        closed
    }

    /// What was logged since the last time, but for `open`.
    pub fn news(&mut self) -> Vec<String> {
        self.log.drain(..).collect()
    }

    /// Where a side's media is sent, as last agreed.
    pub fn last_agreement(&self, wanted: Side) -> &wabridge::sdp::Agreement {
        self.commands
            .iter()
            .rev()
            .find_map(|command| match command {
                MediaCommand::Bridge {
                    command: Command::Agree { side, agreement },
                    ..
                } if *side == wanted => Some(&**agreement),
                _ => None,
            })
            .expect("an agreement")
    }
}

fn words(command: &MediaCommand) -> String {
    match command {
        MediaCommand::Open { .. } => "open".to_owned(),
        MediaCommand::Close { .. } => "close".to_owned(),
        MediaCommand::Bridge { command, .. } => match command {
            Command::Agree { side, agreement } => {
                let direction = match agreement.direction {
                    Direction::SendRecv => "sendrecv",
                    Direction::SendOnly => "sendonly",
                    Direction::RecvOnly => "recvonly",
                    Direction::Inactive => "inactive",
                };
                format!("agree {side} {} {direction}", agreement.codec.name())
            }
            Command::Start { side } => format!("start {side}"),
            Command::Confirm { side } => format!("confirm {side}"),
            Command::Level { side, levels } => {
                format!("level {side} from {} to {}", levels.from.0, levels.to.0)
            }
            Command::Dtmf { side, digit, .. } => format!("digit {side} {}", char::from(*digit)),
        },
    }
}
