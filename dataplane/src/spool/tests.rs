use std::path::Path;
use std::time::Instant;

use cdr::segment::{Frames, HEADER_BYTES};
use cdr::{Cdr, Glimpse, Record, Start};
use rtrb::{Producer, RingBuffer};
use tempfile::TempDir;
use units::{CallId, NodeId, ShardId};

use super::*;
use crate::disk::Touch;
use crate::disk::faults::Faults;
use crate::mail::put_record;
use crate::segments::list;

const PATIENCE: Duration = Duration::from_secs(180);

/// One shard's end.
struct Shard {
    entries: Producer<Entry>,
    kept: Arc<AtomicU64>,
}

struct Running {
    shards: Vec<Shard>,
    bell: Arc<SpoolBell>,
    figures: Arc<Figures>,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
}

fn start(data: &Path, sync: JournalSync) -> Running {
    start_with(data, sync, Limits::default(), None)
}

fn start_with(data: &Path, sync: JournalSync, limits: Limits, faults: Option<Arc<Faults>>) -> Running {
    start_behind(data, sync, limits, faults, 0)
}

/// Each shard has handed over so many records before the thread runs.
fn start_behind(data: &Path, sync: JournalSync, limits: Limits, faults: Option<Arc<Faults>>, records: u64) -> Running {
    for folder in ["journal", "traces"] {
        std::fs::create_dir_all(data.join(folder)).unwrap();
    }
    let (bell, figures) = (Arc::new(SpoolBell::default()), Arc::new(Figures::default()));
    let (mut shards, mut sources) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (mut producer, consumer) = RingBuffer::new(4_096);
        for ticket in 1..=records {
            producer.push(entry(ticket, &[7; 100])).unwrap();
        }
        let kept = Arc::new(AtomicU64::new(0));
        shards.push(Shard { entries: producer, kept: kept.clone() });
        sources.push(Source { entries: consumer, kept, bell: Doorbell::new().unwrap() });
    }
    let place = Place { node: NodeId(1), boot: 3, segment: 2, sequence: 10 };
    let horizon = Horizon::default();
    let spool = Spool {
        sources,
        bell: bell.clone(),
        figures: figures.clone(),
        data: data.to_owned(),
        place,
        horizon,
        sync,
        limits,
    };
    let thread = std::thread::spawn(move || {
        if let Some(faults) = faults {
            faults.arm();
        }
        spool.run()
    });
    Running { shards, bell, figures, thread }
}

/// The only record of a turn.
fn entry(ticket: u64, record: &[u8]) -> Entry {
    let mut bytes = Vec::new();
    put_record(record, &mut bytes);
    Entry::Records { ticket, bytes }
}

impl Running {
    fn hand(&mut self, shard: usize, ticket: u64, bytes: Vec<u8>) {
        let mut entry = entry(ticket, &bytes);
        while let Err(rtrb::PushError::Full(back)) = self.shards[shard].entries.push(entry) {
            entry = back;
            self.bell.ring();
            std::thread::yield_now();
        }
        self.bell.ring();
    }

    fn wait(&self, shard: usize, ticket: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.shards[shard].kept.load(Ordering::Acquire) < ticket {
            assert!(Instant::now() < deadline, "ticket {ticket} of shard {shard} is not kept");
            std::thread::yield_now();
        }
    }

    fn stop(self) {
        self.figures.stop();
        self.bell.ring();
        self.thread.join().unwrap().unwrap();
    }
}

/// Sequence and payload of all frames of a folder's files, in order, without those that segments begin with.
fn frames(folder: &Path) -> Vec<(u64, Vec<u8>)> {
    let of_calls = |(_, payload): &(u64, Vec<u8>)| Record::decode(payload).is_err();
    all_frames(folder).into_iter().filter(of_calls).collect()
}

fn all_frames(folder: &Path) -> Vec<(u64, Vec<u8>)> {
    let files = list(folder).unwrap();
    let read = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        // The disk may have failed while a file's header was written, and the program stopped before it tried again.
        let Some(frames) = Frames::of_segment(&bytes) else {
            assert!(bytes.len() < HEADER_BYTES, "a header that is whole is sound");
            assert_eq!(path, files[files.len() - 1].path.as_path(), "only the last may be without");
            return Vec::new();
        };
        frames.map(|frame| frame.map(|frame| (frame.sequence, frame.payload.to_vec())).unwrap()).collect::<Vec<_>>()
    };
    files.iter().flat_map(|file| read(&file.path)).collect()
}

fn check(sync: JournalSync) {
    let data = TempDir::new().unwrap();
    let mut running = start(data.path(), sync);
    for ticket in 1..=1_000u64 {
        for shard in 0..2 {
            running.hand(shard, ticket, format!("{shard} {ticket}").into_bytes());
        }
    }
    (0..2).for_each(|shard| running.wait(shard, 1_000));
    // What is reported as kept can be read, although the program still runs.
    let written = frames(&data.path().join("journal"));
    running.stop();
    assert_eq!(written.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), (11..2_011).collect::<Vec<_>>());
    for shard in ["0 ", "1 "] {
        let own = written.iter().filter_map(|(_, bytes)| std::str::from_utf8(bytes).unwrap().strip_prefix(shard));
        let tickets: Vec<u64> = own.map(|ticket| ticket.parse().unwrap()).collect();
        assert_eq!(tickets, (1..=1_000).collect::<Vec<_>>(), "each shard's records keep their order");
    }
}

