//! The commands that ask the running daemon, or order something of it.

mod calls;
mod consent;
mod status;
mod table;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::client::{ClientError, Place};
use crate::config::{self, Report};

/// The daemon did not do it, or is not there.
const FAILED: u8 = 1;
/// The command or the configuration is wrong.
const MISCONFIGURED: u8 = 2;

#[derive(clap::Subcommand)]
pub enum Command {
    /// List the calls there are.
    Calls(calls::List),
    /// End a call.
    Hangup(calls::HangUp),
    /// Connect an agent and a WhatsApp user: the one is rung first, the other when the first has answered.
    Call(calls::Place),
    /// Say how the running wabridge is: whether it takes calls, which peers are up.
    Status(status::Show),
    /// What is known of users' permission to be called.
    #[command(subcommand)]
    Consent(consent::Consent),
}

/// How the daemon is reached, and how answers are printed.
#[derive(clap::Args)]
struct Reach {
    /// The configuration file of the running wabridge; of it only [admin] is read.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "/etc/wabridge/wabridge.toml"
    )]
    config: PathBuf,
    /// Where it listens, in place of what the configuration says: http://HOST:PORT.
    #[arg(long, value_name = "URL", requires = "token_file")]
    admin: Option<String>,
    /// The file with the token for that.
    #[arg(long, value_name = "FILE", requires = "admin")]
    token_file: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Why a command ends with an error.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Config(#[from] Report),
    #[error("the admin API is off in {}: write admin.socket or admin.bind", .0.display())]
    Off(PathBuf),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Client(#[from] ClientError),
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Off(_) | Self::Usage(_) => MISCONFIGURED,
            Self::Client(_) | Self::System(_) => FAILED,
        }
    }
}

/// 0 when it was done, 1 when not, 2 when the command or the configuration is wrong.
pub fn run(command: &Command) -> ExitCode {
    let done = carry_out(command).and_then(|said| {
        // Its reader may be gone.
        std::io::stdout().write_all(said.as_bytes())?;
        Ok(())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn carry_out(command: &Command) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match command {
            Command::Calls(list) => list.run().await,
            Command::Hangup(hang_up) => hang_up.run().await,
            Command::Call(place) => place.run().await,
            Command::Status(show) => show.run().await,
            Command::Consent(consent) => consent.run().await,
        }
    })
}

impl Reach {
    fn place(&self) -> Result<Place, Failure> {
        if let (Some(url), Some(file)) = (&self.admin, &self.token_file) {
            let token = std::fs::read_to_string(file).map_err(|error| {
                Failure::Usage(format!("cannot read {}: {error}", file.display()))
            })?;
            let place = Place::of_url(url, token.trim_end().into());
            return place.map_err(|error| Failure::Usage(format!("--admin {url}: {error}")));
        }
        let door = config::admin_door(&self.config)?;
        let door = door.ok_or_else(|| Failure::Off(self.config.clone()))?;
        Place::of_door(door).map_err(Failure::Usage)
    }

    /// The answer as it is printed.
    fn say<T: Serialize>(&self, answer: &T, text: impl FnOnce(&T) -> String) -> String {
        if self.json {
            serde_json::to_string_pretty(answer).unwrap_or_default() + "\n"
        } else {
            text(answer)
        }
    }
}
