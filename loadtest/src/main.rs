//! `tandem-loadtest`: carriers that place and take calls, over real sockets, and count what comes through.

mod callee;
mod caller;
mod cast;
mod clock;
mod draw;
mod flow;
mod message;
mod plan;
mod report;
mod run;
mod stamp;
mod tally;
mod wire;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Load generator with both ends of every call.
#[derive(Parser)]
#[command(name = "tandem-loadtest", version)]
struct Program {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Place calls through a switch.
    Run(Box<run::Arguments>),
}

fn main() -> ExitCode {
    let Verb::Run(arguments) = Program::parse().verb;
    match run::run(*arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tandem-loadtest: {error:#}");
            ExitCode::from(1)
        }
    }
}
