//! Journal segments → database: every record once, whatever dies or goes away meanwhile.
//!
//! The place up to which a journal is in the database stands in the database, and moves in the transaction that writes the records. A
//! segment's file is removed once it is collected and the running data plane has said that a restart would not need it.
//!
//! A record that the database refuses by itself is set aside ([`aside`]), and the others go on: one bad record must not hold up a
//! million good ones.

mod ahead;
pub mod aside;
mod tail;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use ahead::Ahead;
use aside::{Aside, AsideFile};
use cdr::{Cdr, Record};
use panel::wire::{Answer, Ask};
use store::{Batch, Store, StoreError};
use tokio::sync::{oneshot, watch};
use units::{CallId, NodeId, WallTime};

use crate::folder::{Folder, segments};
use crate::link::Link;
use tail::{Gathered, Kind, Position, Source};

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
/// How long the writer of a segment has for completing what it began.
const INSIST: Duration = Duration::from_secs(3);
/// Records in a row that may be refused before the database is blamed instead of them.
const ASIDE_ROW_MAX: usize = 20;
/// How long the last records are collected for when the program ends.
const LAST_MAX: Duration = Duration::from_secs(5);

/// How far the collector is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the journal that are not in the database; `None` before the first look.
    pub backlog_bytes: Option<u64>,
    /// Records of the journal that are not in the database; `None` before the first look.
    pub backlog_records: Option<u64>,
    /// When the oldest of them ended.
    pub oldest: Option<WallTime>,
    /// Records and damaged stretches that were set aside and wait for a person.
    pub set_aside: u64,
    /// Records collected since the program started.
    pub collected: u64,
    /// When records last came into the database.
    pub at: Option<WallTime>,
    /// Why it stands still; empty if it does not.
    pub problem: String,
    /// Since when the database has taken nothing; `None` if it does.
    pub away_since: Option<WallTime>,
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
            let work =
                Work { kind, path, progress, ..Work::new(store.clone(), folder, node, link.clone(), mark.clone()) };
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

/// A part of the journal that is being read.
struct Reading {
    from: Position,
    found: tokio::task::JoinHandle<std::io::Result<Gathered>>,
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
    /// What waits.
    ahead: Ahead,
    /// Everything before it that had to be set aside is.
    aside_till: Position,
    /// Records set aside since one was stored.
    aside_in_row: usize,
    /// What is read while the database is at work.
    next: Option<Reading>,
    /// Since when reading stops before the same place.
    stopped_at: Option<(Position, Instant)>,
    /// Everything before it is in the database.
    stored: Position,
    stored_at: Instant,
    removed_at: Option<Instant>,
    progress: watch::Sender<Progress>,
}

