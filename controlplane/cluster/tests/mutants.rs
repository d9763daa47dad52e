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
        _ => world::play(&story::Story::new(seed), &mut |_, _| {}),
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
