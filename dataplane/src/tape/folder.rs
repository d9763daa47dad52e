//! A folder of finished files: what a crash left is made whole, what is old or too much is removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use units::CallId;

use crate::disk;

/// What a file's name ends with while it is being written.
const PART: &str = "part";

/// Where files of one kind are kept.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// Bytes of all files together at most.
    pub bytes_max: u64,
    /// How long a file is kept.
    pub age_max: Duration,
}

impl Folder {
    /// The name of a call's finished file.
    pub fn file(&self, call: CallId, extension: &str) -> PathBuf {
        self.path.join(format!("{call}.{extension}"))
    }

    /// Makes whole what an earlier life was writing, as far as it went, by what `mend` does with a torn file and its finished name; and
    /// removes what is old.
    pub fn repair(&self, mend: impl Fn(&Path, &Path) -> io::Result<()>) {
        for (part, finished) in self.torn() {
            match mend(&part, &finished) {
                Ok(()) => tracing::info!(file = %finished.display(), "a file that was cut is kept as far as it went"),
                Err(error) => tracing::warn!(%error, file = %part.display(), "a file that was cut cannot be repaired"),
            }
        }
        self.keep_up();
    }

    fn torn(&self) -> Vec<(PathBuf, PathBuf)> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let paths = entries.flatten().map(|entry| entry.path());
        let torn = paths.filter(|path| path.extension().is_some_and(|extension| extension == PART));
        torn.map(|path| (path.clone(), path.with_extension(""))).collect()
    }

    /// Removes what is too old, then the oldest until the rest is small enough.
    pub fn keep_up(&self) {
        let Ok(mut files) = finished(&self.path) else { return };
        files.sort();
        let mut sum: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        let now = SystemTime::now();
        for (changed, bytes, path) in files {
            let age = now.duration_since(changed).unwrap_or_default();
            if age <= self.age_max && sum <= self.bytes_max {
                return;
            }
            match disk::unlink(&path) {
                Ok(()) => sum -= bytes,
                Err(error) => tracing::warn!(%error, path = %path.display(), "an old file cannot be removed"),
            }
        }
    }
}

/// The name of a file that is being written.
pub fn part_of(finished: &Path) -> PathBuf {
    let mut name = finished.as_os_str().to_owned();
    name.push(".");
    name.push(PART);
    name.into()
}

/// Gives a file that is whole its final name.
pub fn publish(file: &fs::File, part: &Path, finished: &Path) -> io::Result<()> {
    disk::sync(file)?;
    disk::rename(part, finished)
}

/// Finished files: when they were last written, their bytes, where they are.
fn finished(path: &Path) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)?.flatten() {
        let path = entry.path();
        let Ok(known) = entry.metadata() else { continue };
        if known.is_file() && path.extension().is_some_and(|extension| extension != PART) {
            files.push((known.modified()?, known.len(), path));
        }
    }
    Ok(files)
}
