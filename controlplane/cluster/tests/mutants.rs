//! Every rule, broken alone, must be noticed: a simulator that cannot fail proves nothing.
//!
//! Built with the feature `mutants` only: `cargo test -p cluster --features mutants --test mutants`.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/arbiter.rs"]
mod arbiter;
#[path = "support/chance.rs"]
mod chance;
#[path = "support/commits.rs"]
mod commits;
#[path = "support/database.rs"]
mod database;
#[path = "support/places.rs"]
mod places;
#[path = "support/remote.rs"]
mod remote;
#[path = "support/story.rs"]
mod story;
#[path = "support/twins.rs"]
mod twins;
#[path = "support/twins_story.rs"]
mod twins_story;
#[path = "support/world.rs"]
mod world;

use std::panic::{catch_unwind, set_hook, take_hook};

use cluster::broken::{Broken, choose};
use cluster::{Book, Keeper, Local, Outcome, Process, Role, Settings};
use units::{Instant, NodeId};

/// Seeds in which a broken rule must be noticed.
const SEEDS: u64 = 3_000;

/// Rules about addresses are broken where addresses move, those of two servers where there is no third, all others with an arbiter of its
/// own.
fn play(broken: Broken, seed: u64) -> Result<(), String> {
    match broken {
        Broken::PassedBeforeDown | Broken::SickStays | Broken::PassedToFlapping => places::play(seed, &mut |_, _| {}),
        Broken::WrittenByOne
        | Broken::RightTooEarly
        | Broken::RightUnclear
        | Broken::RightAfterRestart
        | Broken::RightsAtOnce
        | Broken::FencedLate
        | Broken::FencedUnsure
        | Broken::FencesCutOff
        | Broken::ReplaysHeard
        | Broken::HoldsCutOff => twins::play(&twins_story::Story::new(seed), &mut |_, _| {}),
        Broken::RemoteLeadsUnasked
        | Broken::RemoteForgets
        | Broken::RemoteBesidePrimary
        | Broken::RemoteStaysWithPrimary
        | Broken::RemoteCopiedByReplica
        | Broken::RemoteCopiedFromLess => remote::play(seed).map(drop),
        Broken::ClonesWhileCounted => a_counted_copy_is_kept(),
        Broken::ClonesUnasked => the_book_is_told_before_a_copy_is_thrown_away(),
        _ => world::play(&story::Story::new(seed), &mut |_, _| {}),
    }
}

/// No story of the simulator leads there, since a primary that starts again keeps what its replica has: the rule is asked itself.
fn a_counted_copy_is_kept() -> Result<(), String> {
    let mut keeper = Keeper::new(Settings::new(NodeId(1), NodeId(0), NodeId(0)));
    let now = Instant::default();
    let (holder, sync) = (Some(NodeId(0)), Some(NodeId(1)));
    keeper.on_book(now, Book { version: 3, epoch: 1, holder, held: true, sync, sync_life: 7 });
    keeper.turn(now, &Local::default());
    let local = Local { process: Process::Running, life: 7, diverged: true, ..Local::default() };
    match keeper.turn(now, &local).role {
        Role::Replica(NodeId(0)) => Ok(()),
        other => Err(format!("a copy that the book counts on is to be {other:?}")),
    }
}

/// Nor there: whoever handed over keeps everything.
fn the_book_is_told_before_a_copy_is_thrown_away() -> Result<(), String> {
    let mut keeper = Keeper::new(Settings::new(NodeId(1), NodeId(0), NodeId(0)));
    let now = Instant::default();
    let book = Book { version: 3, epoch: 1, holder: Some(NodeId(0)), held: true, ..Book::default() };
    keeper.on_book(now, book);
    keeper.turn(now, &Local::default());
    let local = Local { process: Process::Running, life: 7, diverged: true, ..Local::default() };
    let before = keeper.turn(now, &local);
    let told = before.ask.and_then(|ask| book.write(ask).ok()).ok_or("nobody is told")?;
    keeper.on_answer(now, Outcome::Written(told));
    match (before.role, keeper.turn(now, &local).role) {
        (Role::Replica(NodeId(0)), Role::Clone(NodeId(0))) => Ok(()),
        other => Err(format!("before and after the book is told it is to be {other:?}")),
    }
}

fn caught(broken: Broken) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| match catch_unwind(|| play(broken, seed)) {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some((seed, why)),
        Err(_) => Some((seed, "an assertion".to_owned())),
    })
}

/// One test, for the choice is one for the whole program.
#[test]
fn every_broken_rule_is_noticed() {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let found = Broken::ALL.map(|broken| {
        choose(Some(broken));
        (broken, caught(broken))
    });
    choose(None);
    set_hook(hook);
    assert_eq!(a_counted_copy_is_kept(), Ok(()));
    assert_eq!(the_book_is_told_before_a_copy_is_thrown_away(), Ok(()));
    for (broken, caught) in &found {
        match caught {
            Some((seed, why)) => println!("{broken:?}: seed {seed}: {why}"),
            None => println!("{broken:?}: SURVIVES {SEEDS} seeds"),
        }
    }
    let survivors: Vec<Broken> =
        found.iter().filter(|(_, caught)| caught.is_none()).map(|(broken, _)| *broken).collect();
    assert_eq!(survivors, [], "nobody noticed");
}
