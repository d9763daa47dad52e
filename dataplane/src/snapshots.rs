//! Snapshot files: mapped, checked, and only then shown to shards.
//!
//! A revision is a main file and a file for each deck. Decks' files that an earlier revision brought are neither mapped nor checked
//! again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use shard::Loaded;
use snapshot::{DeckImage, Snapshot, Wanted};
use uring::host::Mapped;

/// Revisions whose decks stay mapped: the one in force and those that an operator may go back to in no time.
const KEPT_MAX: usize = 3;
/// The folder of decks' files beside the main files.
const DECKS: &str = "decks";

/// What was opened before. Cheap to clone.
#[derive(Clone, Default)]
pub struct Shelf {
    last: Arc<Mutex<VecDeque<Snapshot>>>,
}

impl Shelf {
    /// Maps and checks a main file and the decks' files that it names. The result is its revision and what shards decide from.
    pub fn open(&self, path: &Path) -> anyhow::Result<(u64, Loaded)> {
        let main = Mapped::open(path).with_context(|| format!("cannot map {}", path.display()))?;
        let decks = path.with_file_name(DECKS);
        let snapshot = Snapshot::open(Arc::new(main), |wanted| self.deck(&decks, wanted));
        let snapshot = snapshot.map_err(|refusal| anyhow!("{} is refused: {refusal}", path.display()))?;
        let loaded =
            Loaded::of(snapshot.clone()).map_err(|flaw| anyhow!("{} cannot be used: {flaw}", path.display()))?;
        let revision = snapshot.view().revision().0;
        self.keep(snapshot);
        Ok((revision, loaded))
    }

    fn deck(&self, decks: &Path, wanted: Wanted<'_>) -> Result<DeckImage, String> {
        if let Some(known) = self.known(wanted) {
            return Ok(known);
        }
        let path = decks.join(wanted.mark.to_string());
        let mapped = Mapped::open(&path).map_err(|error| format!("cannot map {}: {error}", path.display()))?;
        DeckImage::check(Arc::new(mapped)).map_err(|flaw| format!("{}: {flaw}", path.display()))
    }

    fn known(&self, wanted: Wanted<'_>) -> Option<DeckImage> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().flat_map(Snapshot::decks).find(|image| image.mark() == wanted.mark).cloned()
    }

    fn keep(&self, snapshot: Snapshot) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = snapshot.view().revision();
        last.retain(|kept| kept.view().revision() != revision);
        last.push_front(snapshot);
        let kept = last.len().min(KEPT_MAX);
        let old = last.split_off(kept);
        drop(last);
        // Unmapping a large file takes its time, and nobody should wait for the lock meanwhile.
        drop(old);
    }

    /// What to decide from at the start: the current file, else the youngest that is sound, else nothing.
    pub fn at_start(&self, folder: &Path) -> Option<(u64, Loaded)> {
        let named = std::fs::read_to_string(folder.join("current")).map(|name| folder.join(name.trim()));
        match named {
            Ok(path) => match self.open(&path) {
                Ok(found) => return Some(found),
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the current snapshot was refused; trying older ones")
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::error!(%error, "cannot read which snapshot is current; trying all"),
        }
        let found = by_age(folder).into_iter().find_map(|path| match self.open(&path) {
            Ok(found) => Some((path, found)),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "an older snapshot was refused too");
                None
            }
        });
        match found {
            Some((path, found)) => {
                tracing::error!(path = %path.display(), revision = found.0, "decisions come from an OLDER snapshot");
                Some(found)
            }
            None => {
                tracing::warn!("no snapshot: calls are refused until the control plane publishes one");
                None
            }
        }
    }
}

/// Snapshot files, the highest revision first.
fn by_age(folder: &Path) -> Vec<PathBuf> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = files.flatten().map(|file| file.path());
    let numbered = paths.filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let revision: u64 = name.strip_suffix(".snap")?.parse().ok()?;
        Some((revision, path))
    });
    let mut numbered: Vec<(u64, PathBuf)> = numbered.collect();
    numbered.sort();
    numbered.into_iter().rev().map(|(_, path)| path).collect()
}
