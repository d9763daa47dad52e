//! The file thread: records of all shards, one write for many, and word back that they are kept.
//!
//! There is no timer: while one batch is being written the next one gathers, so a quiet node answers at once and a busy one shares
//! its writes. A batch that cannot be written is tried again until it can; nobody hears of a record before it is kept.
//!
//! Where a record is kept when it is written, nothing here waits until a disk has it: files that are closed are made safe by a thread of
//! their own, and old captures are removed there.
//!
//! Each segment begins with what a restart must know of those before it, so that they may be removed while the program runs.

mod chores;
mod retell;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use cdr::Summing;
use cdr::horizon::Horizon;
use cdr::segment::{frame_bytes, frame_pieces};
use rtrb::Consumer;
use uring::{Doorbell, host};

use crate::bell::SpoolBell;
use crate::clocks;
use crate::disk;
use crate::mail::{Entry, take_record};
use crate::segments::{Place, TRACE_SEGMENT_BYTES, TRACE_SEGMENTS_MAX, create};
use crate::settings::JournalSync;

use chores::Chores;

/// Records in one write, but for those of a turn that began before.
const BATCH_RECORDS: u64 = 256;
/// How often the disk is looked at while nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// What bounds a journal.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes after which a segment is closed.
    pub segment_bytes: u64,
    /// Segments that an open call may be the only reason to keep; a call that started before them is told again in the present one.
    pub segments_open_max: u32,
    /// How long to wait before writing again what could not be written.
    pub retry: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { segment_bytes: 64 << 20, segments_open_max: 16, retry: Duration::from_millis(100) }
    }
}

/// What the spool counts, for whoever asks.
#[derive(Debug, Default)]
pub struct Figures {
    records: AtomicU64,
    bytes: AtomicU64,
    disk_percent: AtomicU8,
    needed_from: AtomicU32,
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

    /// The first segment of this start that a restart would need; 0 before the first record.
    pub fn needed_from(&self) -> u32 {
        self.needed_from.load(Ordering::Relaxed)
    }

    /// A write failed and is being tried again.
    pub fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// End once everything handed over is written.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn look(&self, folder: &Path) {
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
    /// What of the journal a restart would need.
    pub horizon: Horizon,
    pub sync: JournalSync,
    pub limits: Limits,
}

/// A file being appended to.
struct Segment {
    file: File,
    number: u32,
    length: u64,
}

/// What one turn gathered.
struct Batch {
    journal: Vec<u8>,
    records: u64,
    /// The last ticket of each shard.
    tickets: Vec<Option<u64>>,
    traces: Vec<u8>,
    /// How frames are summed up.
    summing: Summing,
}

impl Default for Batch {
    fn default() -> Batch {
        let summing = uring::sum::crc32c().unwrap_or(cdr::sum_on);
        Batch { journal: Vec::new(), records: 0, tickets: Vec::new(), traces: Vec::new(), summing }
    }
}

impl Spool {
    /// Runs until told to stop and nothing is left.
    pub fn run(mut self) -> anyhow::Result<()> {
        self.bell.listen();
        let (journal_folder, trace_folder) = (self.data.join("journal"), self.data.join("traces"));
        let mut journal = self.open(&journal_folder, self.place.segment, true)?;
        let mut traces = self.open(&trace_folder, 1, true)?;
        let chores = Chores::start()?;
        let safe = self.sync == JournalSync::Fdatasync;
        self.begin(&mut journal, &journal_folder);
        let mut batch = Batch::default();
        let mut looked = std::time::Instant::now();
        self.figures.look(&journal_folder);
        loop {
            if looked.elapsed() >= LOOK {
                looked = std::time::Instant::now();
                self.figures.look(&journal_folder);
            }
            if !self.gather(&mut batch, &journal) {
                if self.figures.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.sleep();
                continue;
            }
            self.write(&mut journal, &batch.journal);
            self.tell(&mut batch);
            self.figures.needed_from.store(self.horizon.first_needed(journal.number), Ordering::Relaxed);
            if !batch.traces.is_empty() {
                keep_if_cheap(&mut traces, &batch.traces);
            }
            if journal.length >= self.limits.segment_bytes {
                let number = journal.number;
                journal = self.next(journal, &journal_folder, safe, &chores);
                if journal.number != number {
                    self.begin(&mut journal, &journal_folder);
                }
            }
            if traces.length >= TRACE_SEGMENT_BYTES {
                traces = self.next(traces, &trace_folder, false, &chores);
                self.forget(&trace_folder, traces.number, &chores);
            }
        }
    }