impl Work {
    /// One that has read nothing yet, of the journal.
    fn new(store: Store, folder: &Folder, node: NodeId, link: Link, mark: String) -> Work {
        Work {
            store,
            link,
            node,
            mark,
            kind: Kind::Journal,
            path: folder.journal(),
            position: None,
            ahead: Ahead::default(),
            aside_till: Position::default(),
            aside_in_row: 0,
            next: None,
            stopped_at: None,
            stored: Position::default(),
            stored_at: Instant::now(),
            removed_at: None,
            progress: watch::channel(Progress::default()).0,
        }
    }

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
                    self.look_ahead().await;
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
        let insist = self.stopped_at.is_some_and(|(at, since)| at == from && since.elapsed() > INSIST);
        // After a failure the place is another one.
        let reading = self.next.take().filter(|next| next.from == from && !insist);
        let gathered = match reading.unwrap_or_else(|| self.read(from, insist)).found.await {
            Ok(Ok(gathered)) => gathered,
            Ok(Err(error)) => return Err(StoreError::Away(format!("the journal cannot be read: {error}"))),
            Err(error) => return Err(StoreError::Away(format!("the journal's reader broke: {error}"))),
        };
        if gathered.full {
            self.next = Some(self.read(gathered.position, false));
        }
        self.position = Some(gathered.position);
        let known = self.stopped_at.filter(|(at, _)| *at == gathered.position);
        self.stopped_at = gathered.stopped.then(|| known.unwrap_or((gathered.position, Instant::now())));
        let records = gathered.cdrs.len() + gathered.traces.len() + gathered.aside.len();
        let moved = gathered.position != self.stored;
        let other_file = gathered.position.file() != self.stored.file();
        if records > 0 || (moved && (other_file || self.stored_at.elapsed() > IDLE_STORE)) {
            self.keep(&gathered).await?;
        }
        let behind = gathered.backlog_bytes;
        if gathered.full {
            self.look_ahead().await;
        }
        let Ahead { records, oldest, .. } = self.ahead;
        self.progress.send_modify(|progress| {
            (progress.backlog_bytes, progress.backlog_records) = (Some(behind), Some(records));
            progress.oldest = oldest;
            progress.problem.clear();
            progress.away_since = None;
        });
        Ok(gathered.full)
    }

    /// Begins to read on from a place.
    fn read(&self, from: Position, insist: bool) -> Reading {
        let source = Source { folder: self.path.clone(), kind: self.kind, node: self.node, insist };
        Reading { from, found: tokio::task::spawn_blocking(move || tail::gather(&source, from)) }
    }

    /// Stores what was read; what the database refuses by itself is set aside.
    async fn keep(&mut self, gathered: &Gathered) -> Result<(), StoreError> {
        self.set_aside(&gathered.aside)?;
        let (mut first, mut size) = (0, gathered.cdrs.len());
        loop {
            let end = (first + size).min(gathered.cdrs.len());
            let is_last = end == gathered.cdrs.len();
            let cursor = if is_last { gathered.position } else { gathered.places[end] };
            let traces = if is_last { &gathered.traces[..] } else { &[] };
            match self.insert(&gathered.cdrs[first..end], traces, cursor).await {
                Ok(()) if is_last => break,
                Ok(()) => (first, size) = (end, size * 2),
                Err(error) if error.is_away() || end - first == 0 || is_about_the_node(&error) => return Err(error),
                Err(error) if end - first == 1 => {
                    self.refused(gathered, first, &error).await?;
                    (first, size) = (end, 1);
                }
                Err(_) => size = (end - first).div_ceil(2),
            }
        }
        self.ahead.stored(self.stored, gathered.cdrs.len() as u64, None);
        Ok(())
    }

    async fn insert(
        &mut self,
        cdrs: &[Cdr],
        traces: &[(CallId, i64, Vec<u8>)],
        cursor: Position,
    ) -> Result<(), StoreError> {
        let (kind, folder) = (self.kind.name(), &self.mark);
        let done = self
            .store
            .insert_cdrs(Batch { node: self.node, kind, folder, cdrs, traces, cursor: cursor.into() })
            .await?;
        (self.stored, self.stored_at) = (cursor, Instant::now());
        if !cdrs.is_empty() {
            self.aside_in_row = 0;
            tracing::debug!(records = cdrs.len(), inserted = done.inserted, posted = done.posted, "collected");
            self.progress.send_modify(|progress| {
                progress.collected += done.inserted;
                progress.at = Some(wall());
            });
        }
        Ok(())
    }

    /// Sets one record aside that the database refuses, unless it refuses everything.
    async fn refused(&mut self, gathered: &Gathered, which: usize, error: &StoreError) -> Result<(), StoreError> {
        let place = gathered.places[which];
        // A database that takes nothing at all is not the record's fault.
        self.insert(&[], &[], place).await?;
        if self.aside_in_row >= ASIDE_ROW_MAX {
            let why = format!("{ASIDE_ROW_MAX} records in a row were refused, the last one because: {error}");
            return Err(StoreError::Broken(why));
        }
        let mut payload = Vec::new();
        Record::Cdr(Box::new(gathered.cdrs[which].clone())).encode(&mut payload);
        let after = gathered.places.get(which + 1).unwrap_or(&gathered.position);
        let is_same = after.file() == place.file();
        let after = if is_same { after.offset() } else { place.offset() + payload.len() as u64 };
        self.set_aside(&[tail::unread(place, &payload, after, &error.to_string())])?;
        self.aside_in_row += 1;
        Ok(())
    }

    fn set_aside(&mut self, all: &[Aside]) -> Result<(), StoreError> {
        // While the database is away the same place is read again and again.
        let place = |aside: &Aside| Position::new(aside.boot, aside.segment, aside.offset);
        let all: Vec<Aside> = all.iter().filter(|aside| place(aside) >= self.aside_till).cloned().collect();
        let Some(last) = all.last() else { return Ok(()) };
        let till = Position::new(last.boot, last.segment, last.offset + 1);
        let file = AsideFile::beside(&self.path);
        file.append(&all)
            .map_err(|error| StoreError::Away(format!("{} cannot be written: {error}", file.path().display())))?;
        self.aside_till = till;
        for Aside { boot, segment, offset, reason, .. } in &all {
            tracing::error!(boot, segment, offset, reason, "set aside: not in the database until a person looks");
        }
        self.count_aside();
        Ok(())
    }

    fn count_aside(&self) {
        if let Ok(all) = AsideFile::beside(&self.path).read() {
            let set_aside = all.len() as u64;
            self.progress
                .send_if_modified(|progress| std::mem::replace(&mut progress.set_aside, set_aside) != set_aside);
        }
    }

    /// Counts what waits, also while the database is away.
    async fn look_ahead(&mut self) {
        if self.kind != Kind::Journal {
            return;
        }
        let (mut ahead, path, from) = (self.ahead, self.path.clone(), self.stored);
        let looked = tokio::task::spawn_blocking(move || ahead.look(&path, from).map(|()| ahead)).await;
        let Ok(Ok(ahead)) = looked else { return };
        self.ahead = ahead;
        self.progress.send_modify(|progress| {
            (progress.backlog_records, progress.oldest) = (Some(ahead.records), ahead.oldest);
        });
    }

    fn complain(&self, error: &StoreError) {
        let problem = error.to_string();
        let news = self.progress.send_if_modified(|progress| {
            let news = progress.problem != problem;
            progress.problem.clone_from(&problem);
            if error.is_away() {
                progress.away_since.get_or_insert_with(wall);
            }
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
        self.count_aside();
        let Ok(Answer::Figures(figures)) = self.link.ask(Ask::Figures).await else { return };
        let keep_from = (figures.boot, figures.journal_needed_from).min(self.stored.file());
        let Ok(files) = segments(&self.path) else { return };
        // Oldest first and never one before another: a restart must not find a hole.
        for file in files.into_iter().take_while(|file| (file.boot, file.number) < keep_from) {
            match std::fs::remove_file(&file.path) {
                Ok(()) => tracing::info!(file = %file.path.display(), "a collected segment is removed"),
                Err(error) => {
                    return tracing::warn!(%error, file = %file.path.display(), "a collected segment cannot be removed");
                }
            }
        }
    }
}

/// Another data folder writes under this node's number: no record's fault.
fn is_about_the_node(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict { what: "node", .. })
}

/// When a call or attempt ended.
fn ended(cdr: &Cdr) -> WallTime {
    let micros = cdr.ended_ms.saturating_mul(1_000);
    WallTime::from_micros(cdr.started.micros().saturating_add_unsigned(micros))
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
