//! Messages that broke a shard: each is a file of its own, kept for whoever must find out why, and nobody reads one like it again.
//! Who removes a file unblocks its message at the next start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shard::guard::{BLOCKED_MAX, fingerprint};

/// Where they are kept, within the data folder.
pub const FOLDER: &str = "run/blocked";
const ENDING: &str = "datagram";

/// Keeps one; returns its file.
pub fn keep(folder: &Path, message: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let file = folder.join(format!("{:016x}.{ENDING}", fingerprint(message)));
    fs::write(&file, message)?;
    Ok(file)
}

/// What is blocked, the latest first: of more than [`BLOCKED_MAX`] files the oldest do not count.
pub fn fingerprints(folder: &Path) -> Vec<u64> {
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(read).collect();
    found.sort_by(|one, other| other.cmp(one));
    found.truncate(BLOCKED_MAX);
    found.into_iter().map(|(_, print)| print).collect()
}

/// Says at the start what is blocked, and how to change that.
pub fn tell(folder: &Path) {
    let count = fingerprints(folder).len();
    if count > 0 {
        let folder = folder.display();
        tracing::warn!(count, %folder, "messages that broke a shard are dropped unread; remove a file there and start anew to unblock it");
    }
}

/// When a message was kept, and its fingerprint; that of its bytes, whatever its file is called.
fn read(entry: fs::DirEntry) -> Option<(std::time::SystemTime, u64)> {
    let path = entry.path();
    let ours = path.extension().is_some_and(|ending| ending == ENDING);
    let modified = entry.metadata().and_then(|about| about.modified()).ok().filter(|_| ours)?;
    Some((modified, fingerprint(&fs::read(path).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_blocked_until_its_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("blocked");
        assert!(fingerprints(&place).is_empty(), "nothing was kept yet");
        let file = keep(&place, b"poison").unwrap();
        keep(&place, b"venom").unwrap();
        keep(&place, b"poison").unwrap();
        fs::write(place.join("README"), "no message").unwrap();
        let mut blocked = fingerprints(&place);
        blocked.sort_unstable();
        let mut expected = [fingerprint(b"poison"), fingerprint(b"venom")];
        expected.sort_unstable();
        assert_eq!(blocked, expected);
        assert_eq!(fs::read(&file).unwrap(), b"poison");
        fs::remove_file(file).unwrap();
        assert_eq!(fingerprints(&place), [fingerprint(b"venom")]);
    }
}
