//! The database swallows everything, is slow, is read-only, is dead: calls do not notice, a data plane that starts meanwhile works,
//! and the books are exact afterwards.
//!
//! `AWAY_S` is the length of the whole outage in seconds: `make outage`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acceptance::books::exact;
use acceptance::database::MariaDb;
use acceptance::relay::Relay;
use acceptance::switch::Switch;
use acceptance::{PATIENCE, number, signal, until};
use rustix::process::Signal;

/// New calls a second.
const CPS: u32 = 30;
/// How long calls talk.
const TALK_MS: u32 = 1_000;
/// The destination of all calls.
const CALLED: &str = "4930123456";

type Stages = BTreeMap<String, Vec<(u64, u64)>>;

/// What was counted after `before`.
fn since(before: &Stages, now: Stages) -> Stages {
    let less = |stage: &str, bound: u64, count: u64| {
        let known = before.get(stage).and_then(|buckets| buckets.iter().find(|(other, _)| *other == bound));
        count - known.map_or(0, |(_, count)| *count)
    };
    let rest = |(stage, buckets): (String, Vec<(u64, u64)>)| {
        let left = buckets.into_iter().map(|(bound, count)| (bound, less(&stage, bound, count))).collect();
        (stage, left)
    };
    now.into_iter().map(rest).collect()
}

/// Microseconds below which so many of a thousand values are.
fn percentile(buckets: &[(u64, u64)], permille: u64) -> f64 {
    let total: u64 = buckets.iter().map(|(_, count)| count).sum();
    let mut seen = 0;
    for (bound, count) in buckets {
        seen += count;
        if seen * 1_000 >= total * permille {
            return *bound as f64 / 1_000.0;
        }
    }
    0.0
}

/// Both beside each other: nothing is asserted, since a busy machine is no fault of ours.
fn print(there: &Stages, away: &Stages) {
    eprintln!(
        "{:<10}{:>10}{:>10}{:>12}{:>10}{:>10}   microseconds",
        "stage", "50 %", "99 %", "away: 50 %", "99 %", "values"
    );
    for stage in ["parse", "admit", "limits", "route", "egress", "answer"] {
        let (Some(there), Some(away)) = (there.get(stage), away.get(stage)) else { continue };
        let [a, b, c, d] = [(there, 500), (there, 990), (away, 500), (away, 990)].map(|(of, at)| percentile(of, at));
        let values: u64 = away.iter().map(|(_, count)| count).sum();
        eprintln!("{stage:<10}{a:>10.1}{b:>10.1}{c:>12.1}{d:>10.1}{values:>10}");
    }
}

#[test]
fn swallowed_slow_read_only_and_dead() {
    let part = Duration::from_secs(number("AWAY_S", 20)) / 4;
    let calls = |span: Duration| (span.as_secs_f64() * f64::from(CPS)) as u32;
    let mut server = MariaDb::start();
    let relay = Relay::before(server.socket());
    let switch = Switch::up(Some(server.url_by(&relay.socket())));
    let _terminator = switch.taking(&[]);
    let first = calls(part.min(Duration::from_secs(60)));
    switch.calling(first, CPS, TALK_MS, CALLED, &[]).all_calls_succeed();
    let began = switch.stages();
    let there = since(&Stages::new(), began.clone());
    let caller = switch.calling(calls(part * 3), CPS, TALK_MS, CALLED, &[]);
    // The lengths of the outages are what is told here; nothing is awaited.
    relay.swallow();
    std::thread::sleep(part);
    relay.slow(Duration::from_millis(300));
    std::thread::sleep(part);
    server.read_only(true);
    relay.pass();
    std::thread::sleep(part);
    relay.swallow();
    caller.all_calls_succeed();
    print(&there, &since(&began, switch.stages()));
    server.kill();
    relay.pass();
    // A data plane that starts now has its snapshot and its journal, and nothing else.
    let killed = switch.data_plane().expect("a data plane runs");
    signal(killed, Signal::KILL);
    until(PATIENCE, "another data plane runs", || switch.data_plane().filter(|pid| *pid != killed));
    switch.stages();
    let dead = Instant::now();
    let last = calls(part);
    switch.calling(last, CPS, TALK_MS, CALLED, &[]).all_calls_succeed();
    std::thread::sleep(part.saturating_sub(dead.elapsed()));
    server.run();
    let back = Instant::now();
    let all = (first + calls(part * 3) + last) as usize;
    let records = switch.collected(all);
    eprintln!("{all} records are there {:.1?} after the database", back.elapsed());
    assert_eq!(records.len(), all);
    assert!(records.iter().all(|record| record.answered()), "every call was answered");
    switch.charged(exact(&records));
}
