//! How good speech is after a bad network: the bridge beside no repair at all. `cargo bench --bench quality -- --help`.
//!
//! Recorded speech crosses the pure bridge in virtual time, over a network that loses, delays and reorders by seed; a
//! plain receiver plays it, and PESQ (ITU-T P.862.1, narrowband) compares it with what was said. Nothing here waits or
//! opens a socket, so a run says the same each time.
//!
//! `tests/lab/pesq.sh` installs PESQ once. Without it the project's own measure of intelligibility is shown alone.

mod carrier;
mod ear;
mod network;
mod rows;
mod score;
mod speech;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use carrier::{BareDecoding, Carrier, ThroughBridge};
use ear::Ear;
use network::Network;
use rows::{Path, Row, rows};
use score::{Judge, Opinion};
use speech::Speech;
use table::Table;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Speech over a bad network: the bridge and no repair at all, by PESQ.
#[derive(Parser)]
#[command(name = "quality")]
struct Arguments {
    /// Recordings of eight seconds that are spoken.
    #[arg(long, default_value_t = 6)]
    pieces: usize,
    /// Only rows whose name holds this.
    #[arg(long)]
    only: Option<String>,
    /// Only this path: user-to-agent, agent-to-user or downlink.
    #[arg(long, value_enum)]
    path: Option<Path>,
    /// Where asterisk-core-sounds-en-wav lies; the built-in voices speak when it is not there.
    #[arg(long)]
    sounds: Option<PathBuf>,
    /// Recordings are kept here, one directory a path and row: `source-N.wav` and `COLUMN-N.wav`. What another program put
    /// beside them as `OTHER-N.wav` becomes a column too.
    #[arg(long)]
    keep: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("quality: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Table, Failure> {
    let speech = Speech::load(arguments.sounds.as_deref(), arguments.pieces)?;
    let judge = Judge::new(arguments.keep.clone())?;
    let mut table = Table::new(&speech, judge.has_pesq());
    for path in Path::ALL {
        if arguments.path.is_some_and(|only| only != path) {
            continue;
        }
        for row in rows(path) {
            let wanted = arguments.only.as_deref();
            if wanted.is_none_or(|only| row.name.contains(only)) {
                let opinions = hear(arguments.seed, path, &row, &speech, &judge)?;
                eprintln!("{}", table.add(path, &row, opinions));
            }
        }
    }
    Ok(table)
}

/// What each column makes of a row.
fn hear(
    seed: u64,
    path: Path,
    row: &Row,
    speech: &Speech,
    judge: &Judge,
) -> Result<Vec<(String, Opinion)>, Failure> {
    let carriers: [&dyn Carrier; 2] = [&ThroughBridge, &BareDecoding];
    let mut recordings = Vec::new();
    for carrier in carriers {
        let mut network = Network::new(seed, row.impairment);
        let heard = carrier.carry(path, speech, &mut network);
        let ear = Ear::of(path, carrier.receiver_conceals());
        recordings.push((carrier.name(), ear.listen(&heard)));
    }
    judge.judge(path, row, speech, recordings)
}
