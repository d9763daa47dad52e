//! `tandem-tune`: looks at a host and says what a switch on it would want otherwise.

mod checks;
mod host;
mod report;
mod wants;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::checks::{CHECKS, Verdict};
use crate::host::Host;
use crate::wants::{Profile, Wants};

/// A check of severity `fatal` failed.
const EXIT_CHECK_FAILED: u8 = 3;
/// The command line makes no sense.
const EXIT_USAGE: u8 = 2;

#[derive(Parser)]
#[command(name = "tandem-tune", version, about = "Looks at a host and says what a switch on it would want otherwise")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Look at this host. Exit code 0: nothing fatal; 3: something fatal; 2: the command line makes no sense
    Check(Check),
    /// Why a check is made, and how to mend what it finds
    Explain {
        /// The name in the column CHECK; without it, every name
        name: Option<String>,
    },
    /// The settings that --set takes, as a table
    Settings,
}

#[derive(clap::Args)]
struct Check {
    /// What kind of host this is meant to be
    #[arg(long, value_enum, default_value_t = Profile::Lab)]
    profile: Profile,
    /// One JSON document instead of the table
    #[arg(long)]
    json: bool,
    /// The switch's data folder: its disk is measured; need not exist yet
    #[arg(long, default_value = "/var/lib/tandem")]
    data: PathBuf,
    /// First and last media port
    #[arg(long, value_name = "LOW-HIGH", default_value = "10000-29999", value_parser = wants::ports)]
    rtp: (u16, u16),
    /// A setting other than the profile's, for example calls_max=5000; see `tandem-tune settings`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Read /proc, /sys and /run below this folder instead of /
    #[arg(long, hide = true, default_value = "/")]
    root: PathBuf,
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Check(asked) => check(&asked),
        Verb::Explain { name } => explain(name.as_deref()),
        Verb::Settings => {
            print!("{}", panel::settings::manual(Wants::TABLE));
            ExitCode::SUCCESS
        }
    }
}

fn check(asked: &Check) -> ExitCode {
    let mut wants = Wants::of(asked.profile);
    for word in &asked.settings {
        let taken = word.split_once('=').ok_or_else(|| format!("`{word}` is not NAME=VALUE"));
        let taken = taken.and_then(|(name, text)| wants.set(name, text).map_err(|refusal| refusal.to_string()));
        if let Err(flaw) = taken {
            eprintln!("tandem-tune: --set: {flaw}");
            return ExitCode::from(EXIT_USAGE);
        }
    }
    let host = Host::look(&asked.root, &asked.data, Duration::from_millis(u64::from(wants.watch_ms)));
    let verdicts: Vec<Verdict> =
        CHECKS.iter().map(|check| check.ask(&host, &wants, asked.rtp, asked.profile)).collect();
    let fatal = verdicts.iter().any(Verdict::is_fatal);
    let text = if asked.json {
        report::json(&verdicts, asked.profile, &host)
    } else {
        report::table(&verdicts, asked.profile, &host)
    };
    println!("{text}");
    if fatal { ExitCode::from(EXIT_CHECK_FAILED) } else { ExitCode::SUCCESS }
}

fn explain(name: Option<&str>) -> ExitCode {
    let Some(name) = name else {
        CHECKS.iter().for_each(|check| println!("{:<20} {}", check.name, check.asks));
        return ExitCode::SUCCESS;
    };
    let Some(check) = CHECKS.iter().find(|check| check.name == name) else {
        eprintln!("tandem-tune: there is no check `{name}`; `tandem-tune explain` lists them");
        return ExitCode::from(EXIT_USAGE);
    };
    println!("{}: {}\n\nWhy: {}\n\nMend: {}", check.name, check.asks, check.why, check.mend);
    ExitCode::SUCCESS
}
