use std::path::Path;
use std::time::Instant;

use cdr::segment::Frames;
use rtrb::{Producer, RingBuffer};
use tempfile::TempDir;
use units::NodeId;

use super::*;
use crate::segments::list;

const PATIENCE: Duration = Duration::from_secs(20);

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
    for folder in ["journal", "traces"] {
        std::fs::create_dir_all(data.join(folder)).unwrap();
    }
    let (bell, figures) = (Arc::new(SpoolBell::default()), Arc::new(Figures::default()));
    let (mut shards, mut sources) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (producer, consumer) = RingBuffer::new(4_096);
        let kept = Arc::new(AtomicU64::new(0));
        shards.push(Shard { entries: producer, kept: kept.clone() });
        sources.push(Source { entries: consumer, kept, bell: Doorbell::new().unwrap() });
    }
    let place = Place { node: NodeId(1), boot: 3, segment: 2, sequence: 10 };
    let spool = Spool { sources, bell: bell.clone(), figures: figures.clone(), data: data.to_owned(), place, sync };
    Running { shards, bell, figures, thread: std::thread::spawn(move || spool.run()) }
}

impl Running {
    fn hand(&mut self, shard: usize, ticket: u64, bytes: Vec<u8>) {
        let mut entry = Entry::Record { ticket, bytes };
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

/// Sequence and payload of all frames of a folder's files, in order.
fn frames(folder: &Path) -> Vec<(u64, Vec<u8>)> {
    let files = list(folder).unwrap();
    let read = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        let frames = Frames::of_segment(&bytes).unwrap();
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
    assert_eq!(written.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), (10..2_010).collect::<Vec<_>>());
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
    let count = SEGMENT_BYTES / large as u64 + 10;
    (1..=count).for_each(|ticket| running.hand(0, ticket, vec![7; large]));
    running.wait(0, count);
    running.stop();
    let files = list(&data.path().join("journal")).unwrap();
    assert_eq!(files.iter().map(|file| file.number).collect::<Vec<_>>(), [2, 3]);
    let sequences: Vec<u64> = frames(&data.path().join("journal")).iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, (10..10 + count).collect::<Vec<_>>());
}

#[test]
fn captured_calls_fill_a_bounded_row_of_files() {
    let data = TempDir::new().unwrap();
    let mut running = start(data.path(), JournalSync::Written);
    let large = 1_000_000;
    let count = (TRACE_SEGMENTS_MAX as u64 + 4) * TRACE_SEGMENT_BYTES / large;
    for ticket in 1..=count {
        let mut entry = Entry::Trace(vec![9; large as usize]);
        while let Err(rtrb::PushError::Full(back)) = running.shards[0].entries.push(entry) {
            entry = back;
            std::thread::yield_now();
        }
        running.hand(0, ticket, vec![1]);
        running.wait(0, ticket);
    }
    running.stop();
    let files = list(&data.path().join("traces")).unwrap();
    assert_eq!(files.len(), TRACE_SEGMENTS_MAX);
    assert!(files[0].number > 1, "the oldest went first");
}
