//! Stories about the collector: segments as the data plane writes them, read by one that is killed, starved and started again.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;
#[path = "../store/tests/support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use cdr::{Cdr, Record, segment, trace};
use panel::wire::{Answer, Figures, Frame};
use sample::{World, attempt, call, call_id, grant_id, money, world};
use store::Store;
use tandem_controlplane::collect::aside::{self, AsideFile};
use tandem_controlplane::collect::{Collector, Progress};
use tandem_controlplane::folder::{Folder, segments};
use tandem_controlplane::link::Link;
use units::{AccountId, Money, NodeId, WallTime};

on_both! {
    records_are_collected_once_over_kills_torn_tails_and_new_boots
    a_damaged_record_stops_nothing_but_itself
    what_waits_is_counted_and_goes_away
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
        let link = Link::start(self.folder.socket(), store.clone(), Default::default());
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
    let late = Instant::now() + Duration::from_secs(180);
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

async fn a_damaged_record_stops_nothing_but_itself(store: Store) {
    let w = funded(&store).await;
    let mut journal = Journal::new();
    let mut frames: Vec<Vec<u8>> = (0..4).map(|call| journal.frames(&calls(w, call..call + 1))).collect();
    // In the last record of the second call, and it is still being written for all that the collector knows.
    let place = frames[1].len() - 30;
    frames[1][place] ^= 1;
    frames[..3].iter().for_each(|frames| journal.write(1, 1, frames));
    let collector = journal.collector(&store);
    settled(&store, w, "0.02").await;
    let seen = collector.progress().wait_for(|progress| progress.set_aside == 1).await.unwrap().clone();
    assert_eq!(seen.problem, "");
    journal.write(1, 2, &frames[3]);
    settled(&store, w, "0.03").await;
    let aside = AsideFile::beside(&journal.folder.journal()).read().unwrap();
    let [gap] = &aside[..] else { panic!("one stretch: {aside:?}") };
    assert_eq!((gap.boot, gap.segment, gap.record.as_str()), (1, 1, ""));
    assert!(gap.bytes > 200, "a whole frame: {gap:?}");
    assert!(journal.path(1, 1).with_extension("damaged").exists(), "its bytes are kept");
}

/// The called number that the database refuses in these stories.
const REFUSED: &str = "4999";

/// Makes the database refuse records of one called number, as one that is broken in a place would.
fn poison(database: &databases::Database) {
    let on = "CREATE TRIGGER refusing BEFORE INSERT ON cdrs";
    let done = match database.url.strip_prefix("sqlite:") {
        Some(path) => {
            let sql = format!("{on} WHEN NEW.called='{REFUSED}' BEGIN SELECT RAISE(ABORT,'poison'); END");
            Command::new("sqlite3").args(["-cmd", ".timeout 9000", path, &sql]).status()
        }
        None => {
            let place = database.url.strip_prefix("mysql://root@localhost/").unwrap();
            let (name, socket) = place.split_once("?socket=").unwrap();
            let sql = format!(
                "{on} FOR EACH ROW IF NEW.called='{REFUSED}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='poison'; END IF"
            );
            Command::new("mariadb")
                .args(["--no-defaults", "--delimiter=//", "-uroot", "-S", socket, name, "-e", &sql])
                .status()
        }
    };
    assert!(done.unwrap().success(), "the trigger stands");
}

async fn one_bad_record_is_set_aside(database: databases::Database) {
    let store = &database.store;
    let w = funded(store).await;
    poison(&database);
    let mut journal = Journal::new();
    let mut all = calls(w, 0..300);
    // The call record of the hundredth call.
    all[199].called = units::Number::parse(REFUSED.as_bytes()).unwrap();
    let frames = journal.frames(&all);
    journal.write(1, 1, &frames);
    let doomed = journal.collector(store);
    settled(store, w, "2.99").await;
    // One that starts anew does not stumble over it again.
    drop(doomed);
    let collector = journal.collector(store);
    let more = journal.frames(&calls(w, 300..301));
    journal.write(1, 1, &more);
    settled(store, w, "3").await;
    let seen = collector.progress().wait_for(|progress| progress.set_aside == 1).await.unwrap().clone();
    assert_eq!((seen.problem.as_str(), seen.backlog_records), ("", Some(0)));
    let aside = AsideFile::beside(&journal.folder.journal()).read().unwrap();
    let [one] = &aside[..] else { panic!("one record: {aside:?}") };
    assert!(one.reason.contains("poison"), "{one:?}");
    let record = Record::decode(&aside::bytes(&one.record).unwrap()).unwrap();
    assert_eq!(record, Record::Cdr(Box::new(all[199].clone())), "nothing of it is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_sqlite_refuses_is_set_aside_and_the_rest_goes_on() {
    one_bad_record_is_set_aside(databases::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_mariadb_refuses_is_set_aside_and_the_rest_goes_on() {
    one_bad_record_is_set_aside(databases::mariadb().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_refuses_everything_is_blamed_and_not_the_records() {
    let database = databases::sqlite().await;
    let w = funded(&database.store).await;
    poison(&database);
    let mut journal = Journal::new();
    let refused = units::Number::parse(REFUSED.as_bytes()).unwrap();
    let all: Vec<Cdr> = calls(w, 0..60).into_iter().map(|cdr| Cdr { called: refused, ..cdr }).collect();
    let frames = journal.frames(&all);
    journal.write(1, 1, &frames);
    let collector = journal.collector(&database.store);
    let mut progress = collector.progress();
    let seen = progress.wait_for(|progress| progress.problem.contains("in a row")).await.unwrap().clone();
    assert!(seen.set_aside <= 20, "{seen:?}");
}

async fn what_waits_is_counted_and_goes_away(store: Store) {
    let w = funded(&store).await;
    let mut journal = Journal::new();
    let frames = journal.frames(&calls(w, 0..2_000));
    journal.write(1, 1, &frames);
    let collector = journal.collector(&store);
    let mut progress = collector.progress();
    // The first batch is a quarter of it.
    let seen = progress.wait_for(|seen| seen.backlog_records.is_some_and(|n| n > 0)).await.unwrap().clone();
    assert!(seen.backlog_records.unwrap() <= 3_000 && seen.oldest.is_some(), "{seen:?}");
    settled(&store, w, "20").await;
    // Bytes are counted from the files, at the next look.
    let none = |progress: &Progress| (progress.backlog_records, progress.backlog_bytes) == (Some(0), Some(0));
    assert_eq!(progress.wait_for(none).await.unwrap().oldest, None);
}

/// A data plane that says only which start it is, and from which segment on a restart would need its journal.
fn says_needed_from(folder: &Folder, boot: u32, needed_from: u32) {
    let listener = std::os::unix::net::UnixListener::bind(folder.socket()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut answers = stream.try_clone().unwrap();
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let Ok(Frame::Ask { id, .. }) = serde_json::from_str(&line) else { continue };
                let figures = Figures { boot, journal_needed_from: needed_from, ..Figures::default() };
                let answer = Frame::Answer { id, answer: Answer::Figures(Box::new(figures)) };
                let _ = writeln!(answers, "{}", serde_json::to_string(&answer).unwrap());
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_go_while_the_data_plane_runs_once_nobody_needs_them() {
    let database = databases::sqlite().await;
    let w = funded(&database.store).await;
    let mut journal = Journal::new();
    for (place, (boot, number)) in [(1, 9), (2, 1), (2, 2), (2, 3), (2, 4)].into_iter().enumerate() {
        let frames = journal.frames(&calls(w, place as u64..place as u64 + 1));
        journal.write(boot, number, &frames);
    }
    says_needed_from(&journal.folder, 2, 3);
    let _collector = journal.collector(&database.store);
    settled(&database.store, w, "0.05").await;
    let late = Instant::now() + Duration::from_secs(180);
    let left = || segments(&journal.folder.journal()).unwrap().iter().map(|s| (s.boot, s.number)).collect::<Vec<_>>();
    while left() != [(2, 3), (2, 4)] {
        assert!(Instant::now() < late, "{:?}", left());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
    let late = Instant::now() + Duration::from_secs(180);
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
