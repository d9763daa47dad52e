//! The program `tandem`; see `tandem_controlplane::cli`.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tandem_controlplane::cli::{Cli, run};

#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_ansi(ansi).with_env_filter(filter).with_writer(std::io::stderr).init();
    run(cli).await
}
