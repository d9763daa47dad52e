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

use crate::disk;

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
        let main = disk::map(path).with_context(|| format!("cannot map {}", path.display()))?;
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
        let mapped = disk::map(&path).map_err(|error| format!("cannot map {}: {error}", path.display()))?;
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
        let named = disk::read_text(&folder.join("current")).map(|name| folder.join(name.trim()));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

    use std::path::{Path, PathBuf};

    use snapshot::{Deck, DeckImage, Model, Rate, View};
    use units::{DeckId, Money, Revision};

    use shard::Loaded;

    use super::{KEPT_MAX, Shelf};
    use crate::disk::faults::{Faults, disarm};

    /// Writes a revision of two decks, of which the second is dearer with each; returns the main file's path.
    fn publish(folder: &Path, revision: u64) -> PathBuf {
        let deck = |id: u32, nanos: u64| Deck {
            id: DeckId(id),
            code: format!("deck-{id}"),
            rates: vec![Rate { per_minute: Money::from_nanos(nanos as i64), ..Rate::default() }],
            ..Deck::default()
        };
        let decks = vec![deck(1, 5), deck(2, revision)];
        let encoded = Model { revision: Revision(revision), decks, ..Model::default() }.encode_apart().unwrap();
        std::fs::create_dir_all(folder.join("decks")).unwrap();
        for image in &encoded.decks {
            let path = folder.join("decks").join(image.mark().to_string());
            if !path.exists() {
                std::fs::write(path, image.bytes()).unwrap();
            }
        }
        let path = folder.join(format!("{revision}.snap"));
        std::fs::write(&path, &encoded.main).unwrap();
        path
    }

    fn mapped(folder: &Path) -> usize {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains(folder.to_str().unwrap())).count()
    }

    fn price(view: View<'_>) -> Money {
        view.deck(DeckId(2)).unwrap().lookup(b"44", units::WallTime::default()).unwrap().terms.per_minute
    }

    #[test]
    fn many_revisions_leave_no_more_mapped_than_the_last_few() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::default();
        for revision in 1..=200 {
            let (_, loaded) = shelf.open(&publish(folder.path(), revision)).unwrap();
            assert_eq!(price(loaded.view()), Money::from_nanos(revision as i64));
            // The main file, the deck that changes, and the one that all revisions share.
            assert!(mapped(folder.path()) <= 2 * KEPT_MAX + 1, "revision {revision}");
        }
        drop(shelf);
        assert_eq!(mapped(folder.path()), 0);
    }

    #[test]
    fn whichever_reading_fails_what_is_decided_from_is_whole_and_the_next_order_is_obeyed() {
        let folder = tempfile::tempdir().unwrap();
        let main = publish(folder.path(), 1);
        publish(folder.path(), 2);
        std::fs::write(folder.path().join("current"), "2.snap\n").unwrap();
        let is_whole = |(revision, loaded): &(u64, Loaded)| price(loaded.view()) == Money::from_nanos(*revision as i64);
        let mut struck = 0;
        for first in 0.. {
            let (shelf, faults) = (Shelf::default(), Faults::from(first, 1));
            faults.arm();
            let began = shelf.at_start(folder.path()).unwrap();
            disarm();
            assert!(is_whole(&began), "touch {first}: {}", began.0);
            if faults.struck() == 0 {
                assert_eq!(began.0, 2, "a sound disk");
                break;
            }
            // An order that fails leaves in force what is, and may be given again.
            for again in 0..=first {
                let faults = Faults::from(again, 1);
                faults.arm();
                let ordered = shelf.open(&main);
                disarm();
                assert!(ordered.as_ref().map_or(faults.struck() == 1, is_whole), "touch {again}");
                assert!(is_whole(&began));
            }
            assert_eq!(shelf.open(&main).unwrap().0, 1);
            struck += 1;
        }
        assert!(struck >= 4, "`current`, a main file and two decks: {struck}");
        let (shelf, faults) = (Shelf::default(), Faults::from(0, u64::MAX));
        faults.arm();
        assert!(shelf.at_start(folder.path()).is_none(), "nothing can be read: calls are refused, nobody guesses");
        disarm();
    }

    #[test]
    fn going_back_opens_the_very_decks_that_are_still_mapped() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::default();
        let (_, first) = shelf.open(&publish(folder.path(), 1)).unwrap();
        let (_, second) = shelf.open(&publish(folder.path(), 2)).unwrap();
        let (revision, back) = shelf.open(&folder.path().join("1.snap")).unwrap();
        let places = |decks: &[DeckImage]| decks.iter().map(|deck| deck.bytes().as_ptr()).collect::<Vec<_>>();
        assert_eq!((revision, price(back.view())), (1, Money::from_nanos(1)));
        assert_eq!(places(back.snapshot.decks()), places(first.snapshot.decks()));
        assert_eq!(places(second.snapshot.decks())[0], places(first.snapshot.decks())[0]);
    }
}
