//! Stories about the collector: segments as the data plane writes them, read by one that is killed, starved and started again.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;
#[path = "../store/tests/support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cdr::{Cdr, Record, segment, trace};
use sample::{World, attempt, call, call_id, grant_id, money, world};
use store::Store;
use tandem_controlplane::collect::Collector;
use tandem_controlplane::folder::Folder;
use tandem_controlplane::link::Link;
use units::{AccountId, Money, NodeId, WallTime};

on_both! {
    records_are_collected_once_over_kills_torn_tails_and_new_boots
    a_damaged_record_stops_nothing_but_its_segment
    captured_calls_are_collected
}

/// A journal in a folder of its own.
struct Journal {
    folder: Folder,
    sequence: u64,
    _temporary: tempfile::TempDir,
}

impl Journal {
    fn new() -> Journal {
        let temporary = tempfile::tempdir().unwrap();
        Journal { folder: Folder::open(temporary.path()).unwrap(), sequence: 0, _temporary: temporary }
    }

    fn path(&self, boot: u32, number: u32) -> PathBuf {
        self.folder.journal().join(segment::file_name(boot, number))
    }

    fn write(&self, boot: u32, number: u32, bytes: &[u8]) {
        let path = self.path(boot, number);
        let fresh = !path.exists();
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        if fresh {
            let mut head = Vec::new();
            segment::header(NodeId(1), boot, number, &mut head);
            file.write_all(&head).unwrap();
        }
        file.write_all(bytes).unwrap();
    }

    fn frames(&mut self, cdrs: &[Cdr]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for cdr in cdrs {
            for record in [Record::Boot { boot: 1, wall: WallTime::from_micros(1) }, Record::Cdr(Box::new(cdr.clone()))]
            {
                self.sequence += 1;
                segment::frame(self.sequence, &record, &mut bytes);
            }
        }
        bytes
    }

    fn collector(&self, store: &Store) -> Collector {
        let link = Link::start(self.folder.socket(), store.clone());
        Collector::start(store.clone(), &self.folder, NodeId(1), link).unwrap()
    }
}

/// Calls of one cent each from one grant, with their attempts.
fn calls(w: World, sequences: std::ops::Range<u64>) -> Vec<Cdr> {
    sequences
        .flat_map(|sequence| {
            let call = call(w, sequence, "0.01", &[(grant_id(1), "0.01")]);
            [attempt(&call), call]
        })
        .collect()
}

async fn settled(store: &Store, w: World, amount: &str) {
    let late = Instant::now() + Duration::from_secs(30);
    while store.balance(w.payer).await.unwrap().settled != money(amount) {
        assert!(Instant::now() < late, "{:?}", store.balance(w.payer).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn funded(store: &Store) -> World {
    let w = world(store).await;
    store.payment(w.payer, money("100"), "opening", "").await.unwrap();
    store.grant(grant_id(1), AccountId(w.payer), store::Ask { want: money("40"), slice: Money::ZERO }).await.unwrap();
    w
}

async fn records_are_collected_once_over_kills_torn_tails_and_new_boots(store: Store) {
    let w = funded(&store).await;
    let mut journal = Journal::new();
    let first = journal.frames(&calls(w, 0..700));
    // The collector dies in the middle of its work, again and again, while the journal grows.
    for (place, part) in first.chunks(first.len() / 7 + 1).enumerate() {
        journal.write(1, 1, part);
        let doomed = journal.collector(&store);
        tokio::time::sleep(Duration::from_millis(20 * (place as u64 + 1))).await;
        drop(doomed);
    }
    let collector = journal.collector(&store);
    settled(&store, w, "7").await;
    // A second segment; then the data plane dies within a frame and starts anew.
    let second = journal.frames(&calls(w, 700..800));
    journal.write(1, 2, &second);
    let torn = journal.frames(&calls(w, 900..901));
    journal.write(1, 2, &torn[..torn.len() - 5]);
    settled(&store, w, "8").await;
    let third = journal.frames(&calls(w, 800..900));
    journal.write(2, 1, &third);
    settled(&store, w, "9").await;
    collector.stop().await;

    let progress = journal.collector(&store);
    let mut seen = progress.progress();
    let seen = seen.wait_for(|progress| progress.backlog_bytes == Some(0)).await.unwrap().clone();
    assert_eq!((seen.collected, seen.problem.as_str()), (0, ""), "nothing is collected twice");
    let balance = store.balance(w.payer).await.unwrap();
    assert_eq!((balance.settled, balance.held, balance.available), (money("9"), money("31"), money("60")));
    assert_eq!(store.balance(w.payee).await.unwrap().owed, money("4.5"));
    assert_eq!(store.story(call_id(900)).await.unwrap().call, None, "its frame was torn");
    assert_eq!(store.story(call_id(899)).await.unwrap().attempts.len(), 1);
}

async fn a_damaged_record_stops_nothing_but_its_segment(store: Store) {
    let w = funded(&store).await;
    let mut journal = Journal::new();
    let (good, mut bad) = (journal.frames(&calls(w, 0..1)), journal.frames(&calls(w, 1..3)));
    bad[200] ^= 1;
    journal.write(1, 1, &good);
    journal.write(1, 1, &bad);
    let _collector = journal.collector(&store);
    settled(&store, w, "0.01").await;
    let next = journal.frames(&calls(w, 5..6));
    journal.write(1, 2, &next);
    settled(&store, w, "0.02").await;
}

async fn captured_calls_are_collected(store: Store) {
    let journal = Journal::new();
    let message = trace::Message {
        at: WallTime::from_micros(5),
        leg: 0,
        inbound: true,
        peer: "127.0.1.1:5060".parse().unwrap(),
        bytes: b"INVITE sip:1@x SIP/2.0\r\n\r\n".to_vec(),
    };
    let (mut payload, mut bytes) = (Vec::new(), Vec::new());
    trace::encode(call_id(1), &[message], &mut payload);
    segment::header(NodeId(1), 1, 1, &mut bytes);
    segment::frame_bytes(0, &payload, &mut bytes);
    std::fs::write(journal.folder.traces().join(segment::file_name(1, 1)), bytes).unwrap();
    let _collector = journal.collector(&store);
    let late = Instant::now() + Duration::from_secs(30);
    while store.story(call_id(1)).await.is_err() {
        assert!(Instant::now() < late, "the captured call comes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let kept = store.story(call_id(1)).await.unwrap().trace.unwrap();
    assert_eq!(trace::decode(&kept).unwrap().messages.len(), 1);
}

#[tokio::test]
async fn another_folder_that_writes_as_the_same_node_is_not_collected() {
    let database = databases::sqlite().await;
    let w = funded(&database.store).await;
    let mut first = Journal::new();
    let frames = first.frames(&calls(w, 0..1));
    first.write(1, 1, &frames);
    let collector = first.collector(&database.store);
    settled(&database.store, w, "0.01").await;
    collector.stop().await;
    let second = Journal::new();
    second.write(1, 1, &frames);
    let collector = second.collector(&database.store);
    let mut progress = collector.progress();
    let seen = progress.wait_for(|progress| !progress.problem.is_empty()).await.unwrap();
    assert!(seen.problem.contains("another data folder"), "{}", seen.problem);
    assert_eq!(Money::ZERO, seen.at.map_or(Money::ZERO, |_| money("1")));
}
