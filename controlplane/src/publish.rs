//! Store → snapshot file → data plane, after every change of the configuration.
//!
//! A change is noticed at once when it was made in this program, and within [`LOOK`] when it was made elsewhere. The file is complete on
//! the disk before `current` names it, and `current` names it before the data plane is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use panel::wire::{Answer, Ask};
use rating::Policies;
use snapshot::{Model, View};
use store::Store;
use tokio::sync::{Notify, watch};

use crate::folder::{Folder, replace};
use crate::link::Link;

/// How often the store is asked whether someone else changed it.
const LOOK: Duration = Duration::from_millis(250);
/// Changes that come this close together share a publication.
const GATHER: Duration = Duration::from_millis(20);
/// Snapshot files that are kept.
const FILES_MAX: usize = 10;

/// What was published last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The newest revision on the disk; 0 for none.
    pub revision: u64,
    /// The newest revision that the data plane has confirmed; 0 for none.
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
        let (sender, state) =
            watch::channel(Published { revision: on_disk(&folder.snapshots()), ..Published::default() });
        let work = Work { store, folder, link, wake: Arc::clone(&wake), state: sender, seen: None, told: 0 };
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
    /// The connection that the data plane confirmed over.
    told: u64,
}

impl Work {
    async fn run(mut self) {
        let mut connections = self.link.connections();
        while !self.state.is_closed() {
            match self.store.changes().await {
                Ok(counter) => {
                    self.state.send_if_modified(|state| !std::mem::replace(&mut state.database_up, true));
                    if self.seen != Some(counter) {
                        self.publish(counter).await;
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
        let model = match self.store.model().await {
            Ok(model) => model,
            Err(error) => return tracing::warn!(%error, "the configuration cannot be read; trying again"),
        };
        let revision = model.revision.0;
        if revision == self.state.borrow().revision {
            self.seen = Some(counter);
            return;
        }
        let snapshots = self.folder.snapshots();
        let written = tokio::task::spawn_blocking(move || write(&snapshots, &model)).await;
        match written.map_err(|error| anyhow!(error)).and_then(|written| written) {
            Ok(()) => {
                self.seen = Some(counter);
                tracing::info!(revision, "snapshot published");
                self.state.send_modify(|state| (state.revision, state.problem) = (revision, String::new()));
            }
            Err(error) => {
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
                self.state.send_modify(|state| state.loaded = revision);
            }
            Ok(Answer::Refused { reason }) => tracing::error!(reason, revision, "the data plane refuses the snapshot"),
            Ok(other) => tracing::error!(?other, "the data plane gave an odd answer to Load"),
            Err(error) => tracing::debug!(%error, "the snapshot will be announced later"),
        }
    }
}

fn file(snapshots: &Path, revision: u64) -> PathBuf {
    snapshots.join(format!("{revision}.snap"))
}

/// Encodes, compiles the policies as the data plane will, writes, names it current and removes the oldest.
fn write(snapshots: &Path, model: &Model) -> Result<()> {
    let bytes = model.encode().map_err(|flaw| anyhow!("{flaw}"))?;
    Policies::compile(&View::open(&bytes)).map_err(|flaw| anyhow!("{flaw}"))?;
    let path = file(snapshots, model.revision.0);
    replace(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    replace(&snapshots.join("current"), format!("{}.snap\n", model.revision.0).as_bytes())
        .context("cannot write current")?;
    let numbered = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".snap")?.parse().ok();
    let mut revisions: Vec<u64> = fs::read_dir(snapshots)?.flatten().filter_map(numbered).collect();
    revisions.retain(|revision| *revision != model.revision.0);
    revisions.sort_unstable();
    for old in revisions.iter().rev().skip(FILES_MAX - 1) {
        // A file that cannot be removed is tried again with the next publication.
        let _ = fs::remove_file(file(snapshots, *old));
    }
    Ok(())
}

/// The revision that `current` names, if its file is sound.
fn on_disk(snapshots: &Path) -> u64 {
    let Ok(name) = fs::read_to_string(snapshots.join("current")) else { return 0 };
    let Ok(bytes) = fs::read(snapshots.join(name.trim())) else { return 0 };
    match View::check(&bytes) {
        Ok(()) => View::open(&bytes).revision().0,
        Err(flaw) => {
            tracing::error!(%flaw, "the current snapshot is damaged and will be written again");
            0
        }
    }
}
