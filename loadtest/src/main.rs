//! `tandem-loadtest`: carriers that place and take calls, over real sockets, and count what comes through.

/// A line on standard output. Whoever reads it may have gone away: the work goes on, and its exit code stays what it is.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

mod agents;
mod arrivals;
mod callee;
mod caller;
mod cast;
mod clock;
mod codec;
mod compare;
mod digest;
mod draw;
mod dtmf;
mod film;
mod find;
mod flow;
mod heat;
mod hlog;
mod html;
mod junit;
mod ladder;
mod lines;
mod load;
mod metrics;
mod milled;
mod numbered;
mod observe;
mod overload;
mod pacer;
mod packed;
mod plan;
mod profile;
mod quality;
mod reconcile;
mod report;
mod run;
mod screen;
mod sipp;
mod stamp;
mod tally;
mod timers;
mod told;
mod wire;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
/// Tests ask how often memory was asked for.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// The version, and the commit that it was built of.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TANDEM_REVISION"), ")");

/// Load generator with both ends of every call.
#[derive(Parser)]
#[command(name = "tandem-loadtest", version = VERSION)]
struct Program {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Place calls through a switch.
    Run(Box<run::Arguments>),
    /// Find the highest rate that a switch carries within service levels.
    FindMax(Box<find::Arguments>),
    /// Wait for a controller, and play its share of a run.
    Agent(agents::Arguments),
    /// Tell what changed from one run to another by more than chance.
    Compare(compare::Arguments),
    /// Offer half to five times what a switch carries.
    Overload(Box<overload::Arguments>),
    /// Play a scenario of SIPp's, with its command line (`sipp -h`); also under the name `sipp`.
    #[command(disable_help_flag = true)]
    Sipp {
        /// Words as SIPp has them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Tell what of scenario files is supported, and what is wrong with them.
    Lint(sipp::lint::Arguments),
    /// Run a seed of the simulator and tell what happens.
    Sim {
        /// The seed.
        seed: u64,
        /// On one to three nodes that lose their ledger.
        #[arg(long)]
        torn: bool,
        /// Only the verdict.
        #[arg(long)]
        quiet: bool,
    },
}

fn main() -> ExitCode {
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    if std::path::Path::new(&name).file_name().is_some_and(|name| name == "sipp") {
        return sipp::run(&words.collect::<Vec<_>>());
    }
    let words = match profile::read(&Program::command()) {
        Ok(words) => words,
        Err(flaw) => {
            eprintln!("tandem-loadtest: {flaw}");
            return ExitCode::from(2);
        }
    };
    match Program::parse_from(words).verb {
        Verb::Sipp { words } => sipp::run(&words),
        Verb::Lint(arguments) => sipp::lint::run(&arguments),
        Verb::Run(arguments) => or_failed(run::run(&arguments)),
        Verb::FindMax(arguments) => or_failed(find::run(&arguments)),
        Verb::Agent(arguments) => or_failed(agents::run(&arguments)),
        Verb::Compare(arguments) => or_failed(compare::run(&arguments)),
        Verb::Overload(arguments) => or_failed(overload::run(&arguments)),
        Verb::Sim { seed, torn, quiet } => simulate(seed, torn, quiet),
    }
}

fn or_failed(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("tandem-loadtest: {error:#}");
        ExitCode::from(1)
    })
}

fn simulate(seed: u64, torn: bool, quiet: bool) -> ExitCode {
    let run = if torn { sim::run_torn } else { sim::run };
    let outcome = run(seed, &mut |at, text| {
        if !quiet {
            say!("{:11.6} {text}", at as f64 / 1e6);
        }
    });
    match outcome {
        Ok(outcome) => {
            say!("sim: seed {seed} kept every promise: {outcome:?}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            say!("sim: seed {seed}: {fault}");
            ExitCode::from(1)
        }
    }
}
