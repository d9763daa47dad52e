//! Every deliberate mistake about money and about limits of a cluster must be noticed: a simulator that cannot fail proves nothing.
//!
//! Built with the feature `mutants` only: `cargo test -p sim --features mutants --test mutants`.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../../../dataplane/shard/tests/nodes/world.rs"]
mod nodes;

use std::panic::{catch_unwind, set_hook, take_hook};

use sim::Story;
use units::mutant::{Mutant, choose};

/// Seeds in which a mistake must be noticed.
const SEEDS: u64 = 200;
/// Those about limits are told shorter stories.
const LIMITS_SEEDS: u64 = 1_000;

/// The first seed that notices, and how it says so. Nothing is caught by a panic alone: an assertion of ours is a notice too.
fn caught() -> Option<(u64, String)> {
    let play = |seed| {
        sim::run_torn(seed, &mut |_, _| {})?;
        sim::run_contested(seed, &mut |_, _| {})?;
        sim::play(Story::fenced(seed), &mut |_, _| {})
    };
    (1..=SEEDS).find_map(|seed| match catch_unwind(|| play(seed)) {
        Ok(Ok(_)) => None,
        Ok(Err(fault)) => Some((seed, fault)),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Some((seed, text.unwrap_or_default()))
        }
    })
}

/// The first seed of the stories about limits that notices.
fn caught_at_limits() -> Option<(u64, String)> {
    (1..=LIMITS_SEEDS).find_map(|seed| Some((seed, nodes::World::new(seed).play().err()?)))
}

/// One test, for the choice is one for the whole program.
#[test]
fn every_mutant_is_caught() {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let found: Vec<(Mutant, Option<(u64, String)>)> = Mutant::ALL
        .into_iter()
        .map(|mutant| {
            choose(Some(mutant));
            (mutant, caught())
        })
        .chain(Mutant::LIMITS.into_iter().map(|mutant| {
            choose(Some(mutant));
            (mutant, caught_at_limits())
        }))
        .collect();
    choose(None);
    set_hook(hook);
    for (mutant, caught) in &found {
        match caught {
            Some((seed, why)) => println!("{mutant:?}: seed {seed}: {why}"),
            None => println!("{mutant:?}: SURVIVES {SEEDS} seeds"),
        }
    }
    let survivors: Vec<Mutant> =
        found.iter().filter(|(_, caught)| caught.is_none()).map(|(mutant, _)| *mutant).collect();
    assert_eq!(survivors, [], "nobody noticed");
}
