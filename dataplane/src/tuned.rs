//! What this host lacks, as `tandem-tune` sees it: one line at the start, and no start where calls would be in danger.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::settings::Settings;

/// How long the start waits for the answer. Something that hangs on a card's driver must not keep calls away.
const PATIENCE: Duration = Duration::from_secs(10);
/// How `tandem-tune check` says that something fatal was found.
const EXIT_FATAL: i32 = 3;

/// What kind of host this is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HostProfile {
    /// Nobody looks.
    Off,
    /// A developer's machine or a demo: what is found is said, and the start goes on meanwhile.
    Lab,
    /// A virtual machine in production.
    Vm,
    /// A machine of one's own in production.
    Metal,
    /// A rented virtual machine in production.
    Cloud,
}

/// What the host's check came to.
struct Said {
    line: String,
    fatal: bool,
}

/// Says in one line what the host lacks. In production something fatal refuses the start, unless the operator knows.
pub fn look(settings: &Settings) -> anyhow::Result<()> {
    if settings.host_profile == HostProfile::Off {
        return Ok(());
    }
    let Some(command) = command(settings)? else {
        tracing::info!("tandem-tune does not stand beside this program: nobody looks at the host");
        return Ok(());
    };
    let (tell, told) = mpsc::channel();
    let lab = settings.host_profile == HostProfile::Lab;
    let work = move || {
        let said = ask(command);
        if lab {
            tracing::info!("{}", said.line);
        } else {
            // Nobody listens any more when it took too long.
            let _ = tell.send(said);
        }
    };
    std::thread::Builder::new().name("tuned".into()).spawn(work).context("cannot start the thread that asks")?;
    if lab {
        return Ok(());
    }
    match told.recv_timeout(PATIENCE) {
        Ok(Said { line, fatal: false }) => tracing::info!("{line}"),
        Ok(Said { line, fatal: true }) if settings.i_know => tracing::warn!("{line}"),
        Ok(Said { line, fatal: true }) => bail!("{line}; --i-know starts all the same"),
        Err(_) => tracing::warn!(seconds = PATIENCE.as_secs(), "tandem-tune does not answer"),
    }
    Ok(())
}

fn command(settings: &Settings) -> anyhow::Result<Option<Command>> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let program = own.with_file_name("tandem-tune");
    let profile = settings.host_profile.to_possible_value().context("every profile has a name")?;
    let rtp = format!("{}-{}", settings.rtp.low, settings.rtp.high);
    let mut command = Command::new(&program);
    command.args(["check", "--summary", "--profile", profile.get_name(), "--rtp", &rtp, "--data"]);
    command.arg(&settings.data).stdin(Stdio::null());
    if let Some(shards) = settings.shards {
        command.arg(format!("--set=shards={shards}"));
    }
    Ok(program.is_file().then_some(command))
}

fn ask(mut command: Command) -> Said {
    match command.output() {
        Ok(output) if matches!(output.status.code(), Some(0 | EXIT_FATAL)) => {
            let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Said { line, fatal: output.status.code() == Some(EXIT_FATAL) }
        }
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Said { line: format!("tandem-tune: {}: {words}", output.status), fatal: false }
        }
        Err(flaw) => Said { line: format!("tandem-tune: {flaw}"), fatal: false },
    }
}
