//! What is measured: which way speech goes and what its network does.

use std::time::Duration;

use crate::network::{Impairment, Loss};

/// Which way, and where the bad network is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Path {
    /// Opus from WhatsApp over the bad network, PCMU to the PBX.
    UserToAgent,
    /// PCMU from the PBX over the bad network, Opus to WhatsApp.
    AgentToUser,
    /// PCMU from the PBX, Opus to WhatsApp over the bad network. WhatsApp reports its loss by RTCP.
    Downlink,
}

impl Path {
    pub const ALL: [Self; 3] = [Self::UserToAgent, Self::AgentToUser, Self::Downlink];

    pub fn title(self) -> &'static str {
        match self {
            Self::UserToAgent => "user to agent, WhatsApp's network bad",
            Self::AgentToUser => "agent to user, the PBX's network bad",
            Self::Downlink => "agent to user, WhatsApp's network bad",
        }
    }

    pub fn directory(self) -> &'static str {
        match self {
            Self::UserToAgent => "user-to-agent",
            Self::AgentToUser => "agent-to-user",
            Self::Downlink => "downlink",
        }
    }
}

pub struct Row {
    pub name: String,
    pub impairment: Impairment,
}

/// The matrix: loss at random and in bursts, jitter, reordering, both, and clocks that differ.
pub fn rows(path: Path) -> Vec<Row> {
    let mut rows = vec![row("clean", Impairment::NONE)];
    for percent in [1, 3, 5, 10, 20] {
        let loss = Loss::Random(f64::from(percent) / 100.0);
        rows.push(row(&format!("loss {percent} %"), with_loss(loss)));
    }
    for percent in [3, 5, 10, 20] {
        let loss = Loss::Bursts {
            share: f64::from(percent) / 100.0,
            length: 3.0,
        };
        rows.push(row(&format!("bursts {percent} %"), with_loss(loss)));
    }
    for millis in [20, 40, 60, 80] {
        rows.push(row(
            &format!("jitter {millis} ms"),
            with_jitter(millis, true),
        ));
    }
    for millis in [40, 80] {
        rows.push(row(
            &format!("reordered {millis} ms"),
            with_jitter(millis, false),
        ));
    }
    for (percent, millis) in [(3, 20), (5, 40), (10, 60)] {
        let impairment = Impairment {
            loss: Loss::Random(f64::from(percent) / 100.0),
            ..with_jitter(millis, false)
        };
        rows.push(row(
            &format!("loss {percent} %, reordered {millis} ms"),
            impairment,
        ));
    }
    if path == Path::AgentToUser {
        rows.extend(of_clocks());
    }
    rows
}

fn of_clocks() -> Vec<Row> {
    let drift = |ppm| Impairment {
        drift_ppm: ppm,
        ..Impairment::NONE
    };
    vec![
        row("clock +500 ppm", drift(500)),
        row("clock -500 ppm", drift(-500)),
    ]
}

fn row(name: &str, impairment: Impairment) -> Row {
    Row {
        name: name.to_owned(),
        impairment,
    }
}

fn with_loss(loss: Loss) -> Impairment {
    Impairment {
        loss,
        ..Impairment::NONE
    }
}

fn with_jitter(millis: u64, in_order: bool) -> Impairment {
    Impairment {
        jitter: Duration::from_millis(millis),
        in_order,
        ..Impairment::NONE
    }
}
