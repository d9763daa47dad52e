//! `tandem apply`: a whole switch in one YAML file, compared with what stands and made so in one transaction.
//!
//! Every value is checked before anything is kept: a mistake is named by file, line, column and field, and changes nothing. Objects that
//! the file does not name are left alone; a deck that it names has exactly the file's rates afterwards.

mod change;
mod decks;
mod read;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use decks::rates_of_csv;
pub use read::moment;
use serde::Serialize;
use store::{AuditEntry, Store, StoreError};

/// Bytes of one YAML or CSV file at most.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Mistakes that are told at once.
const MISTAKES_MAX: usize = 100;
/// Changes that the audit keeps of one run.
const CHANGES_TOLD_MAX: usize = 1_000;

/// What to apply.
#[derive(Clone, Debug)]
pub struct Input {
    /// The YAML file's name, for messages.
    pub name: String,
    /// Its text.
    pub yaml: String,
    /// Where CSV files come from.
    pub files: Files,
}

/// Where the CSV files are that a YAML names.
#[derive(Clone, Debug)]
pub enum Files {
    /// In this folder.
    Folder(std::path::PathBuf),
    /// Sent along, by the name that the YAML uses.
    Inline(BTreeMap<String, String>),
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Made.
    Create,
    /// Changed.
    Update,
    /// Removed.
    Delete,
}

/// One difference between the file and the switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What happens.
    pub action: Action,
    /// `carrier`, `account`, `payment`, `deck`, `egress trunk`, `plan`, `ingress trunk`.
    pub kind: &'static str,
    /// The object's code, or the payment's reference.
    pub code: String,
    /// Which fields, from what to what.
    pub detail: String,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The changes in the order of doing; empty when the switch is as the file says.
    pub changes: Vec<Change>,
    /// They were done.
    pub applied: bool,
}

/// A wrong value and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The file as it was named.
    pub file: String,
    /// From 1; 0 if unknown.
    pub line: u64,
    /// From 1; 0 if unknown.
    pub column: u64,
    /// `carriers[0].code`; empty where no field can be named.
    pub field: String,
    /// A sentence.
    pub why: String,
}

/// Why nothing was applied.
#[derive(Debug)]
pub enum ApplyError {
    /// The file is wrong.
    Mistakes(Vec<Mistake>),
    /// The store refused or is away.
    Store(StoreError),
}

impl Input {
    /// Reads a file; CSV files are looked for beside it.
    pub fn read(path: &Path) -> std::io::Result<Input> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Input { name: path.display().to_string(), yaml: read_text(path)?, files: Files::Folder(folder.to_owned()) })
    }
}

impl Files {
    fn text(&self, name: &str) -> Result<String, String> {
        match self {
            Files::Inline(files) => {
                files.get(name).cloned().ok_or_else(|| format!("the file {name} was not sent along"))
            }
            Files::Folder(folder) => {
                let path = folder.join(name);
                read_text(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
            }
        }
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("{bytes} bytes are more than {FILE_BYTES_MAX}")));
    }
    std::fs::read_to_string(path)
}

/// Compares the input with the store and, unless it is a dry run, makes the store so. Either all of it happens or nothing. The actor,
/// if any, is written down in the audit.
pub async fn apply(store: &Store, input: &Input, dry_run: bool, actor: Option<&str>) -> Result<Report, ApplyError> {
    let wanted = text::parse(input).map_err(ApplyError::Mistakes)?;
    let mut edit = store.edit().await?;
    let mut changes = change::changes(&mut edit, &wanted, input).await?;
    if changes.is_empty() {
        return Ok(Report::default());
    }
    // A configuration that no data plane could load is a mistake too, although each of its values is allowed.
    let model = edit.model().await?;
    model.encode_apart().map_err(|flaw| ApplyError::Mistakes(vec![Mistake::of_file(&input.name, flaw.to_string())]))?;
    tell_of_one_source(&mut changes, &model);
    if dry_run {
        return Ok(Report { changes, applied: false });
    }
    if let Some(actor) = actor {
        edit.audit(&act(actor, input, &changes)).await?;
    }
    edit.commit().await?;
    Ok(Report { changes, applied: true })
}

/// The switch as it would stand if the input were applied, or as it stands without one. Nothing is changed.
///
/// # Errors
/// What is wrong with the input, or that the store is away.
pub async fn draft(store: &Store, input: Option<&Input>) -> Result<snapshot::Model, ApplyError> {
    let wanted = input.map(text::parse).transpose().map_err(ApplyError::Mistakes)?;
    let mut edit = store.edit().await?;
    if let (Some(wanted), Some(input)) = (&wanted, input) {
        change::changes(&mut edit, wanted, input).await?;
    }
    // The transaction ends with the edit, unfinished.
    Ok(edit.model().await?)
}

/// Of ingress trunks with one source, tech prefix and transport only the oldest ever gets calls: each that the file makes or changes is
/// told so.
fn tell_of_one_source(changes: &mut [Change], model: &snapshot::Model) {
    let trunks = &model.ingress_trunks;
    for change in changes.iter_mut().filter(|change| change.kind == "ingress trunk" && change.action != Action::Delete)
    {
        let Some(own) = trunks.iter().find(|trunk| trunk.code == change.code) else { continue };
        let alike = |other: &&snapshot::IngressTrunk| {
            other.id != own.id
                && (&other.tech_prefix, other.policy.transport) == (&own.tech_prefix, own.policy.transport)
                && other
                    .sources
                    .iter()
                    .any(|source| own.sources.iter().any(|mine| store::compared(mine) == store::compared(source)))
        };
        if let Some(other) = trunks.iter().find(alike) {
            let oldest = if own.id < other.id { &own.code } else { &other.code };
            let note = format!("has a source of {} with the same tech prefix: {oldest} gets all its calls", other.code);
            change.detail = if change.detail.is_empty() { note } else { format!("{}; {note}", change.detail) };
        }
    }
}

fn act(actor: &str, input: &Input, changes: &[Change]) -> AuditEntry {
    let told = &changes[..changes.len().min(CHANGES_TOLD_MAX)];
    AuditEntry {
        actor: actor.to_owned(),
        action: "apply".into(),
        object: input.name.clone(),
        after: serde_json::to_string(told).unwrap_or_default(),
        ..AuditEntry::default()
    }
}

impl Mistake {
    fn of_file(file: &str, why: String) -> Mistake {
        Mistake { file: file.to_owned(), line: 0, column: 0, field: String::new(), why }
    }
}

impl fmt::Display for Report {
    /// A line a change, and a sum.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return writeln!(f, "nothing to change");
        }
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        let count = |action: Action| self.changes.iter().filter(|change| change.action == action).count();
        let (made, changed, gone) = (count(Action::Create), count(Action::Update), count(Action::Delete));
        let done = if self.applied { "applied" } else { "not applied (dry run)" };
        writeln!(f, "{made} to create, {changed} to change, {gone} to remove: {done}")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Create => '+',
            Action::Update => '~',
            Action::Delete => '-',
        };
        write!(f, "{sign} {} {}", self.kind, self.code)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.why)
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplyError::Store(error) => write!(f, "{error}"),
            ApplyError::Mistakes(mistakes) => {
                for mistake in mistakes.iter().take(MISTAKES_MAX) {
                    writeln!(f, "{mistake}")?;
                }
                if mistakes.len() > MISTAKES_MAX {
                    writeln!(f, "and {} more", mistakes.len() - MISTAKES_MAX)?;
                }
                write!(f, "nothing was changed")
            }
        }
    }
}

impl std::error::Error for ApplyError {}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> ApplyError {
        ApplyError::Store(error)
    }
}
