//! Every touch of the disk fails once, and for good until it is mended: there is always a whole revision, and the next try brings the
//! newest.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use snapshot::{Deck, Rate};
use units::{DeckId, Money, Revision};

use super::*;
use crate::disk::faults::Faults;
use crate::{databases, sample};

/// A revision of two decks, of which the second changes with each.
fn model(revision: u64) -> Model {
    let deck = |id: u32, nanos: u64| Deck {
        id: DeckId(id),
        code: format!("deck-{id}"),
        rates: vec![Rate { per_minute: Money::from_nanos(nanos as i64), ..Rate::default() }],
        ..Deck::default()
    };
    Model { revision: Revision(revision), decks: vec![deck(1, 500), deck(2, revision)], ..Model::default() }
}

/// A folder in memory where there is one: many short lives would otherwise wait for a disk.
fn quick_folder() -> tempfile::TempDir {
    tempfile::TempDir::new_in("/dev/shm").or_else(|_| tempfile::TempDir::new()).unwrap()
}

/// Twelve revisions stand, so that the next publication has something to remove too.
fn twelve() -> (tempfile::TempDir, BTreeSet<Mark>) {
    let folder = quick_folder();
    let mut decks = BTreeSet::new();
    for revision in 1..=12 {
        decks = write(folder.path(), &model(revision), decks).unwrap();
    }
    (folder, decks)
}

/// What a reader may come upon at any moment: the revision that `current` names, whole, and all that are kept.
fn whole(snapshots: &Path, what: &str) -> u64 {
    let current = on_disk(snapshots).unwrap_or_else(|| panic!("{what}: `current` names a whole revision"));
    let kept = fs::read_dir(snapshots).unwrap().flatten().map(|entry| entry.path());
    for main in kept.filter(|path| path.extension().is_some_and(|end| end == "snap")) {
        snapshot_files::open(&main, &[]).unwrap_or_else(|flaw| panic!("{what}: {}: {flaw}", main.display()));
    }
    current.view().revision().0
}

fn half_written(snapshots: &Path) -> usize {
    let all =
        [snapshots.to_owned(), snapshots.join("decks")].into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    all.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "new")).count()
}

#[test]
fn whichever_touch_of_the_disk_fails_a_whole_revision_is_current_and_the_next_try_brings_the_newest() {
    let (folder, decks) = twelve();
    let sound = Faults::below(folder.path(), u64::MAX, 0);
    write(folder.path(), &model(13), decks).unwrap();
    let touches = sound.seen();
    drop(sound);
    assert!(touches >= 15, "a deck, a main file, `current`, and kept ones that are read: {touches}");
    for first in 0..touches {
        for count in [1, u64::MAX] {
            let what = format!("{count} touches fail from {first} on");
            let (folder, decks) = twelve();
            let faults = Faults::below(folder.path(), first, count);
            let tried = write(folder.path(), &model(13), decks);
            assert!(faults.struck() > 0, "{what}");
            drop(faults);
            let current = whole(folder.path(), &what);
            assert!(current == 13 || (current == 12 && tried.is_err()), "{what}: {current} after {tried:?}");
            assert_eq!(half_written(folder.path()), 0, "{what}: nothing is left that takes room");
            // The next try knows nothing of what the one before it wrote, as a program that started anew.
            let stands = on_disk(folder.path()).unwrap();
            let decks = stands.decks().iter().map(snapshot::DeckImage::mark).collect();
            write(folder.path(), &model(13), decks).unwrap();
            assert_eq!(whole(folder.path(), &what), 13);
            let kept = fs::read_dir(folder.path().join("decks")).unwrap().count();
            assert_eq!(kept, FILES_MAX + 1, "{what}: a deck of each kept revision and the one that all share");
        }
    }
    println!("{touches} touches");
}

#[test]
fn what_a_killed_program_left_half_written_goes_with_the_next_publication() {
    let (folder, decks) = twelve();
    for name in ["13.new", "current.new", "decks/00.new", "held.new"] {
        fs::write(folder.path().join(name), b"half").unwrap();
    }
    write(folder.path(), &model(13), decks).unwrap();
    assert_eq!(half_written(folder.path()), 1, "another program may be at work on `held`");
}

#[tokio::test]
async fn a_disk_that_fails_is_complained_of_and_publication_goes_on_alone_when_it_is_mended() {
    let database = databases::sqlite().await;
    let w = sample::world(&database.store).await;
    let data = quick_folder();
    let folder = Folder::open(data.path()).unwrap();
    let link = Link::start(folder.socket(), database.store.clone(), Default::default());
    let publisher = Publisher::start(database.store.clone(), folder.clone(), link);
    let mut state = publisher.state.clone();
    state.wait_for(|state| state.revision == 1).await.unwrap();
    let full = Faults::below(&folder.snapshots(), 0, u64::MAX);
    let mut edit = database.store.edit().await.unwrap();
    edit.put_rate(w.sell_deck, &sample::rate("44", "0.5"), "").await.unwrap();
    edit.commit().await.unwrap();
    publisher.changed();
    let complaint = state.wait_for(|state| !state.problem.is_empty()).await.unwrap().clone();
    assert!(complaint.problem.contains("cannot write"), "it says what: {}", complaint.problem);
    assert_eq!((complaint.revision, whole(&folder.snapshots(), "full")), (1, 1));
    drop(full);
    let mended = state.wait_for(|state| state.revision == 2).await.unwrap().clone();
    assert_eq!((mended.problem.as_str(), whole(&folder.snapshots(), "mended")), ("", 2));

    // An operator's wish for the older revision is kept through the same.
    let full = Faults::below(&folder.snapshots(), 0, u64::MAX);
    let counter = database.store.changes().await.unwrap();
    snapshot_files::hold(&folder.snapshots(), Held { revision: 1, counter }).unwrap();
    publisher.changed();
    state.wait_for(|state| !state.problem.is_empty()).await.unwrap();
    assert_eq!(whole(&folder.snapshots(), "held"), 2);
    drop(full);
    state.wait_for(|state| state.revision == 1 && state.problem.is_empty()).await.unwrap();
    assert_eq!(whole(&folder.snapshots(), "held"), 1);
}
