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

use cluster::{AddressKeeper, AddressSettings, Book, Outcome, Write};
use units::{Instant, NodeId};

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

/// The dead are told of for a while: with a short take-over the address is free before that ends.
#[test]
fn who_took_the_address_from_a_dead_node_keeps_it() {
    let (home, other) = (NodeId(1), NodeId(2));
    let settings = AddressSettings { takeover_ms: 3_000, hold_down_ms: 2_000, ..AddressSettings::new(other, 1) };
    let (mut keeper, at) = (AddressKeeper::new(settings), |ms: u64| Instant::from_micros(ms * 1_000));
    let held = Book { version: 5, epoch: 1, holder: Some(home), held: true, ..Book::default() };
    keeper.on_book(held);
    assert_eq!(keeper.turn(at(0), true, false, Some((home, 1))).ask, None, "home holds it");
    keeper.on_book(held.lapsed());
    let free = keeper.turn(at(5_000), true, false, Some((home, 1)));
    assert_eq!(free.ask, None, "home might come back at once");
    let seized = keeper.turn(at(6_000), true, false, Some((home, 1))).ask.unwrap();
    keeper.on_answer(at(6_010), Outcome::Written(held.lapsed().write(seized).unwrap()));
    for ms in [6_020, 7_000, 8_000] {
        let turn = keeper.turn(at(ms), true, true, Some((home, 1)));
        assert!(turn.up.is_some(), "home is not known to work again at {ms}");
        if let Some(ask) = turn.ask {
            assert_eq!(ask.write, Write::Renew);
            keeper.on_answer(at(ms), Outcome::Unknown);
        }
    }
    assert_eq!(keeper.turn(at(8_100), true, true, Some((home, 1))).up, None, "it goes home after the hold-down");
}
