//! How good speech is after a bad network: the bridge beside no repair at all. `cargo bench --bench quality -- --help`.
//!
//! Recorded speech crosses the pure bridge in virtual time, over a network that loses, delays and reorders by seed; a
//! plain receiver plays it, and PESQ (ITU-T P.862.1, narrowband) compares it with what was said. Nothing of it waits or
//! opens a socket, so a run says the same each time. With `--beside-rtpengine` the same packets go through rtpengine too, in
//! real time.
//!
//! `tests/lab/pesq.sh` installs PESQ once. Without it the project's own measure of intelligibility is shown alone.

mod carrier;
mod ear;
#[path = "../lab/rtpengine.rs"]
mod lab;
mod live;
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
use live::Live;
use network::Network;
use rows::{Path, Row, rows};
use score::Judge;
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
    /// The same through rtpengine: takes as long as it is spoken, several times.
    #[arg(long)]
    beside_rtpengine: bool,
    /// Root with rtpengine, as `tests/lab/install.sh` makes it.
    #[arg(long, default_value = "/var/cache/wabridge-lab/sid")]
    lab: PathBuf,
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
    let rows = wanted(arguments);
    let mut live = match arguments.beside_rtpengine {
        true => live::through_rtpengine(&arguments.lab, arguments.seed, &speech, &rows)?,
        false => Live::new(),
    };
    let mut table = Table::new(&speech, judge.has_pesq());
    for (path, row) in &rows {
        let mut recordings = carried(arguments.seed, *path, row, &speech);
        if let Some(heard) = live.remove(&(path.directory(), row.name.clone())) {
            recordings.push(("rtpengine", Ear::of(*path, true).listen(&heard)));
        }
        let opinions = judge.judge(*path, row, &speech, recordings)?;
        eprintln!("{}", table.add(*path, row, opinions));
    }
    Ok(table)
}

fn wanted(arguments: &Arguments) -> Vec<(Path, Row)> {
    let paths = Path::ALL
        .into_iter()
        .filter(|path| arguments.path.is_none_or(|only| only == *path));
    let only = arguments.only.as_deref();
    paths
        .flat_map(|path| rows(path).into_iter().map(move |row| (path, row)))
        .filter(|(_, row)| only.is_none_or(|only| row.name.contains(only)))
        .collect()
}

/// What each column makes of a row.
fn carried(seed: u64, path: Path, row: &Row, speech: &Speech) -> Vec<(&'static str, Vec<i16>)> {
    let carriers: [&dyn Carrier; 2] = [&ThroughBridge, &BareDecoding];
    let carried = carriers.into_iter().map(|carrier| {
        let mut network = Network::new(seed, row.impairment);
        let heard = carrier.carry(path, speech, &mut network);
        let ear = Ear::of(path, carrier.receiver_conceals());
        (carrier.name(), ear.listen(&heard))
    });
    carried.collect()
}
