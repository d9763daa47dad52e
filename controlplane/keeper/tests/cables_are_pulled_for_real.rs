#![allow(clippy::unwrap_used, reason = "a test may end at once")]
//! Real databases, a real etcd and real keepers on hosts of their own: processes are killed and cables pulled.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::writer::{Watcher, Writer};
use support::{TAKEOVER_S, World, until};

/// A busy machine may be so late.
const SLACK: Duration = Duration::from_secs(5);

fn holder(world: &World) -> Option<u16> {
    [1, 2].into_iter().find(|node| world.ask(*node, "SELECT @@read_only").as_deref() == Some("0"))
}

/// The book counts on the other database.
fn in_sync(world: &World, primary: u16) -> Option<()> {
    let on = world.ask(primary, "SELECT @@rpl_semi_sync_master_enabled, @@read_only")?;
    let told = world.cluster(&["status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_str(&told).unwrap();
    let synced = status["book"]["holder"] == primary && status["book"]["sync"] == 3 - primary;
    (on == "1\t0" && synced).then_some(())
}

fn rows(world: &World, node: u16) -> Option<BTreeSet<u64>> {
    let told = world.ask(node, "SELECT id FROM tandem.rows_written")?;
    Some(told.lines().map(|line| line.parse().unwrap()).collect())
}

/// Rows are acknowledged again after what happened.
fn goes_on(writer: &Writer, what: &str) -> Duration {
    let (before, began) = (writer.count(), Instant::now());
    until(what, || (writer.count() > before + 20).then_some(()));
    began.elapsed().max(writer.longest())
}

fn say(story: &str, outage: Duration) {
    eprintln!("{story:<58} {:>6.2} s without an acknowledgement", outage.as_secs_f64());
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_the_primary_dies() {
    if !support::may_run() {
        return;
    }
    let mut world = World::new(2);
    world.start_keeper(1);
    world.start_keeper(2);
    let writer = Writer::start(&world);
    until("node 1 is primary", || (holder(&world) == Some(1)).then_some(()));
    let watcher = Watcher::start(&world);
    until("node 2 is counted on", || in_sync(&world, 1));
    goes_on(&writer, "rows are acknowledged");

    world.kill_database(1);
    say("kill -9 of the primary", goes_on(&writer, "the other takes over"));
    until("the database is home again", || in_sync(&world, 1));
    say("give-back", goes_on(&writer, "rows go on after the give-back"));

    world.cable(1, false);
    let outage = goes_on(&writer, "the other takes over");
    say("the primary's cable is pulled", outage);
    assert!(outage < Duration::from_secs(TAKEOVER_S + 2) + SLACK, "take-over took {outage:?}");
    world.cable(1, true);
    until("the database is home again", || in_sync(&world, 1));
    world.cluster(&["promote", "2"]);
    until("node 2 is primary", || (holder(&world) == Some(2)).then_some(()));
    say("planned swap", goes_on(&writer, "rows go on after the swap"));

    until("the database is home again", || in_sync(&world, 1));
    let acknowledged = writer.end();
    let (both, looks) = watcher.end();
    assert!(both.is_empty(), "two databases took writes at {both:?}");
    assert!(looks > 20, "somebody looked {looks} times");
    let primary = until("the primary tells its rows", || rows(&world, 1));
    let lost: Vec<&u64> = acknowledged.difference(&primary).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged rows are lost: {lost:?}", lost.len(), acknowledged.len());
    until("both have the same rows", || (rows(&world, 1)? == rows(&world, 2)?).then_some(()));
    eprintln!("{} rows acknowledged, none lost; {looks} looks, never two primaries", acknowledged.len());
}
