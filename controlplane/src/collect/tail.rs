//! Reads on in a row of segments while their writer is at work on the last one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use cdr::segment::{self, Break, Frames, HEADER_BYTES};
use cdr::{Cdr, Record, trace};
use store::Cursor;
use units::{CallId, NodeId};

use super::aside::{self, Aside};
use crate::disk;
use crate::folder::{SegmentFile, segments};

/// Records of one batch at most.
pub const RECORDS_MAX: usize = 2_000;
/// Captured calls of one batch at most; each may be large.
const TRACES_MAX: usize = 100;
/// Bytes read at once; more than the largest frame.
const BLOCK_BYTES: usize = 4 << 20;
const _: () = assert!(BLOCK_BYTES > segment::PAYLOAD_BYTES_MAX + segment::FRAME_BYTES);

/// What the segments hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The journal: CDRs among other records.
    Journal,
    /// Captured calls.
    Traces,
}

impl Kind {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Journal => "journal",
            Kind::Traces => "traces",
        }
    }
}

/// A place in a row of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    boot: u32,
    segment: u32,
    offset: u64,
}

impl Position {
    /// A place in a segment of a boot.
    pub fn new(boot: u32, segment: u32, offset: u64) -> Position {
        Position { boot, segment, offset }
    }

    /// Bytes of the segment.
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// Boot and number of the segment.
    pub fn file(self) -> (u32, u32) {
        (self.boot, self.segment)
    }
}

impl From<Cursor> for Position {
    fn from(cursor: Cursor) -> Position {
        Position { boot: cursor.boot, segment: cursor.segment, offset: cursor.offset }
    }
}

impl From<Position> for Cursor {
    fn from(position: Position) -> Cursor {
        Cursor { boot: position.boot, segment: position.segment, offset: position.offset }
    }
}

/// What one reading found.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Finished calls and attempts.
    pub cdrs: Vec<Cdr>,
    /// Where each of them begins.
    pub places: Vec<Position>,
    /// Records that this program cannot read, and damaged stretches.
    pub aside: Vec<Aside>,
    /// Captured calls: call, start, encoded messages.
    pub traces: Vec<(CallId, i64, Vec<u8>)>,
    /// Everything before it has been read.
    pub position: Position,
    /// There may be more to read at once.
    pub full: bool,
    /// Reading stopped before something that is not whole, in the segment that is being written.
    pub stopped: bool,
    /// Bytes behind the position.
    pub backlog_bytes: u64,
}

/// Whose segments are read, and how.
#[derive(Clone, Debug)]
pub struct Source {
    /// The segments' folder.
    pub folder: PathBuf,
    /// What they hold.
    pub kind: Kind,
    /// Whose they are.
    pub node: NodeId,
    /// What is not whole in the segment that is being written will not become so: its writer had time enough.
    pub insist: bool,
}

/// Reads from a position on until a batch is full or nothing is left.
pub fn gather(source: &Source, from: Position) -> io::Result<Gathered> {
    let folder = &source.folder;
    let files = segments(folder)?;
    let mut found = Gathered { position: from, ..Gathered::default() };
    let rest: Vec<&SegmentFile> = files.iter().filter(|file| (file.boot, file.number) >= from.file()).collect();
    for (place, file) in rest.iter().enumerate() {
        if (file.boot, file.number) > found.position.file() {
            found.position = Position { boot: file.boot, segment: file.number, offset: 0 };
        }
        let finished = place + 1 < rest.len();
        read_segment(file, finished, source, &mut found)?;
        if found.full {
            break;
        }
    }
    for file in rest {
        let length = std::fs::metadata(&file.path)?.len();
        let done = if (file.boot, file.number) == found.position.file() { found.position.offset } else { 0 };
        if (file.boot, file.number) >= found.position.file() {
            found.backlog_bytes += length.saturating_sub(done);
        }
    }
    Ok(found)
}

fn read_segment(file: &SegmentFile, finished: bool, how: &Source, found: &mut Gathered) -> io::Result<()> {
    let source = disk::open(&file.path)?;
    if found.position.offset == 0 {
        match read_header(&source, how.node)? {
            Head::Sound => found.position.offset = HEADER_BYTES as u64,
            Head::Short => return Ok(()),
            Head::Foreign => {
                tracing::error!(file = %file.path.display(), "not a segment of this node; it is left alone");
                return Ok(());
            }
        }
    }
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let length = read_at(&source, &mut block, found.position.offset)?;
        if length == 0 {
            return Ok(());
        }
        match read_block(&block[..length], how.kind, found) {
            Some(Break::Corrupt { .. }) if finished || how.insist => {
                let passed = pass_over(file, &source, finished, found)?;
                if !passed {
                    return Ok(());
                }
            }
            Some(Break::Corrupt { .. }) => {
                found.stopped = true;
                return Ok(());
            }
            // A frame that the block cut off is whole in the next one; one that the file cuts off is not there yet.
            Some(Break::Torn { .. }) if length == block.len() => {}
            Some(Break::Torn { .. }) => return Ok(()),
            None => {}
        }
        if found.full {
            return Ok(());
        }
    }
}

