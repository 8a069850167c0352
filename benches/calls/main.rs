//! Load: N calls at once through the real binary, on one core of this machine, and through rtpengine on the same core
//! right after it. `cargo bench --bench calls -- --help`.
//!
//! This program is both ends of every call: WhatsApp (SIP over TLS, digest, SDES or ICE and DTLS, Opus) and the PBX (SIP
//! over UDP, PCMU). It sends speech both ways from another core than the bridge's, counts every packet that comes back,
//! listens to some of the calls, and reads the bridge's processor time and memory from /proc. The figures say what this
//! machine does; the exit code says whether the bridge lost anything. Where something else wants the same cores the bridge
//! must drop what it could not send in time; the report says so, and `chrt -f 5 cargo bench --bench calls` goes before it.

mod bridge;
mod callers;
mod comparison;
mod engine;
mod floor;
mod handshake;
mod hearing;
#[path = "../lab/rtpengine.rs"]
mod lab;
mod pbx;
mod process;
mod report;
mod rtpengine;
mod speech;
mod stream;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use wabridge::side::Side;
use wabridge::sim::meta::webrtc::KeyExchange;

use bridge::{Bridge, Place};
use callers::Callers;
use comparison::Comparison;
use engine::Engine;
use process::{Process, Usage};
use report::Report;
use rtpengine::Rtpengine;
use speech::Words;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where Debian's recorded voices lie in the root of the lab.
const SOUNDS: &str = "usr/share/asterisk/sounds/en_US_f_Allison";

/// First words are caught up with, and nothing else of the beginning is measured either.
const SETTLING: Duration = Duration::from_secs(5);

/// Calls through the real binary: processor time a call, delay, loss.
#[derive(Parser)]
#[command(name = "calls")]
pub struct Arguments {
    /// Calls at once.
    #[arg(long, default_value_t = 20)]
    calls: usize,
    /// How long all of them are measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value_t = Load::Transcode)]
    load: Load,
    #[arg(long, default_value_t = Talk::Both)]
    talk: Talk,
    /// How WhatsApp's keys are exchanged: sdes, or dtls with ICE.
    #[arg(long, default_value = "sdes")]
    keys: KeyExchange,
    /// Of Opus toward WhatsApp, 0-10.
    #[arg(long, default_value_t = 5)]
    complexity: u8,
    /// Nothing is sent to WhatsApp while the agent is silent (`opus_dtx`).
    #[arg(long)]
    dtx: bool,
    /// The bridge's core; this program takes the next one.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Calls that are listened to.
    #[arg(long, default_value_t = 4)]
    heard: usize,
    /// Calls begun per second.
    #[arg(long, default_value_t = 25)]
    rate: u32,
    /// First UDP port of the media.
    #[arg(long, default_value_t = 21_000)]
    first_port: u16,
    /// The same load through rtpengine afterwards.
    #[arg(long)]
    beside_rtpengine: bool,
    /// Root with rtpengine and recorded voices, as `tests/lab/install.sh` makes it.
    #[arg(long, default_value = "/var/cache/wabridge-lab/sid")]
    lab: PathBuf,
    /// Keep the bridge's configuration, log and call records here.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Load {
    /// Opus over SRTP, PCMU over RTP.
    Transcode,
    /// Opus on both sides.
    Relay,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Talk {
    /// Both parties without a pause.
    Both,
    /// In turns, each 45 % of the time.
    Turns,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transcode => "transcode",
            Self::Relay => "relay",
        })
    }
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "both",
            Self::Turns => "turns",
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(whole) if whole => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("calls: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let sounds = arguments.lab.join(SOUNDS);
    let words = Words::load(&sounds, arguments.load, arguments.talk)?;
    let place = Place::new(arguments)?;
    let bridge = through_bridge(arguments, &place, &words)?;
    println!("{bridge}");
    let codec = floor::codec_alone(arguments, &words)?;
    if arguments.beside_rtpengine {
        let other = through_rtpengine(arguments, &place, &words)?;
        println!("{other}");
        let comparison = Comparison {
            bridge: &bridge,
            other: &other,
            codec,
        };
        print!("{comparison}");
    }
    Ok(bridge.is_whole())
}

fn through_bridge(arguments: &Arguments, place: &Place, words: &Words) -> Result<Report, Failure> {
    let bridge = Bridge::start(place, arguments)?;
    let engine = Engine::start(arguments.calls)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let measured = runtime.block_on(measure(arguments, place, words, &bridge, &engine));
    let played = engine.finish();
    let measured = measured.map_err(|error| bridge.process().explain(error))?;
    let records = bridge.stop(place, arguments.calls)?;
    let mut report = Report::new("wabridge", arguments, words, measured, played);
    report.compare_records(&records);
    Ok(report)
}

fn through_rtpengine(
    arguments: &Arguments,
    place: &Place,
    words: &Words,
) -> Result<Report, Failure> {
    let log = place.file("rtpengine.log");
    let mut rtpengine = Rtpengine::start(arguments, &arguments.lab, &log)?;
    let engine = Engine::start(arguments.calls)?;
    let idle_memory = rtpengine.process().memory()?;
    rtpengine.place_all(arguments, words, &engine.door())?;
    let pause = std::thread::sleep;
    pause(SETTLING);
    let before = begin(&engine, rtpengine.process())?;
    pause(Duration::from_secs(arguments.seconds));
    let (took, busy_memory) = end(&engine, rtpengine.process(), &before)?;
    pause(Duration::from_millis(300));
    let played = engine.finish();
    rtpengine.stop();
    let measured = Measured {
        took,
        idle_memory,
        busy_memory,
        set_up: Vec::new(),
    };
    Ok(Report::new("rtpengine", arguments, words, measured, played))
}

/// What the process took while all calls ran.
pub struct Measured {
    pub took: Usage,
    pub idle_memory: u64,
    pub busy_memory: u64,
    /// From the first INVITE of a call to its 200, for each call.
    pub set_up: Vec<Duration>,
}

async fn measure(
    arguments: &Arguments,
    place: &Place,
    words: &Words,
    bridge: &Bridge,
    engine: &Engine,
) -> Result<Measured, Failure> {
    let (agent, user) = (words.agent.clone(), words.user.clone());
    pbx::listen(place.pbx, arguments.heard, agent, engine.door()).await?;
    let callers = Callers::connect(place, arguments, user, engine.door()).await?;
    let idle_memory = bridge.process().memory()?;
    let calls = callers.place_all().await?;
    engine.wait_for_streams(2 * arguments.calls).await?;
    tokio::time::sleep(SETTLING).await;

    let before = begin(engine, bridge.process())?;
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    let (took, busy_memory) = end(engine, bridge.process(), &before)?;

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

fn begin(engine: &Engine, process: &Process) -> Result<Usage, Failure> {
    let before = process.usage()?;
    engine.door().begin_measuring();
    Ok(before)
}

fn end(engine: &Engine, process: &Process, before: &Usage) -> Result<(Usage, u64), Failure> {
    engine.door().end_measuring();
    let took = process.usage()?.since(before);
    let memory = process.memory()?;
    engine.door().stop_sending();
    Ok((took, memory))
}

/// The leg that a stream is: A is WhatsApp's, B the PBX's.
pub fn name(side: Side) -> &'static str {
    match side {
        Side::A => "to WhatsApp",
        Side::B => "to the PBX",
    }
}
