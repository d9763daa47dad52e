//! One file of the journal: a header, then frames until the end.
//!
//! ```text
//!  header   magic 8 │ format u32 │ node u16 │ 0 u16 │ boot u32 │ segment u32 │ 0 u32 │ crc32c u32 of what stands before
//!  frame    length of payload u32 │ crc32c u32 of length, sequence and payload │ sequence u64 │ payload
//! ```
//! A writer appends whole frames. After a crash the last ones may be missing, cut short or, where the file grew before its bytes
//! came, be zeros: such a tail is [`Break::Torn`] and what stands before it is good. Damage with bytes after it is [`Break::Corrupt`].

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use units::NodeId;

use crate::bytes::{Input, Output};
use crate::crc32c::{Summing, crc32c, sum_on};
use crate::record::Record;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 32;
/// Bytes that a frame adds to its payload.
pub const FRAME_BYTES: usize = 16;
/// Bytes of a payload at most; a longer one is damage.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// How many frames damage may have swallowed for reading to go on behind it: more than fit into a segment.
const RESUME_FRAMES_MAX: u64 = 1 << 22;

const MAGIC: [u8; 8] = *b"TANDJRNL";
const FORMAT: u32 = 1;

/// Where a reader stands in a node's journal: everything before it is done with. Cursors sort by age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The boot that wrote the segment.
    pub boot: u32,
    /// The segment within the boot, from 1.
    pub segment: u32,
    /// Bytes of the segment.
    pub offset: u64,
}

/// Whose segment it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The node that wrote it.
    pub node: NodeId,
    /// In which life of its data plane.
    pub boot: u32,
    /// Its number within that life, from 1.
    pub segment: u32,
}

/// One whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where the next frame begins.
    pub after: u64,
    /// The writer's number of it.
    pub sequence: u64,
    /// What it carries.
    pub payload: &'a [u8],
}

/// One record and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the next frame begins.
    pub after: u64,
    /// The writer's number of it.
    pub sequence: u64,
    /// What was written.
    pub record: Record,
}

/// Why reading stopped, and where: nothing at or after this offset was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The file ends in the middle of a frame: its writer is at work on it, or died over it.
    Torn {
        /// Where the frame begins.
        at: u64,
    },
    /// A frame is damaged although others follow it, or carries what this program cannot read.
    Corrupt {
        /// Where the frame begins.
        at: u64,
    },
}

/// Appends a segment's header.
pub fn header(node: NodeId, boot: u32, segment: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    Output(out).u32(FORMAT).u16(node.0).u16(0).u32(boot).u32(segment).u32(0);
    let sum = crc32c(&[&out[start..]]);
    Output(out).u32(sum);
}

/// Reads a segment's header; `None` for other files, other formats, damaged or too short ones.
pub fn read_header(bytes: &[u8]) -> Option<Header> {
    let (head, sum) = bytes.get(..HEADER_BYTES)?.split_last_chunk::<4>()?;
    let mut input = Input(head.strip_prefix(&MAGIC)?);
    if crc32c(&[head]) != u32::from_le_bytes(*sum) || input.u32()? != FORMAT {
        return None;
    }
    let node = NodeId(input.u16()?);
    input.u16()?;
    Some(Header { node, boot: input.u32()?, segment: input.u32()? })
}

/// The name of a segment's file: `00000001-00000001.seg` for the first segment of the first boot.
pub fn file_name(boot: u32, segment: u32) -> String {
    format!("{boot:08}-{segment:08}.seg")
}

/// Boot and segment of a file's name.
pub fn parse_file_name(name: &str) -> Option<(u32, u32)> {
    let (boot, segment) = name.strip_suffix(".seg")?.split_once('-')?;
    let plain = |text: &str| text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain(boot) && plain(segment) { Some((boot.parse().ok()?, segment.parse().ok()?)) } else { None }
}

/// Appends a frame around an encoded record.
pub fn frame_bytes(sequence: u64, payload: &[u8], out: &mut Vec<u8>) {
    frame_pieces(sequence, core::iter::once(payload), sum_on, out);
}

/// The same around what lies in pieces, one behind the other, with a checksum by `summing`.
pub fn frame_pieces<'a>(
    sequence: u64,
    payload: impl Iterator<Item = &'a [u8]> + Clone,
    summing: Summing,
    out: &mut Vec<u8>,
) {
    let bytes: usize = payload.clone().map(<[u8]>::len).sum();
    assert!(bytes <= PAYLOAD_BYTES_MAX, "a record is far smaller than a megabyte");
    let (length, number) = ((bytes as u32).to_le_bytes(), sequence.to_le_bytes());
    let sum = !payload.clone().fold(summing(summing(!0, &length), &number), summing);
    out.reserve(FRAME_BYTES + bytes);
    out.extend_from_slice(&length);
    Output(out).u32(sum).u64(sequence);
    payload.for_each(|piece| out.extend_from_slice(piece));
}

