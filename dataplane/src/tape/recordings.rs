//! Recorded calls: one WAV file each, the originator's voice left and the terminator's right, under its final name once it is whole.
//!
//! The head is written anew with each second of samples, so that a file can be heard while it grows and after a crash. What never came
//! is a hole in the file, which reads as silence.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tape::mix::Mix;
use tape::{Frame, Note, What, g711, wav};
use units::{CallId, WallTime};

use super::Figures;
use super::captures::SILENT_MAX;
use super::folder::{Folder, part_of, publish};
use super::kept::{Kept, Kind};
use crate::disk;

/// What the name of a recording ends with.
const EXTENSION: &str = "wav";
/// Calls that are recorded at the same time at most; of more nothing is kept.
const OPEN_MAX: usize = 1_024;
/// How often files are looked at whose calls say nothing.
const LOOK: Duration = Duration::from_secs(60);

/// One call's file.
struct Open {
    file: File,
    part: PathBuf,
    finished: PathBuf,
    mix: Mix,
    /// Samples that leave for the file.
    leaving: Vec<u8>,
    heard: Instant,
}

/// All recordings that are being written.
pub struct Recordings {
    kept: Kept,
    open: HashMap<CallId, Open>,
    call_bytes_max: u64,
    looked: Instant,
}

impl Recordings {
    /// None so far.
    pub fn new(folder: Folder, call_bytes_max: u64, figures: Arc<Figures>) -> Recordings {
        let kind = Kind {
            files: |figures| &figures.recordings,
            lost: |figures| &figures.frames_lost,
            trouble: "recordings cannot be written; they have gaps",
        };
        let kept = Kept::new(folder, figures, kind);
        Recordings { kept, open: HashMap::new(), call_bytes_max, looked: Instant::now() }
    }

    /// A packet of a recorded voice, or its call's end.
    pub fn on_note(&mut self, note: &Note, carried: &[u8]) {
        if note.what == What::End {
            if let Some(open) = self.open.remove(&note.call) {
                self.finish(open);
            }
            return;
        }
        let Some(frame) = Frame::decode(carried) else { return };
        let full = self.open.len() >= OPEN_MAX;
        let opened = match self.open.entry(note.call) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(_) if full => Err(io::ErrorKind::QuotaExceeded.into()),
            Entry::Vacant(place) => Open::begin(&self.kept.folder, note.call, note.at).map(|open| place.insert(open)),
        };
        let kept = opened.and_then(|open| open.hear(note, &frame, self.call_bytes_max));
        match kept {
            Ok(true) => {
                self.kept.figures.frames.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => self.kept.lose(),
            Err(error) => self.kept.fail(&error),
        }
    }

    /// Finishes files of calls whose end got lost.
    pub fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let silent = self.open.iter().filter(|(_, open)| open.heard.elapsed() > SILENT_MAX).map(|(call, _)| *call);
        for call in silent.collect::<Vec<_>>() {
            if let Some(open) = self.open.remove(&call) {
                self.finish(open);
            }
        }
    }

    fn finish(&mut self, mut open: Open) {
        self.kept.finished(open.rest().and_then(|()| publish(&open.file, &open.part, &open.finished)));
    }

    /// The program ends.
    pub fn finish_all(mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            self.finish(open);
        }
    }

    /// Removes what is old.
    pub fn keep_up(&self) {
        self.kept.folder.keep_up();
    }

    /// Files that an earlier life was writing keep what they have, under their final names.
    pub fn repair(&self) {
        self.kept.folder.repair(repair);
    }
}

impl Open {
    fn begin(folder: &Folder, call: CallId, at: WallTime) -> io::Result<Open> {
        fs::create_dir_all(&folder.path)?;
        let finished = folder.file(call, EXTENSION);
        let part = part_of(&finished);
        let file = disk::create(&part)?;
        Ok(Open { file, part, finished, mix: Mix::new(at), leaving: Vec::new(), heard: Instant::now() })
    }

    /// Puts a packet into its place; false if that lies beyond the file's bound.
    fn hear(&mut self, note: &Note, frame: &Frame<'_>, bytes_max: u64) -> io::Result<bool> {
        self.heard = Instant::now();
        let voice = usize::from(note.leg != 0);
        let (moment, length) = (self.mix.place(note.at, voice, frame), frame.voice.len());
        if wav::offset(moment + length as u64) > bytes_max {
            return Ok(false);
        }
        self.leaving.clear();
        let mut written = Ok(());
        while let Some(first) = self.mix.leave(moment, length, &mut self.leaving) {
            written = written.and(self.write(first));
            self.leaving.clear();
        }
        if !self.mix.hold(moment, voice, frame) {
            written = written.and(self.patch(moment, voice, frame));
        }
        written.map(|()| true)
    }

    /// Writes the samples that leave, and a head that tells of them.
    fn write(&self, first: u64) -> io::Result<()> {
        if self.leaving.is_empty() {
            return Ok(());
        }
        disk::write_at(&self.file, &self.leaving, wav::offset(first))?;
        disk::write_at(&self.file, &wav::head(first + (self.leaving.len() / wav::MOMENT_BYTES) as u64), 0)
    }

    /// A packet that came after its moment had left: its voice goes beside the other one's in the file.
    fn patch(&self, moment: u64, voice: usize, frame: &Frame<'_>) -> io::Result<()> {
        let mut there = vec![0; frame.voice.len() * wav::MOMENT_BYTES];
        let mut known = 0;
        while known < there.len() {
            match self.file.read_at(&mut there[known..], wav::offset(moment) + known as u64)? {
                0 => break,
                read => known += read,
            }
        }
        for (slot, byte) in there.chunks_exact_mut(wav::MOMENT_BYTES).zip(frame.voice) {
            slot[2 * voice..2 * voice + 2].copy_from_slice(&g711::sample(frame.law, *byte).to_le_bytes());
        }
        disk::write_at(&self.file, &there, wav::offset(moment))
    }

    /// Writes what is held, and the last head.
    fn rest(&mut self) -> io::Result<()> {
        self.leaving.clear();
        let first = self.mix.rest(&mut self.leaving);
        self.write(first)?;
        disk::write_at(&self.file, &wav::head(self.mix.moments()), 0)?;
        self.file.set_len(wav::offset(self.mix.moments()))
    }
}

fn repair(part: &Path, finished: &Path) -> io::Result<()> {
    let moments = wav::moments(fs::metadata(part)?.len());
    if moments == 0 {
        return disk::unlink(part);
    }
    let file = OpenOptions::new().write(true).open(part)?;
    disk::write_at(&file, &wav::head(moments), 0)?;
    file.set_len(wav::offset(moments))?;
    publish(&file, part, finished)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]
mod tests;
