//! The data folder: one data plane at a time, and a count of its lives.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::disk;

/// The data folder, ours while this lives.
pub struct Folder {
    /// Where.
    pub path: PathBuf,
    /// How often a data plane has started from it, this one included; 0 before [`Folder::begin_life`].
    pub boot: u32,
    _lock: File,
}

impl Folder {
    /// Makes what is missing and locks.
    pub fn open(path: &Path) -> anyhow::Result<Folder> {
        for name in ["run", "snapshots", "journal", "traces"] {
            let folder = path.join(name);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("run/dataplane.lock"));
        let mut lock = lock.context("cannot make the lock file")?;
        if lock.try_lock().is_err() {
            bail!("another data plane works in {}", path.display());
        }
        // Only for people who find it held: a full disk is nothing to fail for here.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Folder { path: path.to_owned(), boot: 0, _lock: lock })
    }

    /// Counts this start. One that had to give up before, because it found its addresses taken, was no life: the windows of media ports
    /// go by this number, and one must not return while calls of its last life still send there.
    pub fn begin_life(&mut self) -> anyhow::Result<()> {
        self.boot = next_boot(&self.path)?;
        Ok(())
    }
}

/// Ids are unique because no two starts share a number: it is on the disk before anything else happens.
fn next_boot(path: &Path) -> anyhow::Result<u32> {
    let (file, fresh) = (path.join("boot"), path.join("boot.new"));
    let before: u32 = match fs::read_to_string(&file) {
        Ok(text) => text.trim().parse().with_context(|| format!("{} holds no number", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    // A lost file must not let old numbers return.
    let seen = crate::segments::list(&path.join("journal"))?.last().map_or(0, |found| found.boot);
    let boot = before.max(seen).checked_add(1).context("the boot counter is exhausted")?;
    let written = disk::create(&fresh)?;
    disk::write_at(&written, format!("{boot}\n").as_bytes(), 0)?;
    disk::sync(&written)?;
    disk::rename(&fresh, &file)?;
    disk::sync_folder(path)?;
    Ok(boot)
}
