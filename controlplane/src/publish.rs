//! Store → snapshot file → data plane, after every change of the configuration.
//!
//! A change is noticed at once when it was made in this program, and within [`LOOK`] when it was made elsewhere. The file is complete on
//! the disk before `current` names it, and `current` names it before the data plane is told. Each deck has a file of its own, which
//! all revisions share that its rates did not change in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use panel::wire::{Answer, Ask};
use rating::Policies;
use snapshot::{Encoded, Mark, Model, Snapshot, View};
use store::Store;
use tokio::sync::{Notify, watch};
use units::WallTime;
use web::snapshot_files::{self, Held, deck_file};

use crate::disk;
use crate::folder::Folder;
use crate::link::Link;

/// How often the store is asked whether someone else changed it.
const LOOK: Duration = Duration::from_millis(250);
/// Changes that come this close together share a publication.
const GATHER: Duration = Duration::from_millis(20);
/// Pause after a publication failed, doubled each time: to read and write it all again costs something.
const RETRY: Duration = Duration::from_millis(250);
/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Snapshot files that are kept.
const FILES_MAX: usize = 10;

/// What was published last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The revision that is to be in force, the newest unless an older one is held; 0 for none.
    pub revision: u64,
    /// The revision that the data plane has confirmed last; 0 for none.
    pub loaded: u64,
    /// Why the newest configuration could not be published; empty if it could.
    pub problem: String,
    /// The database answered when it was last asked.
    pub database_up: bool,
}

/// A handle to the publisher. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Publisher {
    wake: Arc<Notify>,
    state: watch::Receiver<Published>,
}

impl Publisher {
    /// Publishes from now on; what stands on the disk is kept if the store says the same.
    pub fn start(store: Store, folder: Folder, link: Link) -> Publisher {
        let wake = Arc::new(Notify::new());
        let stands = on_disk(&folder.snapshots());
        let revision = stands.as_ref().map_or(0, |snapshot| snapshot.view().revision().0);
        let (sender, state) = watch::channel(Published { revision, ..Published::default() });
        let built = stands.as_ref().map(|snapshot| snapshot.view().built());
        let decks = stands.iter().flat_map(Snapshot::decks).map(|image| image.mark()).collect();
        let work = Work {
            store,
            folder,
            link,
            wake: Arc::clone(&wake),
            state: sender,
            seen: None,
            built,
            failed: None,
            told: 0,
            refused: 0,
            decks,
        };
        tokio::spawn(work.run());
        Publisher { wake, state }
    }

    /// Says that the configuration may have changed.
    pub fn changed(&self) {
        self.wake.notify_one();
    }

    /// What `changed` notifies, for those who only need that.
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// What was published last.
    pub fn state(&self) -> Published {
        self.state.borrow().clone()
    }

    /// Waits until the data plane decides from this revision or a later one.
    pub async fn loaded(&self, revision: u64) {
        // The publisher lives as long as the program; without it there is nothing to wait for.
        let _ = self.state.clone().wait_for(|state| state.loaded >= revision).await;
    }
}

struct Work {
    store: Store,
    folder: Folder,
    link: Link,
    wake: Arc<Notify>,
    state: watch::Sender<Published>,
    /// The change counter of what was published last.
    seen: Option<i64>,
    /// When what was published last was made: a database that took another's place may have another configuration of the same number.
    built: Option<WallTime>,
    /// The last try failed: the change counter, when to try again, the pause that it took.
    failed: Option<(i64, Instant, Duration)>,
    /// The connection that the data plane confirmed over.
    told: u64,
    /// The revision that the data plane refused last.
    refused: u64,
    /// Files of decks that this program has written or read.
    decks: BTreeSet<Mark>,
}

