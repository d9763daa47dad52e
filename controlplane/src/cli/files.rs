//! `tandem files`: how recordings and captures leave this node.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use files::{Kind, Name};
use units::WallTime;

use super::{EXIT_DIFFERENT, EXIT_NOT_FOUND, Form, Output, Place, Watch, acts, call_id, moment, table};
use crate::files::{reader, states};

/// Exit code 3 while a place does not take files.
pub fn run(place: &Place, form: Form, watch: Watch) -> Result<ExitCode> {
    let states = states(&place.folder()?);
    watch.shows();
    match form.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&states)?),
        Output::Table if states.is_empty() => {
            say!("Recordings and captures stay on this node: its control plane has no --files-to.");
        }
        Output::Table => {
            let time = |us: Option<i64>| us.map_or(String::new(), |us| moment(WallTime::from_micros(us)));
            let rows = states.iter().map(|state| {
                vec![
                    state.to.clone(),
                    state.copied.to_string(),
                    state.waiting.to_string(),
                    time(state.oldest_us),
                    state.failed.to_string(),
                    state.lost.to_string(),
                    time(state.reached_us),
                    state.problem.clone(),
                ]
            });
            let head = ["place", "copied", "waiting", "oldest waiting", "failed", "lost", "last copied", "problem"];
            table(&head, &rows.collect::<Vec<_>>());
        }
    }
    let away = states.iter().any(|state| !state.problem.is_empty());
    Ok(if away { ExitCode::from(EXIT_DIFFERENT) } else { ExitCode::SUCCESS })
}

/// Writes a call's file to a file or to standard output, wherever it is kept. The audit says who asked.
pub async fn get(kind: Kind, call: &str, out: Option<&Path>, place: &Place) -> Result<ExitCode> {
    let call = call_id(call)?;
    let Some(found) = reader(&place.folder()?)?.find(Name { kind, call }) else {
        eprintln!("tandem: nothing of the call {call} in {} that this node can reach", kind.folder());
        return Ok(ExitCode::from(EXIT_NOT_FOUND));
    };
    let act = match kind {
        Kind::Recording => "listen",
        Kind::Capture => "open_capture",
    };
    acts::note(place, act, call).await?;
    let mut bytes: Box<dyn Read> = found.read(0, found.bytes).context("it is there and cannot be read")?;
    match out {
        Some(out) => {
            let to = File::create(out).with_context(|| format!("cannot write {}", out.display()));
            io::copy(&mut bytes, &mut to?)
        }
        None => io::copy(&mut bytes, &mut io::stdout().lock()),
    }?;
    Ok(ExitCode::SUCCESS)
}
