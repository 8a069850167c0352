//! `wabridge calls`, `wabridge hangup`, `wabridge call`.

use super::table::{or_dash, table};
use super::{Failure, Reach};
use crate::web::client::segment;
use crate::web::words::{Begun, Call, CallOrder, Calls, Direction, First};

#[derive(clap::Args)]
pub struct List {
    #[command(flatten)]
    reach: Reach,
}

#[derive(clap::Args)]
pub struct HangUp {
    /// The call, as `wabridge calls` and the log name it.
    call: String,
    #[command(flatten)]
    reach: Reach,
}

#[derive(clap::Args)]
pub struct Place {
    /// The agent, as dialled on the PBX: 200, or office/200 with the trunk.
    from: String,
    /// The WhatsApp user: a number with +, or a user id.
    to: String,
    /// The business number that calls; needed when it is not clear from the trunk.
    #[arg(long)]
    number: Option<String>,
    /// Who is rung first.
    #[arg(long, value_enum, default_value_t)]
    first: First,
    #[command(flatten)]
    reach: Reach,
}

impl List {
    pub(super) async fn run(&self) -> Result<String, Failure> {
        let calls: Calls = self.reach.place()?.get("/v1/calls").await?;
        Ok(self.reach.say(&calls, listed))
    }
}

impl HangUp {
    pub(super) async fn run(&self) -> Result<String, Failure> {
        let path = format!("/v1/calls/{}", segment(&self.call));
        self.reach.place()?.delete(&path).await?;
        let done = Begun {
            call: self.call.clone(),
        };
        Ok(self.reach.say(&done, |_| String::new()))
    }
}

impl Place {
    pub(super) async fn run(&self) -> Result<String, Failure> {
        let order = CallOrder {
            from: self.from.clone(),
            to: self.to.clone(),
            number: self.number.clone(),
            first: self.first,
        };
        let begun: Begun = self.reach.place()?.post("/v1/calls", &order).await?;
        Ok(self.reach.say(&begun, |begun| format!("{}\n", begun.call)))
    }
}

fn listed(calls: &Calls) -> String {
    let head = [
        "CALL", "STATE", "FROM", "TO", "NUMBER", "TRUNK", "STARTED", "ANSWERED",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(calls.calls.iter().map(row));
    table(&rows)
}

fn row(call: &Call) -> [String; 8] {
    let extension = or_dash(call.extension.as_deref());
    let (from, to) = match call.direction {
        Direction::UserInitiated => (call.user.clone(), extension),
        Direction::BusinessInitiated => (extension, call.user.clone()),
    };
    [
        call.call.clone(),
        call.state.clone(),
        from,
        to,
        call.number.clone(),
        or_dash(call.trunk.as_deref()),
        call.started.clone(),
        or_dash(call.answered.as_deref()),
    ]
}