/// Goes on behind damage, and says what was passed over. False if nothing whole follows: then the
/// rest of a finished segment is passed over.
fn pass_over(file: &SegmentFile, source: &File, finished: bool, found: &mut Gathered) -> io::Result<bool> {
    let at = found.position.offset;
    let length = source.metadata()?.len();
    let mut rest = vec![0; usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX)];
    let rest_length = read_at(source, &mut rest, at)?;
    rest.truncate(rest_length);
    let sequence = sequence_before(source, at)?;
    let passed = Frames::at(&rest, at).resume(sequence);
    if passed.is_none() && !finished {
        // The writer may still make it whole: it writes again at the same place until it succeeds.
        found.stopped = true;
        return Ok(false);
    }
    let bytes = passed.unwrap_or(rest_length as u64);
    // Damage is kept for whoever can read more from it, or nothing goes on: the segment itself will be removed.
    disk::keep_as(&file.path, &file.path.with_extension("damaged")).map_err(|error| {
        io::Error::other(format!("no copy of the damaged {} can be kept: {error}", file.path.display()))
    })?;
    tracing::error!(file = %file.path.display(), at, bytes, "a segment is damaged; records in this stretch are LOST to the database");
    let (boot, segment) = found.position.file();
    let reason = "damaged; a copy of the segment is kept".to_owned();
    found.aside.push(Aside { boot, segment, offset: at, bytes, reason, record: String::new() });
    found.position.offset = at + bytes;
    Ok(passed.is_some())
}

/// The number of the last whole frame before a place of a segment; 0 for none.
fn sequence_before(source: &File, at: u64) -> io::Result<u64> {
    let mut before = vec![0; usize::try_from(at).unwrap_or(usize::MAX).saturating_sub(HEADER_BYTES)];
    let length = read_at(source, &mut before, HEADER_BYTES as u64)?;
    let mut frames = Frames::at(&before[..length], HEADER_BYTES as u64);
    let mut last = 0;
    loop {
        for frame in frames.by_ref() {
            last = frame.map_or(last, |frame| frame.sequence);
        }
        if frames.resume(last).is_none() {
            return Ok(last);
        }
    }
}

/// Takes whole frames until the batch is full or the block ends.
fn read_block(block: &[u8], kind: Kind, found: &mut Gathered) -> Option<Break> {
    let base = found.position.offset;
    for frame in Frames::at(block, base) {
        let frame = match frame {
            Ok(frame) => frame,
            Err(broken) => return Some(broken),
        };
        match kind {
            Kind::Journal => match Record::decode(frame.payload) {
                Ok(Record::Cdr(cdr)) => {
                    found.cdrs.push(*cdr);
                    found.places.push(found.position);
                }
                Ok(_) => {}
                Err(flaw) => found.aside.push(unread(found.position, frame.payload, frame.after, &flaw.to_string())),
            },
            Kind::Traces => match trace::decode(frame.payload) {
                Ok(trace) => found.traces.push((trace.call, trace.started().micros(), frame.payload.to_vec())),
                Err(flaw) => tracing::warn!(?flaw, "a captured call cannot be read and is left out"),
            },
        }
        found.position.offset = frame.after;
        if found.cdrs.len() >= RECORDS_MAX || found.aside.len() >= RECORDS_MAX || found.traces.len() >= TRACES_MAX {
            found.full = true;
            return None;
        }
    }
    None
}

/// A record that is set aside.
pub fn unread(place: Position, payload: &[u8], after: u64, reason: &str) -> Aside {
    let (boot, segment) = place.file();
    let offset = place.offset;
    Aside { boot, segment, offset, bytes: after - offset, reason: reason.to_owned(), record: aside::digits(payload) }
}

enum Head {
    Sound,
    Short,
    Foreign,
}

fn read_header(source: &File, node: NodeId) -> io::Result<Head> {
    let mut head = [0; HEADER_BYTES];
    if read_at(source, &mut head, 0)? < HEADER_BYTES {
        return Ok(Head::Short);
    }
    Ok(match segment::read_header(&head) {
        Some(header) if header.node == node => Head::Sound,
        _ => Head::Foreign,
    })
}

/// Reads until the buffer is full or the file ends.
pub fn read_at(source: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read_at(&mut buffer[length..], offset + length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
