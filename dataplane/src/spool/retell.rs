//! Reads the starts of open calls back from older segments, as they stand by now.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cdr::Record;
use cdr::horizon::{Horizon, OpenCall, Place};
use cdr::segment::{FRAME_BYTES, Frames, PAYLOAD_BYTES_MAX, file_name};

/// The segments of one boot.
pub struct Journal<'a> {
    pub folder: &'a Path,
    pub boot: u32,
}

impl Journal<'_> {
    /// The starts of calls that are told of before this segment and still open. What cannot be read keeps its segment.
    pub fn starts(&self, horizon: &Horizon, before: u32) -> Vec<Record> {
        let mut open = None;
        let mut read = |place: Place| self.record(&mut open, place);
        let mut starts = Vec::new();
        for (call, known) in horizon.started_before(before) {
            match start(known, &mut read) {
                Ok(start) => starts.extend(start),
                Err(error) => tracing::warn!(%call, %error, "the start of an open call cannot be read back"),
            }
        }
        starts
    }

    fn record(&self, open: &mut Option<(u32, File)>, place: Place) -> io::Result<Record> {
        let file = match open {
            Some((segment, file)) if *segment == place.segment => file,
            _ => {
                let file = File::open(self.folder.join(file_name(self.boot, place.segment)))?;
                &mut open.insert((place.segment, file)).1
            }
        };
        let mut bytes = vec![0; FRAME_BYTES];
        file.read_exact_at(&mut bytes, place.offset)?;
        let length = bytes.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
        bytes.resize(FRAME_BYTES + length.min(PAYLOAD_BYTES_MAX), 0);
        file.read_exact_at(&mut bytes, place.offset)?;
        let frame = Frames::at(&bytes, place.offset).next().and_then(Result::ok);
        let record = frame.and_then(|frame| Record::decode(frame.payload).ok());
        record.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no sound record stands there"))
    }
}

/// A call's start with its present reserve; `None` if its attempt is on record, since the call is about to end.
fn start(known: OpenCall, read: &mut impl FnMut(Place) -> io::Result<Record>) -> io::Result<Option<Record>> {
    let Record::Start(mut start) = read(known.start)? else { return Ok(None) };
    if known.attempt.0 != 0 && known.attempt == start.attempt.attempt {
        return Ok(None);
    }
    if let Some(place) = known.paid
        && let Record::Paid { reserved, owed_reserved, paid_ms, .. } = read(place)?
    {
        (start.reserved, start.owed_reserved, start.paid_ms) = (reserved, owed_reserved, paid_ms);
    }
    Ok(Some(Record::Start(start)))
}
