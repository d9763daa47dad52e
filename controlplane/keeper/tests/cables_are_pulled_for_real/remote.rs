//! A replica in another data centre follows through everything that happens in the first one, is promoted by command when that is gone, and
//! is what the first one is copied from on the way home.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use keeper::remote::disk::{self, RemoteReport};

use crate::database::{Scene, holder, rows};
use crate::world::{REMOTE, World, may_run, signal, takeover_s, until};

const OATH: [&str; 4] = ["promote", "--remote", "--others-are-off", "--accept-loss"];

fn report(world: &World, node: u16) -> Option<RemoteReport> {
    disk::reported(&world.remote_folder(node)).ok()
}

/// A pair at home, and a remote replica that follows. Its settings too.
pub fn begin() -> (Scene, PathBuf) {
    let mut scene = Scene::prepared(1, World::found_remote);
    let settings = scene.world.join_remote(&scene.world.settings(1), REMOTE);
    scene.world.start_keeper_with(REMOTE, &settings);
    catches_up(&scene);
    (scene, settings)
}

/// The remote replica has what was acknowledged when this was asked.
pub fn catches_up(scene: &Scene) {
    let acknowledged = scene.writer.told.lock().unwrap().acknowledged.clone();
    until("the remote replica has everything", || {
        rows(&scene.world, REMOTE).is_some_and(|rows| rows.is_superset(&acknowledged)).then_some(())
    });
}

/// It was never copied anew, since it followed the replica when that took over: a copy of a whole database over a long way is the last thing to
/// do.
fn was_not_copied(world: &World) {
    let said = world.said("keeper3");
    assert!(!said.contains("Clone("), "it was copied anew:\n{said}");
}

fn follows_the_replica(world: &World) {
    until("it follows the replica, node 2", || (report(world, REMOTE)?.follows == Some(2)).then_some(()));
}

/// It is refused for some seconds after a primary was heard.
fn promote(world: &World, settings: &Path) -> String {
    until("it is promoted", || {
        let (done, said) = world.remote_cluster(settings, &OATH);
        assert!(done || said.contains("takes writes: end its keeper first"), "{said}");
        done.then_some(said)
    })
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn a_remote_replica_follows_whoever_is_primary_and_takes_over_by_command_alone() {
    if !may_run() {
        return;
    }
    let (mut scene, settings) = begin();
    follows_the_replica(&scene.world);
    assert_eq!(scene.world.ask(REMOTE, "SELECT @@rpl_semi_sync_slave_enabled").as_deref(), Some("0"));

    scene.taken_over("kill -9 of the primary", takeover_s(), |world| signal("KILL", world.database_process(1)));
    catches_up(&scene);
    scene.returned("the database runs again", |_| ());
    catches_up(&scene);

    scene.stays("the cable to the other data centre is pulled", |world| world.cable(REMOTE, false));
    scene.world.cable(REMOTE, true);
    catches_up(&scene);
    was_not_copied(&scene.world);

    let (done, said) = scene.world.remote_cluster(&settings, &OATH);
    assert!(!done && said.contains("takes writes: end its keeper first"), "{said}");
    a_commit_of_its_own_makes_a_copy(&scene);
    let (acknowledged, mut world, promised) = lose_the_first_data_centre(scene, &settings);
    promote(&world, &settings);
    until("it takes writes", || (world.ask(REMOTE, "SELECT @@read_only")? == "0").then_some(()));
    let here = rows(&world, REMOTE).unwrap();
    let lost = acknowledged.difference(&here).count();
    eprintln!("{} rows acknowledged, {lost} lost with the first data centre, {promised} promised", acknowledged.len());
    assert_eq!(lost as u64, promised, "as many as status said");

    the_first_data_centre_is_back(&mut world, &settings, &here);
    the_way_home(&mut world, &settings);
}

/// Somebody writes into it past all locks: the primary says that it lacks that, and a fresh copy takes its place.
fn a_commit_of_its_own_makes_a_copy(scene: &Scene) {
    const OWN: u64 = 1_000_000_000;
    let written = scene.world.ask(REMOTE, &format!("INSERT INTO tandem.rows_written VALUES ({OWN})"));
    assert!(written.is_some(), "the keepers' user may write everywhere");
    until("it is copied anew", || {
        let copied = scene.world.said("keeper3").contains("the database was copied from the primary");
        (copied && !rows(&scene.world, REMOTE)?.contains(&OWN)).then_some(())
    });
    catches_up(scene);
}

/// It follows the replica, which just became primary again, and is copied anew: its log is empty then, and knows no position.
#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn a_remote_replica_misses_nothing_of_a_database_that_is_copied_anew() {
    if !may_run() {
        return;
    }
    let (mut scene, _) = begin();
    scene.taken_over("kill -9 of the primary", takeover_s(), |world| signal("KILL", world.database_process(1)));
    scene.returned("the database runs again", |_| ());
    let mut waiting = None;
    scene.taken_over("the primary's cable is pulled, and it has a row that nobody else has", takeover_s(), |world| {
        world.cable(1, false);
        waiting = Some(world.begin(1, "INSERT INTO tandem.rows_written VALUES (4000000000)"));
    });
    waiting.unwrap().wait().unwrap();
    scene.returned("the cable is plugged in, and the database is copied anew", |world| world.cable(1, true));
    assert!(scene.world.said("keeper1").contains("Clone("), "it could not follow as it was");
    catches_up(&scene);
    scene.end();
}

