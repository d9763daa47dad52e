//! What a place holds: one line a file, added when the place has confirmed it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::place::Place;
use crate::{Kind, Name};

/// Lines beyond twice what is there before the list is written anew.
const STALE_MAX: usize = 10_000;

/// The list, on the disk and in memory: 30 bytes a file.
pub(crate) struct Ledger {
    path: PathBuf,
    held: BTreeMap<Name, u64>,
    file: File,
    /// Lines in the file.
    lines: usize,
}

/// A finished file of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Here {
    pub(crate) name: Name,
    pub(crate) bytes: u64,
    /// When it was finished, in microseconds since 1970.
    pub(crate) at: i64,
}

/// All finished files of a data folder.
pub(crate) fn finished(data: &Path) -> Vec<Here> {
    let mut found = Vec::new();
    for kind in Kind::ALL {
        for entry in fs::read_dir(data.join(kind.folder())).into_iter().flatten().flatten() {
            let Some(name) = entry.file_name().to_str().and_then(|name| Name::read(kind, name)) else { continue };
            // One that goes meanwhile is not there. A link could lead anywhere.
            let Ok(known) = entry.metadata() else { continue };
            if known.is_file() {
                let at = known.modified().map_or(0, crate::micros);
                found.push(Here { name, bytes: known.len(), at });
            }
        }
    }
    found
}

impl Ledger {
    /// Reads a place's list. A last line that a crash cut is forgotten: its file is copied again, which does no harm.
    pub(crate) fn open(data: &Path, place: &Place) -> io::Result<Ledger> {
        let folder = data.join("files");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.copied", place.ledger()));
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&text[..whole]);
        let held: BTreeMap<Name, u64> = text.lines().filter_map(read).collect();
        let file = write_new(&path, &held)?;
        Ok(Ledger { path, lines: held.len(), held, file })
    }

    /// Whether the place has this file as it is.
    pub(crate) fn holds(&self, file: &Here) -> bool {
        self.held.get(&file.name) == Some(&file.bytes)
    }

    /// The place has confirmed these.
    pub(crate) fn add(&mut self, files: &[Here]) -> io::Result<()> {
        let mut text = String::new();
        for Here { name, bytes, .. } in files {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name} {bytes}");
        }
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.lines += files.len();
        self.held.extend(files.iter().map(|file| (file.name, file.bytes)));
        Ok(())
    }

    /// Forgets what is no longer here, when that is much.
    pub(crate) fn forget(&mut self, here: &BTreeSet<Name>) -> io::Result<()> {
        if self.lines <= 2 * here.len() + STALE_MAX {
            return Ok(());
        }
        self.held.retain(|name, _| here.contains(name));
        self.file = write_new(&self.path, &self.held)?;
        self.lines = self.held.len();
        Ok(())
    }
}

fn read(line: &str) -> Option<(Name, u64)> {
    let (name, bytes) = line.split_once(' ')?;
    Some((Name::parse(name)?, bytes.parse().ok()?))
}

/// Writes a list in the place of an older one, and opens it for more.
fn write_new(path: &Path, held: &BTreeMap<Name, u64>) -> io::Result<File> {
    let fresh = path.with_extension("new");
    let text: String = held.iter().map(|(name, bytes)| format!("{name} {bytes}\n")).collect();
    let mut file = File::create(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    OpenOptions::new().append(true).open(path)
}
