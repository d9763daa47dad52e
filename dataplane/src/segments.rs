//! Files of the journal and of the traces: their names, their order, their heads.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use units::NodeId;

use crate::disk;

/// Bytes after which a trace file is closed.
pub const TRACE_SEGMENT_BYTES: u64 = 16 << 20;
/// Trace files kept.
pub const TRACE_SEGMENTS_MAX: usize = 16;

/// Where the next record goes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// This node.
    pub node: NodeId,
    /// This boot.
    pub boot: u32,
    /// The segment to begin.
    pub segment: u32,
    /// The next record's number, of all records of this boot.
    pub sequence: u64,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Whose.
    pub boot: u32,
    /// Which, from 1.
    pub number: u32,
    /// Where.
    pub path: PathBuf,
}

/// The files of a folder, oldest first.
pub fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some((boot, number)) = name.strip_suffix(".seg").and_then(|stem| stem.split_once('-')) else { continue };
        if let (Ok(boot), Ok(number)) = (boot.parse(), number.parse()) {
            found.push(Found { boot, number, path });
        }
    }
    found.sort();
    Ok(found)
}

/// Begins a file: its head is written; if it is to be safe, its name is on the disk. The result is the file and its length.
pub fn create(folder: &Path, node: NodeId, boot: u32, number: u32, safe: bool) -> io::Result<(File, u64)> {
    let path = folder.join(format!("{boot:08}-{number:08}.seg"));
    let file = disk::create(&path)?;
    let mut head = Vec::new();
    cdr::segment::header(node, boot, number, &mut head);
    disk::write_at(&file, &head, 0)?;
    if safe {
        disk::sync(&file)?;
        disk::sync_folder(folder)?;
    }
    Ok((file, head.len() as u64))
}
