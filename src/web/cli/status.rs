//! `wabridge status`.

use super::table::table;
use super::{Failure, Reach};
use crate::web::words::{Fitness, MissedParty, PeerHealth, Status};

#[derive(clap::Args)]
pub struct Show {
    #[command(flatten)]
    reach: Reach,
}

impl Show {
    pub(super) async fn run(&self) -> Result<String, Failure> {
        let status: Status = self.reach.place()?.get("/v1/status").await?;
        Ok(self.reach.say(&status, told))
    }
}

fn told(status: &Status) -> String {
    let fitness = match &status.fitness {
        Fitness::Fit => "takes calls",
        Fitness::Draining => "takes no calls: shutting down",
        Fitness::Unfit { reason } => &format!("takes no calls: {reason}"),
        Fitness::NoTrunkUp => "takes no calls: no trunk is up",
        Fitness::Full => "takes no calls: limits.calls is reached",
    };
    let mut rows = vec![
        ["wabridge".to_owned(), status.version.clone()],
        ["now".to_owned(), fitness.to_owned()],
        ["calls".to_owned(), status.calls.to_string()],
    ];
    rows.extend(status.peers.iter().map(|peer| {
        let health = match peer.health {
            PeerHealth::Up => "up",
            PeerHealth::Down => "down",
        };
        [peer.peer.clone(), health.to_owned()]
    }));
    rows.extend(status.no_audio.iter().map(|missing| {
        let party = match missing.party {
            MissedParty::User => "users",
            MissedParty::Pbx => "PBXs",
        };
        let what = format!("no audio {} {party}", missing.way);
        [what, format!("{} calls: {}", missing.calls, missing.cause)]
    }));
    table(&rows)
}
