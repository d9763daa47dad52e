//! Three nodes share an address. Nodes die and stand still, services fail, the arbiter is cut off: no two nodes have the address up, a
//! service that fails loses it, and when all is whole it is home.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/arbiter.rs"]
mod arbiter;
#[path = "support/chance.rs"]
mod chance;
#[path = "support/places.rs"]
mod places;

use std::env;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// `CLUSTER_FIRST` and `CLUSTER_SEEDS` choose others.
#[test]
fn no_two_nodes_have_the_address_up() {
    let first = number("CLUSTER_FIRST", 1);
    for seed in first..first + number("CLUSTER_SEEDS", 1_000) {
        if let Err(why) = places::play(seed, &mut |_, _| {}) {
            places::play(seed, &mut |at, what| println!("{at:>7} {what}")).unwrap_err();
            panic!(
                "seed {seed}: {why}\nrerun: CLUSTER_FIRST={seed} CLUSTER_SEEDS=1 cargo test -p cluster --test an_address_is_at_one_node"
            );
        }
    }
}
