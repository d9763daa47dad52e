//! One segment, read from its first byte to its last.

use std::fmt;

use anyhow::{Context, Result};
use cdr::Record;
use cdr::segment::{Break, Frames, HEADER_BYTES, read_header};
use serde::Serialize;
use units::WallTime;

use super::show::time;
use crate::folder::SegmentFile;

/// Something that is not as its writer left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub file: String,
    /// In bytes from the file's beginning.
    pub offset: u64,
    pub what: String,
}

impl Fault {
    pub fn new(file: &str, offset: u64, what: String) -> Fault {
        Fault { file: file.to_owned(), offset, what }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.file, self.offset, self.what)
    }
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spot {
    pub boot: u32,
    pub segment: u32,
    pub offset: u64,
    pub sequence: u64,
}

/// What a segment holds.
#[derive(Debug, Default)]
pub struct Look {
    pub file: String,
    pub node: Option<u16>,
    pub boot: u32,
    pub segment: u32,
    pub bytes: u64,
    /// Bytes up to the end of the last whole frame.
    pub whole_bytes: u64,
    pub records: u64,
    pub cdrs: u64,
    pub first_sequence: Option<u64>,
    pub last_sequence: Option<u64>,
    /// The first and the last moment that a record tells.
    pub times: Option<(WallTime, WallTime)>,
    /// Where a torn end begins.
    pub torn: Option<u64>,
    pub faults: Vec<Fault>,
}

/// Reads a segment; each sound record is handed on.
pub fn examine(file: &SegmentFile, each: &mut dyn FnMut(Spot, &Record)) -> Result<Look> {
    let bytes = std::fs::read(&file.path).with_context(|| format!("cannot read {}", file.path.display()))?;
    let name = file.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let (boot, segment, length) = (file.boot, file.number, bytes.len() as u64);
    let mut look = Look { file: name, boot, segment, bytes: length, whole_bytes: length, ..Look::default() };
    if bytes.len() < HEADER_BYTES {
        (look.torn, look.whole_bytes) = (Some(0), 0);
        return Ok(look);
    }
    match read_header(&bytes) {
        Some(header) if (header.boot, header.segment) == (boot, segment) => look.node = Some(header.node.0),
        Some(header) => look.fault(0, format!("its head says boot {}, segment {}", header.boot, header.segment)),
        None => {
            look.fault(0, "no sound head: not a segment, or of a newer program".into());
            return Ok(look);
        }
    }
    look.frames(&bytes, each);
    Ok(look)
}

impl Look {
    fn fault(&mut self, offset: u64, what: String) {
        self.faults.push(Fault::new(&self.file, offset, what));
    }

    fn frames(&mut self, bytes: &[u8], each: &mut dyn FnMut(Spot, &Record)) {
        let mut frames = Frames::at(&bytes[HEADER_BYTES..], HEADER_BYTES as u64);
        loop {
            let at = frames.offset();
            match frames.next() {
                None => return,
                Some(Ok(frame)) => {
                    let (after, payload) = (frame.after, frame.payload);
                    self.frame(
                        Spot { boot: self.boot, segment: self.segment, offset: at, sequence: frame.sequence },
                        payload,
                        each,
                    );
                    self.whole_bytes = after;
                }
                Some(Err(Break::Torn { at })) => {
                    (self.torn, self.whole_bytes) = (Some(at), at);
                    return;
                }
                Some(Err(Break::Corrupt { at })) => match frames.resume(self.last_sequence.unwrap_or(0)) {
                    Some(passed) => self.fault(at, format!("{passed} bytes are damaged")),
                    None => return self.fault(at, format!("{} bytes to the end are damaged", bytes.len() as u64 - at)),
                },
            }
        }
    }

    fn frame(&mut self, spot: Spot, payload: &[u8], each: &mut dyn FnMut(Spot, &Record)) {
        self.records += 1;
        if let Some(last) = self.last_sequence
            && spot.sequence != last + 1
        {
            self.fault(spot.offset, format!("number {} follows {last}", spot.sequence));
        }
        self.first_sequence.get_or_insert(spot.sequence);
        self.last_sequence = Some(spot.sequence);
        match Record::decode(payload) {
            Ok(record) => {
                self.cdrs += u64::from(matches!(record, Record::Cdr(_)));
                if let Some(at) = time(&record) {
                    let (from, till) = self.times.unwrap_or((at, at));
                    self.times = Some((from.min(at), till.max(at)));
                }
                each(spot, &record);
            }
            Err(flaw) => self.fault(spot.offset, flaw.to_string()),
        }
    }

    /// What is missing between this segment and the next one of its boot.
    pub fn gap_to(&self, next: &Look) -> Option<Fault> {
        if next.segment != self.segment + 1 {
            let what = format!("segment {} follows segment {}", next.segment, self.segment);
            return Some(Fault::new(&next.file, 0, what));
        }
        let (last, first) = (self.last_sequence?, next.first_sequence?);
        let what = format!("number {first} follows {last} of the segment before");
        (first != last + 1).then(|| Fault::new(&next.file, HEADER_BYTES as u64, what))
    }
}
