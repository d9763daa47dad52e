//! The journal after a crash, or after a disk that lied.

use cdr::segment::{self, Frames, Reader};
use cdr::{Cdr, GrantPart, Priced, Record, Start, recover};
use units::{AccountId, CallId, GrantId, Instant, Money, NodeId, ShardId, WallTime};

fn records() -> Vec<Record> {
    let call = CallId { sequence: 1, ..CallId::default() };
    let grant = GrantId { sequence: 1, ..GrantId::default() };
    let part = || vec![GrantPart { grant, amount: Money::from_nanos(5_000) }];
    let whole = Cdr { call, grants: part(), sell: Some(Priced::default()), ..Cdr::default() };
    let start =
        Start { call: whole.clone(), reserved: part(), owed_reserved: part(), paid_ms: 30_000, ..Start::default() };
    vec![
        Record::Boot { boot: 1, wall: WallTime::from_micros(1) },
        Record::GrantAsked { grant, account: AccountId(1) },
        Record::Granted { grant, account: AccountId(1), amount: Money::from_nanos(10_000) },
        Record::Start(Box::new(start)),
        Record::Paid { call, reserved: part(), owed_reserved: part(), paid_ms: 60_000 },
        Record::Mark { shard: ShardId(0), now: Instant::from_micros(9), wall: WallTime::from_micros(9) },
        Record::Cdr(Box::new(whole)),
        Record::GrantClosed { grant, used: Money::from_nanos(5_000) },
    ]
}

/// A whole segment, and each record by itself behind a byte that says so.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut whole = vec![0];
    segment::header(NodeId(1), 1, 1, &mut whole);
    let mut alone = Vec::new();
    for (sequence, record) in records().iter().enumerate() {
        segment::frame(sequence as u64, record, &mut whole);
        let mut bytes = vec![1];
        record.encode(&mut bytes);
        alone.push(bytes);
    }
    alone.push(whole);
    alone
}

/// The first byte says what follows: a segment as it is, or records whose frames are sound.
pub fn journal(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    if kind % 2 == 0 {
        return segment_is_read(bytes);
    }
    decoded(bytes);
    let _ = cdr::trace::decode(bytes);
    // Sound frames around pieces of the bytes reach the recovery.
    let mut framed = Vec::new();
    segment::header(NodeId(1), 1, 1, &mut framed);
    for (sequence, piece) in bytes.chunks(64 + usize::from(*kind)).enumerate() {
        segment::frame_bytes(sequence as u64, piece, &mut framed);
    }
    records().iter().for_each(|record| segment::frame(9, record, &mut framed));
    segment::frame_bytes(10, bytes, &mut framed);
    segment_is_read(&framed);
}

/// What is decoded encodes to the same record.
fn decoded(bytes: &[u8]) {
    let Ok(record) = Record::decode(bytes) else { return };
    let mut again = Vec::new();
    record.encode(&mut again);
    assert_eq!(Record::decode(&again).as_ref(), Ok(&record), "what is written is read back");
}

/// Reading ends, and recovery copes with what was read in any order.
fn segment_is_read(bytes: &[u8]) {
    let frames = Frames::of_segment(bytes).into_iter().flatten().count();
    assert!(frames <= bytes.len(), "a frame has bytes");
    let entries = Reader::new(bytes).into_iter().flatten().map_while(Result::ok);
    let mut found: Vec<Record> = entries.map(|entry| entry.record).collect();
    let mut free = |_: &units::Terms, _: u64| Priced::default();
    let books = recover::replay(found.iter().cloned(), recover::Crash::AtMark, &mut free);
    found.reverse();
    let other = recover::replay(found.iter().cloned(), recover::Crash::AtMark, &mut free);
    assert!(books.cut.len() <= 2 * bytes.len() && other.cut.len() <= 2 * bytes.len());
}
