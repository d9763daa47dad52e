//! `tandem-tune`: looks at a host, says what a switch on it would want otherwise, and sets it when asked.

/// A line on standard output. Whoever reads it may have gone away: the work goes on, and its exit code stays what it is.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

mod act;
mod arguments;
mod bench;
mod change;
mod checks;
mod ethtool;
mod host;
mod journal;
mod lasting;
mod nics;
mod report;
mod verbs;
mod wants;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Verb};
use verbs::Flaw;
use wants::Wants;

/// Something was asked for and could not be done.
const EXIT_FAILED: u8 = 1;
/// The command line makes no sense.
const EXIT_USAGE: u8 = 2;
/// A check of severity `fatal` failed, or what was applied stands no more.
const EXIT_CHECK_FAILED: u8 = 3;
/// Somebody else changed what was to be put back.
const EXIT_STRANGE: u8 = 4;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().verb {
        Verb::Check { look, summary } => verbs::check(&look, summary),
        Verb::List(look) => verbs::list(&look),
        Verb::Plan(look) => verbs::plan(&look),
        Verb::Apply { look, keep, dry_run: true, .. } => verbs::rehearse(&look, &keep),
        Verb::Apply { look, keep, script, .. } => match script {
            Some(path) => verbs::script(&look, &keep, &path),
            None => verbs::apply(&look, &keep),
        },
        Verb::Verify { look, keep } => verbs::verify(&look, &keep),
        Verb::Revert { look, keep, force, dry_run } => verbs::revert(&look, &keep, force, dry_run),
        Verb::Persist { look, keep } => verbs::persist(&look, &keep),
        Verb::Explain { name, json } => verbs::explain(name.as_deref(), json),
        Verb::Bench { round, json } => bench::run(round, json).map_err(Flaw::Failed),
        Verb::Settings { json } => {
            let told = if json { report::settings(Wants::TABLE) } else { panel::settings::manual(Wants::TABLE) };
            say!("{}", told.trim_end());
            Ok(())
        }
    };
    let (code, words) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Flaw::Fatal) => (EXIT_CHECK_FAILED, None),
        Err(Flaw::Incomplete) => (EXIT_FAILED, None),
        Err(Flaw::Failed(words)) => (EXIT_FAILED, Some(words)),
        Err(Flaw::Usage(words)) => (EXIT_USAGE, Some(words)),
        Err(Flaw::Strange(words)) => (EXIT_STRANGE, Some(words)),
    };
    if let Some(words) = words {
        eprintln!("tandem-tune: {words}");
    }
    ExitCode::from(code)
}
