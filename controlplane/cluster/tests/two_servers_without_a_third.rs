//! Two servers and no third. Processes die, servers stand still, paths are cut one way or both, datagrams are lost, doubled, late and
//! replayed, clocks run unequally fast, a fence command works, fails, or hangs: no two databases take writes, nothing that was
//! acknowledged is lost, and when all is whole again the database is home with a replica.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/chance.rs"]
mod chance;
#[path = "support/commits.rs"]
mod commits;
#[path = "support/database.rs"]
mod database;
#[path = "support/twins.rs"]
mod twins;
#[path = "support/twins_story.rs"]
mod twins_story;

use std::env;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// `CLUSTER_FIRST` and `CLUSTER_SEEDS` choose others.
#[test]
fn two_servers_alone_never_write_both_and_lose_nothing() {
    let first = number("CLUSTER_FIRST", 1);
    for seed in first..first + number("CLUSTER_SEEDS", 1_000) {
        let story = twins_story::Story::new(seed);
        if let Err(why) = twins::play(&story, &mut |_, _| {}) {
            twins::play(&story, &mut |at, what| println!("{at:>7} {what}")).unwrap_err();
            panic!(
                "seed {seed}: {why}\nrerun: CLUSTER_FIRST={seed} CLUSTER_SEEDS=1 cargo test -p cluster --test two_servers_without_a_third"
            );
        }
    }
}
