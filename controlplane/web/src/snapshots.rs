//! The snapshot files in the data folder: what the data plane decides from.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use snapshot::{Snapshot, View};

use crate::problem::{Answered, Code, Problem};
use crate::snapshot_files::{self, Held, Unread};

/// Reads the newest published snapshot and keeps it until a newer one stands.
pub(crate) struct Snapshots {
    folder: PathBuf,
    last: Mutex<Option<(String, Snapshot)>>,
}

impl Snapshots {
    pub(crate) fn new(folder: PathBuf) -> Snapshots {
        Snapshots { folder, last: Mutex::default() }
    }

    /// The name of the newest file, as `DIR/snapshots/current` says.
    pub(crate) fn current(&self) -> Option<String> {
        let name = std::fs::read_to_string(self.folder.join("current")).ok()?;
        let name = name.trim();
        // The name stands in a file of ours; it still may not lead out of the folder.
        (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
    }

    /// The number of the newest published snapshot; 0 for none.
    pub(crate) fn revision(&self) -> u64 {
        self.current().and_then(|name| name.strip_suffix(".snap")?.parse().ok()).unwrap_or(0)
    }

    /// Bytes of a revision's files, those of its decks included, if it is still there.
    pub(crate) fn size(&self, revision: u64) -> Option<u64> {
        let main = std::fs::read(self.folder.join(format!("{revision}.snap"))).ok()?;
        let decks: u64 = View::open(&main).wanted().map(|wanted| wanted.mark.length).sum();
        Some(main.len() as u64 + decks)
    }

    /// The newest snapshot, checked.
    pub(crate) async fn read(self: &Arc<Self>) -> Answered<Snapshot> {
        let this = Arc::clone(self);
        // Reading and checking a large file would keep other requests waiting.
        let read = tokio::task::spawn_blocking(move || this.read_now()).await.map_err(Problem::internal)?;
        read.map_err(|flaw| match flaw {
            Flaw::None => Problem::new(Code::NoSnapshot, "nothing has been published on this node"),
            Flaw::Damaged(name, flaw) => Problem::internal(format!("snapshot {name}: {flaw}")),
        })
    }

    /// The snapshot of a revision, checked; the newest for `None`.
    pub(crate) async fn of(self: &Arc<Self>, revision: Option<u64>) -> Answered<Snapshot> {
        let newest = self.read().await?;
        let Some(revision) = revision.filter(|revision| *revision != newest.view().revision().0) else {
            return Ok(newest);
        };
        let path = self.folder.join(format!("{revision}.snap"));
        let read = tokio::task::spawn_blocking(move || snapshot_files::open(&path, newest.decks()));
        read.await.map_err(Problem::internal)?.map_err(|flaw| match flaw {
            Unread::File(_) => Problem::invalid("/revision", format!("revision {revision} is not kept on this node")),
            Unread::Refused(_) => Problem::internal(format!("snapshot {revision}: {flaw}")),
        })
    }

    /// Asks the publisher to put a kept revision in force.
    pub(crate) async fn hold(self: &Arc<Self>, held: Held) -> Answered<()> {
        let folder = self.folder.clone();
        let done = tokio::task::spawn_blocking(move || snapshot_files::hold(&folder, held)).await;
        done.map_err(Problem::internal)?.map_err(|flaw| match flaw {
            Unread::File(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Problem::not_found(format!("revision {} kept on this node", held.revision))
            }
            Unread::File(error) => Problem::internal(format!("revision {} cannot be held: {error}", held.revision)),
            Unread::Refused(flaw) => Problem::new(Code::Conflict, format!("revision {}: {flaw}", held.revision)),
        })
    }

    fn read_now(&self) -> Result<Snapshot, Flaw> {
        let name = self.current().ok_or(Flaw::None)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept, snapshot)) = &*last
            && *kept == name
        {
            return Ok(snapshot.clone());
        }
        let known = last.as_ref().map_or(&[][..], |(_, snapshot)| snapshot.decks());
        let read = snapshot_files::open(&self.folder.join(&name), known).map_err(|flaw| match flaw {
            Unread::File(_) => Flaw::None,
            Unread::Refused(_) => Flaw::Damaged(name.clone(), flaw),
        })?;
        *last = Some((name, read.clone()));
        Ok(read)
    }
}

/// Why there is no snapshot to read.
enum Flaw {
    None,
    Damaged(String, Unread),
}