impl Work {
    async fn run(mut self) {
        let mut connections = self.link.connections();
        while !self.state.is_closed() {
            match self.store.changes().await {
                Ok(counter) => {
                    self.state.send_if_modified(|state| !std::mem::replace(&mut state.database_up, true));
                    match snapshot_files::held(&self.folder.snapshots()).filter(|held| held.counter == counter) {
                        Some(held) => self.hold(held).await,
                        None if self.seen != Some(counter) && self.is_time(counter) => self.publish(counter).await,
                        None => {}
                    }
                }
                Err(error) => {
                    if self.state.send_if_modified(|state| std::mem::replace(&mut state.database_up, false)) {
                        tracing::warn!(%error, "the database is away; the data plane goes on with the snapshot that it has");
                    }
                }
            }
            self.load().await;
            tokio::select! {
                () = self.wake.notified() => tokio::time::sleep(GATHER).await,
                _ = connections.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn publish(&mut self, counter: i64) {
        let model = match self.store.packed_model().await {
            Ok(model) => model,
            Err(error) => return tracing::warn!(%error, "the configuration cannot be read; trying again"),
        };
        let (revision, built) = (model.revision.0, Some(model.built));
        if revision == self.state.borrow().revision && built == self.built {
            self.seen = Some(counter);
            return;
        }
        let snapshots = self.folder.snapshots();
        let decks = std::mem::take(&mut self.decks);
        let written = tokio::task::spawn_blocking(move || write(&snapshots, &model, decks)).await;
        match written.map_err(|error| anyhow!(error)).and_then(|written| written) {
            Ok(decks) => {
                (self.seen, self.built, self.failed, self.decks) = (Some(counter), built, None, decks);
                snapshot_files::let_go(&self.folder.snapshots());
                tracing::info!(revision, "snapshot published");
                self.state.send_modify(|state| {
                    // The data plane may have confirmed another of this number.
                    state.loaded = if state.revision == revision { 0 } else { state.loaded };
                    (state.revision, state.problem) = (revision, String::new());
                });
            }
            Err(error) => self.fail(counter, revision, &error),
        }
    }

    /// A try that failed is made again after a pause, and at once when the configuration has changed.
    fn is_time(&self, counter: i64) -> bool {
        self.failed.is_none_or(|(failed, again, _)| failed != counter || Instant::now() >= again)
    }

    fn fail(&mut self, counter: i64, revision: u64, error: &anyhow::Error) {
        let before = self.failed.filter(|(failed, ..)| *failed == counter);
        let pause = before.map_or(RETRY, |(_, _, pause)| (pause * 2).min(RETRY_MAX));
        self.failed = Some((counter, Instant::now() + pause, pause));
        let problem = format!("{error:#}");
        let news = self.state.send_if_modified(|state| {
            let news = state.problem != problem;
            state.problem.clone_from(&problem);
            news
        });
        if news {
            tracing::error!(
                problem,
                revision,
                "the configuration cannot be published; the older snapshot stays in force"
            );
        }
    }

    /// Puts an older revision in force, because an operator wants it, until the configuration changes.
    async fn hold(&mut self, held: Held) {
        let Held { revision, counter } = held;
        self.seen = Some(counter);
        if self.state.borrow().revision == revision || !self.is_time(counter) {
            return;
        }
        let snapshots = self.folder.snapshots();
        let is_sound = {
            let main = file(&snapshots, revision);
            tokio::task::spawn_blocking(move || snapshot_files::open(&main, &[]).map(|_| ())).await
        };
        if let Err(error) = is_sound.map_err(|error| anyhow!(error)).and_then(|sound| Ok(sound?)) {
            tracing::error!(error = format!("{error:#}"), revision, "the older revision cannot be put in force");
            return snapshot_files::let_go(&snapshots);
        }
        let named = tokio::task::spawn_blocking(move || name_current(&snapshots, revision)).await;
        match named.map_err(|error| anyhow!(error)).and_then(|named| named) {
            Ok(()) => {
                self.failed = None;
                tracing::warn!(revision, "an older revision is in force until the next change");
                self.state.send_modify(|state| (state.revision, state.problem) = (revision, String::new()));
            }
            // The operator's wish outlives a full disk.
            Err(error) => self.fail(counter, revision, &error),
        }
    }

    /// Tells the data plane, if it does not know yet. A data plane that has started again has read `current` by itself, and is told again.
    async fn load(&mut self) {
        let connection = *self.link.connections().borrow();
        if connection != self.told {
            self.told = connection;
            self.state.send_if_modified(|state| std::mem::take(&mut state.loaded) != 0);
        }
        let Published { revision, loaded, .. } = self.state.borrow().clone();
        if !self.link.is_up() {
            return;
        }
        if revision == 0 || revision == loaded {
            return;
        }
        let path = file(&self.folder.snapshots(), revision).display().to_string();
        match self.link.ask(Ask::Load { path }).await {
            Ok(Answer::Loaded { revision }) => {
                tracing::info!(revision, "the data plane decides from the snapshot");
                let was_refused = std::mem::take(&mut self.refused) != 0;
                self.state.send_modify(|state| {
                    state.loaded = revision;
                    if was_refused {
                        state.problem.clear();
                    }
                });
            }
            Ok(Answer::Refused { reason }) => self.refuse(revision, &reason).await,
            Ok(other) => tracing::error!(?other, "the data plane gave an odd answer to Load"),
            Err(error) => tracing::debug!(%error, "the snapshot will be announced later"),
        }
    }

    /// The data plane could not read or use it: announced again, and written again where its files are damaged.
    async fn refuse(&mut self, revision: u64, reason: &str) {
        if std::mem::replace(&mut self.refused, revision) == revision {
            return;
        }
        tracing::error!(reason, revision, "the data plane refuses the snapshot; it is checked and announced again");
        let problem = format!("the data plane refuses revision {revision}: {reason}");
        self.state.send_modify(|state| state.problem = problem);
        let snapshots = self.folder.snapshots();
        let stands = tokio::task::spawn_blocking(move || on_disk(&snapshots).is_some()).await;
        if !stands.unwrap_or(false) {
            self.decks.clear();
            self.seen = None;
            self.state.send_modify(|state| state.revision = 0);
        }
    }
}

fn file(snapshots: &Path, revision: u64) -> PathBuf {
    snapshots.join(format!("{revision}.snap"))
}

/// Encodes, compiles the policies as the data plane will, writes, names it current and removes the oldest. Decks whose files are among
/// `sound` are not written again; returns those of this revision.
fn write(snapshots: &Path, model: &Model, sound: BTreeSet<Mark>) -> Result<BTreeSet<Mark>> {
    let encoded = model.encode_apart().map_err(|flaw| anyhow!("{flaw}"))?;
    Policies::compile(&encoded.view()).map_err(|flaw| anyhow!("{flaw}"))?;
    let marks = write_decks(snapshots, &encoded, &sound)?;
    let path = file(snapshots, model.revision.0);
    disk::replace(&path, &encoded.main).with_context(|| format!("cannot write {}", path.display()))?;
    name_current(snapshots, model.revision.0)?;
    forget_old(snapshots, model.revision.0);
    Ok(marks)
}

fn name_current(snapshots: &Path, revision: u64) -> Result<()> {
    disk::replace(&snapshots.join("current"), format!("{revision}.snap\n").as_bytes()).context("cannot write current")
}

fn write_decks(snapshots: &Path, encoded: &Encoded, sound: &BTreeSet<Mark>) -> Result<BTreeSet<Mark>> {
    fs::create_dir_all(snapshots.join("decks")).context("cannot make the folder of decks")?;
    let mut marks = BTreeSet::new();
    for image in &encoded.decks {
        let path = deck_file(snapshots, image.mark());
        let is_new = marks.insert(image.mark());
        if is_new && !(sound.contains(&image.mark()) && path.exists()) {
            disk::replace(&path, image.bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(marks)
}

/// Removes all but the youngest revisions, and the decks that no kept one names. What cannot be removed is tried again with the next
/// publication.
fn forget_old(snapshots: &Path, current: u64) {
    let numbered = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".snap")?.parse().ok();
    let files = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut revisions: Vec<u64> =
        files(snapshots).filter_map(numbered).filter(|revision| *revision != current).collect();
    revisions.sort_unstable();
    let kept = revisions.split_off(revisions.len().saturating_sub(FILES_MAX - 1));
    for old in revisions {
        let _ = fs::remove_file(file(snapshots, old));
    }
    // What a program that died was writing.
    let half_written = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(is_half_written);
    for entry in files(snapshots).filter(half_written) {
        let _ = fs::remove_file(entry.path());
    }
    let mut named = BTreeSet::new();
    for revision in kept.into_iter().chain([current]) {
        // Decks of one that cannot be read are not known, and stay until it can be, or is the oldest.
        let Ok(main) = disk::read(&file(snapshots, revision)) else { return };
        named.extend(View::open(&main).wanted().map(|wanted| deck_file(snapshots, wanted.mark)));
    }
    for deck in files(&snapshots.join("decks")).map(|entry| entry.path()) {
        if !named.contains(&deck) {
            let _ = fs::remove_file(deck);
        }
    }
}

/// `<revision>.new`; `held.new` may be somebody's who is at it.
fn is_half_written(name: &str) -> bool {
    name.strip_suffix(".new").is_some_and(|stem| stem.parse::<u64>().is_ok())
}

/// The snapshot that `current` names, if all its files are sound.
fn on_disk(snapshots: &Path) -> Option<Snapshot> {
    let name = fs::read_to_string(snapshots.join("current")).ok()?;
    match snapshot_files::open(&snapshots.join(name.trim()), &[]) {
        Ok(snapshot) => Some(snapshot),
        Err(flaw) => {
            tracing::error!(%flaw, "the current snapshot is damaged and will be written again");
            None
        }
    }
}

#[cfg(test)]
mod tests;