/// The replica that it follows is not heard while the primary still is; then everything there dies. Returns what was acknowledged, and how
/// many commits status says are not here.
fn lose_the_first_data_centre(scene: Scene, settings: &Path) -> (BTreeSet<u64>, World, u64) {
    follows_the_replica(&scene.world);
    scene.world.cut(2, &[REMOTE]);
    scene.goes_on("rows are acknowledged without the other data centre");
    let (acknowledged, mut world) = scene.silence();
    let last = || world.ask(1, "SELECT SUBSTRING_INDEX(@@gtid_binlog_pos, '-', -1)")?.parse::<u64>().ok();
    until("the primary's last commit is heard of", || {
        (report(&world, REMOTE)?.primary?.commits == last()?).then_some(())
    });
    for node in [1, 2] {
        world.end_keeper(node, "KILL");
    }
    world.kill_member(9);
    let promised = until("nobody is heard", || {
        let report = report(&world, REMOTE)?;
        (!report.sources.iter().any(|source| source.reached)).then_some(report.missing?)
    });
    assert!(promised > 0, "nothing is missing, and nothing can be lost");
    let (done, said) = world.remote_cluster(settings, &["promote", "--remote"]);
    assert!(!done && said.contains(&format!("not here: {promised} of them")), "{said}");
    assert_eq!(world.ask(REMOTE, "SELECT @@read_only").as_deref(), Some("1"), "nobody meant it");
    (acknowledged, world, promised)
}

/// Nothing goes from one to the other any more, and it is told.
fn the_first_data_centre_is_back(world: &mut World, settings: &Path, here: &BTreeSet<u64>) {
    world.cut(2, &[]);
    world.start_member(9);
    world.start_keeper(1);
    world.start_keeper(2);
    until("node 1 is back", || (holder(world) == Some(1)).then_some(()));
    until("it is told that both take writes", || {
        world.remote_cluster(settings, &["status"]).1.contains("BOTH DATA CENTRES TAKE WRITES").then_some(())
    });
    world.ask(1, "INSERT INTO tandem.rows_written VALUES (1000000001)").unwrap();
    world.ask(REMOTE, "INSERT INTO tandem.rows_written VALUES (1000000002)").unwrap();
    // Started again, it is still what it was made. The old process dies with its keeper, but answers a moment longer.
    let life = |world: &World| world.ask(REMOTE, "SELECT @@report_host, @@read_only");
    let before = life(world).unwrap();
    world.end_keeper(REMOTE, "KILL");
    world.start_keeper_with(REMOTE, settings);
    until("it takes writes again", || life(world).filter(|now| *now != before && now.ends_with("\t0")).map(drop));
    let mut expected = here.clone();
    expected.insert(1_000_000_002);
    assert_eq!(rows(world, REMOTE).unwrap(), expected, "nothing came from the first data centre");
    assert!(!rows(world, 1).unwrap().contains(&1_000_000_002), "nothing went there");
}

/// The first node is copied from the one that was promoted, becomes primary in its place, and the second node is copied from it.
fn the_way_home(world: &mut World, settings: &Path) {
    for node in [1, 2] {
        world.end_keeper(node, "KILL");
    }
    fs::remove_dir_all(world.data(1)).unwrap();
    let back = world.join_remote(settings, 1);
    world.start_keeper_with(1, &back);
    until("node 1 has everything", || (rows(world, 1)? == rows(world, REMOTE)?).then_some(()));
    let expected = rows(world, REMOTE).unwrap();
    world.end_keeper(REMOTE, "TERM");
    until("node 3 is not heard", || (!report(world, 1)?.sources[0].reached).then_some(()));
    let said = promote(world, &back);
    assert!(said.contains("not here: 0 of them"), "{said}");
    world.end_keeper(1, "TERM");

    world.start_keeper(1);
    until("node 1 is primary of the pair", || (holder(world) == Some(1)).then_some(()));
    world.start_keeper(2);
    until("node 2 is copied anew", || (rows(world, 2)? == expected).then_some(()));
    fs::remove_dir_all(world.data(REMOTE)).unwrap();
    let _ = fs::remove_dir_all(world.remote_folder(REMOTE));
    let again = world.join_remote(&world.settings(1), REMOTE);
    world.start_keeper_with(REMOTE, &again);
    until("node 3 is copied anew", || (rows(world, REMOTE)? == expected).then_some(()));
    assert_eq!(rows(world, 1).unwrap(), expected);
}
