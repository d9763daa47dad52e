//! An arbiter that knows of no primary is a new one, or lost what it knew: only a database without commits becomes primary by that.

use cluster::{Ask, Book, Keeper, Local, Process, Role, Settings, Write};
use units::{Instant, NodeId};

/// The home node's keeper, whose database runs and has so many commits.
fn begun(commits: u64) -> (Keeper, Local) {
    let mut keeper = Keeper::new(Settings::new(NodeId(1), NodeId(2), NodeId(1)));
    keeper.on_book(Instant::default(), Book::default());
    keeper.turn(Instant::default(), &Local::default());
    let (process, drained) = (Process::Running, true);
    (keeper, Local { process, drained, life: 7, position: commits, frozen: true, ..Local::default() })
}

fn asked(write: Write) -> Option<Ask> {
    Some(Ask { by: NodeId(1), version: 0, write })
}

#[test]
fn a_database_without_commits_becomes_the_first_primary() {
    let (mut keeper, local) = begun(0);
    assert_eq!(keeper.turn(Instant::default(), &local).ask, asked(Write::Take(7)));
}

#[test]
fn a_database_with_commits_waits_for_an_operator() {
    let (mut keeper, local) = begun(1);
    let turn = keeper.turn(Instant::default(), &local);
    assert_eq!((turn.role, turn.ask), (Role::Standby, None), "the other one may have more of them");
    keeper.insist();
    assert_eq!(keeper.turn(Instant::default(), &local).ask, asked(Write::Seize));
}
