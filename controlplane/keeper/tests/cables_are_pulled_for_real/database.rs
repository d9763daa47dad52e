//! A pair of databases: processes are killed and frozen, cables pulled, and nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::metrics;
use crate::world::{Keeps, SILENT_S, World, may_run, signal, takeover_s, until};
use crate::writer::{Watcher, Writer};
use crate::{in_time, timed};

pub fn holder(world: &World) -> Option<u16> {
    [1, 2].into_iter().find(|node| world.ask(*node, "SELECT @@read_only").as_deref() == Some("0"))
}

/// The book counts on the other database.
fn in_sync(world: &World, primary: u16) -> Option<()> {
    let on = world.ask(primary, "SELECT @@rpl_semi_sync_master_enabled, @@read_only")?;
    let book = world.book();
    let synced = book["holder"] == primary && book["sync"] == 3 - primary;
    (on == "1\t0" && synced).then_some(())
}

pub fn rows(world: &World, node: u16) -> Option<BTreeSet<u64>> {
    let told = world.ask(node, "SELECT id FROM tandem.rows_written")?;
    Some(told.lines().map(|line| line.parse().unwrap()).collect())
}

/// A pair with whoever writes and whoever looks.
pub struct Scene {
    pub writer: Writer,
    watcher: Watcher,
    /// Last: it goes last.
    pub world: World,
}

impl Scene {
    pub fn new(members: usize) -> Scene {
        Scene::of(Keeps::Databases, members)
    }

    /// As the usual one; before a database starts something is done.
    pub fn prepared(members: usize, prepare: impl FnOnce(&World)) -> Scene {
        let world = World::new(Keeps::Databases, members);
        prepare(&world);
        Scene::in_world(world)
    }

    pub fn of(keeps: Keeps, members: usize) -> Scene {
        Scene::in_world(World::new(keeps, members))
    }

    fn in_world(mut world: World) -> Scene {
        world.start_keeper(1);
        world.start_keeper(2);
        let writer = Writer::start(&world);
        until("node 1 is primary", || (holder(&world) == Some(1)).then_some(()));
        let watcher = Watcher::start(&world);
        let scene = Scene { writer, watcher, world };
        scene.home();
        scene
    }

    /// The first node is primary, and the book counts on the other.
    pub fn home(&self) {
        until("the database is home and in sync", || in_sync(&self.world, 1));
        self.goes_on("rows are acknowledged");
    }

    /// Rows are acknowledged again after what happened: how long none was.
    pub fn goes_on(&self, what: &str) -> Duration {
        let began = Instant::now();
        self.acknowledges(what);
        began.elapsed().max(self.writer.longest())
    }

    /// Twenty rows more are acknowledged: whatever held them up is over.
    fn acknowledges(&self, what: &str) {
        let before = self.writer.count();
        until(what, || (self.writer.count() > before + 20).then_some(()));
    }

    pub fn epoch(&self) -> u64 {
        self.world.book()["epoch"].as_u64().unwrap()
    }

    /// After what happens the other takes over, within so many seconds and two. It may take a while until the primary feels it: rows that
    /// are acknowledged until then say nothing.
    pub fn taken_over(&mut self, what: &str, seconds: u64, happens: impl FnOnce(&mut World)) {
        let epoch = self.epoch();
        self.writer.longest();
        happens(&mut self.world);
        until(&format!("somebody takes over: {what}"), || (self.epoch() > epoch).then_some(()));
        self.acknowledges(what);
        in_time(what, self.writer.longest(), Duration::from_secs(seconds + 2));
    }

    /// The way home, which stops writes for a second at most.
    pub fn returned(&mut self, what: &str, happens: impl FnOnce(&mut World)) {
        self.writer.longest();
        happens(&mut self.world);
        until(&format!("the database is home: {what}"), || in_sync(&self.world, 1));
        self.acknowledges("rows go on");
        let outage = self.writer.longest();
        in_time(&format!("  the way home after that: {what}"), outage, Duration::from_secs(1));
    }

