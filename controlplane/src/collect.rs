//! Journal segments → database: every record once, whatever dies or goes away meanwhile.
//!
//! The place up to which a journal is in the database stands in the database, and moves in the transaction that writes the records. A
//! segment's file is removed once it is collected, was written by an earlier start of the data plane, and the data plane that runs has
//! said which start it is: by then it has carried everything that it needs of earlier segments into its own.

mod tail;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use panel::wire::{Answer, Ask};
use store::{Batch, Store, StoreError};
use tokio::sync::{oneshot, watch};
use units::{NodeId, WallTime};

use crate::folder::{Folder, segments};
use crate::link::Link;
use tail::{Gathered, Kind, Position};

/// How often the journal is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Pause after the database did not take a batch; doubled each time.
const RETRY: Duration = Duration::from_millis(200);
/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often a place is stored although no record came.
const IDLE_STORE: Duration = Duration::from_secs(5);
/// How often segments are removed.
const REMOVE: Duration = Duration::from_secs(10);
/// How long the last records are collected for when the program ends.
const LAST_MAX: Duration = Duration::from_secs(5);

/// How far the collector is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the journal that are not in the database; `None` before the first look.
    pub backlog_bytes: Option<u64>,
    /// Records collected since the program started.
    pub collected: u64,
    /// When records last came into the database.
    pub at: Option<WallTime>,
    /// Why it stands still; empty if it does not.
    pub problem: String,
}

/// The running collector; dropped, it ends in the middle of whatever it does.
#[derive(Debug)]
pub struct Collector {
    progress: watch::Receiver<Progress>,
    stops: Vec<oneshot::Sender<()>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Collector {
    /// Collects from now on, the journal and the captured calls beside each other.
    pub fn start(store: Store, folder: &Folder, node: NodeId, link: Link) -> std::io::Result<Collector> {
        let mark = folder.mark()?;
        let (sender, progress) = watch::channel(Progress::default());
        let (unheard, _) = watch::channel(Progress::default());
        let (mut stops, mut tasks) = (Vec::new(), Vec::new());
        for (kind, path, progress) in
            [(Kind::Journal, folder.journal(), sender), (Kind::Traces, folder.traces(), unheard)]
        {
            let (stop, stopped) = oneshot::channel();
            let work = Work {
                store: store.clone(),
                link: link.clone(),
                node,
                mark: mark.clone(),
                kind,
                path,
                position: None,
                stored: Position::default(),
                stored_at: Instant::now(),
                removed_at: None,
                progress,
            };
            tasks.push(tokio::spawn(work.run(stopped)));
            stops.push(stop);
        }
        Ok(Collector { progress, stops, tasks })
    }

    /// How far the journal is collected.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Collects what is there, within a bound, and ends.
    pub async fn stop(mut self) {
        for stop in self.stops.drain(..) {
            // A task that has ended needs no order.
            let _ = stop.send(());
        }
        for task in std::mem::take(&mut self.tasks) {
            let _ = task.await;
        }
    }
}

impl Drop for Collector {
    /// Ends at once; what was not stored is read again by the next collector.
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

struct Work {
    store: Store,
    link: Link,
    node: NodeId,
    mark: String,
    kind: Kind,
    path: PathBuf,
    /// Everything before it has been read; `None` until the database has said where to go on.
    position: Option<Position>,
    /// Everything before it is in the database.
    stored: Position,
    stored_at: Instant,
    removed_at: Option<Instant>,
    progress: watch::Sender<Progress>,
}

impl Work {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let (mut pause, mut last) = (RETRY, None);
        loop {
            let wait = match self.step().await {
                Ok(true) => {
                    pause = RETRY;
                    Duration::ZERO
                }
                Ok(false) => {
                    pause = RETRY;
                    if last.is_some() {
                        return;
                    }
                    self.tidy().await;
                    LOOK
                }
                Err(error) => {
                    self.complain(&error);
                    // What was read and not stored is read again.
                    self.position = None;
                    let wait = pause;
                    pause = (pause * 2).min(RETRY_MAX);
                    wait
                }
            };
            if last.is_some_and(|since: Instant| since.elapsed() > LAST_MAX) {
                tracing::warn!(
                    "the program ends before the whole journal is collected; it goes on with the next start"
                );
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = &mut stopped, if last.is_none() => last = Some(Instant::now()),
            }
        }
    }

