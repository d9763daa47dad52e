//! Published revisions as files: `<revision>.snap` with everything but rates, and `decks/<checksum>.deck` with those of one deck.
//! `held` stands beside them while an operator has put an older one in force.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snapshot::{DeckImage, ImageFlaw, Mark, Refusal, Snapshot, View};

/// Why a revision cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// Its main file cannot be read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// It is damaged, or the rates of one of its decks are.
    #[error("{0}")]
    Refused(#[from] Refusal<String>),
}

/// Where the rates of a deck stand.
pub fn deck_file(snapshots: &Path, mark: Mark) -> PathBuf {
    snapshots.join("decks").join(mark.to_string())
}

/// Reads and checks a revision's main file with the decks that it names; those that are `known` are not read again.
///
/// # Errors
/// Which file cannot be used, and why.
pub fn open(main: &Path, known: &[DeckImage]) -> Result<Snapshot, Unread> {
    let snapshots = main.parent().unwrap_or(Path::new(""));
    let bytes = std::fs::read(main)?;
    let snapshot = Snapshot::open(Arc::new(bytes), |wanted| {
        if let Some(image) = known.iter().find(|image| image.mark() == wanted.mark) {
            return Ok(image.clone());
        }
        let path = deck_file(snapshots, wanted.mark);
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        DeckImage::check(Arc::new(bytes)).map_err(|flaw| format!("{}: {flaw}", path.display()))
    })?;
    Ok(snapshot)
}

/// Reads and checks a revision's main file alone, for [`View::open`]: all but the rates, of which there may be millions.
///
/// # Errors
/// It cannot be read, or is damaged.
pub fn read_main(main: &Path) -> std::io::Result<Vec<u8>> {
    let bytes = std::fs::read(main)?;
    match View::check(&bytes) {
        Ok(()) | Err(ImageFlaw::Apart(_)) => Ok(bytes),
        Err(flaw) => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, flaw.to_string())),
    }
}

/// An older revision that an operator has put in force on this node, until the configuration changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The revision.
    pub revision: u64,
    /// The store's change counter when that was asked for: what is published later takes its place.
    pub counter: i64,
}

/// What is held, if anything.
pub fn held(snapshots: &Path) -> Option<Held> {
    let text = std::fs::read_to_string(snapshots.join("held")).ok()?;
    let (revision, counter) = text.trim().split_once(' ')?;
    Some(Held { revision: revision.parse().ok()?, counter: counter.parse().ok()? })
}

/// Asks the publisher of this node to put a kept revision in force; it looks several times a second.
///
/// # Errors
/// The revision is not kept here, or is damaged.
pub fn hold(snapshots: &Path, held: Held) -> Result<(), Unread> {
    open(&snapshots.join(format!("{}.snap", held.revision)), &[])?;
    let fresh = snapshots.join("held.new");
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(format!("{} {}\n", held.revision, held.counter).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, snapshots.join("held"))?;
    Ok(std::fs::File::open(snapshots)?.sync_all()?)
}

/// Nothing is held from now on.
pub fn let_go(snapshots: &Path) {
    let _ = std::fs::remove_file(snapshots.join("held"));
}