#[test]
fn records_of_all_shards_are_kept_once_and_in_order() {
    check(JournalSync::Written);
}

#[test]
fn the_same_holds_when_every_batch_is_synced() {
    check(JournalSync::Fdatasync);
}

#[test]
fn records_that_wait_share_one_write_and_one_sync() {
    let touches = |records: u64| {
        let (data, nothing_fails) = (TempDir::new().unwrap(), Faults::from(0, 0));
        let faults = Some(nothing_fails.clone());
        let running = start_behind(data.path(), JournalSync::Fdatasync, Limits::default(), faults, records);
        (0..2).for_each(|shard| running.wait(shard, records));
        running.stop();
        nothing_fails.seen()
    };
    let (alone, share) = (touches(1), BATCH_RECORDS / 2);
    assert!(alone > 2, "a write and a sync are counted: {alone}");
    assert_eq!(touches(share), alone, "a batch costs what two records cost");
    assert_eq!(touches(share + 1), alone + 2, "one record more costs a write and a sync");
}

#[test]
fn what_was_handed_over_before_the_stop_is_written() {
    let data = TempDir::new().unwrap();
    let mut running = start(data.path(), JournalSync::Written);
    (1..=3_000).for_each(|ticket| running.hand(1, ticket, vec![7; 100]));
    running.stop();
    assert_eq!(frames(&data.path().join("journal")).len(), 3_000);
}

#[test]
fn a_full_segment_is_followed_by_the_next_without_a_gap() {
    let data = TempDir::new().unwrap();
    let mut running = start(data.path(), JournalSync::Written);
    let large = 512 << 10;
    let count = Limits::default().segment_bytes / large as u64 + 10;
    (1..=count).for_each(|ticket| running.hand(0, ticket, vec![7; large]));
    running.wait(0, count);
    running.stop();
    let files = list(&data.path().join("journal")).unwrap();
    assert_eq!(files.iter().map(|file| file.number).collect::<Vec<_>>(), [2, 3]);
    let sequences: Vec<u64> = all_frames(&data.path().join("journal")).iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, (10..12 + count).collect::<Vec<_>>());
}

#[test]
fn captured_calls_fill_a_bounded_row_of_files() {
    let data = TempDir::new().unwrap();
    let mut running = start(data.path(), JournalSync::Written);
    let large = 1_000_000;
    let count = (TRACE_SEGMENTS_MAX as u64 + 4) * TRACE_SEGMENT_BYTES / large;
    for ticket in 1..=count {
        let mut entry = Entry::Trace(vec![vec![9; large as usize]]);
        while let Err(rtrb::PushError::Full(back)) = running.shards[0].entries.push(entry) {
            entry = back;
            std::thread::yield_now();
        }
        running.hand(0, ticket, vec![1]);
        running.wait(0, ticket);
    }
    running.stop();
    // A thread beside removes them, perhaps a little later.
    let deadline = Instant::now() + PATIENCE;
    let files = loop {
        let files = list(&data.path().join("traces")).unwrap();
        if files.len() <= TRACE_SEGMENTS_MAX || Instant::now() > deadline {
            break files;
        }
        std::thread::yield_now();
    };
    assert_eq!(files.len(), TRACE_SEGMENTS_MAX);
    assert!(files[0].number > 1, "the oldest went first");
}

/// Segments of a few kilobytes and no patience, so that a short story meets every touch of the disk.
const SHORT: Limits = Limits { segment_bytes: 2_000, segments_open_max: 1, retry: Duration::from_millis(1) };

