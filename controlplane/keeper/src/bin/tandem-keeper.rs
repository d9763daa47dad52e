//! `tandem keeper`: keeps one database of a pair with its shared address, and shared addresses of other services.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use keeper::guard;
use keeper::settings::{AddressSettings, Driver, Settings};

/// Keeps one database of a pair with its shared address, and shared addresses of other services.
#[derive(Debug, Parser)]
#[command(name = "tandem-keeper", version, subcommand_negates_reqs = true)]
struct Arguments {
    /// The settings file; `tandem cluster init` writes one.
    #[arg(long, value_name = "FILE", required = true)]
    settings: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or a filter by module.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    #[command(subcommand)]
    order: Option<Order>,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Asks once whether what is served at a shared address works on this node: exit code 0 if it does.
    Check {
        /// The address's name in the settings file.
        name: String,
    },
    /// Runs a database until its keeper says otherwise or is gone. Started by the keeper.
    #[command(hide = true)]
    Guard {
        #[arg(long, requires_all = ["prefix", "interface"])]
        ip: Option<IpAddr>,
        #[arg(long, default_value_t = 32)]
        prefix: u8,
        #[arg(long, default_value = "")]
        interface: String,
        #[arg(last = true)]
        words: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_new(&arguments.log).unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    if let Some(Order::Guard { ip, prefix, interface, words }) = arguments.order {
        let address = ip.map(|ip| AddressSettings { ip, prefix, interface, driver: Driver::Agent });
        return guard::run(&words, address.as_ref());
    }
    let settings = Settings::read(&arguments.settings.unwrap_or_default());
    let done = match arguments.order {
        Some(Order::Check { name }) => settings.and_then(|settings| check(&settings, &name)),
        _ => settings.and_then(keeper::run::run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the keeper cannot go on");
            ExitCode::FAILURE
        }
    }
}

fn check(settings: &Settings, name: &str) -> Result<()> {
    let shared = settings.addresses.iter().find(|shared| shared.name == name);
    let shared = shared.with_context(|| format!("no shared address is called {name}"))?;
    shared.check.as_ref().map_or(Ok(()), |check| check.ask())
}