/// Appends a frame with a record.
pub fn frame(sequence: u64, record: &Record, out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(512);
    record.encode(&mut payload);
    frame_bytes(sequence, &payload, out);
}

/// Reads frames one after the other and stops at the first break.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    /// The offset of `bytes` in the segment.
    base: u64,
    at: usize,
    done: bool,
}

impl<'a> Frames<'a> {
    /// All frames of a segment whose header is sound; `None` if it is not.
    pub fn of_segment(bytes: &'a [u8]) -> Option<Frames<'a>> {
        read_header(bytes)?;
        Some(Frames { bytes, base: 0, at: HEADER_BYTES, done: false })
    }

    /// Frames of a part of a segment that begins at `offset`, where a frame begins.
    pub fn at(bytes: &'a [u8], offset: u64) -> Frames<'a> {
        Frames { bytes, base: offset, at: 0, done: false }
    }

    /// Where the next frame begins.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Goes on behind damage: at the next whole frame whose number follows `sequence`, if there is one in these bytes. Returns how
    /// many bytes are passed over.
    pub fn resume(&mut self, sequence: u64) -> Option<u64> {
        let first = self.at + 1;
        let found = (first..self.bytes.len().saturating_sub(FRAME_BYTES)).find(|at| {
            let head = &self.bytes[*at..*at + FRAME_BYTES];
            let number = head.last_chunk().map_or(0, |number| u64::from_le_bytes(*number));
            // Most places are ruled out by the number alone, so that few checksums are computed.
            number > sequence
                && number - sequence <= RESUME_FRAMES_MAX
                && Frames { at: *at, done: false, ..self.clone() }.frame().is_ok()
        })?;
        let passed = (found - self.at) as u64;
        (self.at, self.done) = (found, false);
        Some(passed)
    }

    fn frame(&self) -> Result<Frame<'a>, Break> {
        let at = self.offset();
        let rest = &self.bytes[self.at..];
        let (torn, corrupt) = (Err(Break::Torn { at }), Err(Break::Corrupt { at }));
        let mut input = Input(rest);
        let (Some(length), Some(sum), Some(sequence)) = (input.u32(), input.u32(), input.u64()) else { return torn };
        if rest.iter().all(|byte| *byte == 0) {
            return torn;
        }
        let length = length as usize;
        if length > PAYLOAD_BYTES_MAX {
            return corrupt;
        }
        let Some(payload) = input.0.get(..length) else { return torn };
        let good = crc32c(&[&rest[..4], &sequence.to_le_bytes(), payload]) == sum;
        match (good, input.0.len() > length) {
            (true, _) => Ok(Frame { after: at + (FRAME_BYTES + length) as u64, sequence, payload }),
            // Pages of the last frame may reach the disk in any order.
            (false, false) => torn,
            (false, true) => corrupt,
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Break>;

    fn next(&mut self) -> Option<Result<Frame<'a>, Break>> {
        if self.done || self.at >= self.bytes.len() {
            return None;
        }
        let frame = self.frame();
        match &frame {
            Ok(frame) => self.at += FRAME_BYTES + frame.payload.len(),
            Err(_) => self.done = true,
        }
        Some(frame)
    }
}

/// Reads records one after the other and stops at the first break.
#[derive(Clone, Debug)]
pub struct Reader<'a>(Frames<'a>);

impl<'a> Reader<'a> {
    /// All records of a segment whose header is sound; `None` if it is not.
    pub fn new(bytes: &'a [u8]) -> Option<Reader<'a>> {
        Frames::of_segment(bytes).map(Reader)
    }

    /// Records of a part of a segment that begins at `offset`, where a frame begins: how a growing segment is followed.
    pub fn at(bytes: &'a [u8], offset: u64) -> Reader<'a> {
        Reader(Frames::at(bytes, offset))
    }

    /// Where the next frame begins.
    pub fn offset(&self) -> u64 {
        self.0.offset()
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Entry, Break>;

    fn next(&mut self) -> Option<Result<Entry, Break>> {
        let before = self.0.clone();
        let frame = match self.0.next()? {
            Ok(frame) => frame,
            Err(broken) => return Some(Err(broken)),
        };
        let Ok(record) = Record::decode(frame.payload) else {
            self.0 = Frames { done: true, ..before };
            return Some(Err(Break::Corrupt { at: self.0.offset() }));
        };
        Some(Ok(Entry { after: frame.after, sequence: frame.sequence, record }))
    }
}
