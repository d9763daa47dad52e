//! How many records wait, counted by walking over frames without reading what they say.

use std::fs::File;
use std::io;
use std::path::Path;

use cdr::segment::{FRAME_BYTES, Frames, HEADER_BYTES};
use cdr::{Glimpse, Record};
use units::WallTime;

use super::tail::{Position, read_at};
use crate::folder::segments;

/// Bytes that one look walks over at most.
const LOOK_BYTES_MAX: u64 = 64 << 20;
/// Bytes read at once; more than the largest frame.
const BLOCK_BYTES: usize = 4 << 20;
const _: () = assert!(BLOCK_BYTES > cdr::segment::PAYLOAD_BYTES_MAX + FRAME_BYTES);

/// What stands between the collector's place and the journal's end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ahead {
    /// Everything before it is counted.
    position: Position,
    /// Records that are not in the database.
    pub records: u64,
    /// When the oldest of them ended.
    pub oldest: Option<WallTime>,
}

impl Ahead {
    /// The collector has brought so many records into the database, up to this place; `next` is when the first after them ended.
    pub fn stored(&mut self, position: Position, records: u64, next: Option<WallTime>) {
        if position >= self.position {
            *self = Ahead { position, records: 0, oldest: next };
        } else {
            self.records = self.records.saturating_sub(records);
            self.oldest = next.or(self.oldest).filter(|_| self.records > 0);
        }
    }

    /// Walks on, as far as one look may.
    pub fn look(&mut self, folder: &Path, from: Position) -> io::Result<()> {
        if from > self.position {
            *self = Ahead { position: from, ..Ahead::default() };
        }
        let mut left = LOOK_BYTES_MAX;
        let first = self.position.file();
        for file in segments(folder)?.into_iter().filter(|file| (file.boot, file.number) >= first) {
            if (file.boot, file.number) > self.position.file() {
                self.position = Position::new(file.boot, file.number, HEADER_BYTES as u64);
            }
            let source = File::open(&file.path)?;
            while left > 0 {
                let before = self.position;
                self.block(&source)?;
                let walked = self.position.offset() - before.offset();
                if walked == 0 {
                    break;
                }
                left = left.saturating_sub(walked);
            }
        }
        Ok(())
    }

    fn block(&mut self, source: &File) -> io::Result<()> {
        let mut block = vec![0; BLOCK_BYTES];
        let offset = self.position.offset().max(HEADER_BYTES as u64);
        let length = read_at(source, &mut block, offset)?;
        let (boot, segment) = self.position.file();
        for frame in Frames::at(&block[..length], offset).map_while(Result::ok) {
            if let Glimpse::Cdr(..) = Glimpse::of(frame.payload) {
                self.records += 1;
                if self.oldest.is_none()
                    && let Ok(Record::Cdr(cdr)) = Record::decode(frame.payload)
                {
                    self.oldest = Some(super::ended(&cdr));
                }
            }
            self.position = Position::new(boot, segment, frame.after);
        }
        Ok(())
    }
}
