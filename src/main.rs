//! The command line: which program this is today.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Bridges WhatsApp Business Calling to the telephone system a company already owns.
#[derive(Parser)]
#[command(name = "wabridge", version)]
struct Arguments {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// Carry calls until SIGTERM (once: let calls end, twice: end them). SIGHUP reloads configuration and certificates.
    Run(ConfigFile),
    /// Say what is wrong with a configuration: exit code 0 when nothing is, 2 when something is.
    Check(ConfigFile),
    /// List, filter and sum the calls that were, in full: WhatsApp users' numbers too.
    Cdr(Box<wabridge::daemon::cdr::Args>),
    /// Place calls through the bridge with the two simulators, and print what each party heard.
    Demo(wabridge::sim::demo::Args),
    /// Play one of the two sides against any target.
    #[command(subcommand)]
    Sim(wabridge::sim::cli::Sim),
    #[command(flatten)]
    Operator(wabridge::web::cli::Command),
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = wabridge::config::USUAL_FILE
    )]
    config: PathBuf,
}

fn main() -> ExitCode {
    match Arguments::parse().program {
        Program::Run(file) => wabridge::daemon::run(&file.config),
        Program::Check(file) => wabridge::daemon::check(&file.config),
        Program::Cdr(arguments) => wabridge::daemon::cdr::run(&arguments),
        Program::Demo(arguments) => wabridge::sim::demo::run(&arguments),
        Program::Sim(sim) => wabridge::sim::cli::run(sim),
        Program::Operator(command) => wabridge::web::cli::run(&command),
    }
}
