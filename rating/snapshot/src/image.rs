//! The rates of one deck as bytes: immutable, checked, known by their checksum, shared by all revisions that they did not change in.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use units::DeckId;

use crate::flaw::{ImageFlaw, ModelFlaw};
use crate::layout::{BUCKETS, DATED, DECK_MAGIC, DECK_STRINGS, LINES, SLOTS, WIDE_KEYS, WIDE_LINES, header, tables};
use crate::model::Deck;
use crate::pack::{Bucket, Line, Packed, Packer};
use crate::read::{u32_at, u64_at};
use crate::row::Row;

/// Bytes, wherever they are kept: a mapped file, a vector.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// What a deck's image is known by: two with the same mark are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// CRC-64/XZ of everything but the checksum itself.
    pub checksum: u64,
    /// Bytes.
    pub length: u64,
}

impl fmt::Display for Mark {
    /// The name of its file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.deck", self.checksum)
    }
}

/// The rates of one deck, checked.
#[derive(Clone)]
pub struct DeckImage {
    bytes: Bytes,
    mark: Mark,
}

impl DeckImage {
    /// Reads every byte. Takes about a second per ten million prefixes.
    ///
    /// # Errors
    /// Why the bytes must not be used.
    pub fn check(bytes: Bytes) -> Result<DeckImage, ImageFlaw> {
        let image = (*bytes).as_ref();
        crate::verify::deck_image(image)?;
        let mark = Mark { checksum: u64_at(image, header::CHECKSUM), length: image.len() as u64 };
        Ok(DeckImage { bytes, mark })
    }

    pub(crate) fn of(packed: &Packed, strings: &[u8], rates: u32) -> DeckImage {
        let bytes = written(packed, strings, rates);
        let mark = Mark { checksum: u64_at(&bytes, header::CHECKSUM), length: bytes.len() as u64 };
        DeckImage { bytes: Arc::new(bytes), mark }
    }

    /// What it is known by.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// How many rates it was made of.
    pub fn rates(&self) -> u32 {
        u32_at(self.bytes(), tables::RATES)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }
}

impl PartialEq for DeckImage {
    fn eq(&self, other: &DeckImage) -> bool {
        self.mark == other.mark
    }
}

impl fmt::Debug for DeckImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.mark, self.mark.length)
    }
}

/// A deck whose image a main image names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Which deck.
    pub deck: DeckId,
    /// Its short name.
    pub code: &'a str,
    /// What its image is known by.
    pub mark: Mark,
}

impl Deck {
    /// The rates as bytes: those that were packed before, or `rates` packed.
    ///
    /// # Errors
    /// The rate that no call could use.
    pub fn image(&self) -> Result<DeckImage, ModelFlaw> {
        if let Some(packed) = &self.packed {
            return Ok(packed.clone());
        }
        let mut packer = Packer::new(&self.code);
        self.rates.iter().try_for_each(|rate| packer.add(rate))?;
        packer.finish()
    }
}

fn written(packed: &Packed, strings: &[u8], rates: u32) -> Vec<u8> {
    let mut file = Row::header(DECK_MAGIC);
    file.patch(tables::DEPTH, &packed.depth.to_le_bytes());
    file.patch(tables::REACH, &packed.reach.to_le_bytes());
    file.patch(tables::KEYS, &packed.key_count.to_le_bytes());
    file.patch(tables::RATES, &rates.to_le_bytes());
    let counts = [
        (BUCKETS, packed.buckets.len()),
        (SLOTS, packed.slots.len()),
        (WIDE_KEYS, packed.wide.len()),
        (WIDE_LINES, packed.wide.len()),
        (DATED, packed.dated.len()),
        (LINES, packed.lines.len()),
        (DECK_STRINGS, strings.len()),
    ];
    let size = |(section, count): &(crate::layout::Section, usize)| (section.size * count).next_multiple_of(64);
    file.0.reserve_exact(counts.iter().map(size).sum());
    for (section, count) in counts {
        file.section(section, count);
        let file = &mut file;
        match section {
            BUCKETS => packed.buckets.iter().fold(file, Row::bucket),
            SLOTS => packed.slots.iter().fold(file, |file, slot| file.u16(*slot)),
            WIDE_KEYS => packed.wide.iter().fold(file, |file, (key, _)| file.bytes(&key.to_le_bytes())),
            WIDE_LINES => packed.wide.iter().fold(file, |file, (_, line)| file.u32(*line)),
            DATED => packed.dated.iter().fold(file, |file, number| file.u32(*number)),
            LINES => packed.lines.iter().fold(file, Row::line),
            _ => file.bytes(strings),
        }
        .align();
    }
    file.seal();
    file.0
}

impl Row {
    fn bucket(&mut self, bucket: &Bucket) -> &mut Row {
        for key in bucket.keys {
            self.u64(key);
        }
        for line in bucket.lines {
            self.u32(line);
        }
        self.u32(u32::from(bucket.spilled))
    }

    fn line(&mut self, line: &Line) -> &mut Row {
        self.i64(line.per_minute).i64(line.connection_fee).i64(line.from).i64(line.till).place(line.destination);
        self.u16(line.minimum_s).u16(line.increment_s).u16(line.free_s).flag(line.blocked).u8(line.class.code());
        self.i64(line.first_per_minute)
    }
}
