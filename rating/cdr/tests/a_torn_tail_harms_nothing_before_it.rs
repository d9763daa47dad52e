//! Segments: written whole, cut, damaged, followed while they grow.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use cdr::Record;
use cdr::segment::{
    self, Break, Cursor, Entry, FRAME_BYTES, Frames, HEADER_BYTES, Header, Reader, file_name, parse_file_name,
};
use units::NodeId;
use world::one_of_each;

/// A segment with one record of each kind, and where each frame begins.
fn written() -> (Vec<u8>, Vec<usize>, Vec<Record>) {
    let records = one_of_each();
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    segment::header(NodeId(4), 5, 6, &mut bytes);
    for (place, record) in records.iter().enumerate() {
        starts.push(bytes.len());
        segment::frame(100 + place as u64, record, &mut bytes);
    }
    (bytes, starts, records)
}

fn entries(bytes: &[u8]) -> (Vec<Entry>, Option<Break>) {
    let mut entries = Vec::new();
    let mut reader = Reader::new(bytes).unwrap();
    for item in reader.by_ref() {
        match item {
            Ok(entry) => entries.push(entry),
            Err(broken) => {
                assert!(reader.next().is_none(), "nothing is read after a break");
                return (entries, Some(broken));
            }
        }
    }
    (entries, None)
}

#[test]
fn a_whole_segment_is_read_in_order() {
    let (bytes, starts, records) = written();
    assert_eq!(segment::read_header(&bytes), Some(Header { node: NodeId(4), boot: 5, segment: 6 }));
    let (found, broken) = entries(&bytes);
    assert_eq!(broken, None);
    assert_eq!(found.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), (100..111).collect::<Vec<_>>());
    let ends = starts[1..].iter().copied().chain([bytes.len()]);
    assert!(found.iter().map(|entry| entry.after as usize).eq(ends));
    assert!(found.into_iter().map(|entry| entry.record).eq(records));
}

#[test]
fn a_segment_torn_at_any_byte_keeps_what_is_whole() {
    let (bytes, starts, records) = written();
    for length in HEADER_BYTES..bytes.len() {
        let (found, broken) = entries(&bytes[..length]);
        let whole = starts[1..].iter().filter(|end| **end <= length).count();
        assert!(found.into_iter().map(|entry| entry.record).eq(records[..whole].iter().cloned()), "{length}");
        let expected = (length != starts[whole]).then_some(Break::Torn { at: starts[whole] as u64 });
        assert_eq!(broken, expected, "{length}");
    }
    for length in 0..HEADER_BYTES {
        assert!(Reader::new(&bytes[..length]).is_none(), "{length}");
    }
}

#[test]
fn zeros_after_the_last_frame_are_a_torn_tail() {
    let (bytes, _, records) = written();
    for zeros in [1, 15, 16, 17, 5_000] {
        let grown = [bytes.as_slice(), &vec![0; zeros]].concat();
        let (found, broken) = entries(&grown);
        assert_eq!((found.len(), broken), (records.len(), Some(Break::Torn { at: bytes.len() as u64 })), "{zeros}");
    }
}

#[test]
fn a_last_frame_whose_pages_came_in_part_is_a_torn_tail() {
    let (mut bytes, starts, _) = written();
    let last = *starts.last().unwrap();
    bytes[last + FRAME_BYTES + 3] ^= 1;
    assert_eq!(entries(&bytes).1, Some(Break::Torn { at: last as u64 }));
}

#[test]
fn every_changed_byte_is_noticed() {
    let (bytes, starts, records) = written();
    for place in 0..bytes.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[place] ^= change;
            let Some(reader) = Reader::new(&damaged) else {
                assert!(place < HEADER_BYTES);
                continue;
            };
            assert!(place >= HEADER_BYTES, "a damaged header is refused");
            let before = starts.iter().filter(|start| **start <= place).count() - 1;
            let found: Vec<_> = reader.map_while(Result::ok).collect();
            assert!(found.into_iter().map(|entry| entry.record).eq(records[..before].iter().cloned()), "{place}");
        }
    }
}

#[test]
fn damage_with_frames_after_it_is_not_taken_for_a_torn_tail() {
    let (mut bytes, starts, _) = written();
    bytes[starts[2] + FRAME_BYTES + 3] ^= 1;
    assert_eq!(entries(&bytes).1, Some(Break::Corrupt { at: starts[2] as u64 }));
}

#[test]
fn a_frame_with_a_foreign_payload_is_corrupt() {
    let mut bytes = Vec::new();
    segment::header(NodeId(1), 1, 1, &mut bytes);
    segment::frame_bytes(1, b"what is this", &mut bytes);
    let frames: Vec<_> = Frames::of_segment(&bytes).unwrap().map(|frame| frame.unwrap().payload).collect();
    assert_eq!(frames, [b"what is this"]);
    assert_eq!(entries(&bytes), (Vec::new(), Some(Break::Corrupt { at: HEADER_BYTES as u64 })));
}

#[test]
fn a_growing_segment_is_followed_from_where_one_stood() {
    let (bytes, _, records) = written();
    let (mut offset, mut found) = (HEADER_BYTES, Vec::new());
    // The file grows seven bytes at a time; the follower reads on from the last whole frame.
    for length in (HEADER_BYTES..bytes.len()).step_by(7).chain([bytes.len()]) {
        let mut reader = Reader::at(&bytes[offset..length], offset as u64);
        while let Some(Ok(entry)) = reader.next() {
            offset = entry.after as usize;
            found.push(entry.record);
        }
        assert_eq!(reader.offset() as usize, offset);
    }
    assert_eq!(found, records);
}

#[test]
fn cursors_sort_by_age_and_files_by_name() {
    let cursor = |boot, segment, offset| Cursor { boot, segment, offset };
    assert!(cursor(1, 9, 99) < cursor(2, 1, 0) && cursor(2, 1, 5) < cursor(2, 2, 0));
    assert_eq!(file_name(3, 12), "00000003-00000012.seg");
    assert_eq!(parse_file_name(&file_name(3, 12)), Some((3, 12)));
    assert_eq!(parse_file_name(&file_name(u32::MAX, 1)), Some((u32::MAX, 1)));
    for name in ["", "1-1.seg", "00000001-00000001.tmp", "00000001-0000000x.seg", "+0000001-00000001.seg"] {
        assert_eq!(parse_file_name(name), None, "{name}");
    }
}
