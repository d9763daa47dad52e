//! The file thread: records of all shards, one write for many, and word back that they are kept.
//!
//! There is no timer: while one batch is being written the next one gathers, so a quiet node answers at once and a busy one shares
//! its writes. A batch that cannot be written is tried again until it can; nobody hears of a record before it is kept.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use rtrb::Consumer;
use uring::{Doorbell, host};

use crate::bell::SpoolBell;
use crate::mail::Entry;
use crate::segments::{Place, TRACE_SEGMENT_BYTES, TRACE_SEGMENTS_MAX, create};
use crate::settings::JournalSync;

/// Records in one write.
const BATCH_RECORDS: usize = 256;
/// Bytes after which a segment is closed.
const SEGMENT_BYTES: u64 = 64 << 20;
/// How long to wait before writing again what could not be written.
const RETRY: Duration = Duration::from_millis(100);
/// How often the disk is looked at while nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// What the spool counts, for whoever asks.
#[derive(Debug, Default)]
pub struct Figures {
    records: AtomicU64,
    bytes: AtomicU64,
    disk_percent: AtomicU8,
    failing: AtomicBool,
    stop: AtomicBool,
}

impl Figures {
    /// Records kept since the start.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes written to the journal since the start.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How full the journal's file system is.
    pub fn disk_percent(&self) -> u8 {
        self.disk_percent.load(Ordering::Relaxed)
    }

    /// A write failed and is being tried again.
    pub fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// End once everything handed over is written.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn look(&self, folder: &std::path::Path) {
        if let Ok(percent) = host::disk_percent(folder) {
            self.disk_percent.store(percent, Ordering::Relaxed);
        }
    }
}

/// One shard as the spool sees it.
pub struct Source {
    /// Its records.
    pub entries: Consumer<Entry>,
    /// The last ticket kept.
    pub kept: Arc<AtomicU64>,
    /// Wakes the shard.
    pub bell: Doorbell,
}

/// The file thread.
pub struct Spool {
    pub sources: Vec<Source>,
    pub bell: Arc<SpoolBell>,
    pub figures: Arc<Figures>,
    pub data: PathBuf,
    pub place: Place,
    pub sync: JournalSync,
}

/// A file being appended to.
struct Segment {
    file: File,
    number: u32,
    length: u64,
}

/// What one turn gathered.
#[derive(Default)]
struct Batch {
    journal: Vec<u8>,
    records: u64,
    /// The last ticket of each shard.
    tickets: Vec<Option<u64>>,
    traces: Vec<u8>,
}

impl Spool {
    /// Runs until told to stop and nothing is left.
    pub fn run(mut self) -> anyhow::Result<()> {
        self.bell.listen();
        let (journal_folder, trace_folder) = (self.data.join("journal"), self.data.join("traces"));
        let mut journal = self.open(&journal_folder, self.place.segment)?;
        let mut traces = self.open(&trace_folder, 1)?;
        let mut batch = Batch::default();
        let mut looked = std::time::Instant::now();
        self.figures.look(&journal_folder);
        loop {
            if looked.elapsed() >= LOOK {
                looked = std::time::Instant::now();
                self.figures.look(&journal_folder);
            }
            if !self.gather(&mut batch) {
                if self.figures.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.sleep();
                continue;
            }
            self.write(&mut journal, &batch.journal);
            self.tell(&mut batch);
            if !batch.traces.is_empty() {
                keep_if_cheap(&mut traces, &batch.traces);
            }
            if journal.length >= SEGMENT_BYTES {
                journal = self.next(journal, &journal_folder);
            }
            if traces.length >= TRACE_SEGMENT_BYTES {
                let number = traces.number + 1;
                traces = self.open(&trace_folder, number)?;
                self.forget(&trace_folder, number);
            }
        }
    }

    /// Frames what the shards handed over, each shard's in its order. False if there was nothing.
    fn gather(&mut self, batch: &mut Batch) -> bool {
        batch.journal.clear();
        batch.traces.clear();
        batch.records = 0;
        batch.tickets.clear();
        batch.tickets.resize(self.sources.len(), None);
        let share = BATCH_RECORDS.div_ceil(self.sources.len());
        for (source, last) in self.sources.iter_mut().zip(&mut batch.tickets) {
            for _ in 0..share {
                match source.entries.pop() {
                    Ok(Entry::Record { ticket, bytes }) => {
                        cdr::segment::frame_bytes(self.place.sequence, &bytes, &mut batch.journal);
                        self.place.sequence += 1;
                        batch.records += 1;
                        *last = Some(ticket);
                    }
                    Ok(Entry::Trace(bytes)) => cdr::segment::frame_bytes(0, &bytes, &mut batch.traces),
                    Err(_) => break,
                }
            }
        }
        !batch.journal.is_empty() || !batch.traces.is_empty()
    }

    fn sleep(&self) {
        self.bell.fall_asleep();
        let idle = self.sources.iter().all(|source| source.entries.is_empty());
        if idle && !self.figures.stop.load(Ordering::Relaxed) {
            std::thread::park_timeout(LOOK);
        }
        self.bell.wake_up();
    }

    /// Appends, again and again until it is done: always at the same place, so that a half-written batch is overwritten by itself.
    fn write(&self, segment: &mut Segment, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        while let Err(error) = self.keep(segment, bytes) {
            if !self.figures.failing.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "cannot write the journal; calls wait for it");
            }
            std::thread::sleep(RETRY);
        }
        if self.figures.failing.swap(false, Ordering::Relaxed) {
            tracing::warn!("the journal is written again");
        }
        segment.length += bytes.len() as u64;
        self.figures.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }

    fn keep(&self, segment: &Segment, bytes: &[u8]) -> std::io::Result<()> {
        segment.file.write_all_at(bytes, segment.length)?;
        match self.sync {
            JournalSync::Fdatasync => segment.file.sync_data(),
            JournalSync::Written => Ok(()),
        }
    }

    fn tell(&self, batch: &mut Batch) {
        self.figures.records.fetch_add(batch.records, Ordering::Relaxed);
        for (source, ticket) in self.sources.iter().zip(&batch.tickets) {
            if let Some(ticket) = ticket {
                source.kept.store(*ticket, Ordering::Release);
                source.bell.ring();
            }
        }
    }

    fn open(&self, folder: &std::path::Path, number: u32) -> anyhow::Result<Segment> {
        let (file, length) = create(folder, self.place.node, self.place.boot, number)
            .with_context(|| format!("cannot begin segment {number} in {}", folder.display()))?;
        Ok(Segment { file, number, length })
    }

    /// The next segment; the present one grows on while there is no room for another.
    fn next(&self, present: Segment, folder: &std::path::Path) -> Segment {
        match self.open(folder, present.number + 1) {
            Ok(next) => {
                let _ = present.file.sync_data();
                next
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "cannot begin another journal segment");
                present
            }
        }
    }

    /// Keeps the last trace files only.
    fn forget(&self, folder: &std::path::Path, number: u32) {
        if let Ok(files) = crate::segments::list(folder) {
            let old = files.len().saturating_sub(TRACE_SEGMENTS_MAX);
            for file in files.iter().take(old).filter(|file| (file.boot, file.number) != (self.place.boot, number)) {
                let _ = std::fs::remove_file(&file.path);
            }
        }
    }
}

/// Traces are a convenience: what cannot be written is forgotten.
fn keep_if_cheap(segment: &mut Segment, bytes: &[u8]) {
    match segment.file.write_all_at(bytes, segment.length) {
        Ok(()) => segment.length += bytes.len() as u64,
        Err(error) => tracing::warn!(%error, "captured calls are lost"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
