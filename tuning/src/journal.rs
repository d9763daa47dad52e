//! The revert journal: what stood where before the first change, kept so that a crash in the middle loses nothing.
//!
//! One JSON record a line. What is about to be changed is on the disk before it is changed; a last line without its end was never acted
//! upon. While the journal is open nobody else can open it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::change::Target;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase", deny_unknown_fields)]
pub enum Record {
    /// A value is about to be set.
    Intent {
        /// The check that asked for it.
        check: String,
        /// Where.
        target: Target,
        /// What stood there.
        before: Option<String>,
        /// What is to stand there.
        after: String,
    },
    /// The kernel made something else of what it was told.
    Became {
        /// Where.
        target: Target,
        /// What stands there.
        value: Option<String>,
    },
}

/// What happened to one target.
#[derive(Clone, Debug)]
pub struct Touched {
    /// The check that asked first.
    pub check: String,
    /// What stood there before anything was changed.
    pub original: Option<String>,
    /// Everything that stood there by us, the last one last.
    pub ours: Vec<Option<String>>,
    /// Its place in the order of changes.
    pub turn: usize,
}

/// An open journal.
pub struct Journal {
    path: PathBuf,
    file: File,
    records: Vec<Record>,
}

impl Journal {
    /// Opens it, or makes an empty one. Refuses one that it does not understand or that somebody else has open.
    pub fn open(path: &Path) -> Result<Journal, String> {
        let told = |flaw: std::io::Error| format!("{}: {flaw}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(told)?;
        }
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(told)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| format!("{}: another tandem-tune is at work", path.display()))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(told)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).map_err(told)?;
        file.seek(std::io::SeekFrom::End(0)).map_err(told)?;
        let records = text[..whole].lines().enumerate().map(|(line, text)| {
            serde_json::from_str(text).map_err(|flaw| format!("{}:{}: {flaw}", path.display(), line + 1))
        });
        let records = records.collect::<Result<_, _>>()?;
        Ok(Journal { path: path.to_owned(), file, records })
    }

    /// Keeps a record; it is on the disk when this returns.
    pub fn keep(&mut self, record: Record) -> Result<(), String> {
        let line = serde_json::to_string(&record).expect("a record is text and lists of text");
        let kept = writeln!(self.file, "{line}").and_then(|()| self.file.sync_all());
        kept.map_err(|flaw| format!("{}: {flaw}", self.path.display()))?;
        self.records.push(record);
        Ok(())
    }

    /// Every target that was touched.
    pub fn touched(&self) -> BTreeMap<Target, Touched> {
        let mut all: BTreeMap<Target, Touched> = BTreeMap::new();
        for (turn, record) in self.records.iter().enumerate() {
            match record {
                Record::Intent { check, target, before, after } => {
                    let touched = all.entry(target.clone()).or_insert_with(|| Touched {
                        check: check.clone(),
                        original: before.clone(),
                        ours: Vec::new(),
                        turn,
                    });
                    touched.ours.push(Some(after.clone()));
                }
                Record::Became { target, value } => {
                    if let Some(touched) = all.get_mut(target) {
                        touched.ours.push(value.clone());
                    }
                }
            }
        }
        all
    }

    /// Forgets these targets, all at once: after a crash they are all there or all gone.
    pub fn forget(mut self, targets: &[Target]) -> Result<(), String> {
        self.records.retain(|record| match record {
            Record::Intent { target, .. } | Record::Became { target, .. } => !targets.contains(target),
        });
        let told = |flaw: std::io::Error| format!("{}: {flaw}", self.path.display());
        if self.records.is_empty() {
            return std::fs::remove_file(&self.path).map_err(told);
        }
        let beside = self.path.with_extension("part");
        let mut file = File::create(&beside).map_err(told)?;
        for record in &self.records {
            let line = serde_json::to_string(record).expect("a record is text and lists of text");
            writeln!(file, "{line}").map_err(told)?;
        }
        file.sync_all().map_err(told)?;
        std::fs::rename(&beside, &self.path).map_err(told)
    }
}
