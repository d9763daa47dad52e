//! `tandem up`: the node in the foreground.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::up::{Node, Options};

#[derive(Debug, Args)]
pub struct Arguments {
    /// The data folder; made if it is missing.
    #[arg(long, value_name = "DIR", env = "TANDEM_DATA")]
    data: PathBuf,
    /// Where SIP peers reach us over UDP.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5060")]
    sip: SocketAddr,
    /// Where API and GUI are served.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// sqlite:PATH or mysql://USER:PASSWORD@HOST/NAME; SQLite in the data folder if not given.
    #[arg(long, value_name = "URL", env = "TANDEM_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// A YAML file that is applied before calls are taken.
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
    /// Media ports, both included.
    #[arg(long, value_name = "LOW-HIGH")]
    rtp: Option<String>,
    /// One shard a core if not given.
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// The address in our SDP; the SIP address if not given.
    #[arg(long, value_name = "ADDR")]
    media: Option<IpAddr>,
    /// What the planes log: error, warn, info, debug, trace, or a filter by module.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

pub async fn up(a: Arguments) -> Result<ExitCode> {
    // A mistake in the file is better told before anything starts.
    let input = a.apply.as_deref().map(super::read).transpose()?;
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let Arguments { data, sip, http, database, rtp, shards, media, log, .. } = a;
    let options = Options { database, rtp, shards, media, log, ..Options::new(&data, sip, http) };
    let node = tokio::select! {
        node = Node::start(options) => node?,
        _ = term.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    };
    if let Some(input) = input {
        match node.apply(&input).await {
            Ok(report) => eprint!("{report}"),
            Err(error) => {
                node.stop().await;
                return Err(error);
            }
        }
    }
    println!("tandem is up");
    println!("  SIP   {sip}");
    println!("  GUI   {}", node.login_url());
    println!("  data  {}", data.display());
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    eprintln!("tandem is going down");
    node.stop().await;
    Ok(ExitCode::SUCCESS)
}
