//! Every touch of the disk that the journal and snapshots depend on, in one place, so that a test can let each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use uring::host::Mapped;

/// What is done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// A file is made, or made empty.
    Open,
    /// Bytes are written.
    Write,
    /// What was written is made safe.
    Sync,
    /// A file gets its final name.
    Rename,
    /// A file is removed.
    Unlink,
    /// A file is read, or mapped to be read.
    Read,
}

/// Makes a file for writing, and reading what was written; one that is there is made empty.
pub fn create(path: &Path) -> io::Result<File> {
    strike(Touch::Open, &mut || Ok(()))?;
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
}

/// Writes all these bytes at this place.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    // A write that fails may have written a part.
    strike(Touch::Write, &mut || file.write_all_at(&bytes[..bytes.len() / 2], offset))?;
    file.write_all_at(bytes, offset)
}

/// Makes a file's bytes safe.
pub fn sync(file: &File) -> io::Result<()> {
    strike(Touch::Sync, &mut || Ok(()))?;
    file.sync_data()
}

/// Makes the names in a folder safe.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    strike(Touch::Sync, &mut || Ok(()))?;
    File::open(folder)?.sync_all()
}

/// Gives a file another name, in place of what had it.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    strike(Touch::Rename, &mut || Ok(()))?;
    fs::rename(from, to)
}

/// Removes a file.
pub fn unlink(path: &Path) -> io::Result<()> {
    strike(Touch::Unlink, &mut || Ok(()))?;
    fs::remove_file(path)
}

/// Reads a file of text.
pub fn read_text(path: &Path) -> io::Result<String> {
    strike(Touch::Read, &mut || Ok(()))?;
    fs::read_to_string(path)
}

/// Maps a file's bytes.
pub fn map(path: &Path) -> io::Result<Mapped> {
    strike(Touch::Read, &mut || Ok(()))?;
    Mapped::open(path)
}

/// Starts a thread whose touches fail and stall as those of the calling one do.
pub fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let work = with_faults(work);
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

#[cfg(not(test))]
fn with_faults<F: FnOnce()>(work: F) -> F {
    work
}

#[cfg(not(test))]
fn strike(_: Touch, _: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use faults::{strike, with_faults};

/// Failures that a test orders for the disk's touches by its own thread.
#[cfg(test)]
pub mod faults {
    use std::cell::RefCell;
    use std::io;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Condvar, Mutex};

    use super::Touch;

    /// Which touches fail: `count` of them from the `first` on, counted from 0.
    #[derive(Debug, Default)]
    pub struct Faults {
        first: u64,
        count: u64,
        seen: AtomicU64,
        struck: AtomicU64,
        stalls: Mutex<Option<Touch>>,
        goes_on: Condvar,
        stalled: AtomicU64,
    }

    impl Faults {
        /// Fails so many touches from this one on.
        pub fn from(first: u64, count: u64) -> Arc<Faults> {
            Arc::new(Faults { first, count, ..Faults::default() })
        }

        /// Touches so far, failed ones included.
        pub fn seen(&self) -> u64 {
            self.seen.load(Ordering::SeqCst)
        }

        /// Touches that failed.
        pub fn struck(&self) -> u64 {
            self.struck.load(Ordering::SeqCst)
        }

        /// Touches of this kind do not end until they do again (`None`).
        pub fn stall(&self, touch: Option<Touch>) {
            *self.stalls.lock().expect("nobody panics with it") = touch;
            self.goes_on.notify_all();
        }

        /// Touches that have stalled.
        pub fn stalled(&self) -> u64 {
            self.stalled.load(Ordering::SeqCst)
        }

        fn wait(&self, touch: Touch) {
            let stalls = self.stalls.lock().expect("nobody panics with it");
            if *stalls == Some(touch) {
                self.stalled.fetch_add(1, Ordering::SeqCst);
                drop(self.goes_on.wait_while(stalls, |stalls| *stalls == Some(touch)));
            }
        }

        /// Lets them strike what the calling thread does.
        pub fn arm(self: &Arc<Faults>) {
            ARMED.with(|armed| *armed.borrow_mut() = Some(Arc::clone(self)));
        }
    }

    /// The calling thread's disk is sound again.
    pub fn disarm() {
        ARMED.with(|armed| *armed.borrow_mut() = None);
    }

    thread_local! {
        static ARMED: RefCell<Option<Arc<Faults>>> = const { RefCell::new(None) };
    }

    pub(super) fn with_faults<F: FnOnce()>(work: F) -> impl FnOnce() {
        let armed = ARMED.with(|armed| armed.borrow().clone());
        move || {
            ARMED.with(|own| *own.borrow_mut() = armed);
            work();
        }
    }

    pub(super) fn strike(touch: Touch, halfway: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let Some(faults) = ARMED.with(|armed| armed.borrow().clone()) else { return Ok(()) };
        faults.wait(touch);
        let number = faults.seen.fetch_add(1, Ordering::SeqCst);
        if number < faults.first || number - faults.first >= faults.count {
            return Ok(());
        }
        faults.struck.fetch_add(1, Ordering::SeqCst);
        halfway()?;
        let kind = if number % 2 == 0 { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, format!("ordered by the test: {touch:?} {number}")))
    }
}