    /// Frames what the shards handed over, each shard's in its order. False if there was nothing.
    fn gather(&mut self, batch: &mut Batch, segment: &Segment) -> bool {
        batch.journal.clear();
        batch.traces.clear();
        batch.records = 0;
        batch.tickets.clear();
        batch.tickets.resize(self.sources.len(), None);
        let share = BATCH_RECORDS.div_ceil(self.sources.len() as u64);
        for (source, last) in self.sources.iter_mut().zip(&mut batch.tickets) {
            let full = batch.records + share;
            for _ in 0..share {
                if batch.records >= full {
                    break;
                }
                match source.entries.pop() {
                    Ok(Entry::Records { ticket, bytes }) => {
                        let mut rest = &bytes[..];
                        while let Some(record) = take_record(&mut rest) {
                            let offset = segment.length + batch.journal.len() as u64;
                            self.horizon.see(cdr::horizon::Place { segment: segment.number, offset }, record);
                            let payload = std::iter::once(record);
                            frame_pieces(self.place.sequence, payload, batch.summing, &mut batch.journal);
                            self.place.sequence += 1;
                            batch.records += 1;
                        }
                        *last = Some(ticket);
                    }
                    Ok(Entry::Trace(pieces)) => {
                        frame_pieces(0, pieces.iter().map(Vec::as_slice), batch.summing, &mut batch.traces);
                    }
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
            std::thread::sleep(self.limits.retry);
        }
        if self.figures.failing.swap(false, Ordering::Relaxed) {
            tracing::warn!("the journal is written again");
        }
        segment.length += bytes.len() as u64;
        self.figures.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }

    fn keep(&self, segment: &Segment, bytes: &[u8]) -> std::io::Result<()> {
        disk::write_at(&segment.file, bytes, segment.length)?;
        match self.sync {
            JournalSync::Fdatasync => disk::sync(&segment.file),
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

    fn open(&self, folder: &Path, number: u32, safe: bool) -> anyhow::Result<Segment> {
        let (file, length) = create(folder, self.place.node, self.place.boot, number, safe)
            .with_context(|| format!("cannot begin segment {number} in {}", folder.display()))?;
        Ok(Segment { file, number, length })
    }

    /// Writes what a restart must know of the segments before this one, and tells the oldest open calls again.
    fn begin(&mut self, segment: &mut Segment, folder: &Path) {
        let mut records = self.horizon.checkpoint(self.place.boot, clocks::read().wall);
        let journal = retell::Journal { folder, boot: self.place.boot };
        records.extend(journal.starts(&self.horizon, segment.number.saturating_sub(self.limits.segments_open_max)));
        let (mut bytes, mut payload) = (Vec::new(), Vec::new());
        for record in records {
            payload.clear();
            record.encode(&mut payload);
            let offset = segment.length + bytes.len() as u64;
            self.horizon.see(cdr::horizon::Place { segment: segment.number, offset }, &payload);
            frame_bytes(self.place.sequence, &payload, &mut bytes);
            self.place.sequence += 1;
        }
        self.write(segment, &bytes);
    }

    /// The next segment; the present one grows on while there is no room for another. Safe is what a disk has before anything else happens.
    fn next(&self, present: Segment, folder: &Path, safe: bool, chores: &Chores) -> Segment {
        match self.open(folder, present.number + 1, safe) {
            Ok(next) if safe => {
                let _ = disk::sync(&present.file);
                next
            }
            Ok(next) => {
                chores.close(present.file, folder);
                next
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "cannot begin another segment; the present one grows");
                present
            }
        }
    }

    /// Keeps the last trace files only.
    fn forget(&self, folder: &Path, number: u32, chores: &Chores) {
        if let Ok(files) = crate::segments::list(folder) {
            let old = files.len().saturating_sub(TRACE_SEGMENTS_MAX);
            for file in files.iter().take(old).filter(|file| (file.boot, file.number) != (self.place.boot, number)) {
                chores.remove(&file.path);
            }
        }
    }
}

/// Traces are a convenience: what cannot be written is forgotten.
fn keep_if_cheap(segment: &mut Segment, bytes: &[u8]) {
    match disk::write_at(&segment.file, bytes, segment.length) {
        Ok(()) => segment.length += bytes.len() as u64,
        Err(error) => tracing::warn!(%error, "captured calls are lost"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]
mod tests;