fn started(sequence: u64) -> CallId {
    CallId { node: NodeId(1), boot: 3, shard: ShardId(0), sequence }
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

/// A folder in memory where there is one: hundreds of short lives would otherwise wait for a disk.
fn quick_folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// Sixteen calls, of which the first never ends; each start is waited for, as an answer is. Returns the records handed over, or `None`
/// if the spool ended before it could keep any: the program would start anew.
fn told(data: &Path, faults: &Arc<Faults>) -> Option<Vec<Vec<u8>>> {
    let mut running = start_with(data, JournalSync::Fdatasync, SHORT, Some(faults.clone()));
    let mut handed = Vec::new();
    for sequence in 1..=16 {
        let whole = Cdr { call: started(sequence), ..Cdr::default() };
        let start = Record::Start(Box::new(Start { call: whole.clone(), attempt: whole.clone(), ..Start::default() }));
        let end = Record::Cdr(Box::new(whole));
        for record in [Some(start), (sequence > 1).then_some(end)].into_iter().flatten() {
            handed.push(bytes_of(&record));
            running.hand(0, handed.len() as u64, bytes_of(&record));
        }
        let deadline = Instant::now() + PATIENCE;
        while running.shards[0].kept.load(Ordering::Acquire) < handed.len() as u64 {
            if running.thread.is_finished() {
                assert_eq!(sequence, 1, "it ends only before it has kept anything");
                return None;
            }
            assert!(Instant::now() < deadline, "record {} is not kept with {faults:?}", handed.len());
            std::thread::yield_now();
        }
    }
    assert!(!running.figures.failing(), "it recovered alone");
    running.stop();
    Some(handed)
}

/// The journal holds each record once and in order, besides what segments begin with, and numbers all without a gap.
fn complete(data: &Path, handed: &[Vec<u8>], what: &str) {
    let found = all_frames(&data.join("journal"));
    let numbers: Vec<u64> = found.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(numbers, (10..10 + found.len() as u64).collect::<Vec<_>>(), "{what}: no number is missing or doubled");
    // The first call is told again in later segments.
    let again = |payload: &Vec<u8>| *payload == handed[0];
    let first = found.iter().filter(|(_, payload)| again(payload)).count();
    assert!(first >= 1, "{what}: the start of the open call is there");
    let kept = |payload: &&Vec<u8>| !again(payload) && !matches!(Glimpse::of(payload), Glimpse::Other);
    let others: Vec<&Vec<u8>> = found.iter().map(|(_, payload)| payload).filter(kept).collect();
    assert!(others.into_iter().eq(&handed[1..]), "{what}: every record once, in its order");
}

#[test]
fn whichever_touch_of_the_disk_fails_nothing_that_was_kept_is_lost_or_doubled() {
    let sound = Faults::from(u64::MAX, 0);
    let data = quick_folder();
    let handed = told(data.path(), &sound).unwrap();
    complete(data.path(), &handed, "a sound disk");
    assert!(list(&data.path().join("journal")).unwrap().len() > 5, "the story fills several segments");
    let (mut struck, mut ended) = (0, 0);
    for first in 0..sound.seen() {
        let faults = Faults::from(first, 1 + first % 3);
        let data = quick_folder();
        match told(data.path(), &faults) {
            Some(handed) => complete(data.path(), &handed, &format!("{faults:?}")),
            None => ended += 1,
        }
        struck += faults.struck();
    }
    eprintln!("{} touches, {struck} failures, {ended} of them before the start", sound.seen());
    assert!(struck >= sound.seen(), "every touch failed once at least");
}

#[test]
fn answers_do_not_wait_for_a_disk_that_stands_still_while_segments_are_closed() {
    let (data, faults) = (quick_folder(), Faults::from(0, 0));
    let mut running = start_with(data.path(), JournalSync::Written, SHORT, Some(faults.clone()));
    running.hand(0, 1, vec![7; 100]);
    running.wait(0, 1);
    faults.stall(Some(Touch::Sync));
    for ticket in 2..=200 {
        running.hand(0, ticket, vec![7; 100]);
        running.wait(0, ticket);
    }
    let deadline = Instant::now() + PATIENCE;
    while faults.stalled() == 0 {
        assert!(Instant::now() < deadline, "somebody makes closed segments safe");
        std::thread::yield_now();
    }
    assert!(list(&data.path().join("journal")).unwrap().len() > 5, "the story fills several segments");
    running.stop();
    assert_eq!(frames(&data.path().join("journal")).len(), 200);
    faults.stall(None);
}

#[test]
fn an_open_call_is_told_again_so_that_old_segments_are_not_needed() {
    let data = TempDir::new().unwrap();
    let limits = Limits { retry: Duration::from_millis(1), ..SHORT };
    let mut running = start_with(data.path(), JournalSync::Written, limits, None);
    let long = Cdr { call: started(1), ..Cdr::default() };
    let start = Start { call: long.clone(), attempt: long.clone(), ..Start::default() };
    running.hand(0, 1, bytes_of(&Record::Start(Box::new(start))));
    running.hand(
        0,
        2,
        bytes_of(&Record::Paid { call: started(1), reserved: Vec::new(), owed_reserved: Vec::new(), paid_ms: 77 }),
    );
    for ticket in 3..=60 {
        let short = Cdr { call: started(ticket), ..Cdr::default() };
        running.hand(0, ticket, bytes_of(&Record::Cdr(Box::new(short))));
        running.wait(0, ticket);
    }
    let figures = Arc::clone(&running.figures);
    running.stop();
    let files = list(&data.path().join("journal")).unwrap();
    let last = files.last().unwrap().number;
    assert!(figures.needed_from() + 2 >= last && last > 4, "{} of {last}", figures.needed_from());
    // What is still needed tells the call with its present reserve.
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.number >= figures.needed_from()) {
        let bytes = std::fs::read(&file.path).unwrap();
        found.extend(cdr::segment::Reader::new(&bytes).unwrap().map(|entry| entry.unwrap().record));
    }
    let told = found.iter().find_map(|record| match record {
        Record::Start(start) => Some((start.call.call, start.paid_ms)),
        _ => None,
    });
    assert_eq!(told, Some((started(1), 77)));
}
