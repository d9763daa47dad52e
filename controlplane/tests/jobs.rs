//! Stories about workers: an export that is killed and goes on, and days that go when they are old.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;
#[path = "../store/tests/support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::{Duration, Instant};

use cdr::Cdr;
use sample::{call_id, stranger};
use store::{Batch, CDR_DAYS, Cursor, Job, JobAsk, JobState, StatisticsAsk, Store};
use tandem_controlplane::jobs::{LOCK, Workers};
use units::{NodeId, WallTime};

on_both! {
    an_export_whose_worker_is_killed_goes_on_where_it_stood
    days_older_than_the_setting_go
    records_from_before_sums_were_kept_are_summed
}

/// How long a killed worker's heirs wait. A step on a busy machine must not take longer: its worker would count as dead.
const SHORT_LOCK: Duration = Duration::from_secs(2);
const DAY: i64 = 86_400_000_000;

async fn collect(store: &Store, cdrs: &[Cdr]) {
    let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
    for cdrs in cdrs.chunks(1_000) {
        let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
        store.insert_cdrs(batch).await.unwrap();
    }
}

async fn until(store: &Store, id: i64, good: impl Fn(&Job) -> bool) -> Job {
    let late = Instant::now() + Duration::from_secs(180);
    loop {
        let job = store.job(id).await.unwrap();
        if good(&job) {
            return job;
        }
        assert!(Instant::now() < late, "{job:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn an_export_whose_worker_is_killed_goes_on_where_it_stood(store: Store) {
    let mut rows: Vec<Cdr> = (0..9_000).map(stranger).collect();
    rows[4_000].ingress_call_id = "=1+1".into();
    collect(&store, &rows).await;
    let ask = format!("{{\"from\":0,\"till\":{}}}", i64::MAX);
    let kind = web::api::jobs::CDR_EXPORT.to_owned();
    let ask = JobAsk { kind, key: "all".into(), ask, actor: "user:anna".into(), tries_max: 50 };
    let id = store.ask_job(&ask).await.unwrap().id;
    let workers = Workers::start(&store, NodeId(1), SHORT_LOCK);
    until(&store, id, |job| job.parts >= 1).await;
    drop(workers);
    let _heirs = Workers::start(&store, NodeId(2), SHORT_LOCK);
    let job = until(&store, id, |job| job.state == JobState::Done).await;
    assert_eq!((job.done, job.file), (9_000, format!("cdrs-{id}.csv.gz")));
    let mut packed = Vec::new();
    while let Some((_, bytes)) = store.job_part(id, packed.len() as u64).await.unwrap() {
        packed.extend(bytes);
    }
    assert_eq!(packed.len() as u64, job.bytes);
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let mut lines = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(&lines.headers().unwrap()[0], "call");
    let lines: Vec<csv::StringRecord> = lines.records().map(Result::unwrap).collect();
    let calls: BTreeSet<&str> = lines.iter().map(|line| &line[0]).collect();
    assert_eq!((lines.len(), calls.len()), (9_000, 9_000), "each call once");
    assert_eq!(&lines[0][0], call_id(8_999).to_string(), "newest first");
    assert_eq!(lines.iter().filter(|line| &line[25] == "'=1+1").count(), 1, "a spreadsheet must not compute it");
}

async fn days_older_than_the_setting_go(store: Store) {
    let now = jiff::Timestamp::now().as_microsecond();
    let at = |sequence: u64, days: i64| Cdr { started: WallTime::from_micros(now - days * DAY), ..stranger(sequence) };
    collect(&store, &[at(1, 40), at(2, 9), at(3, 1)]).await;
    store.set_setting(CDR_DAYS, Some("7")).await.unwrap();
    let _workers = Workers::start(&store, NodeId(1), LOCK);
    let late = Instant::now() + Duration::from_secs(180);
    // On MariaDB a day goes as a whole: what is before the first part that was made stands in that part until it is old itself.
    let whole_days = !store.cdr_days().await.unwrap().is_empty();
    loop {
        let jobs = store.jobs(None, 10).await.unwrap();
        if jobs.iter().any(|job| job.asked.kind == "retention" && job.state == JobState::Done) {
            break;
        }
        assert!(Instant::now() < late, "{jobs:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(store.story(call_id(3)).await.is_ok());
    if whole_days {
        let until = store.cdr_days().await.unwrap().into_iter().filter_map(|day| day.till).max().unwrap();
        assert!(until.micros() > now + 13 * DAY, "days are made ahead");
    } else {
        assert!(store.story(call_id(1)).await.is_err() && store.story(call_id(2)).await.is_err());
    }
}

async fn records_from_before_sums_were_kept_are_summed(store: Store) {
    let now = jiff::Timestamp::now().as_microsecond();
    let at = |sequence: u64, hours: i64| Cdr {
        started: WallTime::from_micros(now - hours * DAY / 24),
        ..stranger(sequence)
    };
    collect(&store, &[at(1, 30), at(2, 3)]).await;
    store.set_setting("sums_to_count", Some("1")).await.unwrap();
    let _workers = Workers::start(&store, NodeId(1), LOCK);
    let late = Instant::now() + Duration::from_secs(180);
    while store.sums_to_count().await.unwrap() {
        assert!(Instant::now() < late, "{:?}", store.jobs(None, 10).await.unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ask = StatisticsAsk {
        from: WallTime::from_micros(now - 4 * DAY),
        till: WallTime::from_micros(now),
        ..StatisticsAsk::default()
    };
    let (_, _, groups) = store.statistics(&ask).await.unwrap();
    assert_eq!(groups[0].sums.calls, 2, "and none twice");
}
