//! Snapshot files: mapped, checked, and only then shown to shards.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use shard::Loaded;
use snapshot::View;
use uring::host::Mapped;

/// Maps and checks a file. The result is its revision and its bytes.
pub fn open(path: &Path) -> anyhow::Result<(u64, Loaded)> {
    let mapped = Mapped::open(path).with_context(|| format!("cannot map {}", path.display()))?;
    View::check(mapped.as_ref()).map_err(|flaw| anyhow!("{} is damaged: {flaw:?}", path.display()))?;
    let revision = View::open(mapped.as_ref()).revision().0;
    let loaded = Loaded::new(Arc::new(mapped)).map_err(|flaw| anyhow!("{} cannot be used: {flaw}", path.display()))?;
    Ok((revision, loaded))
}

/// What to decide from at the start: the current file, else the youngest that is sound, else nothing.
pub fn at_start(folder: &Path) -> Option<(u64, Loaded)> {
    let named = std::fs::read_to_string(folder.join("current")).map(|name| folder.join(name.trim()));
    match named {
        Ok(path) => match open(&path) {
            Ok(found) => return Some(found),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the current snapshot was refused; trying older ones")
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::error!(%error, "cannot read which snapshot is current; trying all"),
    }
    let found = by_age(folder).into_iter().find_map(|path| match open(&path) {
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
