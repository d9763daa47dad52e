//! Reading numbers out of bytes. What lies outside reads as zero, so that no image, however broken, makes a reader panic.

use crate::layout::{STRINGS, Section, header};

macro_rules! readers {
    ($($name:ident $number:ty;)*) => {$(
        pub fn $name(bytes: &[u8], at: usize) -> $number {
            const SIZE: usize = size_of::<$number>();
            bytes.get(at..).and_then(|rest| rest.first_chunk::<SIZE>()).map_or(0, |found| <$number>::from_le_bytes(*found))
        }
    )*};
}

readers! {
    u8_at u8;
    u16_at u16;
    i16_at i16;
    u32_at u32;
    u64_at u64;
    i64_at i64;
}

/// A `u64` offset as an index; what cannot be one lies outside of everything.
pub fn offset_at(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64_at(bytes, at)).unwrap_or(usize::MAX)
}

/// A section's place and how many records it has.
pub fn section(image: &[u8], section: Section) -> (usize, u32) {
    let entry = header::SECTIONS + section.place * 16;
    (offset_at(image, entry), u32_at(image, entry + 8))
}

/// One record: the image and where the record starts.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub image: &'a [u8],
    pub at: usize,
}

impl<'a> Record<'a> {
    /// The record at this place of a section, if it lies within the image.
    pub fn nth(image: &'a [u8], of: Section, index: u32) -> Option<Record<'a>> {
        let (start, count) = section(image, of);
        let at = start.checked_add(index as usize * of.size)?;
        (index < count && at <= image.len()).then_some(Record { image, at })
    }

    /// The record with this id.
    pub fn find(image: &'a [u8], of: Section, id: u32) -> Option<Record<'a>> {
        let (start, count) = section(image, of);
        // Ids are mostly given one after the other, so the place is mostly where counting from the first one leads.
        let guess = id.wrapping_sub(u32_at(image, start));
        let guessed = start.saturating_add((guess as usize).saturating_mul(of.size));
        if guess < count && u32_at(image, guessed) == id {
            return Some(Record { image, at: guessed });
        }
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = start.saturating_add(middle as usize * of.size);
            match u32_at(image, at).cmp(&id) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => return Some(Record { image, at }),
            }
        }
        None
    }

    fn place(self, field: usize) -> usize {
        self.at.saturating_add(field)
    }

    pub fn u8(self, field: usize) -> u8 {
        u8_at(self.image, self.place(field))
    }

    pub fn u16(self, field: usize) -> u16 {
        u16_at(self.image, self.place(field))
    }

    pub fn i16(self, field: usize) -> i16 {
        i16_at(self.image, self.place(field))
    }

    pub fn u32(self, field: usize) -> u32 {
        u32_at(self.image, self.place(field))
    }

    pub fn u64(self, field: usize) -> u64 {
        u64_at(self.image, self.place(field))
    }

    pub fn i64(self, field: usize) -> i64 {
        i64_at(self.image, self.place(field))
    }

    pub fn chunk<const SIZE: usize>(self, field: usize) -> [u8; SIZE] {
        self.image.get(self.place(field)..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; SIZE])
    }

    /// The bytes of a text field; `None` when it points outside of `strings`.
    pub fn text_bytes(self, field: usize) -> Option<&'a [u8]> {
        let (start, count) = section(self.image, STRINGS);
        let strings = self.image.get(start..start.checked_add(count as usize)?)?;
        let first = self.u32(field) as usize;
        strings.get(first..first.checked_add(self.u32(field + 4) as usize)?)
    }

    pub fn text(self, field: usize) -> &'a str {
        self.text_bytes(field).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}
