//! Load: N calls at once through the real binary, on one core of this machine. `cargo bench --bench calls -- --help`.
//!
//! This program is both ends of every call: WhatsApp (SIP over TLS, digest, SDES, Opus) and the PBX (SIP over UDP, PCMU).
//! It sends speech both ways from another core than the bridge's, counts every packet that comes back, listens to some
//! of the calls, and reads the bridge's processor time and memory from /proc. The figures say what this machine does;
//! the exit code says whether the bridge lost anything. Where something else wants the same cores the bridge must drop
//! what it could not send in time; the report says so, and `chrt -f 5 cargo bench --bench calls` goes before it.

mod bridge;
mod callers;
mod engine;
mod hearing;
mod pbx;
mod report;
mod speech;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use wabridge::side::Side;

use bridge::{Bridge, Place};
use callers::Callers;
use engine::Engine;
use report::Report;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Calls through the real binary: processor time a call, delay, loss.
#[derive(Parser)]
#[command(name = "calls")]
struct Arguments {
    /// Calls at once.
    #[arg(long, default_value_t = 20)]
    calls: usize,
    /// How long all of them are measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The bridge's core; this program takes the next one.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Calls that are listened to.
    #[arg(long, default_value_t = 4)]
    heard: usize,
    /// Calls begun per second.
    #[arg(long, default_value_t = 25)]
    rate: u32,
    /// First UDP port of the bridge's media.
    #[arg(long, default_value_t = 21_000)]
    first_port: u16,
    /// Keep the bridge's configuration, log and call records here.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(report) => {
            print!("{report}");
            match report.is_whole() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            eprintln!("calls: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Report, Failure> {
    let place = Place::new(arguments)?;
    let mut bridge = Bridge::start(&place, arguments)?;
    bridge::pin(bridge::other_core(arguments.core))?;
    let engine = Engine::start(arguments.calls)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let measured = runtime.block_on(measure(arguments, &place, &mut bridge, &engine));
    let played = engine.finish();
    let measured = measured.map_err(|error| bridge.explain(error))?;
    let records = bridge.stop(&place, arguments.calls)?;
    let heard = hearing::listen(&played.streams);
    Ok(Report::new(arguments, measured, &records, played, heard))
}

/// What the bridge took while all calls ran.
pub struct Measured {
    pub took: bridge::Usage,
    pub idle_memory: u64,
    pub busy_memory: u64,
    /// From the first INVITE of a call to its 200, for each call.
    pub set_up: Vec<Duration>,
}

async fn measure(
    arguments: &Arguments,
    place: &Place,
    bridge: &mut Bridge,
    engine: &Engine,
) -> Result<Measured, Failure> {
    pbx::listen(place.pbx, arguments.heard, engine.door()).await?;
    let callers = Callers::connect(place, arguments, engine.door()).await?;
    let idle_memory = bridge.memory()?;
    let calls = callers.place_all().await?;
    engine.wait_for_streams(2 * arguments.calls).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let before = bridge.usage()?;
    engine.door().begin_measuring();
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    engine.door().end_measuring();
    let took = bridge.usage()?.since(&before);
    let busy_memory = bridge.memory()?;

    engine.door().stop_sending();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let set_up = calls.iter().map(|call| call.set_up).collect();
    callers.hang_up_all(calls).await?;
    Ok(Measured {
        took,
        idle_memory,
        busy_memory,
        set_up,
    })
}

/// The leg that a stream is: A is WhatsApp's, B the PBX's.
pub fn name(side: Side) -> &'static str {
    match side {
        Side::A => "to WhatsApp",
        Side::B => "to the PBX",
    }
}
