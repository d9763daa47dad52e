//! Every touch of the disk that publication and collection depend on, in one place, so that a test can let each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What is done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// A file is made, or made empty, or opened for its end.
    Open,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// What was written, or a folder's names, is made safe.
    Sync,
    /// A file gets another name, or a second one.
    Name,
}

/// Writes a file so that a reader sees the old bytes or the new ones, whatever happens meanwhile. They are safe when this returns.
///
/// # Errors
/// The disk's. The file holds the old bytes or the new ones, and what was begun takes no room.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let written = write_new(&fresh, bytes).and_then(|()| {
        touch(path, Touch::Name, &mut || Ok(()))?;
        fs::rename(&fresh, path)
    });
    if written.is_err() {
        // On a full disk a half-written file would be in its own way.
        let _ = fs::remove_file(&fresh);
    }
    written?;
    sync_folder_of(path)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    touch(path, Touch::Open, &mut || Ok(()))?;
    let mut file = File::create(path)?;
    // A write that fails may have written a part.
    touch(path, Touch::Write, &mut || (&file).write_all(&bytes[..bytes.len() / 2]))?;
    file.write_all(bytes)?;
    touch(path, Touch::Sync, &mut || Ok(()))?;
    file.sync_all()
}

/// Adds to the end of a file, which is made if it is not there. The bytes and the file's name are safe when this returns.
///
/// # Errors
/// The disk's. None, a part or all of the bytes may stand at the file's end.
pub fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    touch(path, Touch::Open, &mut || Ok(()))?;
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    touch(path, Touch::Write, &mut || (&file).write_all(&bytes[..bytes.len() / 2]))?;
    file.write_all(bytes)?;
    touch(path, Touch::Sync, &mut || Ok(()))?;
    file.sync_data()?;
    // Whoever made the file may have died before its name was safe.
    sync_folder_of(path)
}

/// Reads a whole file.
///
/// # Errors
/// The disk's.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    touch(path, Touch::Read, &mut || Ok(()))?;
    fs::read(path)
}

/// Opens a file for reading.
///
/// # Errors
/// The disk's.
pub fn open(path: &Path) -> io::Result<File> {
    touch(path, Touch::Read, &mut || Ok(()))?;
    File::open(path)
}

/// Gives a file's bytes a second name, or copies them where the file system knows no second names. What has the name already keeps it.
///
/// # Errors
/// The disk's.
pub fn keep_as(path: &Path, second: &Path) -> io::Result<()> {
    let linked = touch(path, Touch::Name, &mut || Ok(())).and_then(|()| fs::hard_link(path, second));
    match linked {
        Ok(()) => sync_folder_of(second),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => replace(second, &read(path)?),
    }
}

/// Gives a file another name, in place of what had it; the name is safe when this returns.
///
/// # Errors
/// The disk's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    touch(from, Touch::Name, &mut || Ok(()))?;
    fs::rename(from, to)?;
    sync_folder_of(to)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    touch(path, Touch::Sync, &mut || Ok(()))?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(not(test))]
fn touch(_: &Path, _: Touch, _: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use faults::touch;

/// Failures that a test orders for touches of files under its own folder, whichever thread makes them.
#[cfg(test)]
pub mod faults {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};

    use super::Touch;

    /// Which touches fail: `count` of them from the `first` on, counted from 0.
    #[derive(Debug)]
    pub struct Faults {
        folder: PathBuf,
        first: u64,
        count: u64,
        seen: AtomicU64,
    }

    impl Faults {
        /// Fails so many touches below a folder from this one on, until it is dropped by all but the list.
        pub fn below(folder: &Path, first: u64, count: u64) -> Armed {
            let faults = Arc::new(Faults { folder: folder.to_owned(), first, count, seen: AtomicU64::new(0) });
            ARMED.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&faults));
            Armed(faults)
        }
    }

    /// Failures that strike while this lives.
    #[derive(Debug)]
    pub struct Armed(Arc<Faults>);

    impl Armed {
        /// Touches so far, failed ones included.
        pub fn seen(&self) -> u64 {
            self.0.seen.load(Ordering::SeqCst)
        }

        /// Touches that failed.
        pub fn struck(&self) -> u64 {
            self.seen().saturating_sub(self.0.first).min(self.0.count)
        }
    }

    impl Drop for Armed {
        fn drop(&mut self) {
            ARMED.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, &self.0));
        }
    }

    static ARMED: Mutex<Vec<Arc<Faults>>> = Mutex::new(Vec::new());

    pub(super) fn touch(path: &Path, touch: Touch, halfway: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(faults) = armed.iter().find(|faults| path.starts_with(&faults.folder)) else { return Ok(()) };
        let number = faults.seen.fetch_add(1, Ordering::SeqCst);
        if number < faults.first || number - faults.first >= faults.count {
            return Ok(());
        }
        halfway()?;
        let kind = if number % 2 == 0 { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, format!("ordered by the test: {touch:?} {number} of {}", path.display())))
    }
}
