//! `wabridge sim meta` and `wabridge sim pbx`: the simulators as programs of their own, against any target.

mod called;
pub(in crate::sim) mod meta;
pub(in crate::sim) mod pbx;

use std::process::ExitCode;
use std::time::Duration;

use crate::entropy::Entropy;
use crate::sim::report::Report;
use crate::sim::wav;

/// Which simulator.
#[derive(Debug, clap::Subcommand)]
pub enum Sim {
    /// Be WhatsApp: call a business, or be called by it, and judge what comes
    Meta(Box<meta::Args>),
    /// Be a PBX that answers or calls, speaks and listens
    Pbx(Box<pbx::Args>),
}

/// 0 when every check held, 1 when one did not, 2 when the simulator could not be started.
pub fn run(sim: Sim) -> ExitCode {
    let outcome = runtime().and_then(|runtime| match sim {
        Sim::Meta(args) => runtime.block_on(meta::run(*args)),
        Sim::Pbx(args) => runtime.block_on(pbx::run(*args)),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

pub(in crate::sim) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(in crate::sim) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.enable_all().build()?)
}

pub(in crate::sim) fn entropy() -> Result<Entropy, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Entropy::from_seed(seed))
}

/// `2.5` is two and a half seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// `SECONDS:VALUE`, for what happens at a time after the answer.
fn at(text: &str) -> Result<(Duration, String), String> {
    let (time, value) = text.split_once(':').ok_or("write SECONDS:VALUE")?;
    Ok((seconds(time)?, value.into()))
}

/// A line a fact, then a line a check; the recording where it is wanted.
fn show(title: &str, report: &Report, record: Option<&std::path::Path>) -> Result<(), Failure> {
    println!("{title}  {}", report.outcome);
    if let Some(setup) = report.setup {
        println!(
            "  set-up {:.2} s, talked {:.1} s",
            setup.as_secs_f64(),
            report.talked.as_secs_f64()
        );
    }
    if let Some(told) = &report.told {
        println!("  told {told}");
    }
    if let Some(reason) = &report.bye_reason {
        println!("  BYE with Reason: {reason}");
    }
    print!("{}", report.verdict);
    if report.is_unfair() {
        let late = report.heard.held_up.as_millis();
        println!("  note: this machine was too busy, packets left up to {late} ms late");
    }
    if let Some(path) = record {
        wav::save(path, &report.heard.audio)?;
        println!("  heard: {}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Subcommand as _;

    /// Names are given once, what an argument requires is there.
    #[test]
    fn the_arguments_are_consistent() {
        super::Sim::augment_subcommands(clap::Command::new("sim")).debug_assert();
    }
}
