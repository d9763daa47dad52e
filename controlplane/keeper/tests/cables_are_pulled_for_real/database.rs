//! A pair of databases: processes are killed and frozen, cables pulled, and nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::world::{Keeps, SILENT_S, TAKEOVER_S, World, may_run, signal, until};
use crate::writer::{Watcher, Writer};
use crate::{SLACK, say};

fn holder(world: &World) -> Option<u16> {
    [1, 2].into_iter().find(|node| world.ask(*node, "SELECT @@read_only").as_deref() == Some("0"))
}

/// The book counts on the other database.
fn in_sync(world: &World, primary: u16) -> Option<()> {
    let on = world.ask(primary, "SELECT @@rpl_semi_sync_master_enabled, @@read_only")?;
    let book = &world.status()["database"];
    let synced = book["holder"] == primary && book["sync"] == 3 - primary;
    (on == "1\t0" && synced).then_some(())
}

fn rows(world: &World, node: u16) -> Option<BTreeSet<u64>> {
    let told = world.ask(node, "SELECT id FROM tandem.rows_written")?;
    Some(told.lines().map(|line| line.parse().unwrap()).collect())
}

/// A pair with whoever writes and whoever looks.
struct Scene {
    world: World,
    writer: Writer,
    watcher: Watcher,
}

impl Scene {
    fn new(members: usize) -> Scene {
        let mut world = World::new(Keeps::Databases, members);
        world.start_keeper(1);
        world.start_keeper(2);
        let writer = Writer::start(&world);
        until("node 1 is primary", || (holder(&world) == Some(1)).then_some(()));
        let watcher = Watcher::start(&world);
        let scene = Scene { world, writer, watcher };
        scene.home();
        scene
    }

    /// The first node is primary, and the book counts on the other.
    fn home(&self) {
        until("the database is home and in sync", || in_sync(&self.world, 1));
        self.goes_on("rows are acknowledged");
    }

    /// Rows are acknowledged again after what happened: how long none was.
    fn goes_on(&self, what: &str) -> Duration {
        let (before, began) = (self.writer.count(), Instant::now());
        until(what, || (self.writer.count() > before + 20).then_some(()));
        began.elapsed().max(self.writer.longest())
    }

    /// The other takes over, within so many seconds and two.
    fn taken_over(&self, what: &str, seconds: u64) {
        let outage = self.goes_on(what);
        say(what, outage);
        assert!(outage < Duration::from_secs(seconds + 2) + SLACK, "{what}: {outage:?} without an acknowledgement");
        let now = || [1, 2].map(|node| self.world.ask(node, "SELECT @@read_only"));
        until(&format!("node 2 is primary: {what}"), || (now()[1].as_deref() == Some("0")).then_some(()));
    }

    /// The way home, which stops writes for a second at most.
    fn returned(&self, what: &str) {
        self.writer.longest();
        until(&format!("the database is home: {what}"), || in_sync(&self.world, 1));
        let outage = self.goes_on("rows go on");
        say(&format!("  the way home after that: {what}"), outage);
        assert!(
            outage < Duration::from_secs(1) + SLACK,
            "{what}: {outage:?} without an acknowledgement on the way home"
        );
    }

