//! Two databases and no third host that decides: the same stories, told to two servers that hear each other on two cables.

use cluster::{PanelAnswer, PanelAsk};

use crate::database::{Scene, holder};
use crate::world::{Keeps, TWINS_TAKEOVER_S, World, may_run, until};

/// Pulls all cables of the first node, or plugs them in.
fn all_cables(world: &mut World, plugged: bool) {
    world.cable(1, plugged);
    world.second_cable(plugged);
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn two_servers_alone_lose_nothing_when_one_dies_or_cables_are_pulled() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::of(Keeps::Twins(false), 0);
    scene.stays("one of two paths is pulled, and not heard for longer than a take-over takes", |world| {
        world.second_cable(false);
        until("it is not heard", || {
            let heard = world.status()["paths"][1]["heard_ms"].as_u64()?;
            (heard > TWINS_TAKEOVER_S * 1_100).then_some(())
        });
    });
    scene.world.second_cable(true);

    scene.taken_over("the primary's node dies", TWINS_TAKEOVER_S, |world| world.end_keeper(1, "KILL"));
    scene.returned("the node is back", |world| world.start_keeper(1));

    let only_between = "only the cable between the two is left to the primary";
    scene.taken_over(only_between, TWINS_TAKEOVER_S * 6 / 5, |world| world.cable(1, false));
    scene.returned("the cable is plugged in", |world| world.cable(1, true));

    scene.taken_over("all of the primary's cables are pulled", TWINS_TAKEOVER_S, |world| all_cables(world, false));
    scene.returned("the cables are plugged in", |world| all_cables(world, true));

    scene.taken_over("tandem cluster promote 2", 0, |world| drop(world.cluster(&["promote", "2"])));
    scene.returned("it was asked for once", |_| ());
    // Asked by the pages of the node that shall become primary: the other's keeper is told by it.
    scene.taken_over("a drill from the pages", 0, |world| {
        assert!(matches!(world.asked(2, PanelAsk::Promote(2)), PanelAnswer::Promoted(_)));
    });
    let PanelAnswer::Report(report) = scene.world.asked(2, PanelAsk::Report) else {
        panic!("node 2 tells what it knows")
    };
    assert!(report.is_together() && report.keepers.len() == 2 && report.page.holder == Some(2), "{report:?}");
    let silent = report.paths.iter().chain(&report.tie_breakers).any(|path| report.is_silent(path));
    assert!(!silent && report.paths.len() == 2 && report.tie_breakers.len() == 1, "{report:?}");
    scene.returned("it was asked for once", |_| ());
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn a_primary_that_lost_its_replica_goes_on_when_the_replica_is_off_for_certain() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::of(Keeps::Twins(true), 0);
    scene.stays("the replica's keeper is ended", |world| world.end_keeper(2, "TERM"));
    assert_eq!(scene.world.fenced(), "", "who said that it goes need not be turned off");
    scene.returned("the keeper runs again", |world| world.start_keeper(2));

    scene.stays("the replica's node dies, and the fence command works", |world| {
        world.end_keeper(2, "KILL");
        until("the fence command is run", || (world.fenced() == "2\n").then_some(()));
    });
    until("the primary says that it goes on alone", || (scene.world.book()["standing"] == "solo").then_some(()));
    scene.returned("the node is back", |world| world.start_keeper(2));
    scene.end();
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn without_a_fence_command_a_lost_replica_ends_writes_until_somebody_swears_that_it_is_off() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::of(Keeps::Twins(false), 0);
    scene.world.end_keeper(2, "KILL");
    until("nobody takes writes", || holder(&scene.world).is_none().then_some(()));
    let count = scene.writer.count();
    until("the primary's time is over", || (!scene.world.status()["held"].as_bool()?).then_some(()));
    assert_eq!(scene.writer.count(), count, "nothing is acknowledged");
    scene.world.cluster(&["alone", "--other-is-off"]);
    scene.goes_on("the primary goes on alone");
    assert_eq!(holder(&scene.world), Some(1));
    scene.returned("the node is back", |world| world.start_keeper(2));
    scene.end();
}