    /// Reads and stores once; true when there may be more to read at once.
    async fn step(&mut self) -> Result<bool, StoreError> {
        let from = match self.position {
            Some(position) => position,
            None => {
                let known = self.store.cursor(self.node, self.kind.name(), &self.mark).await?;
                let position = known.map_or_else(Position::default, Position::from);
                (self.position, self.stored) = (Some(position), position);
                position
            }
        };
        let (path, kind, node) = (self.path.clone(), self.kind, self.node);
        let gathered = tokio::task::spawn_blocking(move || tail::gather(&path, kind, node, from)).await;
        let gathered = match gathered {
            Ok(Ok(gathered)) => gathered,
            Ok(Err(error)) => return Err(StoreError::Away(format!("the journal cannot be read: {error}"))),
            Err(error) => return Err(StoreError::Away(format!("the journal's reader broke: {error}"))),
        };
        self.position = Some(gathered.position);
        let records = gathered.cdrs.len() + gathered.traces.len();
        let moved = gathered.position != self.stored;
        let other_file = gathered.position.file() != self.stored.file();
        if records > 0 || (moved && (other_file || self.stored_at.elapsed() > IDLE_STORE)) {
            self.keep(&gathered).await?;
        }
        let behind = gathered.backlog_bytes;
        self.progress.send_modify(|progress| {
            progress.backlog_bytes = Some(behind);
            progress.problem.clear();
        });
        Ok(gathered.full)
    }

    async fn keep(&mut self, gathered: &Gathered) -> Result<(), StoreError> {
        let batch = Batch {
            node: self.node,
            kind: self.kind.name(),
            folder: &self.mark,
            cdrs: &gathered.cdrs,
            traces: &gathered.traces,
            cursor: gathered.position.into(),
        };
        let done = self.store.insert_cdrs(batch).await?;
        self.stored = gathered.position;
        self.stored_at = Instant::now();
        if !gathered.cdrs.is_empty() {
            tracing::debug!(records = gathered.cdrs.len(), inserted = done.inserted, posted = done.posted, "collected");
            self.progress.send_modify(|progress| {
                progress.collected += done.inserted;
                progress.at = Some(wall());
            });
        }
        Ok(())
    }

    fn complain(&self, error: &StoreError) {
        let problem = error.to_string();
        let news = self.progress.send_if_modified(|progress| {
            let news = progress.problem != problem;
            progress.problem.clone_from(&problem);
            news
        });
        match (news, error.is_away()) {
            (false, _) => {}
            (true, true) => tracing::warn!(problem, "records wait in the journal"),
            (true, false) => tracing::error!(problem, "records wait in the journal until a person looks"),
        }
    }

    /// Removes segments that nobody needs.
    async fn tidy(&mut self) {
        if self.kind != Kind::Journal || self.removed_at.is_some_and(|at| at.elapsed() < REMOVE) {
            return;
        }
        self.removed_at = Some(Instant::now());
        let Ok(Answer::Figures(figures)) = self.link.ask(Ask::Figures).await else { return };
        let (boot, _) = self.stored.file();
        let keep_from = figures.boot.min(boot);
        let Ok(files) = segments(&self.path) else { return };
        for file in files.into_iter().filter(|file| file.boot < keep_from) {
            match std::fs::remove_file(&file.path) {
                Ok(()) => tracing::info!(file = %file.path.display(), "a collected segment is removed"),
                Err(error) => {
                    tracing::warn!(%error, file = %file.path.display(), "a collected segment cannot be removed")
                }
            }
        }
    }
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
