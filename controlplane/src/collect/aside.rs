//! What the collector could not bring into the database, kept for a person: one line of JSON for each record or damaged stretch.
//!
//! A line is on the disk before the collector's place moves past what it tells of. A collector that dies between the two writes the
//! line again; readers take the last line of a place.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk;

/// The file's name within the journal's folder.
const NAME: &str = "aside.jsonl";
/// Bytes of a line at most: two digits for each byte of the largest record, and its place.
const LINE_BYTES_MAX: u64 = 3 << 20;

/// One thing that was set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// The boot that wrote the segment.
    pub boot: u32,
    /// The segment within the boot.
    pub segment: u32,
    /// Where it begins, in bytes of the segment.
    pub offset: u64,
    /// How many bytes of the segment it takes.
    pub bytes: u64,
    /// Why it is not in the database.
    pub reason: String,
    /// The encoded record in hexadecimal digits; empty for a damaged stretch, whose bytes stay in a copy of the segment.
    #[serde(default)]
    pub record: String,
}

/// The file of one journal.
#[derive(Clone, Debug)]
pub struct AsideFile(PathBuf);

impl AsideFile {
    /// The file beside these segments.
    pub fn beside(journal: &Path) -> AsideFile {
        AsideFile(journal.join(NAME))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Adds lines; they are safe when this returns.
    pub fn append(&self, all: &[Aside]) -> io::Result<()> {
        let mut text = String::new();
        // A line that an earlier program died over, or that the disk did not take whole, is ended first.
        if self.ends_within_a_line()? {
            text.push('\n');
        }
        for aside in all {
            text.push_str(&serde_json::to_string(aside)?);
            text.push('\n');
        }
        disk::append(&self.0, text.as_bytes())
    }

    fn ends_within_a_line(&self) -> io::Result<bool> {
        let mut file = match fs::File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if file.seek(SeekFrom::End(0))? == 0 {
            return Ok(false);
        }
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last != *b"\n")
    }

    /// Everything that was set aside, by place. A line that cannot be read is none.
    pub fn read(&self) -> io::Result<Vec<Aside>> {
        let file = match fs::File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut lines = BufReader::new(file);
        let mut found = BTreeMap::new();
        let mut line = Vec::new();
        while (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? > 0 {
            if let Ok(aside) = serde_json::from_slice::<Aside>(&line) {
                found.insert((aside.boot, aside.segment, aside.offset), aside);
            }
            line.clear();
        }
        Ok(found.into_values().collect())
    }

    /// Puts the file away under another name, once what it told is dealt with. What was added since stays.
    pub fn put_away(&self, mut stamp: i64, dealt_with: &[Aside]) -> io::Result<PathBuf> {
        let name = |stamp| self.0.with_file_name(format!("aside-{stamp}.done"));
        // Two may be put away within a second, and neither may take the other's place.
        while name(stamp).try_exists()? {
            stamp += 1;
        }
        let done = name(stamp);
        disk::rename(&self.0, &done)?;
        let added: Vec<Aside> =
            AsideFile(done.clone()).read()?.into_iter().filter(|one| !dealt_with.contains(one)).collect();
        if !added.is_empty() {
            self.append(&added)?;
        }
        Ok(done)
    }
}

/// Bytes in hexadecimal digits.
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits.
pub fn bytes(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let nibbles = nibbles.filter(|nibbles| nibbles.len().is_multiple_of(2))?;
    Some(nibbles.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}
