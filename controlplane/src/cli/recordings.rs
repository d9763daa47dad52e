//! `tandem recordings`: the recordings of calls on this node.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Subcommand;
use files::{Kind, Name};
use serde_json::json;
use units::{CallId, WallTime};

use super::{EXIT_NOT_FOUND, ListForm, Place, acts, call_id, moment};
use crate::files::reader;

/// Bytes of a WAV file before its samples, and of a second of them.
const HEAD_BYTES: u64 = 44;
const SECOND_BYTES: f64 = 32_000.0;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The recordings of this node, newest first; those that are being written among them.
    #[command(alias = "list")]
    Ls {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// Writes a call's recording (WAV, the originator left, the terminator right) to a file or to standard output; of a running call
    /// as far as it is written. Looked for on this node, among files of peers, and where files are copied to. The audit says who listened.
    Get {
        /// Its 32 hexadecimal digits.
        call: String,
        /// The file; standard output if not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Removes the recording of a call that is over, wherever this node can.
    Rm {
        /// Its 32 hexadecimal digits.
        call: String,
        #[command(flatten)]
        place: Place,
    },
}

/// One file.
struct Recording {
    call: CallId,
    bytes: u64,
    changed: WallTime,
    finished: bool,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Ls { place, form } => list(&place, form),
        Verb::Get { call, out, place } => super::files::get(Kind::Recording, &call, out.as_deref(), &place).await,
        Verb::Rm { call, place } => {
            let (call, files) = (call_id(&call)?, reader(&place.folder()?)?);
            let name = Name { kind: Kind::Recording, call };
            if !files.find(name).is_some_and(|found| found.finished) {
                return Ok(missing(call));
            }
            acts::note(&place, "remove_recording", call).await?;
            files.remove(name)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn missing(call: CallId) -> ExitCode {
    eprintln!("tandem: no finished recording of the call {call} that this node can reach");
    ExitCode::from(EXIT_NOT_FOUND)
}

fn list(place: &Place, form: ListForm) -> Result<ExitCode> {
    let mut found: Vec<Recording> = fs::read_dir(place.folder()?.recordings())
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| read(&entry))
        .collect();
    found.sort_by_key(|recording| std::cmp::Reverse(recording.changed));
    let seconds = |bytes: u64| bytes.saturating_sub(HEAD_BYTES) as f64 / SECOND_BYTES;
    let object = |Recording { call, bytes, changed, finished }: &Recording| json!({ "call": call.to_string(), "bytes": bytes, "seconds": seconds(*bytes), "changed": moment(*changed), "finished": finished });
    let cells = |recording: &Recording| {
        vec![
            moment(recording.changed),
            recording.call.to_string(),
            format!("{:.1}", seconds(recording.bytes)),
            recording.bytes.to_string(),
            if recording.finished { "finished" } else { "running" }.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(cells).collect();
    form.show(&["changed", "call", "seconds", "bytes", "state"], &rows, || {
        found.iter().map(object).collect::<Vec<_>>()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn read(entry: &fs::DirEntry) -> Option<Recording> {
    let (name, known) = (entry.file_name().into_string().ok()?, entry.metadata().ok()?);
    let (call, rest) = name.split_once('.')?;
    let changed = known.modified().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    let finished = match rest {
        "wav" => true,
        "wav.part" => false,
        _ => return None,
    };
    let changed = WallTime::from_micros(changed.as_micros() as i64);
    Some(Recording { call: CallId::parse(call)?, bytes: known.len(), changed, finished })
}
