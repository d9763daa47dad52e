//! What has to be done on the disk and nobody waits for: a disk that stands still for seconds would otherwise hold answers back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context;

use crate::disk;

/// Chores that wait; what comes beyond them the kernel does by itself, later.
const CHORES_MAX: usize = 64;

enum Chore {
    /// A file is complete: its bytes, and the names in its folder.
    Close(File, PathBuf),
    Remove(PathBuf),
}

/// A thread beside the spool's. It ends with the program, in the middle of a chore too.
pub struct Chores(SyncSender<Chore>);

impl Chores {
    pub fn start() -> anyhow::Result<Chores> {
        let (chores, waiting) = sync_channel(CHORES_MAX);
        disk::thread("spool-chores", move || work(&waiting)).context("cannot start a thread for closed segments")?;
        Ok(Chores(chores))
    }

    /// Makes a file safe that nothing is written to any more.
    pub fn close(&self, file: File, folder: &Path) {
        let _ = self.0.try_send(Chore::Close(file, folder.to_owned()));
    }

    /// Removes a file.
    pub fn remove(&self, path: &Path) {
        let _ = self.0.try_send(Chore::Remove(path.to_owned()));
    }
}

fn work(waiting: &Receiver<Chore>) {
    while let Ok(chore) = waiting.recv() {
        // The kernel keeps what was written, and tries again; a file that stays is met by the next look at its folder.
        let _ = match chore {
            Chore::Close(file, folder) => disk::sync(&file).and_then(|()| disk::sync_folder(&folder)),
            Chore::Remove(path) => disk::unlink(&path),
        };
    }
}
