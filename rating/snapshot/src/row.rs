//! Bytes under construction: little-endian numbers, texts kept once, sections, the header in front of them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::crc64::crc64;
use crate::layout::{FORMAT, Section, header};

/// A row of little-endian numbers.
#[derive(Default)]
pub struct Row(pub Vec<u8>);

macro_rules! puts {
    ($($name:ident $number:ty;)*) => {
        impl Row {$(
            pub fn $name(&mut self, number: $number) -> &mut Row {
                self.0.extend_from_slice(&number.to_le_bytes());
                self
            }
        )*}
    };
}

puts! {
    u8 u8;
    u16 u16;
    i16 i16;
    u32 u32;
    u64 u64;
    i64 i64;
}

impl Row {
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Row {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn place(&mut self, (offset, length): (u32, u32)) -> &mut Row {
        self.u32(offset).u32(length)
    }

    pub fn flag(&mut self, flag: bool) -> &mut Row {
        self.u8(u8::from(flag))
    }
}

/// Texts, each kept once.
#[derive(Default)]
pub struct Strings {
    pub bytes: Vec<u8>,
    places: HashMap<String, (u32, u32)>,
    /// The text asked for last: neighbours in a deck share their destination.
    last: (String, (u32, u32)),
}

impl Strings {
    pub fn keep(&mut self, text: &str) -> (u32, u32) {
        if text.is_empty() {
            return (0, 0);
        }
        if self.last.0 == text {
            return self.last.1;
        }
        let place = match self.places.get(text) {
            Some(place) => *place,
            None => {
                let place = (self.bytes.len() as u32, text.len() as u32);
                self.bytes.extend_from_slice(text.as_bytes());
                self.places.insert(text.to_string(), place);
                place
            }
        };
        self.last = (text.to_string(), place);
        place
    }
}

impl Row {
    /// Zeros up to the next cache line, where sections start.
    pub fn align(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(64), 0);
    }

    /// An empty header of this kind of image.
    pub fn header(magic: [u8; 8]) -> Row {
        let mut row = Row::default();
        row.bytes(&magic).u32(FORMAT).u32(header::SIZE as u32);
        row.0.resize(header::SIZE, 0);
        row
    }

    /// Writes over bytes that are there.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Notes in the header that a section with so many records starts here.
    pub fn section(&mut self, section: Section, count: usize) {
        let entry = header::SECTIONS + section.place * 16;
        let start = self.0.len() as u64;
        self.patch(entry, &start.to_le_bytes());
        self.patch(entry + 8, &(count as u32).to_le_bytes());
        self.patch(entry + 12, &(section.size as u32).to_le_bytes());
    }

    /// Writes length and checksum; nothing may change afterwards. Returns the checksum.
    pub fn seal(&mut self) -> u64 {
        let length = self.0.len() as u64;
        self.patch(header::LENGTH, &length.to_le_bytes());
        let checksum = crc64(&[&self.0[..header::CHECKSUM], &self.0[header::CHECKSUM + 8..]]);
        self.patch(header::CHECKSUM, &checksum.to_le_bytes());
        checksum
    }
}
