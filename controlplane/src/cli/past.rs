//! Recorded calls, page by page, from the database or from a file that was exported; and the snapshots that decided about them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use cdr::{Cdr, Record};
use clap::Args;
use rating::Policies;
use serde::{Deserialize, Serialize};
use snapshot::{DeckImage, Snapshot, View};
use store::{CdrFilter, CdrKind, SEARCH_ROWS_MAX, Store};
use web::snapshot_files;

use super::{Place, cdr::when, moment};

/// Snapshots that are held at a time; records come ordered by time, so few are needed at once.
const SNAPSHOTS_MAX: usize = 4;
/// Bytes of one line of an exported file at most.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Which recorded calls.
#[derive(Clone, Debug, Args)]
pub struct Window {
    /// Started at or after: a moment, a date (UTC), or a span back from now such as 1h or 30m.
    #[arg(long, default_value = "1h")]
    from: String,
    /// Started before; now if not given.
    #[arg(long, visible_alias = "to")]
    till: Option<String>,
    /// Read this file, written by `tandem replay --export`, instead of the database.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "till"])]
    file: Option<PathBuf>,
}

/// Where recorded calls come from.
pub enum Past {
    Database { store: Store, filter: Box<CdrFilter> },
    File { lines: BufReader<File>, name: String, line: usize },
}

/// A line of an exported file.
#[derive(Serialize, Deserialize)]
struct Line {
    /// The call's 32 hexadecimal digits; for people.
    call: String,
    /// When it came; for people.
    started: String,
    /// The snapshot that decided; for people.
    revision: u64,
    /// The whole CDR in the journal's encoding, decision record included, in hexadecimal digits.
    record: String,
}

impl Past {
    /// Opens what the command line names.
    pub async fn open(window: &Window, place: &Place) -> Result<Past> {
        if let Some(path) = &window.file {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            return Ok(Past::File { lines: BufReader::new(file), name: path.display().to_string(), line: 0 });
        }
        let filter = CdrFilter {
            from: when(&window.from)?,
            till: window.till.as_deref().map_or_else(|| when("0s"), when)?,
            kind: CdrKind::Calls,
            limit: SEARCH_ROWS_MAX,
            ..CdrFilter::default()
        };
        Ok(Past::Database { store: place.store().await?, filter: Box::new(filter) })
    }

    /// The next calls; empty at the end.
    pub async fn page(&mut self) -> Result<Vec<Cdr>> {
        match self {
            Past::Database { store, filter } => {
                let page = store.search_cdrs(filter).await?;
                filter.after = page.last().map(|last| (last.started, last.call.to_bytes(last.attempt)));
                Ok(page)
            }
            Past::File { lines, name, line } => {
                let mut page = Vec::new();
                while page.len() < SEARCH_ROWS_MAX as usize {
                    *line += 1;
                    let Some(text) = next_line(lines).with_context(|| format!("{name}:{line}"))? else { break };
                    page.push(read(&text).with_context(|| format!("{name}:{line}"))?);
                }
                Ok(page)
            }
        }
    }
}

fn next_line(lines: &mut BufReader<File>) -> Result<Option<String>> {
    let mut text = Vec::new();
    let most = LINE_BYTES_MAX as u64;
    std::io::Read::take(lines, most).read_until(b'\n', &mut text)?;
    ensure!((text.len() as u64) < most, "the line is longer than {LINE_BYTES_MAX} bytes");
    if text.is_empty() { Ok(None) } else { Ok(Some(String::from_utf8(text)?)) }
}

/// One call as a line of NDJSON, with its end.
pub fn line(cdr: &Cdr) -> Result<String> {
    let mut bytes = Vec::new();
    Record::Cdr(Box::new(cdr.clone())).encode(&mut bytes);
    let record = bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|half| char::from_digit(u32::from(half), 16).unwrap_or('0')));
        text
    });
    let (call, started) = (cdr.call.to_string(), moment(cdr.started));
    Ok(serde_json::to_string(&Line { call, started, revision: cdr.revision.0, record })? + "\n")
}

fn read(text: &str) -> Result<Cdr> {
    let line: Line = serde_json::from_str(text).context("no line of an export")?;
    let digits: Option<Vec<u8>> =
        line.record.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).context("the record is not hexadecimal")?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    match Record::decode(&bytes) {
        Ok(Record::Cdr(cdr)) => Ok(*cdr),
        Ok(_) => bail!("the record is no CDR"),
        Err(flaw) => Err(anyhow!(flaw)),
    }
}

/// A snapshot that can be asked.
pub struct Opened {
    snapshot: Snapshot,
    /// Its policies, compiled.
    pub policies: Policies,
}

impl Opened {
    fn read(path: &Path, known: &[DeckImage]) -> Result<Opened> {
        let snapshot = snapshot_files::open(path, known)?;
        let policies = Policies::compile(&snapshot.view()).map_err(|flaw| anyhow!("{flaw}"))?;
        Ok(Opened { snapshot, policies })
    }

    /// What it says.
    pub fn view(&self) -> View<'_> {
        self.snapshot.view()
    }
}

/// The snapshots of a folder, opened when asked for.
pub struct Library {
    folder: PathBuf,
    /// Why a revision could not be opened stands instead of it.
    open: BTreeMap<u64, Result<Opened, String>>,
}

impl Library {
    /// The snapshots that stand in this folder as `N.snap`.
    pub fn new(folder: PathBuf) -> Library {
        Library { folder, open: BTreeMap::new() }
    }

    /// The snapshot of a revision, or why it cannot be had.
    pub fn revision(&mut self, revision: u64) -> &Result<Opened, String> {
        if self.open.contains_key(&revision) {
            return &self.open[&revision];
        }
        if self.open.len() >= SNAPSHOTS_MAX {
            // Records come newest first, so the newest one is done with.
            self.open.pop_last();
        }
        let path = self.folder.join(format!("{revision}.snap"));
        // Neighbouring revisions share most of their decks.
        let known =
            self.open.values().flatten().flat_map(|opened| opened.snapshot.decks().iter().cloned()).collect::<Vec<_>>();
        let open = || Opened::read(&path, &known).map_err(|error| format!("{}: {error:#}", path.display()));
        self.open.entry(revision).or_insert_with(open)
    }
}
