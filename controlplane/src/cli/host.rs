//! What this host lacks, in one line on the operator's terminal before anything starts.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::process::Command;

use crate::up::beside;

/// How long the start waits for the answer. Something that hangs on a card's driver must not keep calls away.
const PATIENCE: Duration = Duration::from_secs(10);
/// How `tandem-tune check` says that something fatal was found.
const EXIT_FATAL: i32 = 3;

/// Asks `tandem-tune`. Something fatal refuses the start, except in a lab and for operators who know.
pub async fn look(profile: &str, i_know: bool, data: &Path, rtp: Option<&str>, shards: Option<u16>) -> Result<()> {
    if profile == "off" {
        return Ok(());
    }
    let Ok(program) = beside("tandem-tune") else {
        eprintln!("tandem-tune does not stand beside this program: nobody looks at the host");
        return Ok(());
    };
    let mut command = Command::new(program);
    command.args(["check", "--summary", "--profile", profile, "--data"]).arg(data).kill_on_drop(true);
    if let Some(range) = rtp {
        command.args(["--rtp", range]);
    }
    if let Some(shards) = shards {
        command.arg(format!("--set=shards={shards}"));
    }
    let Ok(said) = tokio::time::timeout(PATIENCE, command.output()).await else {
        eprintln!("tandem-tune does not answer");
        return Ok(());
    };
    let said = said?;
    let line = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    match said.status.code() {
        Some(0) => eprintln!("{line}"),
        Some(EXIT_FATAL) if i_know || profile == "lab" => eprintln!("{line}"),
        Some(EXIT_FATAL) => bail!("{line}; --i-know starts all the same"),
        _ => eprintln!("tandem-tune: {}: {}", said.status, String::from_utf8_lossy(&said.stderr).trim()),
    }
    Ok(())
}
