//! An hour without the database, handed back: a journal of that many calls is written, and the collector brings it in. `make hour`.
//!
//! Beside the clock stand seconds of processor time, which other work on the machine changes less.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;
#[path = "../store/tests/support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::time::{Duration, Instant};

use cdr::{Record, Start, segment};
use sample::{World, attempt, call, grant_id, money, world};
use store::Store;
use tandem_controlplane::collect::Collector;
use tandem_controlplane::folder::Folder;
use tandem_controlplane::link::Link;
use units::{AccountId, NodeId};

/// Bytes after which the data plane begins another segment.
const SEGMENT_BYTES: usize = 64 << 20;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Start, attempt and call of so many calls, as the data plane writes them; the bytes written.
fn write(folder: &Folder, w: World, calls: u64) -> u64 {
    let (mut number, mut sequence, mut written) = (1, 0, 0);
    let mut bytes = Vec::new();
    let mut keep = |bytes: &mut Vec<u8>, number: &mut u32| {
        std::fs::write(folder.journal().join(segment::file_name(1, *number)), &*bytes).unwrap();
        written += bytes.len() as u64;
        *number += 1;
        bytes.clear();
    };
    for place in 0..calls {
        if bytes.is_empty() {
            segment::header(NodeId(1), 1, number, &mut bytes);
        }
        let call = cdr::Cdr { decision: vec![7; 400], ..call(w, place, "0.01", &[(grant_id(1), "0.01")]) };
        let attempt = attempt(&call);
        let start = Start { call: call.clone(), attempt: attempt.clone(), ..Start::default() };
        for record in [Record::Start(start.into()), Record::Cdr(attempt.into()), Record::Cdr(call.into())] {
            sequence += 1;
            segment::frame(sequence, &record, &mut bytes);
        }
        if bytes.len() >= SEGMENT_BYTES {
            keep(&mut bytes, &mut number);
        }
    }
    keep(&mut bytes, &mut number);
    written
}

/// Seconds of processor time that a process has used.
fn used_s(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // The kernel counts in hundredths here, whatever it ticks in.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

async fn handed_back(store: Store, what: &str, server: Option<String>) {
    let calls = number("HOUR_CPS", 50) * number("HOUR_S", 3_600);
    let w = world(&store).await;
    store.payment(w.payer, money("1000000"), "opening", "").await.unwrap();
    store
        .grant(grant_id(1), AccountId(w.payer), store::Ask { want: money("500000"), slice: units::Money::ZERO })
        .await
        .unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let bytes = write(&folder, w, calls);
    let used = || (used_s("self"), server.as_deref().map_or(0.0, used_s));
    let (began, before) = (Instant::now(), used());
    let link = Link::start(folder.socket(), store.clone(), Default::default());
    let collector = Collector::start(store.clone(), &folder, NodeId(1), link).unwrap();
    let mut progress = collector.progress();
    loop {
        let seen = progress.borrow().clone();
        let spent = began.elapsed().as_secs_f64();
        let rate = seen.collected as f64 / spent;
        eprintln!(
            "{what}: {spent:>5.1} s, {} in, {rate:.0} a second, waiting {:?}",
            seen.collected, seen.backlog_records
        );
        if seen.collected == 2 * calls && seen.backlog_bytes == Some(0) {
            break;
        }
        let _ = tokio::time::timeout(
            Duration::from_secs(5),
            progress.wait_for(|p| p.collected == 2 * calls && p.backlog_bytes == Some(0)),
        )
        .await;
    }
    let took = began.elapsed().as_secs_f64();
    let ((ours, theirs), records) = (used(), 2.0 * calls as f64);
    let each_us = |seconds: f64| seconds / records * 1e6;
    println!(
        "{what}: {:.1} us of processor time a record here, {:.1} us in the database's process",
        each_us(ours - before.0),
        each_us(theirs - before.1)
    );
    let settled = store.balance(w.payer).await.unwrap().settled;
    assert_eq!(settled.nanos(), money("0.01").nanos() * calls as i64, "every call is charged once");
    println!(
        "{what}: {calls} calls, {} records, {} MB: handed back in {took:.1} s, {:.0} records a second",
        2 * calls,
        bytes >> 20,
        2.0 * calls as f64 / took
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make hour"]
async fn of_traffic_is_handed_back_to_sqlite() {
    let database = databases::sqlite().await;
    handed_back(database.store.clone(), "SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make hour"]
async fn of_traffic_is_handed_back_to_mariadb() {
    let database = databases::mariadb().await;
    let server = databases::mariadb_process().to_string();
    handed_back(database.store.clone(), "MariaDB", Some(server)).await;
}
