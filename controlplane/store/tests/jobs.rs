//! Stories about jobs and their workers, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;

use std::collections::BTreeMap;
use std::time::Duration;

use store::{Go, Job, JobAsk, JobState, JobStep, Store, StoreError, Turn};
use units::WallTime;

on_both! {
    a_job_asked_for_twice_is_one_job
    many_workers_take_each_job_once
    a_dead_workers_job_goes_on_where_it_stood
    a_cancelled_job_stops_with_its_next_step
    a_failing_job_is_tried_again_and_then_given_up
    a_file_is_read_from_any_byte
    jobs_that_ended_long_ago_are_forgotten
}

const LONG: Duration = Duration::from_secs(600);

fn ask(key: &str) -> JobAsk {
    JobAsk { kind: "count".into(), key: key.into(), ask: "{}".into(), actor: "user:anna".into(), tries_max: 3 }
}

async fn take(store: &Store, worker: &str, lock: Duration) -> Option<Turn> {
    store.take_job(worker, &["count"], lock).await.unwrap()
}

async fn a_job_asked_for_twice_is_one_job(store: Store) {
    let first = store.ask_job(&ask("a")).await.unwrap();
    assert_eq!(store.ask_job(&ask("a")).await.unwrap(), first);
    let other = JobAsk { ask: "{\"more\":1}".into(), ..ask("a") };
    assert!(matches!(store.ask_job(&other).await, Err(StoreError::Conflict { what: "job", .. })));
    assert_eq!(store.jobs(None, 10).await.unwrap(), [first]);
    assert!(store.take_job("w", &["another"], LONG).await.unwrap().is_none(), "of another kind");
}

async fn many_workers_take_each_job_once(store: Store) {
    for place in 0..24 {
        store.ask_job(&ask(&format!("job {place}"))).await.unwrap();
    }
    let worker = |name: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            // One that finds all locked by others looks again, as a worker does.
            while store.jobs(None, 100).await.unwrap().iter().any(|job| job.state == JobState::Waiting) {
                if let Ok(Some(turn)) = store.take_job(&format!("w{name}"), &["count"], LONG).await {
                    taken.push(turn.job.id);
                }
            }
            taken
        })
    };
    let mut times: BTreeMap<i64, u32> = BTreeMap::new();
    for task in (0..6).map(worker).collect::<Vec<_>>() {
        for id in task.await.unwrap() {
            *times.entry(id).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 24);
    assert!(times.values().all(|count| *count == 1), "{times:?}");
}

async fn a_dead_workers_job_goes_on_where_it_stood(store: Store) {
    let id = store.ask_job(&ask("a")).await.unwrap().id;
    let dead = take(&store, "dead", Duration::ZERO).await.unwrap();
    let step = |done: u64, part: &[u8]| JobStep {
        done,
        total: Some(3),
        place: format!("behind {done}"),
        part: part.to_vec(),
        ..JobStep::default()
    };
    assert_eq!(store.job_step(&dead, &step(1, b"one,")).await.unwrap(), Go::On);
    let heir = take(&store, "heir", LONG).await.unwrap();
    assert_eq!((heir.job.id, heir.job.place.as_str(), heir.job.done, heir.job.tries), (id, "behind 1", 1, 2));
    // The dead one was only slow: what it writes now is not written.
    assert_eq!(store.job_step(&dead, &step(2, b"late,")).await.unwrap(), Go::Stop);
    assert_eq!(store.end_job(&dead, Ok(())).await.unwrap(), Go::Stop);
    assert!(take(&store, "third", LONG).await.is_none(), "the heir holds it");
    assert_eq!(store.job_step(&heir, &step(2, b"two")).await.unwrap(), Go::On);
    assert_eq!(store.end_job(&heir, Ok(())).await.unwrap(), Go::On);
    let job = store.job(id).await.unwrap();
    assert_eq!((job.state, job.done, job.bytes, job.parts), (JobState::Done, 2, 7, 2));
}

