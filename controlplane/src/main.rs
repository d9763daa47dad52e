//! The program `tandem-controlplane`; see `tandem_controlplane::run`.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tandem_controlplane::run::{Settings, run};

#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log).unwrap_or_else(|_| "info".into());
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_ansi(ansi).with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the control plane cannot run");
            ExitCode::FAILURE
        }
    }
}