    /// Rows go on with the primary where it is.
    pub fn stays(&mut self, what: &str, happens: impl FnOnce(&mut World)) {
        let epoch = self.epoch();
        happens(&mut self.world);
        let outage = self.goes_on(what);
        in_time(what, outage, Duration::from_secs(takeover_s()));
        if timed() {
            assert_eq!(self.epoch(), epoch, "{what}: who reaches the arbiter keeps its place");
        }
    }

    /// Nobody writes any more: what was acknowledged.
    pub fn silence(self) -> (BTreeSet<u64>, World) {
        let acknowledged = self.writer.end();
        let (both, _) = self.watcher.end();
        assert!(both.is_empty(), "two databases took writes at {both:?}");
        (acknowledged, self.world)
    }

    /// Nothing that was acknowledged is lost, both have the same rows, and never took both writes.
    pub fn end(self) {
        let acknowledged = self.writer.end();
        let (both, looks) = self.watcher.end();
        assert!(both.is_empty(), "two databases took writes at {both:?}");
        assert!(looks > 20, "somebody looked {looks} times");
        // A busy machine may have moved the database meanwhile: whoever follows lacks what it has not fetched yet.
        let both = until("both have the same rows, and one of them is primary", || {
            let (first, second) = (rows(&self.world, 1)?, rows(&self.world, 2)?);
            (first == second && holder(&self.world).is_some()).then_some(first)
        });
        let lost: Vec<&u64> = acknowledged.difference(&both).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged rows are lost: {lost:?}", lost.len(), acknowledged.len());
        eprintln!("{} rows acknowledged, none lost; {looks} looks, never two primaries", acknowledged.len());
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_primary_dies_or_its_cable_is_pulled() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(1);
    let well = [("book_held", 1.0), ("book_in_sync", 1.0), ("database_process{state=\"running\"}", 1.0)];
    let primary = [("node", 1.0), ("database_role{role=\"primary\"}", 1.0), ("database_writable", 1.0)];
    let told = metrics::told(&scene.world, 1, &[well, primary].concat());
    assert!(told["tandem_keeper_database_commits"] > 0.0 && told["tandem_keeper_replica_missing_commits"] >= 0.0);
    let replica = [("node", 2.0), ("database_role{role=\"replica\"}", 1.0), ("replica_behind_seconds", 0.0)];
    metrics::told(&scene.world, 2, &[well, replica].concat());
    scene.taken_over("kill -9 of the primary", takeover_s(), |world| signal("KILL", world.database_process(1)));
    scene.returned("the database runs again", |_| ());
    let returned = metrics::told(&scene.world, 1, &[well, primary].concat());
    assert!(returned["tandem_keeper_book_epoch"] > told["tandem_keeper_book_epoch"]);
    assert!(returned["tandem_keeper_database_starts_total"] > told["tandem_keeper_database_starts_total"]);
    scene.taken_over("the primary's cable is pulled", takeover_s(), |world| world.cable(1, false));
    scene.returned("the cable is plugged in", |world| world.cable(1, true));
    scene.end();
}

/// What is received and not applied is nobody else's. The primary is often back before its replica has applied everything: then it goes on,
/// and the replica, which ended receiving, begins again.
#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_the_primary_of_a_replica_that_lags_dies() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(1);
    scene.taken_over("kill -9 of the primary, whose replica is 2 s behind", takeover_s() + 2, |world| {
        let mut locked = applies_nothing(world);
        signal("KILL", world.database_process(1));
        locked.wait().unwrap();
    });
    scene.returned("the database runs again", |_| ());
    scene.end();
}

/// Keeps the replica from applying for three seconds, and returns when it applies nothing. A lock that comes too late is taken again.
fn applies_nothing(world: &World) -> Child {
    let applied = || world.ask(2, "SELECT @@gtid_slave_pos");
    until("the replica applies nothing", || {
        let mut locked = world.lock(2, 3);
        while locked.try_wait().unwrap().is_none() {
            let before = applied();
            std::thread::sleep(Duration::from_millis(200));
            if before.is_some() && before == applied() && locked.try_wait().unwrap().is_none() {
                return Some(locked);
            }
        }
        None
    })
}

