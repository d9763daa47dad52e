//! Processes die, nodes stand still, cables are cut one way or both, messages come late: no two databases take writes, nothing that
//! was acknowledged is lost, and when all is whole again the database is home with a replica.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/arbiter.rs"]
mod arbiter;
#[path = "support/chance.rs"]
mod chance;
#[path = "support/commits.rs"]
mod commits;
#[path = "support/database.rs"]
mod database;
#[path = "support/story.rs"]
mod story;
#[path = "support/world.rs"]
mod world;

use std::env;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// `CLUSTER_FIRST` and `CLUSTER_SEEDS` choose others.
#[test]
fn no_acknowledged_commit_is_lost_and_no_two_databases_take_writes() {
    let first = number("CLUSTER_FIRST", 1);
    for seed in first..first + number("CLUSTER_SEEDS", 1_000) {
        let story = story::Story::new(seed);
        if let Err(why) = world::play(&story, &mut |_, _| {}) {
            world::play(&story, &mut |at, what| println!("{at:>7} {what}")).unwrap_err();
            panic!(
                "seed {seed}: {why}\nrerun: CLUSTER_FIRST={seed} CLUSTER_SEEDS=1 cargo test -p cluster --test cables_are_pulled"
            );
        }
    }
}