    /// Nothing that was acknowledged is lost, both have the same rows, and never took both writes.
    fn end(self) {
        let acknowledged = self.writer.end();
        let (both, looks) = self.watcher.end();
        assert!(both.is_empty(), "two databases took writes at {both:?}");
        assert!(looks > 20, "somebody looked {looks} times");
        let primary = until("the primary tells its rows", || rows(&self.world, 1));
        let lost: Vec<&u64> = acknowledged.difference(&primary).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged rows are lost: {lost:?}", lost.len(), acknowledged.len());
        until("both have the same rows", || (rows(&self.world, 1)? == rows(&self.world, 2)?).then_some(()));
        eprintln!("{} rows acknowledged, none lost; {looks} looks, never two primaries", acknowledged.len());
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_primary_dies_or_its_cable_is_pulled() {
    if !may_run() {
        return;
    }
    let scene = Scene::new(1);
    signal("KILL", scene.world.database_process(1));
    scene.taken_over("kill -9 of the primary", TAKEOVER_S);
    scene.returned("the database runs again");
    scene.world.cable(1, false);
    scene.taken_over("the primary's cable is pulled", TAKEOVER_S);
    scene.world.cable(1, true);
    scene.returned("the cable is plugged in");
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_keeper_or_guard_dies() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(1);
    scene.world.end_keeper(1, "KILL");
    scene.taken_over("kill -9 of the primary's keeper", TAKEOVER_S);
    scene.world.start_keeper(1);
    scene.returned("the keeper runs again");

    signal("KILL", scene.world.guard(1));
    scene.taken_over("kill -9 of the primary's guard", TAKEOVER_S);
    scene.returned("there is a guard again");

    scene.world.end_keeper(2, "KILL");
    let outage = scene.goes_on("rows go on without a replica");
    say("kill -9 of the replica's keeper", outage);
    assert_eq!(holder(&scene.world), Some(1));
    scene.world.start_keeper(2);
    scene.home();

    scene.world.end_keeper(1, "TERM");
    scene.taken_over("the primary's keeper is ended", 0);
    scene.world.start_keeper(1);
    scene.returned("the keeper runs again");
    scene.world.cluster(&["promote", "2"]);
    scene.taken_over("tandem cluster promote 2", 0);
    scene.returned("it was asked for once");
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_something_is_frozen() {
    if !may_run() {
        return;
    }
    let scene = Scene::new(1);
    signal("STOP", scene.world.keeper(1));
    scene.taken_over("the primary's keeper is frozen", TAKEOVER_S);
    signal("CONT", scene.world.keeper(1));
    scene.returned("the keeper thaws");

    scene.world.freeze(1, true);
    scene.taken_over("everything of the primary's node is frozen", TAKEOVER_S);
    scene.world.freeze(1, false);
    scene.returned("the node thaws");

    signal("STOP", scene.world.database_process(1));
    scene.taken_over("the primary alone is frozen, for longer than silent_s", SILENT_S);
    scene.returned("the database runs again");
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_cables_carry_one_way_or_only_some() {
    if !may_run() {
        return;
    }
    let scene = Scene::new(1);
    scene.world.cut(1, &[2, 9]);
    scene.taken_over("nothing leaves the primary's host", TAKEOVER_S);
    scene.world.cut(1, &[]);
    scene.returned("everything leaves again");

    scene.world.cut(1, &[2]);
    let outage = scene.goes_on("rows go on without a replica");
    say("nothing goes from the primary to the other database", outage);
    assert_eq!(holder(&scene.world), Some(1), "who reaches the arbiter keeps its place");
    scene.world.cut(1, &[]);
    scene.home();

    scene.world.cut(2, &[1]);
    let outage = scene.goes_on("rows go on without a replica");
    say("nothing goes from the other database to the primary", outage);
    assert_eq!(holder(&scene.world), Some(1), "who reaches the arbiter keeps its place");
    scene.world.cut(2, &[]);
    scene.home();
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn without_a_majority_of_the_arbiter_nobody_takes_writes() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(3);
    scene.world.kill_member(1);
    let outage = scene.goes_on("rows go on with two members");
    say("kill -9 of one of three members of etcd", outage);
    assert_eq!(holder(&scene.world), Some(1));

    scene.world.kill_member(9);
    let began = Instant::now();
    until("nobody takes writes", || holder(&scene.world).is_none().then_some(()));
    let ended = began.elapsed();
    say("kill -9 of a second member: writes end after", ended);
    assert!(ended < Duration::from_secs(TAKEOVER_S) + SLACK, "writes went on for {ended:?} without a majority");
    // For longer than a take-over takes nobody is promoted.
    let count = scene.writer.count();
    let late = Instant::now() + Duration::from_secs(TAKEOVER_S + 2);
    while Instant::now() < late {
        assert_eq!(holder(&scene.world), None, "nobody knows who is primary");
    }
    assert_eq!(scene.writer.count(), count, "nothing is acknowledged");

    scene.world.start_member(9);
    scene.returned("a majority is back");
    scene.world.start_member(1);
    scene.end();
}