/// The replica comes back without what it had received; only the primary still has that.
#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_a_replica_that_lags_dies_together_with_its_primary() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(1);
    scene.taken_over("kill -9 of both databases, of which the replica was behind", takeover_s(), |world| {
        let mut locked = applies_nothing(world);
        signal("KILL", world.database_process(2));
        signal("KILL", world.database_process(1));
        locked.wait().unwrap();
    });
    scene.home();
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_keeper_or_guard_dies() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(1);
    scene.taken_over("kill -9 of the primary's keeper", takeover_s(), |world| world.end_keeper(1, "KILL"));
    scene.returned("the keeper runs again", |world| world.start_keeper(1));
    scene.taken_over("kill -9 of the primary's guard", takeover_s(), |world| signal("KILL", world.guard(1)));
    scene.returned("there is a guard again", |_| ());
    scene.stays("kill -9 of the replica's keeper", |world| world.end_keeper(2, "KILL"));
    scene.world.start_keeper(2);
    scene.home();
    scene.taken_over("the primary's keeper is ended", 0, |world| world.end_keeper(1, "TERM"));
    scene.returned("the keeper runs again", |world| world.start_keeper(1));
    scene.taken_over("tandem cluster promote 2", 0, |world| drop(world.cluster(&["promote", "2"])));
    scene.returned("it was asked for once", |_| ());
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_something_is_frozen() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(1);
    scene.taken_over("the primary's keeper is frozen", takeover_s(), |world| signal("STOP", world.keeper(1)));
    scene.returned("the keeper thaws", |world| signal("CONT", world.keeper(1)));
    scene.taken_over("everything of the primary's node is frozen", takeover_s(), |world| world.freeze(1));
    scene.returned("the node thaws", World::thaw);
    let what = "the primary's process alone is frozen, for longer than silent_s";
    scene.taken_over(what, SILENT_S, |world| signal("STOP", world.database_process(1)));
    scene.returned("the database runs again", |_| ());
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn nothing_acknowledged_is_lost_when_cables_carry_one_way_or_only_some() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(1);
    scene.taken_over("nothing leaves the primary's host", takeover_s(), |world| world.cut(1, &[2, 9]));
    scene.returned("everything leaves again", |world| world.cut(1, &[]));
    scene.stays("nothing goes from the primary to the other database", |world| world.cut(1, &[2]));
    scene.world.cut(1, &[]);
    scene.home();
    scene.stays("nothing goes from the other database to the primary", |world| world.cut(2, &[1]));
    scene.world.cut(2, &[]);
    scene.home();
    scene.end();
}

/// The arbiter then elects, and begins the holder's lease anew: nobody waits for that.
#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn the_primary_is_replaced_in_time_when_the_leading_member_of_the_arbiter_goes_with_it() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(3);
    for pull in 1..=5 {
        scene.world.lead(1);
        let what = format!("the cable of primary and leading member is pulled ({pull})");
        scene.taken_over(&what, takeover_s(), |world| world.cable(1, false));
        scene.returned("the cable is plugged in", |world| world.cable(1, true));
    }
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn without_a_majority_of_the_arbiter_nobody_takes_writes() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(3);
    scene.stays("kill -9 of one of three members of etcd", |world| world.kill_member(1));
    scene.world.kill_member(9);
    let began = Instant::now();
    until("nobody takes writes", || holder(&scene.world).is_none().then_some(()));
    in_time("kill -9 of a second member: writes end", began.elapsed(), Duration::from_secs(takeover_s()));
    // For longer than a take-over takes nobody is promoted.
    let count = scene.writer.count();
    let late = Instant::now() + Duration::from_secs(takeover_s() + 2);
    while Instant::now() < late {
        assert_eq!(holder(&scene.world), None, "nobody knows who is primary");
    }
    assert_eq!(scene.writer.count(), count, "nothing is acknowledged");
    scene.world.start_member(9);
    scene.home();
    scene.world.start_member(1);
    scene.end();
}