async fn a_cancelled_job_stops_with_its_next_step(store: Store) {
    let id = store.ask_job(&ask("runs")).await.unwrap().id;
    let turn = take(&store, "w", LONG).await.unwrap();
    assert!(store.cancel_job(id).await.unwrap().cancelling);
    assert_eq!(store.job_step(&turn, &JobStep { done: 9, ..JobStep::default() }).await.unwrap(), Go::Stop);
    let job = store.job(id).await.unwrap();
    assert_eq!((job.state, job.done), (JobState::Cancelled, 0));
    assert!(store.cancel_job(id).await.is_err(), "it has ended");
    assert_eq!(store.retry_job(id).await.unwrap().state, JobState::Waiting);
    assert_eq!(store.cancel_job(id).await.unwrap().state, JobState::Cancelled, "one that waits ends at once");

    let id = store.ask_job(&ask("lost")).await.unwrap().id;
    take(&store, "dead", Duration::ZERO).await.unwrap();
    store.cancel_job(id).await.unwrap();
    assert!(take(&store, "w", LONG).await.is_none(), "nobody goes on with it");
    assert_eq!(store.job(id).await.unwrap().state, JobState::Cancelled);
}

async fn a_failing_job_is_tried_again_and_then_given_up(store: Store) {
    let id = store.ask_job(&JobAsk { tries_max: 1, ..ask("once") }).await.unwrap().id;
    let turn = take(&store, "w", LONG).await.unwrap();
    store.end_job(&turn, Err("no room")).await.unwrap();
    let job = store.job(id).await.unwrap();
    assert_eq!((job.state, job.problem.as_str()), (JobState::Failed, "no room"));

    let id = store.ask_job(&ask("thrice")).await.unwrap().id;
    let turn = take(&store, "w", LONG).await.unwrap();
    store.end_job(&turn, Err("no room")).await.unwrap();
    let job = store.job(id).await.unwrap();
    assert_eq!((job.state, job.tries), (JobState::Waiting, 1));
    assert!(job.due > job.created && job.log.ends_with("no room\n"));
    assert!(take(&store, "w", LONG).await.is_none(), "not before its pause is over");

    let id = store.ask_job(&JobAsk { tries_max: 1, ..ask("lost") }).await.unwrap().id;
    take(&store, "dead", Duration::ZERO).await.unwrap();
    assert!(take(&store, "w", LONG).await.is_none());
    assert_eq!(store.job(id).await.unwrap().state, JobState::Failed);
}

async fn a_file_is_read_from_any_byte(store: Store) {
    let id = store.ask_job(&ask("a")).await.unwrap().id;
    let turn = take(&store, "w", LONG).await.unwrap();
    for part in [&b"abc"[..], b"defgh", b"i"] {
        store.job_step(&turn, &JobStep { part: part.to_vec(), ..JobStep::default() }).await.unwrap();
    }
    for (offset, begins, part) in [(0, 0, &b"abc"[..]), (2, 0, b"abc"), (3, 3, b"defgh"), (8, 8, b"i")] {
        assert_eq!(store.job_part(id, offset).await.unwrap(), Some((begins, part.to_vec())), "{offset}");
    }
    assert_eq!(store.job_part(id, 9).await.unwrap(), None);
}

async fn jobs_that_ended_long_ago_are_forgotten(store: Store) {
    let Job { id, .. } = store.ask_job(&ask("a")).await.unwrap();
    let turn = take(&store, "w", LONG).await.unwrap();
    store.job_step(&turn, &JobStep { part: vec![1], line: "x".repeat(99_999), ..JobStep::default() }).await.unwrap();
    let never = WallTime::from_micros(i64::MAX);
    assert_eq!(store.forget_jobs(never).await.unwrap(), 0, "it runs");
    store.end_job(&turn, Ok(())).await.unwrap();
    assert_eq!(store.forget_jobs(WallTime::from_micros(0)).await.unwrap(), 0, "it is young");
    assert_eq!(store.forget_jobs(never).await.unwrap(), 1);
    assert!(store.job(id).await.is_err());
    assert_eq!(store.job_part(id, 0).await.unwrap(), None);
}
